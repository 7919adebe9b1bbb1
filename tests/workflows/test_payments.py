"""Payments: lost, failed, late, second, wrong; and the article's refund of all that is left."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from db.tables import Incident, Payment
from tests.shop import PARCEL, Shop, refunds, told

HALF_AN_HOUR = timedelta(minutes=30, seconds=1)
NOTICE_FAULTS = (
    "notify_duplicate",
    "notify_repeated",
    "notify_answer_lost",
    "notify_reordered",
    "notify_forged",
    "notify_wrong_key",
    "notify_foreign",
    "notify_junk",
    "notify_wrong_amount",
)
ONE_CUP = [{"sku": "cup", "quantity": 1}]


def payments(shop: Shop, number: str) -> list[tuple[str, int, int]]:
    """Kind, amount and what refunds hold of each payment of an order."""
    with shop.database.read() as session:
        rows = session.exec(
            select(Payment)
            .where(col(Payment.out_trade_no) == number)
            .order_by(col(Payment.paid_at))
        )
        return [(row.kind, row.total_fee, row.held) for row in rows]


def incidents(shop: Shop, number: str) -> list[str]:
    """What was put before a person about an order."""
    with shop.database.read() as session:
        rows = session.exec(select(Incident).where(col(Incident.out_trade_no) == number))
        return [row.kind for row in rows]


async def sent_back(shop: Shop, number: str, origin: str) -> Any:
    """The case that gave an unowed payment back, once it is done."""

    async def look() -> Any:
        cases = (await shop.order_of(number))["after_sales"]
        return next((case for case in cases if case["origin"] == origin), {"state": None})

    return await shop.until(look, "COMPLETED")


# ---- lost, failed, in between


async def test_unpaid_for_thirty_minutes_is_closed_here_and_at_wechat(shop: Shop) -> None:
    number = await shop.order()
    await shop.sleep(HALF_AN_HOUR)
    await shop.order_is(number, "CLOSED")
    states = {row["out_trade_no"]: row["state"] for row in (await shop.truth())["orders"]}
    assert states[number] == "CLOSED"


async def test_a_lost_notification_is_found_out_when_the_order_would_close(shop: Shop) -> None:
    number = await shop.order()
    await shop.fault("notify_lost", number, call="pay_notify")
    await shop.pay(number)
    await shop.sleep(HALF_AN_HOUR)
    order = await shop.order_is(number, "AWAITING_SHIPMENT")
    assert (order["pay_state"], payments(shop, number)) == (1, [("FIRST", 380, 0)])


async def test_paid_between_the_question_and_the_closing(shop: Shop) -> None:
    """The first closeorder fails; when it is asked again the buyer has paid."""
    number = await shop.order()
    await shop.fault("system_error", number, call="closeorder")
    await shop.sleep_until((await shop.order_of(number))["deadline_at"])
    await shop.pay(number, notify=False)
    await shop.sleep(timedelta(minutes=1))
    await shop.order_is(number, "AWAITING_SHIPMENT")


async def test_failed_then_paid(shop: Shop) -> None:
    number = await shop.order()
    for _ in range(2):
        await shop.pay(number, result="FAIL")
    failed = await shop.until(lambda: shop.order_of(number), 2, lambda order: order["pay_state"])
    assert failed["state"] == "PENDING_PAYMENT"
    await shop.pay(number)
    order = await shop.order_is(number, "AWAITING_SHIPMENT")
    assert (order["pay_state"], told(order).count("PAYMENT_FAILED")) == (1, 1)


async def test_closing_is_the_shops_right_until_the_buyer_is_faster(shop: Shop) -> None:
    number = await shop.order()
    closed = await shop.does("shop", f"/v1/orders/{number}/close")
    assert (closed["state"], told(closed)[-1]) == ("CLOSED", "CLOSED_UNPAID")
    faster = await shop.order()
    await shop.pay(faster, notify=False)
    assert await shop.refuses("shop", f"/v1/orders/{faster}/close") == "order_paid"
    assert (await shop.order_of(faster))["state"] == "AWAITING_SHIPMENT"


async def test_whatever_becomes_of_its_notification_it_is_paid_once(shop: Shop) -> None:
    orders = {fault: await shop.order() for fault in NOTICE_FAULTS}
    for fault, number in orders.items():
        await shop.fault(fault, number, call="pay_notify")
        await shop.pay(number)
        await shop.notified(number)
    await shop.sleep(timedelta(minutes=1))
    for fault, number in orders.items():
        order = await shop.order_is(number, "AWAITING_SHIPMENT")
        assert told(order).count("PAID") == 1, fault
        assert payments(shop, number) == [("FIRST", 380, 0)], fault
        assert incidents(shop, number) == [], fault


async def test_a_signal_that_nobody_can_read_stops_nothing(shop: Shop) -> None:
    number = await shop.order()
    nonsense: list[list[Any]] = [[], [None], ["paid"], [{}, {}], [{"out_trade_no": number}]]
    for said in nonsense:
        await shop.handle(f"order-{number}").signal("payment_notified", args=said)
    await shop.pay(number)
    assert told(await shop.order_is(number, "AWAITING_SHIPMENT")) == ["PLACED", "PAID"]


# ---- unowed


async def test_a_late_payment_goes_back_by_itself(shop: Shop) -> None:
    number = await shop.order()
    await shop.sleep(HALF_AN_HOUR)
    await shop.order_is(number, "CLOSED")
    await shop.pay(number)
    case = await sent_back(shop, number, "LATE_PAYMENT")
    assert case["case_no"].startswith("late-4200")
    assert (await shop.order_of(number))["state"] == "CLOSED"
    assert payments(shop, number) == [("LATE_PAYMENT", 380, 380)]
    assert await shop.money_moves(number) == [1]


async def test_a_second_payment_goes_back_and_the_order_goes_on(shop: Shop) -> None:
    number = await shop.paid()
    await shop.pay(number)
    case = await sent_back(shop, number, "SECOND_PAYMENT")
    assert case["amounts"]["refund_fee"] == 380
    assert payments(shop, number) == [("FIRST", 380, 0), ("SECOND_PAYMENT", 380, 380)]
    shipped = await shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    assert (shipped["state"], await shop.money_moves(number)) == ("SHIPPED", [1])


async def test_a_second_payment_after_the_end_goes_back(shop: Shop) -> None:
    number = await shop.received()
    await shop.sleep(timedelta(days=15, seconds=1))
    await shop.order_is(number, "COMPLETED")
    await shop.pay(number)
    await sent_back(shop, number, "SECOND_PAYMENT")
    assert payments(shop, number) == [("FIRST", 380, 0), ("SECOND_PAYMENT", 380, 380)]


async def test_a_second_payment_and_a_refund_of_the_first_do_not_mix(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    await shop.pay(number)
    await sent_back(shop, number, "SECOND_PAYMENT")
    await shop.approve(case_no)
    await shop.sleep(timedelta(minutes=1))
    await shop.case_is(case_no, "COMPLETED")
    await shop.order_is(number, "CLOSED")
    assert payments(shop, number) == [("FIRST", 380, 380), ("SECOND_PAYMENT", 380, 380)]
    assert await shop.money_moves(number) == [1, 1]


# ---- the article's route


async def pay_refund(shop: Shop, number: str, who: str = "platform", path: str = "") -> Any:
    """What `/apis/pay_refund` answers, or `pay_refund2`."""
    reply = await shop.api.post(
        f"/apis/pay_refund{path}?no={number}", headers={"Authorization": f"Bearer {who}"}
    )
    return reply.json()


async def test_pay_refund_twice_is_one_case(shop: Shop) -> None:
    number = await shop.paid()
    first = await pay_refund(shop, number)
    await shop.case_is(first["case_no"], "COMPLETED")
    await shop.order_is(number, "CLOSED")
    second = await pay_refund(shop, number, "finance", "2")
    assert (second["case_no"], second["refund_fee"]) == (first["case_no"], 380)
    assert await shop.money_moves(number) == [1]


async def test_pay_refund_refunds_what_is_left_beside_open_and_done_cases(shop: Shop) -> None:
    lines = [{"sku": "cup", "title": "茶杯", "quantity": 3, "unit_price": 150}]
    number = await shop.paid(lines=lines)
    done = await shop.apply(number, lines=ONE_CUP)
    await shop.approve(done)
    await shop.case_is(done, "COMPLETED")
    still_open = await shop.apply(number, lines=ONE_CUP)
    rest = await pay_refund(shop, number)
    assert rest["refund_fee"] == 230, "one cup, and the freight: it is the merchant's to bear"
    assert (await pay_refund(shop, number))["case_no"] == rest["case_no"]
    await shop.sleep(timedelta(minutes=1))
    await shop.case_is(rest["case_no"], "COMPLETED")
    await shop.approve(still_open)
    await shop.sleep(timedelta(minutes=1))
    assert refunds(await shop.case_is(still_open, "COMPLETED")) == [(150, "SUCCEEDED")]
    await shop.order_is(number, "CLOSED")


async def test_pay_refund_after_the_end_by_two_people_at_once_is_one_case(shop: Shop) -> None:
    number = await shop.received()
    await shop.sleep(timedelta(days=15, seconds=1))
    await shop.order_is(number, "COMPLETED")
    asked = [pay_refund(shop, number, who) for who in ("platform", "finance", "admin") * 3]
    answers = await asyncio.gather(*asked)
    assert {answer["case_no"] for answer in answers} == {f"rest-{number}-1"}
    await shop.case_is(f"rest-{number}-1", "COMPLETED")
    assert (await pay_refund(shop, number))["case_no"] == f"rest-{number}-1"
    assert payments(shop, number) == [("FIRST", 380, 380)]
    assert await shop.money_moves(number) == [1]


async def test_pay_refund_of_nothing(shop: Shop) -> None:
    unpaid = await shop.order()
    assert (await pay_refund(shop, unpaid))["code"] == "order_state"
    held = await shop.paid()
    await shop.withdraw(await shop.apply(held))
    refunded = await shop.apply(held)
    await shop.approve(refunded)
    await shop.order_is(held, "CLOSED")
    assert (await pay_refund(shop, held))["code"] == "nothing_left"


# ---- WeChat's console


async def test_a_refund_made_in_wechats_console_counts_against_the_cap(shop: Shop) -> None:
    number = await shop.paid()
    made = await shop.control("console-refund", out_trade_no=number, refund_fee=100)
    await shop.refund_is(made["out_refund_no"], "SUCCEEDED")
    assert payments(shop, number) == [("FIRST", 380, 100)]
    assert incidents(shop, number) == ["REFUND_IN_CONSOLE"]
    case_no = await shop.apply(number)
    await shop.approve(case_no)
    stuck = await shop.case_is(case_no, "REFUND_ABNORMAL")
    assert refunds(stuck) == [(380, "CLOSED")]
    assert stuck["refunds"][0]["problem"].startswith("380 fen are due, but only 280 fen")
    assert payments(shop, number) == [("FIRST", 380, 100)]
    assert (await shop.get("finance", "/v1/ledger/trial-balance"))["balanced"]
