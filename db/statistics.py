"""Numbers about a stretch of time: how much is refunded, why, how fast, and who decided."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import distinct, func
from sqlmodel import Session, col, select

from db.tables import CaseRow, Event, Payment, RefundRow
from db.views import View
from domain.after_sale import FINAL, CaseEvent, Origin
from domain.days import day_of
from domain.refund import RefundState
from domain.timeline import CLOCK, Subject

DECISIONS = frozenset(
    {
        CaseEvent.MERCHANT_APPROVED,
        CaseEvent.RETURN_APPROVED,
        CaseEvent.MERCHANT_REJECTED,
        CaseEvent.MERCHANT_SILENT,
        CaseEvent.RETURN_MERCHANT_SILENT,
        CaseEvent.RECEIPT_ACCEPTED,
        CaseEvent.RECEIPT_REFUSED,
        CaseEvent.RECEIPT_SILENT,
        CaseEvent.PLATFORM_APPROVED,
        CaseEvent.PLATFORM_REJECTED,
        CaseEvent.PLATFORM_AUTO_PROCESSED,
    }
)
"""What is decided at a desk, by a person or by the clock."""


@dataclass(frozen=True)
class Period:
    """From `since` to before `until`; of one merchant, or of all."""

    since: datetime
    until: datetime
    merchant_id: str = ""


@dataclass
class _Steps:
    """How long cases stayed in each state, and who decided."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_clock: int = 0
    by_people: int = 0


def overview(session: Session, period: Period) -> View:
    """Everything that the statistics page shows; amounts in fen, times in seconds."""
    cases = _cases(session, period)
    steps = _steps(session, period, {row.case_no: row.opened_at for row in cases})
    by_buyers = [row for row in cases if row.origin == Origin.BUYER]
    processed = [row for row in by_buyers if row.processed_at is not None or row.breached_at]
    late = sum(row.breached_at is not None for row in processed)
    return {
        "sales": _sales(session, period),
        "cases": len(cases),
        "reasons": dict(Counter(row.reason_code for row in by_buyers)),
        "outcomes": dict(Counter(row.state for row in cases if row.state in FINAL)),
        "steps": [_step(state, seconds) for state, seconds in steps.seconds.items()],
        "platform": {"in_time": len(processed) - late, "late": late},
        "decisions": {"people": steps.by_people, "clock": steps.by_clock},
        "days": _days(period, cases, _back(session, period)),
    }


def _sales(session: Session, period: Period) -> View:
    """Orders paid in the period, and what went back of their money, whenever it did."""
    paid = select(func.count(), func.coalesce(func.sum(Payment.total_fee), 0)).where(
        *_paid_in(period)
    )
    refunded = (
        select(
            func.count(distinct(col(RefundRow.transaction_id))),
            func.coalesce(func.sum(RefundRow.refund_fee), 0),
        )
        .select_from(Payment)
        .join(RefundRow, col(RefundRow.out_trade_no) == col(Payment.out_trade_no))
        .where(
            *_paid_in(period),
            col(RefundRow.transaction_id) == col(Payment.transaction_id),
            col(RefundRow.state) == RefundState.SUCCEEDED,
        )
    )
    orders, fen = session.exec(paid).one()
    refunded_orders, refunded_fen = session.exec(refunded).one()
    return {
        "orders": orders,
        "fen": int(fen),
        "refunded_orders": refunded_orders,
        "refunded_fen": int(refunded_fen),
    }


def _paid_in(period: Period) -> list[Any]:
    conditions = [
        col(Payment.paid_at) >= period.since,
        col(Payment.paid_at) < period.until,
        col(Payment.kind) == "FIRST",
    ]
    return conditions + _of_merchant(Payment, period)


def _of_merchant(table: Any, period: Period) -> list[Any]:
    return [col(table.merchant_id) == period.merchant_id] if period.merchant_id else []


def _opened_in(period: Period) -> list[Any]:
    opened = col(CaseRow.opened_at)
    in_period = [opened >= period.since, opened < period.until]
    return in_period + _of_merchant(CaseRow, period)


def _cases(session: Session, period: Period) -> list[Any]:
    columns = select(
        CaseRow.case_no,
        CaseRow.opened_at,
        CaseRow.origin,
        CaseRow.reason_code,
        CaseRow.state,  # type: ignore[call-overload]
        CaseRow.processed_at,
        CaseRow.breached_at,
    )
    return list(session.exec(columns.where(*_opened_in(period))))


def _steps(session: Session, period: Period, opened_at: dict[str, datetime]) -> _Steps:
    moves = (
        select(Event.subject_no, Event.at, Event.source, Event.event, Event.actor)  # type: ignore[call-overload]
        .join(CaseRow, col(CaseRow.case_no) == col(Event.subject_no))
        .where(
            col(Event.subject) == Subject.AFTER_SALE,
            col(Event.source) != col(Event.target),
            *_opened_in(period),
        )
        .order_by(col(Event.subject_no), col(Event.id))
    )
    steps = _Steps()
    for case_no, moved in groupby(session.exec(moves), key=lambda row: row.subject_no):
        _walk(steps, opened_at.get(case_no), moved)
    return steps


def _walk(steps: _Steps, entered_at: datetime | None, moves: Iterable[Any]) -> None:
    for move in moves:
        if move.event in DECISIONS:
            if move.actor == str(CLOCK):
                steps.by_clock += 1
            else:
                steps.by_people += 1
        if move.source and entered_at is not None:
            steps.seconds[move.source].append((move.at - entered_at).total_seconds())
        entered_at = move.at


def _step(state: str, seconds: list[float]) -> View:
    ordered = sorted(seconds)
    return {
        "state": state,
        "cases": len(ordered),
        "mean": sum(ordered) / len(ordered),
        "most": ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)],
    }


def _back(session: Session, period: Period) -> dict[date, int]:
    """What was accepted for refund on each day in China, in fen."""
    rows = session.exec(
        select(RefundRow.accepted_at, RefundRow.refund_fee).where(
            col(RefundRow.accepted_at) >= period.since,
            col(RefundRow.accepted_at) < period.until,
            *_of_merchant(RefundRow, period),
        )
    )
    days: dict[date, int] = defaultdict(int)
    for at, fen in rows:
        if at is not None:
            days[day_of(at)] += fen
    return days


def _days(period: Period, cases: list[Any], back: dict[date, int]) -> list[View]:
    opened = Counter(day_of(row.opened_at) for row in cases)
    first = day_of(period.since)
    span = (day_of(period.until - timedelta(seconds=1)) - first).days + 1
    every = [first + timedelta(days=number) for number in range(span)]
    return [{"day": str(day), "cases": opened[day], "fen": back.get(day, 0)} for day in every]
