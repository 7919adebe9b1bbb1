"""Payments as they come in: what each is for the books, and the case that sends one back."""

from datetime import datetime

from domain import after_sale
from domain.after_sale import Origin
from domain.messages import Booking, BookingKind, CaseStart, PaymentFact
from domain.terms import Terms

_PREFIX = {Origin.LATE_PAYMENT: "late", Origin.SECOND_PAYMENT: "second"}


def booking(kind: BookingKind, fact: PaymentFact, reason: str = "") -> Booking:
    """A payment for the books; its cause is the transaction, so it is entered once."""
    return Booking(
        kind=kind,
        cause=f"pay-{fact.transaction_id}",
        at=fact.paid_at,
        out_trade_no=fact.out_trade_no,
        transaction_id=fact.transaction_id,
        fen=fact.total_fee,
        reason=reason,
    )


def sent_back(fact: PaymentFact, origin: Origin, terms: Terms, now: datetime) -> CaseStart:
    """The case that refunds a payment nobody owed; its number derives from the payment."""
    case_no = f"{_PREFIX[origin]}-{fact.transaction_id}"
    return CaseStart(
        case=after_sale.of_payment(case_no, terms, fact.transaction_id, origin, now),
        policies=terms.policies,
        is_recorded=False,
        payment=booking(BookingKind.UNOWED_PAYMENT, fact, origin),
    )
