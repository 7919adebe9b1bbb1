"""Reserving refunds: never more than was paid, each in its turn, whoever comes at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from db import console_refunds, views
from db.engine import Database
from db.tables import Coupon, RefundRow, Transfer
from domain import payments, refund
from domain.after_sale import Case, Origin
from domain.allocation import CouponState, Party, all_units
from domain.messages import Answer, RefundStatus, Reservation
from domain.order import CaseType
from domain.refund import REFUNDABLE_FOR, REFUNDS_MAX, Refund, RefundState
from domain.terms import Line
from domain.timeline import Subject
from tests.db.story import Story, at_once, fresh
from tests.domain.builders import NOW, R1, R2, R3, SECOND

MINUTE = timedelta(minutes=1)
CUPS = (Line("cup", "茶杯", 60, 100),)


def cups(database: Database) -> Story:
    """Sixty units at 100 fen, freight 80, no discounts: one refund each is possible."""
    plain: dict[str, Any] = {"merchant_discount": 0, "platform_coupon": 0, "gifts": ()}
    return Story(database, fresh(lines=CUPS, freight=80, **plain)).paid()


def cups_one_by_one(story: Story, count: int) -> list[Case]:
    return [story.case(((0, unit),), responsibility=Party.MERCHANT) for unit in range(count)]


def rows(database: Database, story: Story) -> list[RefundRow]:
    with database.read() as session:
        query = select(RefundRow).where(col(RefundRow.out_trade_no) == story.number)
        return list(session.exec(query.order_by(col(RefundRow.not_before))))


def console_refund(story: Story, fen: int) -> None:
    """Staff refund by hand at WeChat."""
    number, paid = f"by-hand-{story.number}", story.terms.total_fee
    intent = refund.made_at_wechat(
        number, story.number, story.order.transaction_id, fen, paid, story.now
    )
    with story.database.write() as session:
        console_refunds.adopt(session, intent, Answer(RefundStatus.SUCCEEDED), story.now)


def test_a_reservation_holds_the_money_under_its_number(tables: Database) -> None:
    story = Story(tables).paid()
    case = story.case(R3, responsibility=Party.MERCHANT)
    reservation = story.reserve(case)
    intent = reservation.intent
    assert intent is not None
    assert (intent.out_refund_no, intent.case_no) == (f"{case.case_no}-1", case.case_no)
    assert (intent.refund_fee, intent.total_fee) == (9021, 17030)
    assert (intent.transaction_id, intent.not_before) == (story.order.transaction_id, NOW)
    assert reservation.refused == ""
    payment = story.payment()
    assert (payment.held, payment.refunds, payment.next_refund_at) == (9021, 1, NOW + MINUTE)
    with tables.read() as session:
        assert views.case(session, case.case_no)["amounts_final"]


def test_the_same_number_gets_the_same_answer_again(tables: Database) -> None:
    story = Story(tables).paid()
    case = story.case(R1)
    first = story.reserve(case)
    story.now += timedelta(hours=1)
    assert story.reserve(replace(case, responsibility=Party.MERCHANT)) == first
    assert (story.payment().held, story.payment().refunds) == (2954, 1)


def test_where_nothing_is_due_nothing_is_reserved(tables: Database) -> None:
    free = (Line("gift", "赠品", 1, 0), Line("cup", "茶杯", 1, 100))
    terms = fresh(lines=free, freight=0, merchant_discount=0, platform_coupon=0)
    story = Story(tables, terms).paid()
    case = story.case(((0, 0),))
    for _ in range(2):
        assert story.reserve(case) == Reservation()
    assert rows(tables, story) == []


# ---- the cap


def test_a_payment_of_another_order_is_named_and_not_refunded(tables: Database) -> None:
    """Not by a StopIteration: in a thread it is never heard of, and the activity hangs."""
    other, story = Story(tables).paid(), Story(tables).paid()
    case = replace(story.case(R1), transaction_id=other.order.transaction_id)
    with pytest.raises(KeyError, match=other.order.transaction_id):
        story.reserve(case)


def test_a_refund_made_by_hand_counts_against_the_cap(tables: Database) -> None:
    story = Story(tables).paid()
    console_refund(story, 16_000)
    case = story.case(R1)
    for _ in range(2):
        reservation = story.reserve(case)
        assert "2954 fen are due, but only 1030 fen" in reservation.refused
    assert (story.payment().held, story.payment().refunds) == (16_000, 1)
    row = rows(tables, story)[-1]
    assert (row.state, row.held, row.problem) == (RefundState.CLOSED, 0, reservation.refused)


def test_eight_cases_for_the_whole_order_at_once_and_one_gets_it(tables: Database) -> None:
    story = Story(tables).paid()
    # No order hands its units out twice: here the cap must hold by itself.
    cases = [story.case(responsibility=Party.MERCHANT) for _ in range(8)]
    made = at_once(partial(story.reserve, case) for case in cases)
    assert sorted(bool(one.refused) for one in made) == [False] + [True] * 7
    assert (story.payment().held, story.payment().refunds) == (17_030, 1)
    assert sorted(row.held for row in rows(tables, story)) == [0] * 7 + [17_030]


def test_forty_parts_at_once_all_fit_and_stand_in_line(tables: Database) -> None:
    """The freight goes with one of them; no two are submitted within a minute."""
    story = cups(tables)
    made = at_once(partial(story.reserve, case) for case in cups_one_by_one(story, 40))
    assert [one.refused for one in made] == [""] * 40
    fees = sorted(one.intent.refund_fee for one in made if one.intent)
    assert fees == [100] * 39 + [180]
    assert story.payment().held == 4080
    slots = sorted(one.intent.not_before for one in made if one.intent)
    assert slots == [NOW + MINUTE * place for place in range(40)]


def test_one_number_from_eight_threads_is_one_refund(tables: Database) -> None:
    """Whoever is too late to be told may fail, and is told when it asks again."""
    story = Story(tables).paid()
    case = story.case(R1)

    def insist() -> Reservation:
        try:
            return story.reserve(case)
        except IntegrityError:
            return story.reserve(case)

    made = at_once([insist] * 8)
    assert made == [made[0]] * 8
    assert (made[0].refused, story.payment().held) == ("", 2954)
    assert len(rows(tables, story)) == 1


# ---- WeChat Pay's limits


def test_each_refund_waits_for_its_turn_but_not_longer(tables: Database) -> None:
    story = cups(tables)
    slots = []
    for case, pause in zip(cups_one_by_one(story, 4), (0, 10, 20, 300), strict=True):
        story.now += timedelta(seconds=pause)
        intent = story.reserve(case).intent
        assert intent is not None
        slots.append((intent.not_before - NOW).total_seconds())
    assert slots == [0, 60, 120, 330]


def test_payments_of_one_order_share_the_line(tables: Database) -> None:
    story = Story(tables).paid()
    fact = story.fact(f"second-{story.number}")
    start = payments.sent_back(fact, Origin.SECOND_PAYMENT, story.terms, NOW)
    story.write("SECOND_PAYMENT", bookings=(start.payment,), cases=(start.case,))
    first, second = story.reserve(story.case(R1)).intent, story.reserve(start.case).intent
    assert first and second
    assert second.not_before - first.not_before == MINUTE
    assert (second.transaction_id, second.refund_fee) == (fact.transaction_id, 17_030)
    assert story.payment().held == 2954


def test_fifty_refunds_and_no_more(tables: Database) -> None:
    story = cups(tables)
    cases = cups_one_by_one(story, REFUNDS_MAX + 1)
    refused = [story.reserve(case).refused for case in cases]
    assert refused[:-1] == [""] * REFUNDS_MAX
    assert refused[-1].startswith("50 refunds were made")
    assert story.payment().held == REFUNDS_MAX * 100 + 80


@pytest.mark.parametrize(
    ("at", "refused"),
    [(REFUNDABLE_FOR - SECOND, ""), (REFUNDABLE_FOR, "the payment is older than 365 days")],
)
def test_for_a_year_after_the_payment(tables: Database, at: timedelta, refused: str) -> None:
    story = Story(tables).paid()
    story.now += at
    assert story.reserve(story.case(R1)).refused.partition(":")[0] == refused


# ---- a new number


def test_a_new_number_takes_over_what_the_closed_one_held(tables: Database) -> None:
    story = Story(tables).paid()
    case = story.case()
    first = story.reserve(case)
    assert first.intent is not None
    second = story.reserve(case, 2, instead_of=first.intent.out_refund_no)
    assert second.intent is not None
    assert second.refused == ""
    assert second.intent.refund_fee == first.intent.refund_fee == 16_230
    assert [row.held for row in rows(tables, story)] == [0, 16_230]
    assert (story.payment().held, story.payment().refunds) == (16_230, 2)


def test_a_new_number_for_one_that_held_nothing_must_fit_as_well(tables: Database) -> None:
    story = Story(tables).paid()
    console_refund(story, 17_000)
    case = story.case(R1)
    first = story.reserve(case)
    assert first.intent is not None
    again = story.reserve(case, 2, instead_of=first.intent.out_refund_no)
    assert again.refused.startswith("2954 fen are due, but only 30 fen")
    assert story.payment().held == 17_000


# ---- amounts


def test_the_first_reservation_fixes_the_amounts(tables: Database) -> None:
    """Until then every change of the order's other cases and vouchers counts."""
    story = Story(tables).paid()
    r1, r2 = story.case(R1), story.case(R2)
    with tables.read() as session:
        before = views.case(session, r2.case_no)["amounts"]
    story.reserve(r1)
    story.voucher_used("order-elsewhere")
    first = story.reserve(r2)
    assert first.intent is not None
    with tables.read() as session:
        view = views.case(session, r2.case_no)
    story.write("REVIEWED", cases=(replace(r2, responsibility=Party.MERCHANT),))
    with tables.read() as session:
        later = views.case(session, r2.case_no)
    assert (before["refund_fee"], before["gift_recovery"]) == (5055, 0)
    assert (view["amounts"]["refund_fee"], view["amounts"]["gift_recovery"]) == (4555, 500)
    assert later["amounts"] == view["amounts"]


def voucher_is_unused(story: Story) -> None:
    assert story.coupon_no


def voucher_is_used(story: Story) -> None:
    story.voucher_used("order-elsewhere")


@pytest.mark.parametrize(
    ("spends", "responsible", "state", "due"),
    [
        (voucher_is_unused, Party.BUYER, CouponState.VOID, 16_230),
        (voucher_is_unused, Party.MERCHANT, CouponState.VOID, 17_030),
        (voucher_is_used, Party.BUYER, CouponState.RECOVERED, 15_730),
        (voucher_is_used, Party.MERCHANT, CouponState.WAIVED, 17_030),
    ],
)
def test_what_becomes_of_the_voucher(
    tables: Database,
    spends: Callable[[Story], None],
    responsible: Party,
    state: CouponState,
    due: int,
) -> None:
    story = Story(tables).paid()
    spends(story)
    intent = story.reserve(story.case(responsibility=responsible)).intent
    assert intent is not None
    assert intent.refund_fee == due
    with tables.read() as session:
        assert session.get_one(Coupon, story.coupon_no).state == state


def test_cases_that_were_turned_down_leave_no_trace_in_later_amounts(tables: Database) -> None:
    story = Story(tables).paid()
    story.case(R1)
    intent = story.reserve(story.case(all_units(story.terms), CaseType.REFUND_ONLY)).intent
    assert intent is not None
    assert intent.refund_fee == 17_030


# ---- made by hand at WeChat


def test_a_refund_by_hand_is_written_down_once_with_an_incident(tables: Database) -> None:
    story = Story(tables).paid()
    for _ in range(2):
        console_refund(story, 500)
    (row,) = rows(tables, story)
    assert (row.origin, row.state, row.held, row.refund_fee) == (
        "CONSOLE",
        RefundState.SUCCEEDED,
        500,
        500,
    )
    with tables.read() as session:
        moves = session.exec(
            select(Transfer).where(col(Transfer.out_refund_no) == row.out_refund_no)
        ).all()
    assert {(move.kind, move.amount) for move in moves} == {
        ("REFUND_PAID", 500),
        ("FEE_RETURNED", 3),
    }


def test_a_refund_by_hand_of_more_than_is_left_takes_what_is_left(tables: Database) -> None:
    story = Story(tables).paid()
    story.reserve(story.case(R3, responsibility=Party.MERCHANT))
    console_refund(story, 17_030)
    assert story.payment().held == 17_030
    assert sorted(row.held for row in rows(tables, story)) == [17_030 - 9021, 9021]


def test_a_refund_by_hand_of_a_payment_nobody_knows(tables: Database) -> None:
    story = Story(tables)
    console_refund(story, 700)
    (row,) = rows(tables, story)
    assert (row.merchant_id, row.held, row.refund_fee) == ("", 0, 700)


def test_a_refund_is_kept_as_its_workflow_tells_it(tables: Database) -> None:
    story = Story(tables).paid()
    reservation = story.reserve(story.case(R1))
    assert reservation.intent is not None
    closed = refund.refused(Refund(reservation.intent), "长" * 900)
    story.write("CLOSED", Subject.REFUND, reservation.intent.out_refund_no, refund=closed)
    (row,) = rows(tables, story)
    assert (row.state, row.problem) == (RefundState.CLOSED, "长" * 500)
