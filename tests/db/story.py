"""Orders' lives, written down as their workflows do."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from db import coupons, records, reservations
from db.engine import Database
from db.tables import Payment
from domain import after_sale, order, payments, refund
from domain.after_sale import Case, CaseState
from domain.allocation import Party, Units, all_units
from domain.messages import (
    Batch,
    Booking,
    BookingKind,
    Note,
    PaymentFact,
    Reservation,
    Reserve,
)
from domain.order import CaseType, Claim, Order
from domain.refund import Refund, RefundEvent
from domain.terms import Terms
from domain.timeline import SYSTEM, Entry, Subject
from tests.domain.builders import NOW, O1

T = TypeVar("T")
_serial = itertools.count(1)


def fresh(terms: Terms = O1, **changes: Any) -> Terms:
    """The same terms under numbers that nobody used before, at a merchant of their own."""
    serial = next(_serial)
    gifts = tuple(replace(gift, coupon_no=f"{gift.coupon_no}-{serial}") for gift in terms.gifts)
    own = {"out_trade_no": f"order-{serial:06}", "merchant_id": f"m-{serial}", "gifts": gifts}
    return replace(terms, **{**own, **changes})


def at_once(acts: Iterable[Callable[[], T]]) -> list[T]:
    """What each of these comes to, all of them in threads of their own."""
    with ThreadPoolExecutor(8) as threads:
        return [running.result() for running in [threads.submit(act) for act in acts]]


@dataclass
class Story:
    """One order in the tables; every method is one thing that happened."""

    database: Database
    terms: Terms = field(default_factory=fresh)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.order: Order = order.placed(self.terms, self.now)
        self.batches: Counter[str] = Counter()
        self.write("PLACED")

    @property
    def number(self) -> str:
        return self.terms.out_trade_no

    @property
    def coupon_no(self) -> str:
        return self.terms.gifts[0].coupon_no

    def batch(
        self,
        event: str,
        subject: Subject = Subject.ORDER,
        subject_no: str = "",
        **parts: Any,
    ) -> Batch:
        """The next batch of one of the workflows."""
        subject_no = subject_no or self.number
        stream = f"{subject}-{subject_no}"
        self.batches[stream] += 1
        entry = Entry(self.now, str(SYSTEM), event, "", "")
        return Batch(
            stream=stream,
            number=self.batches[stream],
            merchant_id=self.terms.merchant_id,
            out_trade_no=self.number,
            notes=(Note(subject, subject_no, entry),),
            order=self.order if subject is Subject.ORDER else None,
            **parts,
        )

    def write(self, event: str, *about: Any, **parts: Any) -> None:
        with self.database.write() as session:
            records.apply(session, self.batch(event, *about, **parts), self.now)

    def paid(self) -> "Story":
        fact = self.fact(f"first-{self.number}")
        self.order = order.paid(self.order, fact.transaction_id, self.now)
        self.write("PAID", bookings=(payments.booking(BookingKind.ORDER_PAID, fact),))
        return self

    def fact(self, transaction_id: str) -> PaymentFact:
        """WeChat Pay says that this order was paid."""
        return PaymentFact(self.number, transaction_id, self.terms.total_fee, True, self.now)

    def voucher_used(self, spent_on: str) -> None:
        with self.database.write() as session:
            coupons.use(session, self.coupon_no, spent_on, self.now)

    def case(
        self,
        units: Units = (),
        type: CaseType = CaseType.RETURN_REFUND,
        responsibility: Party = Party.BUYER,
        state: CaseState = CaseState.PENDING_PLATFORM,
    ) -> Case:
        """A case of these units (none: all of them) on the platform's desk."""
        case = after_sale.of_operator(
            self.terms,
            self.order.transaction_id,
            units or all_units(self.terms),
            f"case-{next(_serial)}",
            self.now,
        )
        case = replace(
            case,
            origin=after_sale.Origin.BUYER,
            type=type,
            responsibility=responsibility,
            state=state,
        )
        claim = Claim(case.case_no, type, case.units, by_buyer=True)
        if not self.order.is_final:
            self.order = order.claimed(self.order, claim, self.now)
        self.write("CASE_OPENED", cases=(case,))
        return case

    def reserve(self, case: Case, count: int = 1, instead_of: str = "") -> Reservation:
        wanted = Reserve(case, refund.refund_number(case.case_no, count), self.now, instead_of)
        with self.database.write() as session:
            return reservations.reserve(session, wanted)

    def refunded(self, reservation: Reservation) -> None:
        """WeChat Pay moved the money."""
        intent = reservation.intent
        assert intent is not None
        one = Refund(intent)
        for event in (RefundEvent.SUBMITTED, RefundEvent.ACCEPTED, RefundEvent.SUCCEEDED):
            one = refund.moved(one, event)
        self.refund_became(one, BookingKind.REFUND_SUCCEEDED)

    def refund_became(self, one: Refund, kind: BookingKind, reason: str = "") -> None:
        """A refund came to this state, for the books as well."""
        intent = one.intent
        booking = Booking(
            kind,
            cause=intent.out_refund_no,
            at=self.now,
            out_trade_no=intent.out_trade_no,
            transaction_id=intent.transaction_id,
            out_refund_no=intent.out_refund_no,
            fen=intent.refund_fee,
            reason=reason,
        )
        about = (Subject.REFUND, intent.out_refund_no)
        self.write(one.state, *about, refund=one, bookings=(booking,))

    def ended(self, state: order.OrderState = order.OrderState.COMPLETED) -> None:
        """Settled, whatever was open."""
        self.order = replace(self.order, state=state, ended_at=self.now)
        number, transaction_id = self.number, self.order.transaction_id
        final = BookingKind.ORDER_FINAL
        booking = Booking(final, f"final-{number}", self.now, number, transaction_id)
        self.write(state, bookings=(booking,))

    def payment(self) -> Payment:
        """The order's payment as it stands in the tables."""
        with self.database.read() as session:
            return session.get_one(Payment, self.order.transaction_id)
