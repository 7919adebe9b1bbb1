"""What the simulated WeChat Pay does with orders, payments and refunds."""

import pytest

from simulator import defaults
from tests.simulator.harness import Merchant, eventually
from wechat import xml
from wechat.signing import SignType, verify


def err(reply: dict[str, str]) -> str:
    return reply["err_code"]


def test_same_order_same_prepay_id_and_other_parameters_are_refused(merchant: Merchant) -> None:
    number = merchant.order()
    first = merchant.call("/pay/unifiedorder", **merchant.order_fields(number))
    again = merchant.call("/pay/unifiedorder", **merchant.order_fields(number))
    other = merchant.call("/pay/unifiedorder", **merchant.order_fields(number, 301))
    assert first["prepay_id"] == again["prepay_id"]
    assert err(other) == "INVALID_REQUEST"


@pytest.mark.parametrize("sign_type", list(SignType))
def test_replies_are_signed_as_asked_with_unknown_fields(
    merchant: Merchant, sign_type: SignType
) -> None:
    number = merchant.paid_order()
    raw = merchant.post("/pay/orderquery", sign_type, out_trade_no=number)
    reply = xml.parse(raw.content)
    assert verify(reply, [defaults.API_KEY], sign_type)
    assert any(name.startswith("sim_extra") for name in reply)
    assert b"<total_fee>300</total_fee>" in raw.content
    assert b"<![CDATA[SUCCESS]]>" in raw.content


def test_wrong_signature_is_an_unsigned_fail_with_http_200(merchant: Merchant) -> None:
    reply = merchant.post("/pay/orderquery", key="x" * 32, out_trade_no="n")
    assert reply.status_code == 200
    assert xml.parse(reply.content) == {"return_code": "FAIL", "return_msg": "签名错误"}


@pytest.mark.parametrize(
    "body", [b"", b"junk", b"<xml><a><b/></a></xml>", b'<!DOCTYPE x [<!ENTITY e "1">]><xml/>']
)
def test_anything_but_flat_xml_is_an_unsigned_fail(merchant: Merchant, body: bytes) -> None:
    reply = merchant.http.post("/secapi/pay/refund", content=body)
    assert xml.parse(reply.content)["return_code"] == "FAIL"


def test_trade_state_follows_the_money(merchant: Merchant) -> None:
    number = merchant.order()
    states = [merchant.call("/pay/orderquery", out_trade_no=number)["trade_state"]]
    merchant.control("pay", out_trade_no=number, result="FAIL", notify=False)
    states.append(merchant.call("/pay/orderquery", out_trade_no=number)["trade_state"])
    merchant.control("pay", out_trade_no=number, notify=False)
    states.append(merchant.call("/pay/orderquery", out_trade_no=number)["trade_state"])
    merchant.refund(number, 1)
    states.append(merchant.call("/pay/orderquery", out_trade_no=number)["trade_state"])
    assert states == ["NOTPAY", "PAYERROR", "SUCCESS", "REFUND"]


def test_close_and_what_forbids_it(merchant: Merchant) -> None:
    closed, paid, refunded = merchant.order(), merchant.paid_order(), merchant.paid_order()
    merchant.refund(refunded, 1)
    assert merchant.call("/pay/closeorder", out_trade_no=closed)["result_code"] == "SUCCESS"
    codes = [
        err(merchant.call("/pay/closeorder", out_trade_no=number))
        for number in (closed, paid, refunded, "nobody")
    ]
    assert codes == ["ORDERCLOSED", "ORDERPAID", "TRADE_STATE_ERROR", "ORDERNOTEXIST"]
    assert err(merchant.call("/pay/unifiedorder", **merchant.order_fields(closed))) == "ORDERCLOSED"
    assert err(merchant.call("/pay/unifiedorder", **merchant.order_fields(paid))) == "ORDERPAID"


def test_second_and_late_payments_are_money_of_their_own(merchant: Merchant) -> None:
    twice, late = merchant.paid_order(), merchant.order()
    merchant.control("pay", out_trade_no=twice, notify=False)
    merchant.call("/pay/closeorder", out_trade_no=late)
    merchant.control("pay", out_trade_no=late, notify=False)
    payments = merchant.ledger()["payments"]
    assert [row["kind"] for row in payments] == ["first", "second", "late"]
    second = str(payments[1]["transaction_id"])
    reply = merchant.refund(twice, 300, out_trade_no="", transaction_id=second)
    assert reply["transaction_id"] == second


def test_control_pay_creates_the_sample_payment_once(merchant: Merchant) -> None:
    sample = {
        "out_trade_no": "2020vEPk8sib229F1rDkRgGhPh", "total_fee": 1, "notify": False,
        "transaction_id": "4200000728202011097892062758",
    }  # fmt: skip
    merchant.control("pay", **sample)
    merchant.control("pay", **sample)
    assert len(merchant.ledger()["payments"]) == 1
    used = merchant.call("/pay/unifiedorder", **merchant.order_fields(str(sample["out_trade_no"])))
    assert err(used) == "OUT_TRADE_NO_USED"
    assert merchant.http.post("/_control/pay", json={"out_trade_no": "nobody"}).status_code == 404


@pytest.mark.parametrize("name", ["out_trade_no", "transaction_id"])
def test_the_sample_payment_is_refunded_by_either_number(merchant: Merchant, name: str) -> None:
    sample: dict[str, object] = {
        "out_trade_no": "2020vEPk8sib229F1rDkRgGhPh",
        "transaction_id": "4200000728202011097892062758",
    }
    merchant.control("pay", **sample, total_fee=1, openid="o-sample", notify=False)
    fields = {name: sample[name], "out_refund_no": "R1", "total_fee": 1, "refund_fee": 1}
    accepted = merchant.call("/secapi/pay/refund", **fields)
    assert accepted["out_trade_no"] == sample["out_trade_no"]
    eventually(lambda: merchant.ledger()["refunds"][0]["state"] == "SUCCESS")
    assert merchant.ledger()["refunds"][0]["money_moves"] == 1


def test_refund_is_accepted_then_processed_then_succeeds(merchant: Merchant) -> None:
    number = merchant.paid_order()
    accepted = merchant.refund(number, 100)
    assert accepted["result_code"] == "SUCCESS"
    assert "refund_status" not in accepted
    query = {"out_refund_no": accepted["out_refund_no"]}
    assert merchant.call("/pay/refundquery", **query)["refund_status_0"] == "PROCESSING"
    eventually(lambda: merchant.refund_row(number)["state"] == "SUCCESS")
    told = merchant.call("/pay/refundquery", **query)
    assert (told["refund_status_0"], told["refund_fee_0"]) == ("SUCCESS", "100")
    assert told["refund_success_time_0"]


def test_one_number_is_one_refund(merchant: Merchant) -> None:
    number = merchant.paid_order()
    first, again = merchant.refund(number, 100), merchant.refund(number, 100)
    assert first["refund_id"] == again["refund_id"]
    assert err(merchant.refund(number, 101)) == "REFUND_FEE_MISMATCH"
    eventually(lambda: merchant.refund_row(number)["state"] == "SUCCESS")
    merchant.refund(number, 100)
    assert merchant.refund_row(number)["money_moves"] == 1


def test_refunds_keep_the_minute_the_cap_and_the_year(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.refund(number, 100)
    assert err(merchant.refund(number, 100, out_refund_no="second")) == "FREQUENCY_LIMITED"
    merchant.control("clock", advance_s=61)
    assert err(merchant.refund(number, 201, out_refund_no="second")) == "ERROR"
    assert merchant.refund(number, 200, out_refund_no="second")["result_code"] == "SUCCESS"
    old = merchant.paid_order()
    merchant.control("clock", advance_s=366 * 86_400)
    assert err(merchant.refund(old, 1)) == "TRADE_OVERDUE"


def test_the_gap_shrinks_with_the_clock(merchant: Merchant) -> None:
    merchant.control("clock", scale=600)
    number = merchant.paid_order()
    merchant.refund(number, 1)
    eventually(
        lambda: merchant.refund(number, 1, out_refund_no="b").get("result_code") == "SUCCESS"
    )


def test_at_most_fifty_refunds(merchant: Merchant) -> None:
    number = merchant.paid_order()
    for place in range(50):
        assert merchant.refund(number, 1, out_refund_no=f"r{place}")["result_code"] == "SUCCESS"
        merchant.control("clock", advance_s=61)
    assert err(merchant.refund(number, 1, out_refund_no="r50")) == "INVALID_REQUEST"
    page = merchant.call("/pay/refundquery", out_trade_no=number, offset=24)
    assert (page["out_refund_no_0"], page["refund_count"]) == ("r24", "10")
    assert err(merchant.call("/pay/refundquery", out_trade_no=number, offset=50)) == "PARAM_ERROR"


def test_not_enough_until_topped_up(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.control("drain")
    assert err(merchant.refund(number, 300)) == "NOTENOUGH"
    merchant.control("topup", amount=300)
    assert merchant.refund(number, 300)["result_code"] == "SUCCESS"


def test_refund_of_what_does_not_exist(merchant: Merchant) -> None:
    unpaid = merchant.order()
    assert err(merchant.refund(unpaid, 1)) == "ORDERNOTEXIST"
    assert err(merchant.refund("x", 1, transaction_id="nobody")) == "INVALID_TRANSACTIONID"
    assert err(merchant.call("/pay/refundquery", out_refund_no="nobody")) == "REFUNDNOTEXIST"


def test_six_failing_refunds_a_second_are_too_many(merchant: Merchant) -> None:
    codes = [err(merchant.refund("nobody", 1)) for _ in range(7)]
    assert codes == ["ORDERNOTEXIST"] * 6 + ["INVALID_REQ_TOO_MUCH"]


@pytest.mark.parametrize(("state", "moves"), [("CHANGE", 0), ("REFUNDCLOSE", 0), ("SUCCESS", 1)])
def test_a_refund_ends_as_told(merchant: Merchant, state: str, moves: int) -> None:
    merchant.control("faults", fault="refund_slow")
    number = merchant.paid_order()
    merchant.refund(number, 300)
    merchant.control(f"refunds/refund-of-{number}/finish", state=state)
    row = merchant.refund_row(number)
    assert (row["state"], row["money_moves"]) == (state, moves)


def test_a_closed_refund_frees_the_cap_and_never_succeeds(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.control("faults", fault="refund_ends_close", seconds=0)
    merchant.refund(number, 300)
    eventually(lambda: merchant.refund_row(number)["state"] == "REFUNDCLOSE")
    finish = merchant.http.post(f"/_control/refunds/refund-of-{number}/finish", json={})
    assert finish.status_code == 409
    merchant.control("clock", advance_s=61)
    assert merchant.refund(number, 300, out_refund_no="new")["result_code"] == "SUCCESS"


def test_change_can_still_succeed(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.control("faults", fault="refund_ends_change", seconds=0)
    merchant.refund(number, 300)
    eventually(lambda: merchant.refund_row(number)["state"] == "CHANGE")
    merchant.control(f"refunds/refund-of-{number}/finish", state="SUCCESS")
    assert merchant.refund_row(number)["money_moves"] == 1


def test_coupons_split_cash_and_add_up(merchant: Merchant) -> None:
    number = merchant.paid_order(coupon_fee=100)
    told = merchant.call("/pay/orderquery", out_trade_no=number)
    assert (told["cash_fee"], told["coupon_fee_0"], told["coupon_count"]) == ("200", "100", "1")
    first = merchant.refund(number, 100)
    merchant.control("clock", advance_s=61)
    rest = merchant.refund(number, 200, out_refund_no="rest")
    assert (first["coupon_refund_fee"], rest["coupon_refund_fee"]) == ("33", "67")


def test_the_bills_of_the_day(merchant: Merchant) -> None:
    number = merchant.paid_order(123_456)
    merchant.refund(number, 100, 123_456)
    day = merchant.call("/pay/orderquery", out_trade_no=number)["time_end"][:8]
    lines = merchant.post("/pay/downloadbill", bill_date=day, bill_type="ALL").text.splitlines()
    assert lines[0].startswith("\ufeff交易时间,公众账号ID")
    assert all(len(line.split(",")) == 27 for line in lines[:3])
    assert lines[-1] == "`2,`1234.56,`1.00,`0.00,`7.40000,`1234.56,`1.00"
    flow = merchant.post(
        "/pay/downloadfundflow", SignType.HMAC_SHA256, bill_date=day, account_type="Basic"
    )
    assert flow.text.splitlines()[-1] == "`2,`1,`1234.56,`1,`1.00"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bill_date": "20200101"}, "No Bill Exist"),
        ({"bill_date": "today"}, "data format error"),
        ({}, "missing parameter"),
        ({"bill_date": "20200101", "bill_type": "ODD"}, "invalid bill_type"),
    ],
)
def test_no_bill_is_an_unsigned_fail(
    merchant: Merchant, fields: dict[str, str], message: str
) -> None:
    reply = merchant.call("/pay/downloadbill", **fields)
    assert reply.keys() == {"return_code", "return_msg", "error_code"}
    assert reply["return_msg"] == message
