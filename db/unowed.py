"""Payments that no running order waits for: what is to be done with them."""

from datetime import datetime

from sqlmodel import Session

from db.bookings import book
from db.documents import load
from db.tables import OrderRow, Payment
from domain import payments
from domain.after_sale import Origin
from domain.messages import BookingKind, CaseStart, PaymentFact
from domain.order import PayState
from domain.terms import Terms


def take_in(session: Session, fact: PaymentFact, now: datetime) -> CaseStart | None:
    """The case that sends the payment back, for the caller to start.

    None where it is written down already. Money that fits no order is put into suspense and before
    a person, in this transaction, and goes nowhere by itself.
    """
    if session.get(Payment, fact.transaction_id) is not None:
        return None
    order = session.get(OrderRow, fact.out_trade_no)
    terms = load(Terms, order.terms) if order else None
    if order is None or terms is None or terms.total_fee != fact.total_fee:
        _raise_incident(session, fact, terms)
        return None
    was_paid = order.pay_state == PayState.PAID
    origin = Origin.SECOND_PAYMENT if was_paid else Origin.LATE_PAYMENT
    return payments.sent_back(fact, origin, terms, now)


def _raise_incident(session: Session, fact: PaymentFact, terms: Terms | None) -> None:
    if terms is None:
        reason, merchant_id = "no such order", ""
    else:
        reason = f"{fact.total_fee} fen were paid, {terms.total_fee} fen are due"
        merchant_id = terms.merchant_id
    book(session, merchant_id, payments.booking(BookingKind.UNEXPECTED_PAYMENT, fact, reason))
