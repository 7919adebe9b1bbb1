"""A whole day of trade, written into our tables and the simulator's at once, with differences."""

import sqlite3
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from db import records, reservations
from domain import after_sale, order, payments, refund
from domain.allocation import all_units
from domain.days import end_of, start_of
from domain.messages import Batch, Booking, BookingKind, Note, PaymentFact, Reserve
from domain.order import Order
from domain.refund import Refund, RefundEvent
from domain.terms import Line, Terms
from domain.timeline import SYSTEM, Entry, Subject

PRICE = 1_000
MOMENT = timedelta(seconds=2)
Found = tuple[str, str, str]


@dataclass
class Trade:
    """Both sides of a day in China; each order comes a second after the one before."""

    session: Session
    wechat: sqlite3.Connection
    day: date
    orders: int = 0
    batches: int = 0
    refunds: dict[str, Refund] = field(default_factory=dict)

    def next(self) -> tuple[str, datetime]:
        """The next order's number and instant."""
        self.orders += 1
        number = f"d{self.day:%m%d}-{self.orders:05d}"
        return number, start_of(self.day) + timedelta(hours=1, seconds=self.orders)

    def agree(self, *events: RefundEvent) -> str:
        """An order that both sides know, and its refund if any; the order's number."""
        number, at = self.next()
        self.pay_there(number, at)
        paid = self.pay_here(number, at)
        if events:
            self.refund_there(number, self.refund_here(paid, at, *events), at)
        return number

    # ---- differences, each as (kind, number, state after the run)

    def lost_payment(self) -> Found:
        """Told to us never; its order was closed for us."""
        number, at = self.next()
        self.place_here(number, at)
        return "MISSING_HERE", self.pay_there(number, at), "SETTLED"

    def stranger(self) -> Found:
        """A payment for an order that is none of ours."""
        number, at = self.next()
        return "MISSING_HERE", self.pay_there(number, at), "SETTLED"

    def lost_second_payment(self) -> Found:
        """An order that was paid twice; we heard of one."""
        number, at = self.next()
        self.pay_here(number, at)
        self.pay_there(number, at)
        return "MISSING_HERE", self.pay_there(number, at, serial=2), "SETTLED"

    def invented_payment(self) -> Found:
        """Paid for us only."""
        return "MISSING_THERE", self.pay_here(*self.next()).transaction_id, "OPEN"

    def other_amount(self) -> Found:
        """Less was paid than we believe."""
        number, at = self.next()
        self.pay_here(number, at)
        return "AMOUNT", self.pay_there(number, at, PRICE - 1), "OPEN"

    def lost_console_refund(self) -> Found:
        """Made by hand at WeChat."""
        number = self.agree()
        self.refund_there(number, f"console-{number}", self.next()[1], fen=1)
        return "MISSING_HERE", f"console-{number}", "SETTLED"

    def invented_refund(self) -> Found:
        """Refunded for us only."""
        number, at = self.next()
        self.pay_there(number, at)
        refund_no = self.refund_here(self.pay_here(number, at), at, RefundEvent.SUCCEEDED)
        return "MISSING_THERE", refund_no, "OPEN"

    def other_refund_amount(self) -> Found:
        """Less was refunded than we believe."""
        return "AMOUNT", self._refunded(RefundEvent.SUCCEEDED, fen=PRICE - 1), "OPEN"

    def failed_refund(self) -> Found:
        """The money stayed, but we believe it is back."""
        return "STATE", self._refunded(RefundEvent.SUCCEEDED, "REFUNDCLOSE"), "OPEN"

    def unheard_refund(self) -> Found:
        """The money is back, but we believe that the card can't take it."""
        return "STATE", self._refunded(RefundEvent.ABNORMAL), "OPEN"

    def _refunded(self, event: RefundEvent, state: str = "SUCCESS", fen: int = PRICE) -> str:
        number, at = self.next()
        self.pay_there(number, at)
        refund_no = self.refund_here(self.pay_here(number, at), at, event)
        self.refund_there(number, refund_no, at, state, fen)
        return refund_no

    def at_midnight(self) -> None:
        """Our clock and WeChat Pay's put two payments on different days."""
        number, _ = self.next()
        self.pay_here(number, end_of(self.day) - MOMENT)
        self.pay_there(number, end_of(self.day) + MOMENT)
        number, _ = self.next()
        self.pay_here(number, start_of(self.day) + MOMENT)
        self.pay_there(number, start_of(self.day) - MOMENT)

    # ---- at WeChat Pay

    def pay_there(self, number: str, at: datetime, fen: int = PRICE, serial: int = 1) -> str:
        """The buyer pays; the transaction_id."""
        transaction_id = f"42{serial}-{number}"
        row = (
            number,
            fen,
            "茶",
            "",
            "",
            "o-buyer",
            "JSAPI",
            "MD5",
            "",
            "SUCCESS",
            "",
            at.timestamp(),
        )
        self.wechat.execute(f"INSERT OR IGNORE INTO orders VALUES ({_marks(row)})", row)
        paid = (transaction_id, number, fen, 0, "o-buyer", "first", at.timestamp())
        self.wechat.execute(f"INSERT INTO payments VALUES ({_marks(paid)})", paid)
        return transaction_id

    def refund_there(
        self, number: str, refund_no: str, at: datetime, state: str = "SUCCESS", fen: int = PRICE
    ) -> None:
        """WeChat Pay refunds the order's first payment."""
        finished = at.timestamp() + 5 if state != "PROCESSING" else None
        moves = int(state == "SUCCESS")
        row = (
            refund_no, f"50{refund_no}", f"421-{number}", number, PRICE, fen, 0, state, "SUCCESS",
            "API", "", at.timestamp(), 0.0, 0.0, finished, moves,
        )  # fmt: skip
        self.wechat.execute(f"INSERT INTO refunds VALUES ({_marks(row)})", row)

    # ---- here

    def place_here(self, number: str, at: datetime) -> None:
        """The order, not yet paid."""
        self.write(_placed(number, at), at)

    def pay_here(self, number: str, at: datetime) -> Order:
        """The order, paid as WeChat Pay told us."""
        fact = PaymentFact(number, f"421-{number}", PRICE, True, at)
        paid = order.paid(_placed(number, at), fact.transaction_id, at)
        self.write(paid, at, payments.booking(BookingKind.ORDER_PAID, fact))
        return paid

    def refund_here(self, paid: Order, at: datetime, *events: RefundEvent) -> str:
        """A refund of everything that has come so far; its number."""
        case_no = f"case-{paid.terms.out_trade_no}"
        units = all_units(paid.terms)
        case = after_sale.of_operator(paid.terms, paid.transaction_id, units, case_no, at)
        self.write(paid, at, cases=(case,))
        number = refund.refund_number(case_no, 1)
        intent = reservations.reserve(self.session, Reserve(case, number, at)).intent
        assert intent is not None
        going = refund.identified(Refund(intent), f"50{number}", at)
        for event in (RefundEvent.SUBMITTED, RefundEvent.ACCEPTED, *events):
            going = refund.moved(going, event)
        booked = [_success(going, at)] if RefundEvent.SUCCEEDED in events else []
        self.write(paid, at, *booked, refund=going)
        self.refunds[number] = going
        return number

    def succeed_here(self, paid: Order, number: str) -> None:
        """The money of a refund is back."""
        going = refund.moved(self.refunds[number], RefundEvent.SUCCEEDED)
        at = going.intent.not_before
        self.write(paid, at, _success(going, at), refund=going)

    def write(
        self,
        one: Order,
        at: datetime,
        *bookings: Booking,
        refund: Refund | None = None,
        cases: tuple[after_sale.Case, ...] = (),
    ) -> None:
        """What a workflow would have recorded."""
        self.batches += 1
        number = one.terms.out_trade_no
        entry = Entry(at, str(SYSTEM), "PLANTED", one.state, one.state)
        batch = Batch(
            stream=f"planted-{self.day}",
            number=self.batches,
            merchant_id=one.terms.merchant_id,
            out_trade_no=number,
            notes=(Note(Subject.ORDER, number, entry),),
            order=one,
            cases=cases,
            refund=refund,
            bookings=bookings,
        )
        records.apply(self.session, batch, at)


def opened(path: Path) -> sqlite3.Connection:
    """The simulator's own file."""
    return sqlite3.connect(path, isolation_level=None)


def _placed(number: str, at: datetime) -> Order:
    terms = Terms(number, "m1", "o-buyer", "茶", (Line("tea", "茶", 1, PRICE),), freight=0)
    return order.placed(terms, at)


def _success(going: Refund, at: datetime) -> Booking:
    intent = going.intent
    return Booking(
        BookingKind.REFUND_SUCCEEDED,
        cause=intent.out_refund_no,
        at=at,
        out_trade_no=intent.out_trade_no,
        transaction_id=intent.transaction_id,
        out_refund_no=intent.out_refund_no,
        fen=intent.refund_fee,
    )


def _marks(row: tuple[object, ...]) -> str:
    return ", ".join("?" for _ in row)
