"""Payments for the books, and the case that sends one back."""

import pytest

from domain.after_sale import CaseState, Origin
from domain.allocation import Party
from domain.messages import Booking, BookingKind, PaymentFact
from domain.order import CaseType
from domain.payments import booking, sent_back
from tests.domain.builders import NOW, O1, SECOND

FACT = PaymentFact("order-o1", "4200000002", 17030, succeeded=True, paid_at=NOW)


def test_a_transaction_is_entered_once() -> None:
    assert booking(BookingKind.ORDER_PAID, FACT, "why") == Booking(
        kind=BookingKind.ORDER_PAID,
        cause="pay-4200000002",
        at=NOW,
        out_trade_no="order-o1",
        transaction_id="4200000002",
        fen=17030,
        reason="why",
    )


@pytest.mark.parametrize(
    ("origin", "case_no", "reason"),
    [
        (Origin.LATE_PAYMENT, "late-4200000002", "paid after the order was closed"),
        (Origin.SECOND_PAYMENT, "second-4200000002", "paid a second time"),
    ],
)
def test_money_that_nobody_owed_goes_back_at_once(
    origin: Origin, case_no: str, reason: str
) -> None:
    later = NOW + SECOND
    start = sent_back(FACT, origin, O1, later)
    case = start.case
    assert not start.is_recorded
    assert start.payment == booking(BookingKind.UNOWED_PAYMENT, FACT, origin)
    assert start.policies == O1.policies
    assert (case.case_no, case.origin, case.reason) == (case_no, origin, reason)
    assert case.origin.is_unowed
    assert (case.state, case.type, case.units) == (CaseState.REFUNDING, CaseType.REFUND_ONLY, ())
    assert case.transaction_id == "4200000002"
    assert case.responsibility is Party.MERCHANT
    assert (case.opened_at, case.processed_at, case.deadline) == (later, later, None)
