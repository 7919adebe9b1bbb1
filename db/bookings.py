"""What the workflows ask to be booked, looked up and posted in the same transaction."""

from collections.abc import Callable, Mapping

from sqlalchemy import func
from sqlmodel import Session, col, select

from db import books, incidents
from db.books import Tags
from db.documents import load
from db.tables import Coupon, Incident, OrderRow, Payment, RefundRow
from domain import ledger
from domain.allocation import CouponState
from domain.messages import Booking, BookingKind
from domain.money import at_rate
from domain.policy import Policies
from domain.refund import RefundState
from domain.terms import Terms


def book(session: Session, merchant_id: str, booking: Booking) -> None:
    """Enter one thing into the books; repeating it changes nothing."""
    _ENTER[booking.kind](session, merchant_id, booking)


def terms_of(session: Session, out_trade_no: str) -> Terms:
    """What was agreed on an order."""
    return load(Terms, session.get_one(OrderRow, out_trade_no).terms)


def _order_paid(session: Session, merchant_id: str, booking: Booking) -> None:
    terms = terms_of(session, booking.out_trade_no)
    fee = at_rate(terms.total_fee, terms.policies.fee_rate)
    if _new_payment(session, merchant_id, booking, "FIRST", fee):
        _issue_gifts(session, terms, booking)
    books.post(session, _tags(merchant_id, booking), ledger.payment(terms, fee))


def _unowed(session: Session, merchant_id: str, booking: Booking) -> None:
    fee = at_rate(booking.fen, _policies(session, booking.out_trade_no).fee_rate)
    _new_payment(session, merchant_id, booking, booking.reason, fee)
    books.post(session, _tags(merchant_id, booking), ledger.unowed_payment(booking.fen, fee))


def _unexpected(session: Session, merchant_id: str, booking: Booking) -> None:
    fee = at_rate(booking.fen, _policies(session, booking.out_trade_no).fee_rate)
    _new_payment(session, merchant_id, booking, "UNEXPECTED", fee)
    _raise_incident(session, "PAYMENT_UNEXPECTED", booking)
    books.post(session, _tags(merchant_id, booking), ledger.unowed_payment(booking.fen, fee))


def _order_final(session: Session, merchant_id: str, booking: Booking) -> None:
    terms = terms_of(session, booking.out_trade_no)
    tags, policies = _tags(merchant_id, booking), terms.policies
    goods, freight = books.escrow(session, booking.out_trade_no)
    books.post(session, tags, ledger.release(goods, freight, policies.commission_rate))
    # Locked against the bill, which may be correcting the fee at this moment.
    payment = session.get_one(Payment, booking.transaction_id, with_for_update=True)
    returned = _fee_returned(session, payment.transaction_id)
    payable = books.merchant_payable(session, merchant_id)
    fee = ledger.handling_fee(payment.fee, returned, policies.fee_policy, payable)
    books.post(session, tags, fee)


def _refund_succeeded(session: Session, merchant_id: str, booking: Booking) -> None:
    row = session.get_one(RefundRow, booking.out_refund_no)
    if row.fee_returned is None:
        row.fee_returned = _estimated_return(session, row)
    expected = not booking.reason
    if not expected:
        _raise_incident(session, booking.reason, booking)
    paid = ledger.refund_paid(row.refund_fee, row.fee_returned, expected=expected)
    books.post(session, _tags(merchant_id, booking, row), paid)


def _settled_offline(session: Session, merchant_id: str, booking: Booking) -> None:
    row = session.get_one(RefundRow, booking.out_refund_no)
    paid = ledger.settled_offline(row.refund_fee)
    books.post(session, _tags(merchant_id, booking, row), paid)


_ENTER: Mapping[BookingKind, Callable[[Session, str, Booking], None]] = {
    BookingKind.ORDER_PAID: _order_paid,
    BookingKind.UNOWED_PAYMENT: _unowed,
    BookingKind.UNEXPECTED_PAYMENT: _unexpected,
    BookingKind.ORDER_FINAL: _order_final,
    BookingKind.REFUND_SUCCEEDED: _refund_succeeded,
    BookingKind.REFUND_SETTLED_OFFLINE: _settled_offline,
}


def _raise_incident(session: Session, kind: str, booking: Booking) -> None:
    incidents.raise_once(
        session,
        Incident(
            kind=kind,
            cause=booking.cause,
            at=booking.at,
            out_trade_no=booking.out_trade_no,
            fen=booking.fen,
            reason=booking.reason,
        ),
    )


def _new_payment(session: Session, merchant_id: str, booking: Booking, kind: str, fee: int) -> bool:
    if session.get(Payment, booking.transaction_id) is not None:
        return False
    session.add(
        Payment(
            transaction_id=booking.transaction_id,
            out_trade_no=booking.out_trade_no,
            merchant_id=merchant_id,
            kind=kind,
            total_fee=booking.fen,
            fee=fee,
            paid_at=booking.at,
        )
    )
    session.flush()
    return True


def _issue_gifts(session: Session, terms: Terms, booking: Booking) -> None:
    for gift in terms.gifts:
        session.add(
            Coupon(
                coupon_no=gift.coupon_no,
                out_trade_no=terms.out_trade_no,
                merchant_id=terms.merchant_id,
                openid=terms.openid,
                title=gift.title,
                face_value=gift.face_value,
                keep_if_goods_at_least=gift.keep_if_goods_at_least,
                state=CouponState.ISSUED,
                issued_at=booking.at,
                updated_at=booking.at,
            )
        )


def _estimated_return(session: Session, row: RefundRow) -> int:
    query = select(func.coalesce(func.sum(RefundRow.refund_fee), 0)).where(
        col(RefundRow.transaction_id) == row.transaction_id,
        col(RefundRow.state) == RefundState.SUCCEEDED,
        col(RefundRow.out_refund_no) != row.out_refund_no,
    )
    rate = _policies(session, row.out_trade_no).fee_rate
    return ledger.fee_returned(rate, int(session.exec(query).one()), row.refund_fee)


def _fee_returned(session: Session, transaction_id: str) -> int:
    query = select(func.sum(RefundRow.fee_returned)).where(
        col(RefundRow.transaction_id) == transaction_id,
        col(RefundRow.state) == RefundState.SUCCEEDED,
    )
    # PostgreSQL answers a Decimal.
    return int(session.exec(query).one() or 0)


def _policies(session: Session, out_trade_no: str) -> Policies:
    row = session.get(OrderRow, out_trade_no)
    return load(Terms, row.terms).policies if row else Policies()


def _tags(merchant_id: str, booking: Booking, refund: RefundRow | None = None) -> Tags:
    return Tags(
        cause=booking.cause,
        at=booking.at,
        merchant_id=merchant_id,
        out_trade_no=booking.out_trade_no,
        case_no=refund.case_no if refund else "",
        out_refund_no=refund.out_refund_no if refund else "",
    )
