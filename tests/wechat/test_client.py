"""The calls: what is sent, what is believed, and what every other answer becomes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.wechat.harness import KEY, PREVIOUS_KEY, Channel, account, message, refusal, success
from wechat import xml
from wechat.client import OrderState, RefundState, WeChatPay
from wechat.errors import Duty, Refused, Unknown
from wechat.signing import SignType, verify

ORDER: dict[str, Any] = {
    "out_trade_no": "T1", "total_fee": 300, "body": "茶杯", "openid": "o-1",
    "spbill_create_ip": "127.0.0.1", "notify_url": "https://shop.example/apis/pay_notify",
}  # fmt: skip
REFUND: dict[str, Any] = {
    "out_refund_no": "R1", "out_trade_no": "T1", "total_fee": 300, "refund_fee": 100,
}  # fmt: skip
ACCEPTED = {
    "out_refund_no": "R1", "refund_id": "50300", "transaction_id": "42", "out_trade_no": "T1",
    "refund_fee": "100", "total_fee": "300",
}  # fmt: skip
PAID = {
    "out_trade_no": "T1", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
    "transaction_id": "42", "openid": "o-1", "total_fee": "300", "cash_fee": "290",
    "coupon_count": "1", "coupon_id_0": "7", "coupon_fee_0": "10", "time_end": "20261109013005",
    "attach": " a b ",
}  # fmt: skip
REFUNDED = {
    "transaction_id": "42", "out_trade_no": "T1", "total_fee": "300", "refund_count": "2",
    "out_refund_no_0": "R0", "refund_id_0": "50299", "refund_fee_0": "1",
    "refund_status_0": "PROCESSING",
    "out_refund_no_1": "R1", "refund_id_1": "50300", "refund_fee_1": "100",
    "refund_status_1": "SUCCESS", "refund_success_time_1": "2026-11-09 01:30:05",
    "refund_recv_accout_1": "支付用户零钱",
}  # fmt: skip
INSTANT = datetime(2026, 11, 8, 17, 30, 5, tzinfo=UTC)

Ask = Callable[[WeChatPay], Awaitable[Any]]
ASKS: dict[str, Ask] = {
    "unifiedorder": lambda pay: pay.unified_order(**ORDER),
    "orderquery": lambda pay: pay.order_query(out_trade_no="T1"),
    "closeorder": lambda pay: pay.close_order(out_trade_no="T1"),
    "refund": lambda pay: pay.refund(**REFUND),
    "refundquery": lambda pay: pay.refund_query(out_refund_no="R1"),
}
every_call = pytest.mark.parametrize("call", ASKS)


async def test_an_order_is_sent_whole_and_signed(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = success(prepay_id="wx1", trade_type="JSAPI")
    placed = await pay.unified_order(**ORDER, attach="支付测试", time_expire=INSTANT)
    ((path, sent),) = channel.asked
    assert (placed.prepay_id, placed.raw["trade_type"]) == ("wx1", "JSAPI")
    assert path == "/pay/unifiedorder"
    assert verify(sent, [KEY], SignType.MD5)
    assert sent.items() >= {
        "appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "sign_type": "MD5", "body": "茶杯",
        "total_fee": "300", "trade_type": "JSAPI", "attach": "支付测试",
        "time_expire": "20261109013005",
    }.items()  # fmt: skip
    assert "detail" not in sent


@every_call
async def test_hmac_is_asked_for_and_believed(channel: Channel, call: str) -> None:
    refused = {"result_code": "FAIL", "err_code": "NOAUTH"}
    channel.answer = message(refused, algorithm=SignType.HMAC_SHA256)
    config = account(base_url=channel.url, sign_type=SignType.HMAC_SHA256)
    async with WeChatPay(config) as pay:
        with pytest.raises(Refused):
            await ASKS[call](pay)
    ((_, sent),) = channel.asked
    assert sent["sign_type"] == "HMAC-SHA256"
    assert verify(sent, [KEY], SignType.HMAC_SHA256)


async def test_a_paid_order(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = success(**PAID)
    state = await pay.order_query(out_trade_no="T1")
    assert state == OrderState(
        "T1", "SUCCESS", "支付成功", "42", "o-1", 300, 290, INSTANT, " a b ", state.raw
    )
    assert state.paid
    assert state.raw["coupon_id_0"] == "7"


async def test_an_order_is_asked_for_by_one_number(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = success(**PAID | {"trade_state": "REFUND"})
    assert (await pay.order_query(transaction_id="42", sub_mch_id="9")).paid
    assert channel.asked[0][1]["transaction_id"] == "42"
    assert channel.asked[0][1]["sub_mch_id"] == "9"
    for numbers in ({}, {"out_trade_no": "T1", "transaction_id": "42"}):
        with pytest.raises(ValueError, match="out_trade_no or transaction_id"):
            await pay.order_query(**numbers)


@pytest.mark.parametrize("word", ["NOTPAY", "CLOSED", "PAYERROR", "A_WORD_OF_TOMORROW"])
async def test_an_unpaid_order_has_no_amounts(channel: Channel, pay: WeChatPay, word: str) -> None:
    channel.answer = success(out_trade_no="T1", trade_state=word, time_end="")
    state = await pay.order_query(out_trade_no="T1")
    assert (state.trade_state, state.paid) == (word, False)
    assert (state.transaction_id, state.openid, state.total_fee, state.time_end) == (None,) * 4


async def test_a_closed_order_is_closed(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = success(result_msg="OK")
    await pay.close_order(out_trade_no="T1")
    channel.answer = refusal("ORDERCLOSED")
    await pay.close_order(out_trade_no="T1")


async def test_an_accepted_refund(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = success(**ACCEPTED)
    accepted = await pay.refund(**REFUND, notify_url="https://shop.example/r", refund_desc="坏了")
    assert (accepted.refund_id, accepted.refund_fee, accepted.total_fee) == ("50300", 100, 300)
    ((path, sent),) = channel.asked
    assert path == "/secapi/pay/refund"
    assert sent.items() >= {
        "out_trade_no": "T1", "out_refund_no": "R1", "refund_fee": "100", "total_fee": "300",
        "refund_desc": "坏了",
    }.items()  # fmt: skip


async def test_a_refund_is_found_by_our_number_among_others(
    channel: Channel, pay: WeChatPay
) -> None:
    channel.answer = success(**REFUNDED)
    state = await pay.refund_query(out_refund_no="R1")
    assert state == RefundState(
        "R1", "50300", "42", "T1", 100, 300, "SUCCESS", INSTANT, "支付用户零钱", state.raw
    )


@pytest.mark.parametrize("status", ["CHANGE", "REFUNDCLOSE", "NOTSURE", "A_WORD_OF_TOMORROW"])
async def test_any_refund_status_is_passed_through(
    channel: Channel, pay: WeChatPay, status: str
) -> None:
    channel.answer = success(**REFUNDED | {"refund_status_1": status, "refund_success_time_1": "?"})
    state = await pay.refund_query(out_refund_no="R1")
    assert (state.refund_status, state.success_time) == (status, None)


UNPROVED = {
    "empty": b"",
    "garbage": b"\x00\xff",
    "cut off": success(**PAID)[:100],
    "an error page": b"<html><body>502 Bad Gateway</body></html>",
    "unsigned FAIL": xml.render({"return_code": "FAIL", "return_msg": "签名错误"}),
    "signed FAIL": message({**ACCEPTED, **PAID}, return_code="FAIL"),
    "without return_code": xml.render({"result_code": "SUCCESS"}),
    "unsigned": xml.render({"return_code": "SUCCESS", "result_code": "SUCCESS"}),
    "a stranger's key": message({**PAID, "result_code": "SUCCESS"}, key="x" * 32),
    "another appid": success(**PAID, appid="wx0000000000000000"),
    "another merchant": success(**PAID, mch_id="10000101"),
    "neither SUCCESS nor FAIL": message(result_code="MAYBE"),
    "FAIL without a code": message(result_code="FAIL"),
    "a DTD": b'<!DOCTYPE x [<!ENTITY e "1">]><xml/>',
    "endless": b"<xml>" + b"<!-- -->" * 10_000,
}


@every_call
@pytest.mark.parametrize("answer", UNPROVED.values(), ids=UNPROVED)
async def test_what_proves_nothing_is_unknown(
    channel: Channel, pay: WeChatPay, call: str, answer: bytes
) -> None:
    channel.answer = answer
    with pytest.raises(Unknown) as caught:
        await ASKS[call](pay)
    assert (caught.value.call, caught.value.duty) == (call, Duty.QUERY_FIRST)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("unifiedorder", success()),
        ("orderquery", success(**PAID | {"out_trade_no": "T2"})),
        ("orderquery", success(**PAID | {"trade_state": ""})),
        ("orderquery", success(**PAID | {"total_fee": ""})),
        ("orderquery", success(**PAID | {"total_fee": "3.00"})),
        ("orderquery", success(**PAID | {"total_fee": "9" * 16})),
        ("orderquery", success(**PAID | {"transaction_id": ""})),
        ("refund", success(**ACCEPTED | {"out_refund_no": "R2"})),
        ("refund", success(**ACCEPTED | {"out_trade_no": "T2"})),
        ("refund", success(**ACCEPTED | {"refund_fee": "101"})),
        ("refund", success(**ACCEPTED | {"total_fee": "301"})),
        ("refund", success(**ACCEPTED | {"refund_id": ""})),
        ("refundquery", success(**REFUNDED | {"out_refund_no_1": "R2"})),
        ("refundquery", success(**REFUNDED | {"refund_fee_1": "-1"})),
        ("refundquery", success(**REFUNDED | {"refund_status_1": ""})),
        ("refundquery", success()),
    ],
)
async def test_a_success_for_something_else_or_without_its_facts_is_unknown(
    channel: Channel, pay: WeChatPay, call: str, answer: bytes
) -> None:
    channel.answer = answer
    with pytest.raises(Unknown):
        await ASKS[call](pay)


async def test_after_a_rotation_the_previous_key_still_proves(channel: Channel) -> None:
    channel.answer = message({**PAID, "result_code": "SUCCESS"}, key=PREVIOUS_KEY)
    config = account(base_url=channel.url, previous_api_key=PREVIOUS_KEY)
    async with WeChatPay(config) as pay:
        assert (await pay.order_query(out_trade_no="T1")).paid
    assert verify(channel.asked[0][1], [KEY])


async def test_what_xml_cannot_carry_is_not_sent(channel: Channel, pay: WeChatPay) -> None:
    with pytest.raises(ValueError):
        await pay.refund(**REFUND, refund_desc="\x00")
    assert channel.asked == []


@pytest.mark.parametrize("call", ["downloadbill", "downloadfundflow"])
@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\xff", b"\x1f\x8b\x08", "交易时间\r\n".encode(), b"<xml><return_code>FAIL",
     xml.render({"return_code": "FAIL", "return_msg": "签名错误"}),
     xml.render({"return_code": "FAIL", "return_msg": "SYSTEMERROR"})],
)  # fmt: skip
async def test_half_a_bill_is_no_bill(
    channel: Channel, pay: WeChatPay, call: str, answer: bytes
) -> None:
    channel.answer = answer
    download = pay.download_bill if call == "downloadbill" else pay.download_fund_flow
    with pytest.raises(Unknown):
        await download(date(2026, 11, 9))


async def test_a_day_without_trade_is_an_empty_bill(channel: Channel, pay: WeChatPay) -> None:
    failed = {"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}
    channel.answer = xml.render(failed)
    assert (await pay.download_bill(date(2026, 11, 9))).rows == ()
    assert (await pay.download_fund_flow(date(2026, 11, 9))).rows == ()
    (_, bill), (_, flow) = channel.asked
    assert (bill["bill_date"], bill["bill_type"], bill["sign_type"]) == ("20261109", "ALL", "MD5")
    assert (flow["account_type"], flow["sign_type"]) == ("Basic", "HMAC-SHA256")
    assert verify(flow, [KEY], SignType.HMAC_SHA256)
