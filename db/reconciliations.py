"""A day's bill as WeChat Pay gave it, held against payments and refunds, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert
from sqlmodel import Session, col, or_, select

from db import incidents
from db.records import append_events
from db.tables import (
    BillRow,
    DifferenceRow,
    Event,
    Incident,
    Merchant,
    Payment,
    Reconciliation,
    RefundRow,
)
from db.views import View, instant
from domain import reconciliation
from domain.days import end_of, start_of
from domain.messages import DayRun, TradeState
from domain.reconciliation import Billed, Book, DayState, Difference, Item, Kind, Ours
from domain.refusals import Code, Refused
from domain.timeline import SYSTEM, Subject

SHOWN_MAX = 1_000
"""Differences that one answer lists; open ones come first."""


@dataclass(frozen=True)
class Span:
    """The part of a day that its bill must show."""

    day: date
    start: datetime
    end: datetime

    def holds(self, at: datetime | None) -> bool:
        """Whether an instant lies in it."""
        return at is not None and self.start <= at < self.end

    def of(self, at: Any) -> ColumnElement[bool]:
        """The same of a column."""
        return and_(at >= self.start, at < self.end)


def start(session: Session, run: DayRun, now: datetime) -> None:
    """A run begins; what an earlier one found stays until this one knows better."""
    row = session.get(Reconciliation, str(run.day))
    if row is None:
        row = Reconciliation(
            day=str(run.day), state=DayState.RUNNING, run_id="", counts={}, started_at=now
        )
        session.add(row)
    if row.run_id != run.run_id:
        row.run_id, row.state, row.problem = run.run_id, DayState.RUNNING, ""
        row.counts, row.started_at, row.finished_at = {}, now, None


def note_problem(session: Session, run: DayRun, problem: str) -> None:
    """Why the run waits."""
    session.get_one(Reconciliation, str(run.day)).problem = problem[:500]


def keep_bill(session: Session, run: DayRun, rows: Iterable[Billed]) -> None:
    """Keep the day's bill in place of one that was kept before."""
    day = str(run.day)
    session.exec(delete(BillRow).where(col(BillRow.day) == day))
    # A payment that was revoked has a second row: the later one holds.
    kept = {row.key: _columns(day, row) for row in rows}
    if kept:
        session.exec(insert(BillRow), params=list(kept.values()))
    session.get_one(Reconciliation, day).problem = ""


def load(session: Session, day: date) -> Book:
    """Both sides of a day; of a day that is not over, of what came before the bill."""
    asked_at = session.get_one(Reconciliation, str(day)).started_at
    span = Span(day, start_of(day), min(end_of(day), asked_at))
    rows = session.exec(select(BillRow).where(col(BillRow.day) == str(day)))
    billed = [_billed(row) for row in rows]
    ours = [*_payments(session, span), *_refunds(session, span)]
    return reconciliation.book(billed, ours, span.start, span.end)


def keep_findings(
    session: Session,
    run: DayRun,
    book: Book,
    found: Iterable[Difference],
    fees_trued_up: int,
    now: datetime,
) -> int:
    """Write the differences of now; those of before that are gone are settled. Answers how many
    are open.
    """
    row = session.get_one(Reconciliation, str(run.day))
    row.counts = _counts(book, row.counts.get("fees_trued_up", 0) + fees_trued_up)
    query = select(DifferenceRow).where(col(DifferenceRow.day) == row.day)
    known = {(one.item, one.number, one.kind): one for one in session.exec(query)}
    still_open: set[tuple[str, str, str]] = set()
    for difference in found:
        key: tuple[str, str, str] = (difference.item, difference.number, difference.kind)
        still_open.add(key)
        _keep(session, row.day, difference, known.get(key), now)
    for gone in known.keys() - still_open:
        known[gone].settled_at = known[gone].settled_at or now
    return len(still_open)


def finish(session: Session, run: DayRun, state: DayState, problem: str, now: datetime) -> None:
    """The run has ended; anything but agreement raises an alarm, once a day."""
    row = session.get_one(Reconciliation, str(run.day))
    if row.finished_at is not None:
        return
    row.state, row.problem, row.finished_at = state, problem[:500], now
    append_events(session, [_event(run, state, problem, now)])
    if state is not DayState.SETTLED:
        reason = problem or "the day and WeChat Pay's bill differ"
        alarm = Incident(kind="RECONCILIATION", cause=row.day, at=now, reason=reason[:1000])
        incidents.raise_once(session, alarm)


def view(session: Session, day: date) -> View:
    """A day's reconciliation as people read it; raises Refused."""
    row = session.get(Reconciliation, str(day))
    if row is None:
        detail = f"{day} was not reconciled yet"
        raise Refused(Code.RECONCILIATION_NOT_FOUND, detail, "day")
    query = select(DifferenceRow).where(col(DifferenceRow.day) == row.day)
    by_need = (col(DifferenceRow.settled_at).is_not(None), col(DifferenceRow.id))
    differences = list(session.exec(query.order_by(*by_need)))
    return {
        "day": row.day,
        "state": row.state,
        "problem": row.problem,
        "counts": row.counts | _by_state(differences),
        "differences": [_difference_view(one) for one in differences[:SHOWN_MAX]],
        "started_at": instant(row.started_at),
        "finished_at": instant(row.finished_at),
    }


def _columns(day: str, row: Billed) -> dict[str, object]:
    return {
        "day": day,
        "item": row.item,
        "number": row.number,
        "out_trade_no": row.out_trade_no,
        "transaction_id": row.transaction_id,
        "sub_mch_id": row.sub_mch_id,
        "fen": row.fen,
        "state": row.state,
        "fee": row.fee,
        "at": row.at,
    }


def _billed(row: BillRow) -> Billed:
    return Billed(
        item=Item(row.item),
        number=row.number,
        out_trade_no=row.out_trade_no,
        transaction_id=row.transaction_id,
        fen=row.fen,
        state=row.state,
        fee=row.fee,
        at=row.at,
        sub_mch_id=row.sub_mch_id,
    )


def _payments(session: Session, span: Span) -> list[Ours]:
    number, at = col(Payment.transaction_id), col(Payment.paid_at)
    rows = session.exec(
        select(Payment, Merchant.sub_mch_id)
        .join(Merchant, col(Merchant.merchant_id) == col(Payment.merchant_id), isouter=True)
        .where(or_(span.of(at), number.in_(_billed_on(span, Item.PAYMENT))))
    )
    elsewhere = _elsewhere(session, span, Item.PAYMENT, select(number).where(span.of(at)))
    return [
        Ours(
            item=Item.PAYMENT,
            number=row.transaction_id,
            out_trade_no=row.out_trade_no,
            transaction_id=row.transaction_id,
            merchant_id=row.merchant_id,
            fen=row.total_fee,
            state=TradeState.PAID,
            due_at=_due_at(span, row.paid_at, row.transaction_id in elsewhere),
            sub_mch_id=sub_mch_id or "",
        )
        for row, sub_mch_id in rows
    ]


def _refunds(session: Session, span: Span) -> list[Ours]:
    number, at = col(RefundRow.out_refund_no), col(RefundRow.accepted_at)
    rows = session.exec(
        select(RefundRow, Merchant.sub_mch_id)
        .join(Merchant, col(Merchant.merchant_id) == col(RefundRow.merchant_id), isouter=True)
        .where(or_(span.of(at), number.in_(_billed_on(span, Item.REFUND))))
    )
    elsewhere = _elsewhere(session, span, Item.REFUND, select(number).where(span.of(at)))
    return [
        Ours(
            item=Item.REFUND,
            number=row.out_refund_no,
            out_trade_no=row.out_trade_no,
            transaction_id=row.transaction_id,
            merchant_id=row.merchant_id,
            fen=row.refund_fee,
            state=row.state,
            due_at=_due_at(span, row.accepted_at, row.out_refund_no in elsewhere),
            sub_mch_id=sub_mch_id or "",
        )
        for row, sub_mch_id in rows
    ]


def _billed_on(span: Span, item: Item) -> Any:
    return select(BillRow.number).where(
        col(BillRow.day) == str(span.day), col(BillRow.item) == item
    )


def _elsewhere(session: Session, span: Span, item: Item, numbers: Any) -> set[str]:
    """Which of our numbers the bill of another day shows."""
    query = select(BillRow.number).where(
        col(BillRow.item) == item,
        col(BillRow.number).in_(numbers),
        col(BillRow.day) != str(span.day),
    )
    return set(session.exec(query))


def _due_at(span: Span, at: datetime | None, is_elsewhere: bool) -> datetime | None:
    return at if span.holds(at) and not is_elsewhere else None


def _counts(book: Book, fees_trued_up: int) -> dict[str, int]:
    billed = [row.item for row in book.billed.values()]
    ours = [one.item for one in book.ours.values()]
    return {
        "payments_billed": billed.count(Item.PAYMENT),
        "refunds_billed": billed.count(Item.REFUND),
        "payments_here": ours.count(Item.PAYMENT),
        "refunds_here": ours.count(Item.REFUND),
        "fees_trued_up": fees_trued_up,
    }


def _keep(
    session: Session, day: str, found: Difference, known: DifferenceRow | None, now: datetime
) -> None:
    row = known or DifferenceRow(
        day=day,
        item=found.item,
        number=found.number,
        kind=found.kind,
        out_trade_no=found.out_trade_no,
        found_at=now,
    )
    row.merchant_id, row.settled_at = found.merchant_id, None
    row.our_fen, row.their_fen = found.our_fen, found.their_fen
    row.our_state, row.their_state = found.our_state, found.their_state
    session.add(row)


def _event(run: DayRun, state: DayState, problem: str, now: datetime) -> Event:
    return Event(
        stream=f"reconciliation-{run.day}-{run.run_id}",
        number=1,
        position=0,
        at=now,
        merchant_id="",
        out_trade_no="",
        subject=Subject.RECONCILIATION,
        subject_no=str(run.day),
        actor=str(SYSTEM),
        event="RECONCILED",
        source=DayState.RUNNING,
        target=state,
        reason=problem[:1000],
        detail={},
    )


def _by_state(differences: list[DifferenceRow]) -> dict[str, int]:
    still_open = [one.kind for one in differences if one.settled_at is None]
    counted = {kind.lower(): still_open.count(kind) for kind in Kind}
    return counted | {"settled": len(differences) - len(still_open)}


def _difference_view(row: DifferenceRow) -> View:
    return {
        "state": "OPEN" if row.settled_at is None else "SETTLED",
        "kind": row.kind,
        "item": row.item,
        "number": row.number,
        "out_trade_no": row.out_trade_no,
        "merchant_id": row.merchant_id or None,
        "our_fen": row.our_fen,
        "their_fen": row.their_fen,
        "our_state": row.our_state or None,
        "their_state": row.their_state or None,
        "found_at": instant(row.found_at),
        "settled_at": instant(row.settled_at),
    }
