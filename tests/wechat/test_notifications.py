"""What comes in by itself: believed only when it is proved WeChat's and ours."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wechat.harness import APPID, KEY, MCH_ID, PREVIOUS_KEY, account, message
from tests.wechat.test_signing import names
from tests.wechat.test_xml import REFUSED, bodies
from wechat import notifications, req_info, xml
from wechat.errors import (
    BadSignature,
    MalformedXML,
    RejectedNotification,
    UndecipherableReqInfo,
    WrongMerchant,
)
from wechat.notifications import PaymentNotification, RefundNotification, parse
from wechat.signing import SignType, sign, signed

PAID = {
    "result_code": "SUCCESS", "openid": "o-1", "is_subscribe": "N", "trade_type": "JSAPI",
    "bank_type": "OTHERS", "total_fee": "300", "cash_fee": "290", "coupon_fee": "10",
    "coupon_count": "1", "coupon_id_0": "7", "coupon_fee_0": "10", "transaction_id": "42",
    "out_trade_no": "T1", "attach": " a b ", "time_end": "20261109013005",
}  # fmt: skip
FAILED = {"result_code": "FAIL", "err_code": "NOTENOUGH", "err_code_des": "余额不足",
          "out_trade_no": "T1"}  # fmt: skip
ENDED = {
    "transaction_id": "42", "out_trade_no": "T1", "refund_id": "50300", "out_refund_no": "R1",
    "total_fee": "300", "settlement_total_fee": "300", "refund_fee": "100",
    "settlement_refund_fee": "100", "refund_status": "SUCCESS",
    "success_time": "2026-11-09 01:30:05", "refund_recv_accout": "支付用户零钱",
    "refund_request_source": "VENDOR_PLATFORM",
}  # fmt: skip
INSTANT = datetime(2026, 11, 8, 17, 30, 5, tzinfo=UTC)
OURS = account(previous_api_key=PREVIOUS_KEY)


def payment(**changes: str) -> bytes:
    return message({**PAID, **changes})


def refund(inner: Mapping[str, str] = ENDED, key: str = KEY, **outer: str) -> bytes:
    head = {"return_code": "SUCCESS", "appid": APPID, "mch_id": MCH_ID, "nonce_str": "n"}
    return xml.render({**head, "req_info": req_info.encrypt(inner, key), **outer})


def test_a_payment() -> None:
    told = parse(payment(a_field_of_tomorrow="x"), OURS)
    assert isinstance(told, PaymentNotification)
    assert told == PaymentNotification(
        "T1", "42", 300, True, "", "", "o-1", "OTHERS", 290, " a b ", INSTANT, told.raw
    )
    assert told.raw["coupon_id_0"] == "7"


def test_a_failed_payment_may_say_little() -> None:
    told = parse(message(FAILED), OURS)
    assert isinstance(told, PaymentNotification)
    assert (told.success, told.err_code, told.err_code_des) == (False, "NOTENOUGH", "余额不足")
    assert (told.transaction_id, told.total_fee, told.time_end) == ("", 0, None)


def test_return_code_fail_is_no_success_even_when_signed() -> None:
    told = parse(message(PAID, return_code="FAIL"), OURS)
    assert isinstance(told, PaymentNotification)
    assert not told.success


def test_the_sample_of_the_article_with_its_bare_number() -> None:
    fields = {
        "bank_type": "OTHERS", "cash_fee": "1", "fee_type": "CNY", "is_subscribe": "Y",
        "mch_id": "1410138302", "openid": "o-hrq0EVYOTJHX9MWqk-LF-_KL0o",
        "out_trade_no": "2020vEPk8sib229F1rDkRgGhPh", "result_code": "SUCCESS",
        "return_code": "SUCCESS", "trade_type": "JSAPI",
        "transaction_id": "4200000728202011097892062758", "attach": "支付测试",
    }  # fmt: skip
    right = sign({**fields, "total_fee": "1"}, KEY, SignType.MD5)
    body = xml.render({**fields, "total_fee": 1, "sign": right})
    assert b"<total_fee>1</total_fee>" in body
    told = parse(body, account(mch_id="1410138302"))
    assert isinstance(told, PaymentNotification)
    assert (told.success, told.total_fee, told.cash_fee, told.attach) == (True, 1, 1, "支付测试")


@pytest.mark.parametrize("sign_type", SignType)
@pytest.mark.parametrize("named", ["", "MD5", "HMAC-SHA256"])
@pytest.mark.parametrize("key", [KEY, PREVIOUS_KEY])
def test_either_algorithm_under_either_key_whatever_sign_type_says(
    sign_type: SignType, named: str, key: str
) -> None:
    told = parse(message(PAID, key, sign_type, sign_type=named), OURS)
    assert isinstance(told, PaymentNotification)


def test_a_key_that_is_no_longer_ours_proves_nothing() -> None:
    with pytest.raises(BadSignature):
        parse(message(PAID, PREVIOUS_KEY), account())


@pytest.mark.parametrize("body", [xml.render(PAID), message(PAID, "x" * 32), b"<xml/>"])
def test_what_is_not_signed_by_our_key_is_refused(body: bytes) -> None:
    with pytest.raises(BadSignature):
        parse(body, OURS)


@pytest.mark.parametrize("other", [{"appid": "wx0"}, {"mch_id": "10000101"}, {"mch_id": ""}])
def test_what_is_for_another_is_refused(other: dict[str, str]) -> None:
    for body in (payment(**other), refund(ENDED, KEY, **other)):
        with pytest.raises(WrongMerchant):
            parse(body, OURS)


@pytest.mark.parametrize(
    "wrong",
    [{"out_trade_no": ""}, {"transaction_id": ""}, {"total_fee": ""}, {"total_fee": "3.00"},
     {"total_fee": "-1"}, {"total_fee": "١"}, {"cash_fee": "x"}],
)  # fmt: skip
def test_a_payment_without_its_facts_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(MalformedXML):
        parse(payment(**wrong), OURS)


def test_a_date_that_cannot_be_read_does_not_cost_the_payment() -> None:
    told = parse(payment(time_end="yesterday"), OURS)
    assert isinstance(told, PaymentNotification)
    assert (told.success, told.time_end, told.raw["time_end"]) == (True, None, "yesterday")


def test_a_refund_at_either_address() -> None:
    told = parse(refund(), OURS)
    assert isinstance(told, RefundNotification)
    assert told == RefundNotification(
        "R1", "T1", "42", "50300", 100, 300, "SUCCESS", INSTANT, "VENDOR_PLATFORM", told.raw
    )
    assert told.raw["refund_recv_accout"] == "支付用户零钱"


@pytest.mark.parametrize("status", ["CHANGE", "REFUNDCLOSE", "A_WORD_OF_TOMORROW"])
def test_a_refund_that_ended_otherwise(status: str) -> None:
    inner = {**ENDED, "refund_status": status, "success_time": "", "refund_request_source": ""}
    told = parse(refund(inner, PREVIOUS_KEY), OURS)
    assert isinstance(told, RefundNotification)
    assert (told.refund_status, told.success_time, told.request_source) == (status, None, "")


@pytest.mark.parametrize("name", ["out_refund_no", "out_trade_no", "refund_fee", "refund_status"])
def test_a_refund_without_its_facts_is_refused(name: str) -> None:
    with pytest.raises(MalformedXML):
        parse(refund({**ENDED, name: ""}), OURS)


@pytest.mark.parametrize("sealed", ["", "junk", req_info.encrypt(ENDED, "x" * 32)])
def test_a_refund_that_does_not_open_is_refused(sealed: str) -> None:
    with pytest.raises(UndecipherableReqInfo):
        parse(refund(req_info=sealed), OURS)


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_anything_but_flat_xml_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse(body, OURS)


texts = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"),
    min_size=1, max_size=20,
)  # fmt: skip


@given(st.dictionaries(names, texts, max_size=6), st.sampled_from(SignType), st.data())
def test_any_one_changed_byte_is_refused(
    more: dict[str, str], sign_type: SignType, data: st.DataObject
) -> None:
    body = bytearray(message({**more, **PAID}, KEY, sign_type))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[place]))
    with pytest.raises(RejectedNotification):
        parse(bytes(body), OURS)


def test_each_byte_changed_in_its_least_bit_is_refused() -> None:
    body = payment()
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(RejectedNotification):
            parse(changed, OURS)


inner_bodies = bodies.map(lambda body: refund(req_info=req_info.encrypt(body, KEY)))
signed_bodies = st.dictionaries(st.sampled_from(sorted(PAID)), texts).map(
    lambda fields: xml.render(signed({**PAID, **fields, "mch_id": MCH_ID}, KEY, SignType.MD5))
)


@given(bodies | inner_bodies | signed_bodies)
def test_any_bytes_give_a_fact_or_one_documented_error(body: bytes) -> None:
    try:
        told = parse(body, OURS)
    except RejectedNotification as error:
        assert len(error.reason) < 200
        assert KEY not in error.reason
        return
    assert isinstance(told, PaymentNotification | RefundNotification)


def test_the_answers_are_the_ones_wechat_understands() -> None:
    assert notifications.reply(True) == (
        b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
        b"<return_msg><![CDATA[OK]]></return_msg></xml>"
    )
    assert xml.parse(notifications.reply(False, "wrong signature")) == {
        "return_code": "FAIL",
        "return_msg": "wrong signature",
    }
