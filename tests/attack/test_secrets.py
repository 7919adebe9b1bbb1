"""Secrets and people stay out of logs and out of answers, also when everything goes wrong."""

import asyncio
import io
from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import col, update

from db.engine import Database
from db.tables import OrderRow
from settings import token_hash
from simulator import defaults
from tests.api.test_notify import payment
from tests.shop import TOKENS, Shop, order_body

pytestmark = pytest.mark.slow

PRIVATE = {
    "openid": "oPrivate-M2pxb1Q9zNjWeS6o",
    "attach": "private attachment",
    "description": "private description",
    "title": "private title",
    "reason": "private reason",
    "carrier": "private carrier",
    "tracking_no": "PRIVATE-00123",
    "evidence": "https://private.example/photo.jpg",
    "person": "private Wang Fang",
    "phone": "13800138000-private",
    "address": "1 Private Road",
}
SECRETS = [defaults.API_KEY, *(token_hash(token) for token in TOKENS)]


def shown(text: str, words: Iterable[str]) -> list[str]:
    """Which of these words stand there."""
    return [word for word in words if word in text]


async def story(shop: Shop) -> str:
    """A return with something private in every field; the case's number."""
    parcel = {name: PRIVATE[name] for name in ("carrier", "tracking_no")}
    line = {"sku": "cup", "title": PRIVATE["title"], "quantity": 2, "unit_price": 150}
    said = {name: PRIVATE[name] for name in ("openid", "attach", "description")}
    address = {name: PRIVATE[key] for name, key in (("name", "person"), ("phone", "phone"))}
    merchant = {"name": "茶铺", "return_address": address | {"address": PRIVATE["address"]}}
    headers = {"Authorization": "Bearer platform"}
    await shop.api.put("/v1/merchants/m1", json=merchant, headers=headers)
    number = await shop.paid(lines=[line], **said)
    await shop.does("shop", f"/v1/orders/{number}/ship", parcel)
    more: dict[str, Any] = {"reason": PRIVATE["reason"], "evidence": [PRIVATE["evidence"]]}
    case_no = await shop.apply(number, **more)
    await shop.does("shop", f"/v1/after-sales/{case_no}/return-shipment", parcel)
    received = {"decision": "received", "responsibility": "BUYER", "reason": PRIVATE["reason"]}
    await shop.does("merchant", f"/v1/after-sales/{case_no}/receipt", received)
    await shop.approve(case_no, "platform")
    await shop.case_is(case_no, "COMPLETED")
    return case_no


async def test_a_whole_return_leaves_nothing_private_in_the_log(
    shop: Shop, written: io.StringIO
) -> None:
    case_no = await story(shop)
    assert case_no in written.getvalue()
    assert shown(written.getvalue(), [*PRIVATE.values(), *SECRETS]) == []


async def test_what_goes_wrong_tells_nothing_private(shop: Shop, written: io.StringIO) -> None:
    said: dict[str, Any] = {name: PRIVATE[name] for name in ("openid", "attach", "description")}
    faults = ("garbage", "bad_signature")
    for fault in faults:
        await shop.fault(fault, f"order-{fault}", call="unifiedorder")
    bodies = [order_body(f"order-{fault}", **said) for fault in faults]
    await asyncio.gather(*[shop.post("shop", "/v1/orders", body) for body in bodies])
    odd = payment("order-unknown-1", openid=PRIVATE["openid"], attach=PRIVATE["attach"])
    for body in (odd, odd[:-9], odd.replace(b"380", b"381")):
        await shop.api.post("/apis/pay_notify", content=body)
    gone = OperationalError("SELECT", {}, OSError(f"at {defaults.API_KEY}"))
    with patch.object(Database, "read", side_effect=gone):
        reply = await shop.api.get("/v1/orders", headers={"Authorization": "Bearer auditor"})
    assert reply.status_code == 503
    assert shown(reply.text + written.getvalue(), [*PRIVATE.values(), *SECRETS]) == []
    events = await shop.history("order-order-bad_signature")
    kept = b"".join(event.SerializeToString() for event in events)
    assert shown(kept.decode(errors="replace"), SECRETS) == []


WORD = "secret-word-of-a-caller"


@pytest.mark.parametrize("who", ["nobody", "shop", "admin"])
async def test_no_refusal_repeats_what_it_was_sent(
    shop: Shop, written: io.StringIO, who: str
) -> None:
    paths = (await shop.api.get("/openapi.json")).json()["paths"]
    wrong = {name: {WORD: WORD} for name in ("openid", "reason", "carrier", "lines", "name")}
    for path, item in paths.items():
        for method in item:
            url = path.replace("{day}", "2026-11-23").replace("{", "").replace("}", "")
            reply = await shop.api.request(
                method.upper(),
                url,
                params={"state": WORD, "cursor": WORD, "from": WORD, "openid": WORD},
                json=wrong,
                headers={"Authorization": f"Bearer {who}", "Idempotency-Key": WORD, "Cookie": WORD},
            )
            assert WORD not in reply.text.replace(f"lines.{WORD}", ""), (method, path)
    assert WORD not in written.getvalue()


async def test_an_error_of_the_tables_names_no_values(shop: Shop) -> None:
    """They go into logs and, from activities, into Temporal's histories."""
    number = await shop.order(openid=PRIVATE["openid"])
    with pytest.raises(IntegrityError) as caught, shop.database.write() as session:
        row = update(OrderRow).where(col(OrderRow.out_trade_no) == number)
        session.exec(row.values(merchant_id=None, terms={"openid": PRIVATE["openid"]}))
    for error in (caught.value, caught.value.orig):
        assert shown(str(error), [number, PRIVATE["openid"]]) == []
