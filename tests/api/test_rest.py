"""REST: what may be sent, by whom, and that a repeat is the same request."""

from datetime import datetime
from typing import Any

import pytest

from tests.shop import APPROVE, PARCEL, Shop, order_body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"out_trade_no": "short"}, "out_trade_no"),
        ({"out_trade_no": "x" * 33}, "out_trade_no"),
        ({"out_trade_no": "white space"}, "out_trade_no"),
        ({"merchant_id": ""}, "merchant_id"),
        ({"openid": ""}, "openid"),
        ({"description": "d" * 128}, "description"),
        ({"description": "null\x00byte"}, "description"),
        ({"attach": "a" * 128}, "attach"),
        ({"freight": -1}, "freight"),
        ({"freight": 1.5}, "freight"),
        ({"freight": "80"}, "freight"),
        ({"merchant_discount": 301}, "merchant_discount"),
        ({"platform_coupon": 301}, "platform_coupon"),
        ({"lines": []}, "lines"),
        (
            {"lines": [{"sku": "a", "title": "t", "quantity": 0, "unit_price": 1}]},
            "lines.0.quantity",
        ),
        ({"lines": [{"sku": "a", "title": "t", "quantity": 1}]}, "lines.0.unit_price"),
        ({"lines": [{"sku": "a", "title": "t", "quantity": 1, "unit_price": 1}] * 2}, "lines"),
        (
            {"lines": [{"sku": "a", "title": "t", "quantity": 1, "unit_price": 0}], "freight": 0},
            "total_fee",
        ),
        ({"client_ip": "not an address"}, "client_ip"),
        ({"gifts": [{"coupon_no": "c1", "title": "t", "face_value": 0}]}, "gifts.0.face_value"),
        ({"misspelt": 1}, "misspelt"),
    ],
)
async def test_an_order_that_makes_no_sense_names_the_field(
    shop: Shop, change: dict[str, Any], field: str
) -> None:
    body = order_body("makes-no-sense") | change
    reply = await shop.post("shop", "/v1/orders", body)
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (422, "invalid_field"), problem
    assert problem["field"] == field
    missing = await shop.api.get(
        "/v1/orders/makes-no-sense", headers={"Authorization": "Bearer shop"}
    )
    assert missing.json()["code"] == "order_not_found"


async def test_an_order_without_a_number_gets_one_that_a_repeat_gets_too(shop: Shop) -> None:
    body = {name: value for name, value in order_body("x").items() if name != "out_trade_no"}
    first = await shop.post("shop", "/v1/orders", body, key="numberless")
    again = await shop.post("shop", "/v1/orders", body, key="numberless")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.json()["out_trade_no"].startswith("W")


async def test_the_same_number_for_another_order_is_refused(shop: Shop) -> None:
    number = await shop.order()
    same = await shop.post("shop", "/v1/orders", order_body(number))
    assert same.status_code == 201
    other = await shop.post("shop", "/v1/orders", order_body(number, freight=81))
    assert (other.status_code, other.json()["code"]) == (409, "out_trade_no_used")


async def test_a_key_is_required_and_belongs_to_one_request(shop: Shop) -> None:
    number = await shop.paid()
    path = f"/v1/orders/{number}/ship"
    missing = await shop.api.post(path, json=PARCEL, headers={"Authorization": "Bearer shop"})
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_required")
    first = await shop.post("shop", path, PARCEL, key="ship-once")
    again = await shop.post("shop", path, PARCEL, key="ship-once")
    assert (first.status_code, again.json()) == (200, first.json())
    other = await shop.post("shop", path, PARCEL | {"carrier": "YTO"}, key="ship-once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_refusal_is_the_first_answer_too(shop: Shop) -> None:
    number = await shop.order()
    early = await shop.post("shop", f"/v1/orders/{number}/ship", PARCEL, key="too-early")
    await shop.pay(number)
    await shop.order_is(number, "AWAITING_SHIPMENT")
    again = await shop.post("shop", f"/v1/orders/{number}/ship", PARCEL, key="too-early")
    assert (early.status_code, again.status_code) == (409, 409)
    assert again.json() == early.json()


async def test_two_people_may_use_the_same_key(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    path = f"/v1/after-sales/{case_no}"
    first = await shop.post("merchant", f"{path}/merchant-review", APPROVE, key="same")
    second = await shop.post("platform", f"{path}/platform-review", APPROVE, key="same")
    assert (first.status_code, second.status_code) == (200, 200)


async def test_nobody_without_a_token(shop: Shop) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic shop"}):
        reply = await shop.api.get("/v1/orders", headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")


async def test_another_merchants_things_are_not_there(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    for path in (f"/v1/orders/{number}", f"/v1/after-sales/{case_no}"):
        reply = await shop.api.get(path, headers={"Authorization": "Bearer stranger"})
        assert reply.status_code == 404
    review = f"/v1/after-sales/{case_no}/merchant-review"
    assert (await shop.post("stranger", review, APPROVE)).status_code == 404
    assert (await shop.case_of(case_no))["state"] == "PENDING_MERCHANT"
    listed = await shop.get("stranger", "/v1/after-sales?merchant_id=m1")
    assert listed["items"] == []


async def test_a_merchant_sets_its_policies_and_a_wrong_one_is_named(shop: Shop) -> None:
    wrong = {"name": "茶铺", "policies": {"platform_process": "soon"}}
    headers = {"Authorization": "Bearer platform"}
    reply = await shop.api.put("/v1/merchants/m7", json=wrong, headers=headers)
    assert (reply.status_code, reply.json()["field"]) == (422, "platform_process")
    right = {"name": "茶铺", "policies": {"platform_process": "12h", "fee_rate": 0.01}}
    saved = (await shop.api.put("/v1/merchants/m7", json=right, headers=headers)).json()
    assert saved["policies"] == {"platform_process": "43200s", "fee_rate": "0.01"}
    case_no = await shop.apply(await shop.paid(merchant_id="m7"))
    case = await shop.does("admin", f"/v1/after-sales/{case_no}/merchant-review", APPROVE)
    assert hours_between(case["timeline"][-1]["at"], case["deadline_at"]) == 12


def hours_between(start: str, end: str) -> float:
    """Between two RFC 3339 texts."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 3600


async def test_lists_go_page_by_page(shop: Shop) -> None:
    numbers = [await shop.order(merchant_id="m-pages") for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/orders?merchant_id=m-pages&limit=2&cursor={cursor}"
        page = await shop.get("shop", path)
        seen += [order["out_trade_no"] for order in page["items"]]
        cursor = page["cursor"]
    assert seen == numbers[::-1]
    bad = await shop.api.get("/v1/orders?cursor=junk", headers={"Authorization": "Bearer shop"})
    assert (bad.status_code, bad.json()["field"]) == (422, "cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [("merchnt_id=m1", "merchnt_id"), ("limit=5&limit=6", "limit"), ("a%00b=1", "a\0b")],
)
async def test_a_parameter_that_nobody_reads_or_that_comes_twice_is_named(
    shop: Shop, query: str, field: str
) -> None:
    reply = await shop.api.get(f"/v1/orders?{query}", headers={"Authorization": "Bearer shop"})
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert reply.json()["code"] == "invalid_field"


async def test_events_tell_each_change_once_in_order(shop: Shop) -> None:
    start = (await shop.get("shop", "/v1/events?after=0&limit=1000"))["last"]
    number = await shop.shipped()
    feed = await shop.get("shop", f"/v1/events?after={start}")
    mine = [event for event in feed["items"] if event["out_trade_no"] == number]
    assert [event["to"] for event in mine] == ["PENDING_PAYMENT", "AWAITING_SHIPMENT", "SHIPPED"]
    assert (await shop.get("shop", f"/v1/events?after={feed['last']}"))["items"] == []
