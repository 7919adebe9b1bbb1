"""Notifications: believed only when proved, answered only when held, and never in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from sqlmodel import col, select

from api import sample
from db.tables import Incident, Payment
from simulator import defaults
from tests.shop import Shop
from wechat import xml
from wechat.notifications import BYTES_MAX
from wechat.req_info import encrypt
from wechat.signing import SignType, nonce, signed

SUCCESS = xml.render({"return_code": "SUCCESS", "return_msg": "OK"})


def payment(number: str, *, key: str = defaults.API_KEY, **more: str) -> bytes:
    """A payment notification for an order of 380 fen, as WeChat Pay words it."""
    fields = {
        "appid": defaults.APPID,
        "mch_id": defaults.MCH_ID,
        "nonce_str": nonce(),
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "openid": "o-buyer",
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": "380",
        "transaction_id": f"42{number}",
        "out_trade_no": number,
        "time_end": "20261124200000",
    }
    return xml.render(signed(fields | more, key, SignType.MD5))


async def notify(shop: Shop, body: bytes, path: str = "/apis/pay_notify") -> dict[str, str]:
    """The answer that WeChat Pay gets."""
    reply = await shop.api.post(path, content=body)
    assert reply.status_code == 200, reply.text
    return xml.parse(reply.content)


async def incidents(shop: Shop, number: str) -> list[tuple[str, int]]:
    """What was put before a person about an order."""
    with shop.database.read() as session:
        rows = session.exec(select(Incident).where(col(Incident.out_trade_no) == number))
        return [(row.kind, row.fen) for row in rows]


async def test_a_good_one_is_answered_in_wechats_words_and_the_order_is_paid(shop: Shop) -> None:
    number = await shop.order()
    reply = await shop.api.post("/apis/pay_notify", content=payment(number))
    assert (reply.content, reply.headers["content-type"]) == (SUCCESS, "text/xml; charset=utf-8")
    paid = await shop.order_is(number, "AWAITING_SHIPMENT")
    assert (paid["pay_state"], paid["transaction_id"]) == (1, f"42{number}")


BAD: dict[str, Callable[[str], bytes]] = {
    "signed with another key": lambda number: payment(number, key="x" * 32),
    "one digit changed": lambda number: payment(number).replace(b"380", b"381"),
    "for another merchant": lambda number: payment(number, mch_id="1900000109"),
    "for another appid": lambda number: payment(number, appid="wx0000000000000000"),
    "broken": lambda number: payment(number)[:-9],
    "empty": lambda _: b"",
    "a DTD with an entity": lambda number: b'<!DOCTYPE a [<!ENTITY b "c">]>' + payment(number),
    "a repeated field": lambda number: payment(number).replace(
        b"</xml>", b"<total_fee>380</total_fee></xml>"
    ),
    "a nested field": lambda number: payment(number).replace(b"</xml>", b"<a><b>1</b></a></xml>"),
    "not XML": lambda _: b'{"return_code": "SUCCESS"}',
    "two megabytes of junk": lambda _: b"<xml>" + b"junk " * 400_000,
    "a refund that does not open": lambda _: xml.render(
        {
            "return_code": "SUCCESS",
            "appid": defaults.APPID,
            "mch_id": defaults.MCH_ID,
            "req_info": encrypt({"out_refund_no": "1"}, "x" * 32),
        }
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_one_is_answered_fail_and_changes_nothing(shop: Shop, what: str) -> None:
    number = await shop.order()
    before = await shop.order_of(number)
    answer = await notify(shop, BAD[what](number))
    assert answer["return_code"] == "FAIL"
    # `pay_params` are signed afresh at each reading.
    assert await shop.order_of(number) | {"pay_params": None} == before | {"pay_params": None}
    await shop.pay(number)
    await shop.order_is(number, "AWAITING_SHIPMENT")


async def test_another_amount_is_held_for_a_person(shop: Shop) -> None:
    number = await shop.order()
    assert (await notify(shop, payment(number, total_fee="381")))["return_code"] == "SUCCESS"
    for _ in range(100):
        if await incidents(shop, number):
            break
        await asyncio.sleep(0.05)
    assert await incidents(shop, number) == [("PAYMENT_UNEXPECTED", 381)]
    assert (await shop.order_of(number))["state"] == "PENDING_PAYMENT"


async def test_money_for_an_unknown_order_is_held_once_before_it_is_answered(shop: Shop) -> None:
    body = payment("nobody0001")
    answers = [await notify(shop, body) for _ in range(3)]
    assert [answer["return_code"] for answer in answers] == ["SUCCESS"] * 3
    assert await incidents(shop, "nobody0001") == [("PAYMENT_UNEXPECTED", 380)]
    with shop.database.read() as session:
        kept = session.get_one(Payment, "42nobody0001")
    assert (kept.kind, kept.total_fee) == ("UNEXPECTED", 380)
    assert (await shop.get("finance", "/v1/ledger/trial-balance"))["balanced"]


async def test_a_failed_payment_is_recorded(shop: Shop) -> None:
    number = await shop.order()
    failed = payment(number, result_code="FAIL", err_code="NOTENOUGH", transaction_id="")
    assert (await notify(shop, failed))["return_code"] == "SUCCESS"
    while (seen := await shop.order_of(number))["pay_state"] == 0:
        await asyncio.sleep(0.02)
    assert (seen["state"], seen["pay_state"]) == ("PENDING_PAYMENT", 2)


async def test_each_address_understands_the_other_ones_message(shop: Shop) -> None:
    number = await shop.order()
    paid = await shop.pay(number, notify=False)
    body = payment(number, transaction_id=paid["transaction_id"])
    assert (await notify(shop, body, "/apis/refund_notify"))["return_code"] == "SUCCESS"
    await shop.order_is(number, "AWAITING_SHIPMENT")
    case_no = await shop.apply(number)
    await shop.control("faults", fault="notify_wrong_url", call="refund_notify")
    await shop.approve(case_no)
    await shop.case_is(case_no, "COMPLETED")


async def test_the_articles_sample_is_paid_now_and_can_be_refunded(shop: Shop) -> None:
    for _ in range(2):
        reply = await shop.api.get("/apis/pay_notify?test=true")
        assert reply.content == SUCCESS
    order = await shop.order_is(sample.OUT_TRADE_NO, "AWAITING_SHIPMENT")
    assert (order["total_fee"], order["attach"]) == (1, "支付测试")
    refunded = await shop.does("platform", f"/apis/pay_refund?no={sample.OUT_TRADE_NO}")
    await shop.refund_is(refunded["out_refund_no"], "SUCCEEDED")
    again = await shop.api.get(
        f"/apis/pay_refund2?no={sample.OUT_TRADE_NO}", headers={"Authorization": "Bearer finance"}
    )
    assert again.json()["case_no"] == refunded["case_no"]
    assert (await shop.api.get("/apis/pay_notify?test=true")).content == SUCCESS


async def test_without_test_only_a_post_is_taken(shop: Shop) -> None:
    for path in ("/apis/pay_notify", "/apis/pay_notify?test=false", "/apis/pay_notify?test=null"):
        assert (await shop.api.get(path)).status_code == 405


async def test_what_else_stands_in_the_address_means_nothing(shop: Shop) -> None:
    number = await shop.order()
    answer = await notify(shop, payment(number), "/apis/pay_notify?test=junk&test=null&a=1")
    assert answer["return_code"] == "SUCCESS"
    await shop.order_is(number, "AWAITING_SHIPMENT")


async def test_a_slow_sender_holds_up_nobody(shop: Shop) -> None:
    """A body that never ends is one open connection and no more."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"<xml>"
        await asyncio.sleep(30)

    slow = asyncio.create_task(shop.api.post("/apis/pay_notify", content=endless()))
    number = await shop.order()
    assert (await notify(shop, payment(number)))["return_code"] == "SUCCESS"
    slow.cancel()
    with pytest.raises((asyncio.CancelledError, httpx.HTTPError)):
        await slow


def test_the_bound_on_a_body_is_far_above_any_notification() -> None:
    assert len(payment("a" * 32)) * 20 < BYTES_MAX
