"""Reserving a refund: the cap, the place in the queue, the final amounts, the intent, in one."""

from datetime import datetime

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col, select

from db import books
from db.bookings import terms_of
from db.books import Tags
from db.documents import dump, load
from db.tables import CaseRow, Coupon, OrderRow, Payment, RefundRow
from domain import ledger
from domain.after_sale import Case
from domain.allocation import Amounts, CouponState, Standing, amounts
from domain.messages import Reservation, Reserve
from domain.order import OrderState
from domain.refund import REFUNDABLE_FOR, REFUNDS_MAX, Intent, RefundState
from domain.terms import Terms


def reserve(session: Session, wanted: Reserve) -> Reservation:
    """Reserve a case's refund; the same number gets the same answer again.

    Where the cap or WeChat Pay's limits forbid it, the refund is written down as closed, with the
    reason, and nothing is held for it.
    """
    known = session.get(RefundRow, wanted.out_refund_no)
    if known is not None:
        return _answer(session, known, wanted)
    case = wanted.case
    payments = _lock(session, case.out_trade_no)
    payment = {one.transaction_id: one for one in payments}[case.transaction_id]
    due = _final_amounts(session, payment, wanted)
    if due.refund_fee == 0:
        return Reservation()
    row = _new_row(payment, due.refund_fee, wanted)
    old = session.get(RefundRow, wanted.instead_of)
    row.problem = _refusal(payment, due.refund_fee - (old.held if old else 0), wanted)
    if row.problem:
        row.state = RefundState.CLOSED
    else:
        _take(session, payments, payment, row, old)
    session.add(row)
    session.flush()
    return _answer(session, row, wanted)


def estimate(session: Session, case: Case) -> Amounts:
    """What the case would come to if it were approved now."""
    return _amounts(session, case, session.get_one(Payment, case.transaction_id))


def _answer(session: Session, row: RefundRow, wanted: Reserve) -> Reservation:
    payment = session.get_one(Payment, row.transaction_id)
    intent = Intent(
        out_refund_no=row.out_refund_no,
        out_trade_no=row.out_trade_no,
        transaction_id=row.transaction_id,
        case_no=row.case_no,
        merchant_id=row.merchant_id,
        refund_fee=row.refund_fee,
        total_fee=payment.total_fee,
        reason=wanted.case.reason,
        not_before=row.not_before,
        sub_mch_id=terms_of(session, row.out_trade_no).sub_mch_id,
    )
    if not row.held:
        return Reservation(intent, refused=row.problem)
    is_due = row.not_before <= wanted.now
    return Reservation(intent, state=RefundState.SUBMITTING if is_due else RefundState.CREATED)


def _lock(session: Session, out_trade_no: str) -> list[Payment]:
    """The order's payments; a voucher that is being spent just now is waited for."""
    vouchers = select(Coupon).where(col(Coupon.out_trade_no) == out_trade_no)
    session.exec(vouchers.with_for_update()).all()
    query = (
        select(Payment)
        .where(col(Payment.out_trade_no) == out_trade_no)
        .order_by(col(Payment.transaction_id))
        .with_for_update()
    )
    return list(session.exec(query))


def _final_amounts(session: Session, payment: Payment, wanted: Reserve) -> Amounts:
    """Fixed by the case's first reservation, with what they do to vouchers and books."""
    row = session.get_one(CaseRow, wanted.case.case_no)
    if row.reserved:
        return load(Amounts, row.amounts)
    due = _amounts(session, wanted.case, payment)
    row.amounts, row.refund_fee, row.reserved = dump(due), due.refund_fee, True
    for voucher in due.vouchers:
        coupon = session.get_one(Coupon, voucher.coupon_no)
        coupon.state, coupon.updated_at = voucher.to, wanted.now
    _post(session, due, wanted)
    return due


def _amounts(session: Session, case: Case, payment: Payment) -> Amounts:
    if case.origin.is_unowed:
        return Amounts(refund_fee=payment.total_fee - payment.held)
    terms = terms_of(session, case.out_trade_no)
    standing = _standing(session, case, terms)
    return amounts(terms, case.units, standing, case.responsibility, case.freight_rule)


def _standing(session: Session, case: Case, terms: Terms) -> Standing:
    others = select(CaseRow).where(
        col(CaseRow.out_trade_no) == case.out_trade_no,
        col(CaseRow.transaction_id) == case.transaction_id,
        col(CaseRow.reserved).is_(True),
        col(CaseRow.case_no) != case.case_no,
    )
    rows = list(session.exec(others))
    coupons = select(Coupon).where(col(Coupon.out_trade_no) == case.out_trade_no)
    return Standing(
        taken=tuple((line, unit) for row in rows for line, unit in row.units),
        freight_left=terms.freight - sum(row.amounts["freight"] for row in rows),
        vouchers={coupon.coupon_no: CouponState(coupon.state) for coupon in session.exec(coupons)},
    )


def _post(session: Session, due: Amounts, wanted: Reserve) -> None:
    case = wanted.case
    tags = Tags(case.case_no, wanted.now, case.merchant_id, case.out_trade_no, case.case_no)
    if case.origin.is_unowed:
        books.post(session, tags, ledger.unowed_refund(due.refund_fee))
    else:
        books.post(session, tags, ledger.refund_approved(due, _payable(session, case)))


def _payable(session: Session, case: Case) -> int | None:
    order = session.get_one(OrderRow, case.out_trade_no)
    if order.state != OrderState.COMPLETED:
        return None
    return books.merchant_payable(session, case.merchant_id)


def _refusal(payment: Payment, fen: int, wanted: Reserve) -> str:
    if wanted.now >= payment.paid_at + REFUNDABLE_FOR:
        return "the payment is older than 365 days: WeChat Pay refunds it no more"
    if payment.refunds >= REFUNDS_MAX:
        return f"{REFUNDS_MAX} refunds were made of this payment: WeChat Pay takes no more"
    left = payment.total_fee - payment.held
    return f"{fen} fen are due, but only {left} fen of the payment are left" if fen > left else ""


def _new_row(payment: Payment, fen: int, wanted: Reserve) -> RefundRow:
    return RefundRow(
        out_refund_no=wanted.out_refund_no,
        out_trade_no=wanted.case.out_trade_no,
        case_no=wanted.case.case_no,
        merchant_id=wanted.case.merchant_id,
        transaction_id=payment.transaction_id,
        refund_fee=fen,
        state=RefundState.CREATED,
        not_before=wanted.now,
        created_at=wanted.now,
        updated_at=wanted.now,
    )


def _take(
    session: Session,
    payments: list[Payment],
    payment: Payment,
    row: RefundRow,
    old: RefundRow | None,
) -> None:
    """Hold the money (what a closed predecessor held passes on) and a place in the queue."""
    row.held = row.refund_fee
    row.not_before = max([row.created_at, *_slots(payments)])
    passed_on = old.held if old else 0
    if old:
        old.held = 0
    gap = terms_of(session, row.out_trade_no).policies.refund_gap
    _hold(session, payment, row.held - passed_on, row.not_before + gap)


def _slots(payments: list[Payment]) -> list[datetime]:
    return [one.next_refund_at for one in payments if one.next_refund_at is not None]


def _hold(session: Session, payment: Payment, fen: int, next_refund_at: datetime) -> None:
    held = col(Payment.held) + fen
    taken = session.exec(
        update(Payment)
        .where(
            col(Payment.transaction_id) == payment.transaction_id, held <= col(Payment.total_fee)
        )
        .values(held=held, refunds=col(Payment.refunds) + 1, next_refund_at=next_refund_at)
    )
    if not isinstance(taken, CursorResult) or taken.rowcount != 1:
        raise RuntimeError(f"the cap of {payment.transaction_id} moved while it was locked")
