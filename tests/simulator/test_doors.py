"""What is refused at the doors: odd calls, odd fields, control calls that make no sense."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import defaults
from simulator.endpoints import PATHS
from tests.simulator.harness import Merchant, Shop, eventually
from wechat import xml
from wechat.signing import SignType, nonce, signed

FAIL = "FAIL"


def send(merchant: Merchant, fields: dict[str, str]) -> dict[str, str]:
    whole = {"appid": defaults.APPID, "mch_id": defaults.MCH_ID, "nonce_str": nonce(), **fields}
    body = xml.render(signed(whole, defaults.API_KEY, SignType.MD5))
    return xml.parse(merchant.http.post("/pay/orderquery", content=body).content)


def test_get_without_a_body_is_told_to_post(merchant: Merchant) -> None:
    reply = merchant.http.get("/pay/orderquery")
    assert xml.parse(reply.content) == {"return_code": FAIL, "return_msg": "require POST method"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"mch_id": "1"}, "商户号mch_id不存在"), ({"sign_type": "SHA1"}, "签名类型错误")],
)
def test_what_cannot_be_read_is_an_unsigned_fail(
    merchant: Merchant, fields: dict[str, str], said: str
) -> None:
    assert send(merchant, fields) == {"return_code": FAIL, "return_msg": said}


def test_an_unsigned_call_is_shown_as_such(merchant: Merchant) -> None:
    merchant.http.post("/pay/orderquery", content=xml.render({"mch_id": defaults.MCH_ID}))
    assert merchant.http.get("/_control/exchanges").json()[-1]["signature"] == "missing"


@pytest.mark.parametrize(
    ("fields", "err_code"),
    [
        ({"appid": "wx0"}, "APPID_MCHID_NOT_MATCH"),
        ({"nonce_str": ""}, "PARAM_ERROR"),
        ({}, "PARAM_ERROR"),
        ({"out_trade_no": "x" * 33}, "PARAM_ERROR"),
        ({"out_trade_no": "茶杯"}, "PARAM_ERROR"),
        ({"transaction_id": "nobody"}, "ORDERNOTEXIST"),
    ],
)
def test_a_call_with_odd_fields_is_a_signed_refusal(
    merchant: Merchant, fields: dict[str, str], err_code: str
) -> None:
    assert send(merchant, fields)["err_code"] == err_code


@pytest.mark.parametrize("amount", ["0", "-1", "1.00", "", "9" * 13, "9" * 5000])
def test_an_odd_amount_is_a_signed_refusal(merchant: Merchant, amount: str) -> None:
    number = merchant.paid_order()
    fields = {"out_trade_no": number, "out_refund_no": "R1", "total_fee": 300}
    refused = merchant.call("/secapi/pay/refund", **fields, refund_fee=amount)
    assert refused["err_code"] == "PARAM_ERROR"


odd = st.sampled_from(["", "0", "-1", "99991231", "00010101", "9" * 30, "茶", "GZIP", "ALL"])
names = st.sampled_from(
    ["out_trade_no", "transaction_id", "out_refund_no", "refund_id", "total_fee", "refund_fee",
     "offset", "bill_date", "bill_type", "account_type", "tar_type", "sign_type", "body", "openid",
     "trade_type", "notify_url", "spbill_create_ip"]
)  # fmt: skip


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(sorted(PATHS)), st.dictionaries(names, odd, max_size=17))
def test_whatever_is_asked_the_answer_is_http_200(
    merchant: Merchant, call: str, fields: dict[str, str]
) -> None:
    assert merchant.post(PATHS[call], **fields).status_code == 200  # type: ignore[arg-type]


def test_a_refund_of_something_else_is_refused(merchant: Merchant) -> None:
    number = merchant.paid_order()
    assert merchant.refund(number, 1, 299)["err_code"] == "INVALID_REQUEST"
    assert merchant.call("/pay/refundquery")["err_code"] == "PARAM_ERROR"


def test_a_hundred_and_fifty_calls_a_second_are_enough(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.control("clock", scale=0.001)
    codes = [merchant.refund(number, 1).get("err_code", "") for _ in range(152)]
    assert codes == [""] * 150 + ["FREQUENCY_LIMITED"] * 2


def test_the_fund_flow_demands_its_account_and_hmac(merchant: Merchant) -> None:
    merchant.paid_order()

    def ask(sign_type: SignType, account_type: str) -> str:
        fields = {"bill_date": "20200101", "account_type": account_type}
        reply = merchant.post("/pay/downloadfundflow", sign_type, **fields)
        return xml.parse(reply.content)["return_msg"]

    assert ask(SignType.HMAC_SHA256, "Secret") == "missing parameter"
    assert ask(SignType.MD5, "Basic") == "SIGN ERROR"
    assert ask(SignType.HMAC_SHA256, "Basic") == "No Bill Exist"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("clock", {}, 422),
        ("refunds/nobody/finish", {}, 404),
        ("notifications/999/replay", {}, 404),
        ("console-refund", {"out_trade_no": "nobody", "refund_fee": 1}, 409),
        ("scenarios/nonsense", {}, 404),
        ("scenarios/payment_late", {"out_trade_no": "nobody"}, 409),
        ("faults", {"fault": "reset", "call": "pay"}, 422),
    ],
)
def test_a_control_call_that_makes_no_sense_says_so(
    merchant: Merchant, path: str, body: dict[str, object], status: int
) -> None:
    assert merchant.http.post("/_control/" + path, json=body).status_code == status


def test_a_paid_order_is_too_late_for_a_late_payment(merchant: Merchant) -> None:
    number = merchant.paid_order()
    reply = merchant.http.post("/_control/scenarios/payment_late", json={"out_trade_no": number})
    assert (reply.status_code, "is paid" in reply.text) == (409, True)


def test_a_notification_is_sent_again_freshly_signed(merchant: Merchant, shop: Shop) -> None:
    number = merchant.order()
    merchant.control("pay", out_trade_no=number)
    eventually(lambda: merchant.ledger()["notifications"][0]["state"] == "DELIVERED")
    (one,) = merchant.ledger()["notifications"]
    assert merchant.control(f"notifications/{one['id']}/replay") == {"acknowledged": True}
    first, again = shop.messages()
    assert first["transaction_id"] == again["transaction_id"]
    assert first["nonce_str"] != again["nonce_str"]


def test_a_replayed_call_with_a_wrong_signature_fails_again(merchant: Merchant) -> None:
    merchant.post("/pay/orderquery", key="x" * 32, out_trade_no="n")
    one = merchant.http.get("/_control/exchanges").json()[-1]
    told = merchant.control(f"exchanges/{one['id']}/replay")
    assert "签名错误" in str(told["response"])
