"""Notifications: what they say, when they come again, and how they go wrong."""

from simulator import defaults
from simulator.notifier import RETRY_SECONDS
from tests.simulator.harness import Merchant, Shop, eventually
from wechat import req_info, xml
from wechat.signing import verify

NACK = xml.render({"return_code": "FAIL"})


def state(merchant: Merchant) -> tuple[object, object]:
    row = merchant.ledger()["notifications"][-1]
    return row["state"], row["attempts"]


def test_the_schedule_is_the_documented_one() -> None:
    assert len(RETRY_SECONDS) == 15
    assert sum(RETRY_SECONDS) == 24 * 3600 + 4 * 60


def test_a_payment_is_notified_signed_until_acknowledged(merchant: Merchant, shop: Shop) -> None:
    number = merchant.order()
    merchant.control("pay", out_trade_no=number)
    eventually(lambda: state(merchant) == ("DELIVERED", 1))
    (message,) = shop.messages()
    assert verify(message, [defaults.API_KEY])
    assert (message["out_trade_no"], message["total_fee"]) == (number, "300")
    assert message["attach"] == "a b"


def test_a_failed_payment_is_notified(merchant: Merchant, shop: Shop) -> None:
    merchant.control("pay", out_trade_no=merchant.order(), result="FAIL")
    (message,) = eventually(shop.messages)
    assert (message["result_code"], "transaction_id" in message) == ("FAIL", False)


def test_without_a_good_answer_all_sixteen_sends_then_given_up(
    merchant: Merchant, shop: Shop
) -> None:
    shop.answer = NACK
    merchant.control("pay", out_trade_no=merchant.order())
    for sent, step in enumerate(RETRY_SECONDS, start=1):
        eventually(lambda sent=sent: state(merchant) == ("PENDING", sent))  # type: ignore[misc]
        merchant.control("clock", advance_s=step)
    eventually(lambda: state(merchant) == ("GIVEN_UP", 16))
    assert len(shop.heard) == 16


def test_a_fail_answer_is_repeated_after_fifteen_scaled_seconds(
    merchant: Merchant, shop: Shop
) -> None:
    shop.answer = NACK
    merchant.control("clock", scale=100)
    merchant.control("pay", out_trade_no=merchant.order())
    eventually(lambda: len(shop.heard) >= 2)


def test_a_refund_is_notified_encrypted_and_unsigned(merchant: Merchant, shop: Shop) -> None:
    number = merchant.paid_order()
    merchant.refund(number, 100)
    (message,) = eventually(shop.messages)
    assert "sign" not in message
    inner = req_info.decrypt(message["req_info"], [defaults.API_KEY])
    assert (inner["out_refund_no"], inner["refund_status"]) == (f"refund-of-{number}", "SUCCESS")
    assert shop.heard[0][0] == "/refund"


def test_no_notify_url_no_refund_notification(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.refund(number, 100, notify_url="")
    eventually(lambda: merchant.refund_row(number)["state"] == "SUCCESS")
    assert merchant.ledger()["notifications"] == []


def test_a_console_refund_notifies_the_console_address(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.control("console-refund", out_trade_no=number, refund_fee=5)
    row = eventually(lambda: merchant.ledger()["notifications"])[0]
    assert row["url"] == "http://127.0.0.1:1/apis/refund_notify"
    assert "VENDOR_PLATFORM" in str(row["fields"])


def notified(merchant: Merchant, fault: str) -> None:
    merchant.control("faults", fault=fault, call="pay_notify")
    merchant.control("pay", out_trade_no=merchant.order())


def test_two_copies_come_from_two_connections(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_duplicate")
    eventually(lambda: len(shop.heard) == 2)
    assert len({port for _, _, port in shop.heard}) == 2


def test_lost_is_never_sent(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_lost")
    eventually(lambda: state(merchant)[0] == "LOST")
    merchant.control("clock", advance_s=100_000)
    assert shop.heard == []


def test_reordered_is_overtaken(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_reordered")
    eventually(lambda: merchant.ledger()["notifications"][0]["fault"])
    merchant.control("pay", out_trade_no=merchant.order())
    eventually(lambda: len(shop.heard) == 1)
    merchant.control("clock", advance_s=21)
    eventually(lambda: len(shop.heard) == 2)
    first, second = (message["out_trade_no"] for message in shop.messages())
    assert first > second


def test_forged_then_true(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_forged")
    eventually(lambda: state(merchant)[0] == "DELIVERED")
    assert [verify(message, [defaults.API_KEY]) for message in shop.messages()] == [False, True]


def test_wrong_amount_is_truly_signed(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_wrong_amount")
    eventually(lambda: len(shop.heard) == 2)
    assert [message["total_fee"] for message in shop.messages()] == ["301", "300"]
    assert all(verify(message, [defaults.API_KEY]) for message in shop.messages())


def test_previous_key(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_previous_key")
    (message,) = eventually(shop.messages)
    assert verify(message, ["p" * 32])


def test_an_untrue_attempt_is_never_taken_as_delivered(merchant: Merchant, shop: Shop) -> None:
    for fault in ("notify_wrong_key", "notify_foreign", "notify_junk", "notify_answer_lost"):
        notified(merchant, fault)
        eventually(lambda: state(merchant) == ("PENDING", 1))
        merchant.control("clock", advance_s=16)
        eventually(lambda: state(merchant) == ("DELIVERED", 2))


def test_repeated_after_a_good_answer(merchant: Merchant, shop: Shop) -> None:
    notified(merchant, "notify_repeated")
    eventually(lambda: state(merchant) == ("PENDING", 1))
    merchant.control("clock", advance_s=16)
    eventually(lambda: state(merchant) == ("DELIVERED", 2))


def test_refund_notified_before_the_call_is_answered(merchant: Merchant, shop: Shop) -> None:
    merchant.control("faults", fault="notify_early")
    number = merchant.paid_order()
    merchant.refund(number, 100)
    assert len(shop.heard) == 1


def test_refund_on_the_pay_url(merchant: Merchant, shop: Shop) -> None:
    merchant.control("faults", fault="notify_wrong_url")
    merchant.refund(merchant.paid_order(), 100)
    eventually(lambda: [path for path, _, _ in shop.heard] == ["/pay"])
