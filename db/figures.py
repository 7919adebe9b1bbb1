"""How much is open, how late it is and what waits for people: figures for those who watch."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, literal
from sqlmodel import Session, col, select

from db.tables import (
    CaseRow,
    Delivery,
    DifferenceRow,
    Event,
    Incident,
    OrderRow,
    Reconciliation,
    RefundRow,
)
from domain.after_sale import FINAL as ENDED_CASES
from domain.after_sale import CaseState
from domain.order import OrderState
from domain.refund import RefundState
from domain.webhooks import DeliveryState

ROWS_MAX = 100_000
"""No question looks at more rows than that, however much is open."""

OPEN_CASES = sorted(set(CaseState) - ENDED_CASES)
OPEN_ORDERS = (
    OrderState.PENDING_PAYMENT,
    OrderState.AWAITING_SHIPMENT,
    OrderState.SHIPPED,
    OrderState.RECEIVED,
)
OPEN_REFUNDS = (
    RefundState.CREATED,
    RefundState.SUBMITTING,
    RefundState.PROCESSING,
    RefundState.UNKNOWN,
    RefundState.ABNORMAL,
)
UNDELIVERED = (DeliveryState.PENDING, DeliveryState.GIVEN_UP)


@dataclass(frozen=True)
class Desk:
    """The cases in one state; `margin_s` is what is left until the nearest deadline, or passed."""

    cases: int
    overdue: int
    margin_s: float | None


@dataclass(frozen=True)
class Figures:
    """All of it at one moment; counts by state, ages in seconds."""

    orders: dict[str, int]
    desks: dict[str, Desk]
    refunds: dict[str, int]
    refund_ages_s: dict[str, float]
    incidents: int
    last_event_id: int
    last_event_age_s: float | None
    webhooks: dict[str, int]
    webhook_lag_s: float
    differences: int
    last_reconciliation_age_s: float | None


def figures(session: Session, now: datetime) -> Figures:
    """What is open now; every state is there, also with nothing in it."""
    refunds = _refunds(session)
    last_id, last_at = _last_event(session)
    reconciled_at = session.exec(select(func.max(Reconciliation.finished_at))).one()
    return Figures(
        orders=_orders(session),
        desks=_desks(session, now),
        refunds={state: count for state, (count, _) in refunds.items()},
        refund_ages_s={
            state: (now - oldest).total_seconds() if oldest else 0.0
            for state, (_, oldest) in refunds.items()
        },
        incidents=_count(session, select(Incident.id).where(col(Incident.handled_at).is_(None))),
        last_event_id=last_id,
        last_event_age_s=_age(last_at, now),
        webhooks={str(state): _deliveries(session, state) for state in UNDELIVERED},
        webhook_lag_s=_age(_oldest_undelivered(session), now) or 0.0,
        differences=_count(
            session, select(DifferenceRow.id).where(col(DifferenceRow.settled_at).is_(None))
        ),
        last_reconciliation_age_s=_age(reconciled_at, now),
    )


def _orders(session: Session) -> dict[str, int]:
    rows = (
        select(OrderRow.state)
        .where(col(OrderRow.state).in_(OPEN_ORDERS))
        .limit(ROWS_MAX)
        .subquery()
    )
    found = session.exec(select(rows.c.state, func.count()).group_by(rows.c.state)).all()
    return {str(state): 0 for state in OPEN_ORDERS} | dict(found)


def _desks(session: Session, now: datetime) -> dict[str, Desk]:
    rows = (
        select(CaseRow.state, CaseRow.deadline_at)
        .where(col(CaseRow.state).in_(OPEN_CASES))
        .limit(ROWS_MAX)
        .subquery()
    )
    is_overdue = case((rows.c.deadline_at < now, 1), else_=0)
    found = session.exec(
        select(
            rows.c.state, func.count(), func.sum(is_overdue), func.min(rows.c.deadline_at)
        ).group_by(rows.c.state)
    ).all()
    return {str(state): Desk(0, 0, None) for state in OPEN_CASES} | {
        state: Desk(count, overdue, (nearest - now).total_seconds() if nearest else None)
        for state, count, overdue, nearest in found
    }


def _refunds(session: Session) -> dict[str, tuple[int, datetime | None]]:
    rows = (
        select(RefundRow.state, RefundRow.created_at)
        .where(col(RefundRow.state).in_(OPEN_REFUNDS))
        .limit(ROWS_MAX)
        .subquery()
    )
    found = session.exec(
        select(rows.c.state, func.count(), func.min(rows.c.created_at)).group_by(rows.c.state)
    ).all()
    nothing: dict[str, tuple[int, datetime | None]] = {str(one): (0, None) for one in OPEN_REFUNDS}
    return nothing | {state: (count, oldest) for state, count, oldest in found}


def _last_event(session: Session) -> tuple[int, datetime | None]:
    last = session.exec(select(Event.id, Event.at).order_by(col(Event.id).desc()).limit(1)).first()
    return (last[0] or 0, last[1]) if last else (0, None)


def _deliveries(session: Session, state: DeliveryState) -> int:
    return _count(session, select(Delivery.event_id).where(col(Delivery.state) == state))


def _oldest_undelivered(session: Session) -> datetime | None:
    pending = select(func.min(Delivery.event_id)).where(
        col(Delivery.state) == DeliveryState.PENDING
    )
    oldest = session.exec(pending).one()
    event = session.get(Event, oldest) if oldest else None
    return event.at if event else None


def _count(session: Session, rows: Select[Any]) -> int:
    bounded = rows.with_only_columns(literal(1).label("one")).limit(ROWS_MAX).subquery()
    return session.exec(select(func.count()).select_from(bounded)).one()


def _age(at: datetime | None, now: datetime) -> float | None:
    return (now - at).total_seconds() if at else None
