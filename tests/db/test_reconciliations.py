"""Bills in the tables: which day shows what, and what the fees on them do to the books."""

import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from db import fees, migrate, reconciliations, trial_balance
from db.engine import Database
from db.tables import RefundRow, Transfer
from domain import reconciliation
from domain.days import start_of
from domain.ledger import PostingKind
from domain.messages import DayRun, RefundStatus, TradeState
from domain.order import Order
from domain.reconciliation import Billed, Difference, Item, Kind
from domain.refund import RefundEvent
from tests.workflows.planted import PRICE, Trade

DAY = date(2026, 3, 2)
NEXT = DAY + timedelta(days=1)
MORNING = start_of(NEXT) + timedelta(hours=10)


@pytest.fixture
def trade(database: Database) -> Iterator[Trade]:
    """An empty database to trade in; nothing of it stays."""
    migrate.upgrade(database)
    with Session(database.engine) as session:
        yield Trade(session, sqlite3.connect(":memory:"), DAY)


def paid_row(order: Order, fee: int = 6, **more: Any) -> Billed:
    """The order's payment as a bill shows it."""
    number, at = order.transaction_id, order.placed_at
    row = (Item.PAYMENT, number, order.terms.out_trade_no, number, PRICE, TradeState.PAID, fee, at)
    return Billed(*row, **more)


def back_row(order: Order, refund_no: str, fee: int, state: RefundStatus) -> Billed:
    """The order's refund as a bill shows it."""
    number = order.terms.out_trade_no
    row = (Item.REFUND, refund_no, number, order.transaction_id, PRICE, state, fee, order.placed_at)
    return Billed(*row)


def billed(trade: Trade, *rows: Billed, day: date = DAY, run: str = "run-1") -> DayRun:
    """A day's bill as it was downloaded."""
    made = DayRun(day, run)
    reconciliations.start(trade.session, made, MORNING)
    reconciliations.keep_bill(trade.session, made, rows)
    trade.session.flush()
    return made


def compared(trade: Trade, run: DayRun) -> list[Difference]:
    """What the day's comparison finds without asking."""
    return reconciliation.compare(reconciliations.load(trade.session, run.day), {})


def trued_up(trade: Trade, run: DayRun) -> int:
    """How many fees the bill corrects."""
    return fees.true_up(trade.session, str(run.day), run.run_id, MORNING)


def corrections(trade: Trade) -> list[tuple[str, int]]:
    """What was booked for them."""
    query = select(Transfer).where(col(Transfer.kind) == PostingKind.FEE_TRUED_UP)
    return [(one.debit, one.amount) for one in trade.session.exec(query)]


# ---- which day shows what


def test_what_another_day_shows_is_not_missing(trade: Trade) -> None:
    """Our clock put the payment on this day; WeChat Pay's bill of the next has it."""
    order = trade.pay_here(*trade.next())
    run = billed(trade)
    assert [one.kind for one in compared(trade, run)] == [Kind.MISSING_THERE]
    billed(trade, paid_row(order), day=NEXT)
    assert compared(trade, run) == []
    assert compared(trade, DayRun(NEXT, "run-1")) == []


def test_of_a_day_that_is_not_over_only_what_came_before_the_bill_counts(trade: Trade) -> None:
    number, at = trade.next()
    trade.pay_here(number, at)
    run = DayRun(DAY, "run-1")
    reconciliations.start(trade.session, run, at)
    assert compared(trade, run) == []
    reconciliations.start(trade.session, DayRun(DAY, "run-2"), at + timedelta(seconds=1))
    assert [one.kind for one in compared(trade, run)] == [Kind.MISSING_THERE]


def test_a_bill_replaces_the_one_before_and_its_last_row_holds(trade: Trade) -> None:
    order = trade.pay_here(*trade.next())
    billed(trade, paid_row(order), paid_row(trade.pay_here(*trade.next())))
    revoked = Billed(**vars(paid_row(order)) | {"state": TradeState.CLOSED})
    run = billed(trade, paid_row(order), revoked, run="run-2")
    assert {one.kind for one in compared(trade, run)} == {Kind.STATE, Kind.MISSING_THERE}


# ---- fees


def test_a_fee_is_corrected_once(trade: Trade) -> None:
    order = trade.pay_here(*trade.next())
    run = billed(trade, paid_row(order, fee=5))
    assert (trued_up(trade, run), trued_up(trade, run)) == (1, 0)
    assert corrections(trade) == [("1010", 1)]
    again = billed(trade, paid_row(order, fee=7), run="run-2")
    assert trued_up(trade, again) == 1
    assert corrections(trade) == [("1010", 1), ("5010", 2)]


def test_a_fee_that_is_known_before_the_money_is_back_is_booked_with_it(trade: Trade) -> None:
    order = trade.pay_here(*trade.next())
    refund_no = trade.refund_here(order, order.placed_at)
    accepted = back_row(order, refund_no, -5, RefundStatus.PROCESSING)
    assert trued_up(trade, billed(trade, paid_row(order), accepted)) == 0
    assert trade.session.get_one(RefundRow, refund_no).fee_returned == 5
    trade.succeed_here(order, refund_no)
    entries = trial_balance.entries(trade.session, order.terms.out_trade_no)
    (returned,) = (one for one in entries if one["kind"] == PostingKind.FEE_RETURNED)
    assert {entry["debit"] for entry in returned["entries"]} == {0, 5}


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (RefundEvent.SUCCEEDED, RefundStatus.CLOSED),
        (RefundEvent.CLOSED, RefundStatus.CLOSED),
    ],
)
def test_a_refund_that_failed_there_gives_no_fee_back(
    trade: Trade, event: RefundEvent, state: RefundStatus
) -> None:
    order = trade.pay_here(*trade.next())
    refund_no = trade.refund_here(order, order.placed_at, event)
    assert trued_up(trade, billed(trade, back_row(order, refund_no, 0, state))) == 0
