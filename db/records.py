"""Writing down what a workflow decided: rows, books and events in one transaction, once."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, func
from sqlmodel import Session, SQLModel, select

from db import lost_tasks
from db.bookings import book
from db.documents import dump
from db.engine import insert_new
from db.reservations import estimate
from db.tables import CaseRow, Event, Merchant, OrderRow, RefundRow
from domain.after_sale import Case
from domain.deadline import Deadline
from domain.messages import Batch
from domain.order import Order
from domain.refund import Refund

_ORDERS: Final = SQLModel.metadata.tables["orders"]
_OF_ORDER: Final = _ORDERS.update().where(_ORDERS.c.out_trade_no == bindparam("number"))
"""Around the mapper, which would triple what it costs."""


def apply(session: Session, batch: Batch, now: datetime) -> None:
    """Write one batch; the second time it comes, nothing happens.

    A task that was lost after it had written is done again, and may come out otherwise.
    """
    written = lost_tasks.written(session, batch)
    if written.is_over():
        return
    steps, events = written.settle()
    for step in steps:
        session.merge(step)
    if batch.order is not None:
        _write_order(session, batch.order, now)
    if batch.refund is not None:
        _write_refund(session, batch.refund, now)
    session.flush()
    for booking in batch.bookings:
        book(session, batch.merchant_id, booking)
    for case in batch.cases:
        _write_case(session, case, now)
    # Whoever was faster has the positions, and this one fails.
    append_events(session, events)


def ensure_merchant(session: Session, merchant_id: str, now: datetime) -> None:
    """A merchant nobody has described yet gets the defaults, whoever comes first."""
    if session.get(Merchant, merchant_id) is None:
        new = Merchant(merchant_id=merchant_id, updated_at=now).model_dump()
        insert_new(session, "merchants", new)


def append_events(session: Session, events: list[Event]) -> None:
    """Events become visible in the order of their ids: writers take turns until they commit."""
    if _is_postgresql(session):
        session.exec(select(func.pg_advisory_xact_lock(_EVENTS_LOCK)))
    session.add_all(events)
    session.flush()


_EVENTS_LOCK = 0x57454348


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _write_order(session: Session, order: Order, now: datetime) -> None:
    terms, (policy, deadline_at) = order.terms, _deadline(order.deadline)
    stands: dict[str, Any] = {
        "state": order.state,
        "pay_state": int(order.pay_state),
        "prepay_id": order.prepay_id,
        "transaction_id": order.transaction_id,
        "carrier": order.carrier,
        "tracking_no": order.tracking_no,
        "paid_at": order.paid_at,
        "shipped_at": order.shipped_at,
        "received_at": order.received_at,
        "ended_at": order.ended_at,
        "updated_at": now,
        "deadline_policy": policy,
        "deadline_at": deadline_at,
    }
    # Without reading it first: it is there every time but one.
    written = session.connection().execute(_OF_ORDER, {"number": terms.out_trade_no, **stands})
    if written.rowcount == 0:
        ensure_merchant(session, terms.merchant_id, now)
        new = OrderRow(
            out_trade_no=terms.out_trade_no,
            merchant_id=terms.merchant_id,
            openid=terms.openid,
            total_fee=terms.total_fee,
            terms=dump(terms),
            placed_at=order.placed_at,
            **stands,
        )
        session.add(new)


def _write_case(session: Session, case: Case, now: datetime) -> None:
    row = session.get(CaseRow, case.case_no)
    if row is None:
        ensure_merchant(session, case.merchant_id, now)
        row = CaseRow(
            case_no=case.case_no,
            out_trade_no=case.out_trade_no,
            merchant_id=case.merchant_id,
            transaction_id=case.transaction_id,
            origin=case.origin,
            type=case.type,
            state=case.state,
            responsibility=case.responsibility,
            reason_code=case.reason_code,
            reason=case.reason,
            evidence=list(case.evidence),
            units=[list(unit) for unit in case.units],
            amounts={},
            refund_fee=0,
            opened_at=case.opened_at,
            updated_at=now,
        )
        session.add(row)
    row.state, row.type, row.responsibility = case.state, case.type, case.responsibility
    if not row.reserved:
        due = estimate(session, case)
        row.amounts, row.refund_fee = dump(due), due.refund_fee
    row.approved_in_person = case.approved_in_person
    row.deadline_policy, row.deadline_at = _deadline(case.deadline)
    row.alarm_at = case.deadline.alarm_at if case.deadline else None
    row.breached_at, row.processed_at = case.breached_at, case.processed_at
    row.ended_at, row.updated_at = case.ended_at, now
    if case.parcel is not None:
        row.return_carrier, row.return_tracking_no = case.parcel.carrier, case.parcel.tracking_no


def _write_refund(session: Session, refund: Refund, now: datetime) -> None:
    row = session.get_one(RefundRow, refund.intent.out_refund_no)
    row.state, row.refund_id, row.problem = refund.state, refund.refund_id, refund.problem[:500]
    row.accepted_at, row.succeeded_at = refund.accepted_at, refund.succeeded_at
    row.updated_at = now


def _deadline(deadline: Deadline | None) -> tuple[str, datetime | None]:
    return (deadline.policy, deadline.at) if deadline else ("", None)
