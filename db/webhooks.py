"""Which events are due at the shop's webhook, and the log of their deliveries."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert
from sqlmodel import Session, col, select

from db import views
from db.tables import Delivery, Event
from db.views import View, instant
from domain import webhooks
from domain.webhooks import DeliveryState

BATCH = 100


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended: `problem` is empty when the shop took the event."""

    event_id: int
    status: int | None
    problem: str


def newest(session: Session) -> int:
    """The last event of all; 0 before the first."""
    return session.exec(select(func.max(Event.id))).one() or 0


def enqueue(session: Session, after: int, now: datetime) -> int:
    """Take up to a batch of new events in; answers the last that was taken in."""
    known = session.exec(select(func.max(Delivery.event_id))).one() or 0
    last = max(after, known)
    query = select(Event.id).where(col(Event.id) > last).order_by(col(Event.id)).limit(BATCH)
    new = [number for number in session.exec(query) if number is not None]
    if new:
        rows = [
            {"event_id": number, "state": DeliveryState.PENDING, "next_at": now} for number in new
        ]
        session.exec(insert(Delivery), params=rows)
    return new[-1] if new else last


def due(session: Session, now: datetime) -> list[View]:
    """Events to be sent now, oldest first."""
    query = (
        select(Event)
        .join(Delivery, col(Delivery.event_id) == col(Event.id))
        .where(col(Delivery.state) == DeliveryState.PENDING, col(Delivery.next_at) <= now)
        .order_by(col(Event.id))
        .limit(BATCH)
    )
    return [views.event(row) for row in session.exec(query)]


def note(session: Session, outcome: Outcome, now: datetime) -> None:
    """Write down how an attempt ended, and when the next is due."""
    row = session.get_one(Delivery, outcome.event_id)
    row.attempts += 1
    row.status, row.problem = outcome.status, outcome.problem[:500]
    if not outcome.problem:
        row.state, row.delivered_at, row.next_at = DeliveryState.DELIVERED, now, None
        return
    row.next_at = webhooks.next_attempt(row.attempts, now)
    if row.next_at is None:
        row.state = DeliveryState.GIVEN_UP


def deliveries(session: Session, after: int, limit: int, state: str = "") -> list[View]:
    """The log, by event, after event `after`."""
    query = select(Delivery).where(col(Delivery.event_id) > after).limit(limit)
    if state:
        query = query.where(col(Delivery.state) == state)
    return [
        {
            "event_id": row.event_id,
            "webhook_id": webhooks.message_id(row.event_id),
            "state": row.state,
            "attempts": row.attempts,
            "status": row.status,
            "problem": row.problem,
            "next_at": instant(row.next_at),
            "delivered_at": instant(row.delivered_at),
        }
        for row in session.exec(query.order_by(col(Delivery.event_id)))
    ]
