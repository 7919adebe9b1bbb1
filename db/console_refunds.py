"""Refunds that staff made in WeChat Pay's own merchant console: facts that we only learn."""

from datetime import datetime

from sqlmodel import Session, col, select

from db.bookings import book
from db.records import append_events
from db.tables import Event, Payment, RefundRow
from domain.messages import Answer, Booking, BookingKind
from domain.refund import Intent, RefundState
from domain.timeline import WECHAT, Subject


def adopt(session: Session, intent: Intent, answer: Answer, now: datetime) -> None:
    """Write one down, once. It counts against the cap as far as there is room."""
    if session.get(RefundRow, intent.out_refund_no) is not None:
        return
    query = select(Payment).where(col(Payment.transaction_id) == intent.transaction_id)
    payment = session.exec(query.with_for_update()).one_or_none()
    held = min(intent.refund_fee, payment.total_fee - payment.held) if payment else 0
    if payment is not None:
        payment.held += held
        payment.refunds += 1
    session.add(_row(intent, answer, held, payment, now))
    session.flush()
    merchant_id = payment.merchant_id if payment else ""
    book(session, merchant_id, _booking(intent, now))
    append_events(session, [_event(intent, merchant_id, now)])


def _row(
    intent: Intent, answer: Answer, held: int, payment: Payment | None, now: datetime
) -> RefundRow:
    return RefundRow(
        out_refund_no=intent.out_refund_no,
        origin="CONSOLE",
        out_trade_no=intent.out_trade_no,
        case_no="",
        merchant_id=payment.merchant_id if payment else "",
        transaction_id=intent.transaction_id,
        refund_fee=intent.refund_fee,
        held=held,
        state=RefundState.SUCCEEDED,
        refund_id=answer.refund_id,
        not_before=now,
        created_at=now,
        accepted_at=now,
        succeeded_at=answer.succeeded_at or now,
        updated_at=now,
    )


def _booking(intent: Intent, now: datetime) -> Booking:
    return Booking(
        BookingKind.REFUND_SUCCEEDED,
        cause=intent.out_refund_no,
        at=now,
        out_trade_no=intent.out_trade_no,
        transaction_id=intent.transaction_id,
        out_refund_no=intent.out_refund_no,
        fen=intent.refund_fee,
        reason="REFUND_IN_CONSOLE",
    )


def _event(intent: Intent, merchant_id: str, now: datetime) -> Event:
    return Event(
        stream=f"refund-{intent.out_refund_no}",
        number=1,
        position=0,
        at=now,
        merchant_id=merchant_id,
        out_trade_no=intent.out_trade_no,
        subject=Subject.REFUND,
        subject_no=intent.out_refund_no,
        actor=str(WECHAT),
        event="REFUND_IN_CONSOLE",
        source="",
        target=RefundState.SUCCEEDED,
        reason="made by hand in WeChat Pay's merchant console",
        detail={},
    )
