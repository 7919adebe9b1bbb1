"""WeChat Pay's handling fee: an estimate in the books until its bill says what it was."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from db import books
from db.books import Tags
from db.documents import load
from db.tables import BillRow, OrderRow, Payment, RefundRow, Transfer
from domain import ledger
from domain.messages import RefundStatus, TradeState
from domain.policy import FeePolicy
from domain.reconciliation import Item
from domain.refund import RefundState
from domain.terms import Terms


def true_up(session: Session, day: str, run_id: str, now: datetime) -> int:
    """Correct the books to the fees on a stored bill; answers how many were estimated wrongly.

    An order that was final before its bill came has the merchant's charge corrected as well.
    """
    payments, refunds = _payments_off(session, day), _refunds_off(session, day)
    for payment, fee in payments:
        _true_up_payment(session, payment, fee, _cause(day, run_id, payment.transaction_id), now)
    for refund, fee in refunds:
        _true_up_refund(session, refund, -fee, _cause(day, run_id, refund.out_refund_no), now)
    return len(payments) + sum(refund.state == RefundState.SUCCEEDED for refund, _ in refunds)


def _payments_off(session: Session, day: str) -> Sequence[tuple[Payment, int]]:
    query = select(Payment, BillRow.fee).where(
        col(BillRow.day) == day,
        col(BillRow.item) == Item.PAYMENT,
        col(BillRow.number) == col(Payment.transaction_id),
        col(BillRow.state) == TradeState.PAID,
        col(BillRow.fen) == col(Payment.total_fee),
        col(BillRow.fee) != col(Payment.fee),
    )
    return session.exec(query.with_for_update(of=Payment)).all()


def _refunds_off(session: Session, day: str) -> Sequence[tuple[RefundRow, int]]:
    query = select(RefundRow, BillRow.fee).where(
        col(BillRow.day) == day,
        col(BillRow.item) == Item.REFUND,
        col(BillRow.number) == col(RefundRow.out_refund_no),
        col(BillRow.state) != RefundStatus.CLOSED,
        col(BillRow.fen) == col(RefundRow.refund_fee),
        (-col(BillRow.fee)).is_distinct_from(col(RefundRow.fee_returned)),
    )
    return session.exec(query.with_for_update(of=RefundRow)).all()


def _true_up_payment(
    session: Session, payment: Payment, fee: int, cause: str, now: datetime
) -> None:
    more, payment.fee = fee - payment.fee, fee
    tags = Tags(cause, now, payment.merchant_id, payment.out_trade_no)
    books.post(session, tags, ledger.fee_trued_up(more))
    if _is_charged(session, payment.out_trade_no, payment.transaction_id):
        _charge(session, tags, more)


def _true_up_refund(
    session: Session, refund: RefundRow, fee_returned: int, cause: str, now: datetime
) -> None:
    """One whose money is not back yet will be booked with the fee that is known now."""
    estimate, refund.fee_returned = refund.fee_returned, fee_returned
    if estimate is None or refund.state != RefundState.SUCCEEDED:
        return
    more = estimate - fee_returned
    tags = Tags(
        cause, now, refund.merchant_id, refund.out_trade_no, refund.case_no, refund.out_refund_no
    )
    books.post(session, tags, ledger.fee_trued_up(more))
    order = _is_charged(session, refund.out_trade_no, refund.transaction_id)
    if order and _counted(session, order, refund):
        _charge(session, tags, more)


def _is_charged(session: Session, out_trade_no: str, transaction_id: str) -> OrderRow | None:
    """The order, if this payment is the one that it was charged for when it became final."""
    order = session.get(OrderRow, out_trade_no)
    is_final = order is not None and order.ended_at is not None
    return order if is_final and order and order.transaction_id == transaction_id else None


def _counted(session: Session, order: OrderRow, refund: RefundRow) -> bool:
    """Whether the charge depended on what this refund gave back."""
    policy = load(Terms, order.terms).policies.fee_policy
    booked = select(Transfer.id).where(books.paid_back(refund, order.ended_at))
    return policy is FeePolicy.CHANNEL_ACTUAL and session.exec(booked).first() is not None


def _charge(session: Session, tags: Tags, more: int) -> None:
    payable = books.merchant_payable(session, tags.merchant_id)
    books.post(session, tags, ledger.handling_fee_trued_up(more, payable))


def _cause(day: str, run_id: str, number: str) -> str:
    return f"bill-{day}-{run_id[:8]}-{number}"
