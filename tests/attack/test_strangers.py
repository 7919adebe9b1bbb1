"""A merchant and another's things: every route, with numbers that are really there."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.shop import APPROVE, PARCEL, Shop

PERIOD = "?from=2026-01-01&to=2026-12-31"
SAID: dict[str, Any] = {
    "ship": PARCEL,
    "after-sales": {"type": "REFUND_ONLY", "reason_code": "OTHER", "reason": "不想要了"},
    "merchant-review": APPROVE,
    "platform-review": APPROVE,
    "receipt": {"decision": "received", "responsibility": "BUYER"},
    "return-shipment": PARCEL,
    "extend": {"until": "2027-01-01T00:00:00Z", "reason": "再等等"},
    "settle-offline": {"out_refund_no": "{out_refund_no}", "reference": "x", "reason": "线下"},
    "refunds": {"out_refund_no": "{out_refund_no}"},
    "use": {"out_trade_no": "{out_trade_no}"},
}
"""The end of a path → a body that its owner could send."""


@pytest.fixture(scope="module")
async def theirs(shop: Shop) -> dict[str, str]:
    """Numbers of merchant m1's things: an order whose case waits, and what a refund left behind."""
    gift = {"coupon_no": "gift-of-m1", "title": "茶券", "face_value": 20}
    done = await shop.apply(await shop.paid(gifts=[gift]))
    await shop.approve(done)
    await shop.case_is(done, "COMPLETED")
    number = await shop.paid()
    return {
        "out_trade_no": number,
        "case_no": await shop.apply(number),
        "out_refund_no": f"{done}-1",
        "coupon_no": "gift-of-m1",
        "merchant_id": "m1",
        "day": "2026-11-23",
    }


async def routes(shop: Shop) -> Iterator[tuple[str, str]]:
    """Method and path of each route that names one thing."""
    paths = (await shop.api.get("/openapi.json")).json()["paths"]
    found = [(method, path) for path, item in paths.items() for method in item if "{" in path]
    assert len(found) > 20
    return iter(found)


def body_of(path: str, theirs: dict[str, str]) -> Any:
    """What its owner could say there."""
    said = SAID.get(path.rsplit("/", 1)[1])
    return said and {
        name: value.format(**theirs) if isinstance(value, str) else value
        for name, value in said.items()
    }


async def test_nothing_of_anothers_is_there_on_any_route(
    shop: Shop, theirs: dict[str, str]
) -> None:
    before = await everything(shop, theirs)
    answered = {}
    for method, path in await routes(shop):
        headers = {"Authorization": "Bearer stranger", "Idempotency-Key": f"{method} {path}"}
        url = path.format(**theirs) + (PERIOD if "statement" in path else "")
        reply = await shop.api.request(
            method.upper(), url, json=body_of(path, theirs), headers=headers
        )
        answered[method, path] = reply.status_code
    assert {one: status for one, status in answered.items() if status not in (403, 404)} == {}
    assert await everything(shop, theirs) == before


async def everything(shop: Shop, theirs: dict[str, str]) -> list[Any]:
    """What the owner and finance see."""
    order = await shop.order_of(theirs["out_trade_no"])
    case = await shop.case_of(theirs["case_no"])
    return [order, case, await shop.get("finance", "/v1/ledger/trial-balance")]


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/after-sales"])
@pytest.mark.parametrize("asked", ["", "?merchant_id=m1"])
async def test_no_list_shows_anothers(
    shop: Shop, theirs: dict[str, str], path: str, asked: str
) -> None:
    assert theirs
    assert (await shop.get("stranger", path + asked))["items"] == []


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/after-sales"])
async def test_asking_for_two_merchants_shows_neither(shop: Shop, path: str) -> None:
    url = f"{path}?merchant_id=m2&merchant_id=m1"
    reply = await shop.api.get(url, headers={"Authorization": "Bearer stranger"})
    assert (reply.status_code, reply.json()["field"]) == (422, "merchant_id")


async def test_a_cursor_of_anothers_list_leads_to_nothing_of_theirs(
    shop: Shop, theirs: dict[str, str]
) -> None:
    assert theirs
    page = await shop.get("merchant", "/v1/orders?limit=1")
    cursor = page.get("next_cursor") or page.get("cursor")
    assert cursor, page.keys()
    assert (await shop.get("stranger", f"/v1/orders?cursor={cursor}"))["items"] == []


async def test_anothers_key_gets_no_answer_of_theirs(shop: Shop) -> None:
    number = await shop.paid()
    path = f"/v1/orders/{number}/ship"
    mine = await shop.post("merchant", path, PARCEL, key="ship-once")
    again = await shop.post("stranger", path, PARCEL, key="ship-once")
    assert (mine.status_code, again.status_code) == (200, 404)
    assert number not in again.text


async def test_what_is_not_there_and_what_is_anothers_look_the_same(
    shop: Shop, theirs: dict[str, str]
) -> None:
    headers = {"Authorization": "Bearer stranger"}
    for path, number in (("orders", "out_trade_no"), ("after-sales", "case_no")):
        replies = [
            await shop.api.get(f"/v1/{path}/{one}", headers=headers)
            for one in (theirs[number], "nothing-here")
        ]
        assert len({reply.status_code for reply in replies}) == 1
