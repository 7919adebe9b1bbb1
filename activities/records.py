"""Writing to the tables: what the workflows decided, and the refunds they reserve."""

from datetime import UTC, datetime

from temporalio import activity

from db import console_refunds, records, reservations
from db.engine import Database
from domain.after_sale import Case
from domain.messages import Answer, Batch, Note, Reservation, Reserve
from domain.refund import Intent, Refund, RefundEvent, RefundState
from domain.timeline import SYSTEM, Entry, Subject


class Records:
    """Activities on one database; each may be repeated at will."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(no_thread_cancel_exception=True)
    def record(self, batch: Batch) -> None:
        """Write rows, books and events of one workflow task in one transaction, once."""
        with self._database.write() as session:
            records.apply(session, batch, datetime.now(UTC))

    @activity.defn(no_thread_cancel_exception=True)
    def reserve_refund(self, wanted: Reserve) -> Reservation:
        """Hold the money under a number before any call is made, within what was paid."""
        now = datetime.now(UTC)
        with self._database.write() as session:
            reservation = reservations.reserve(session, wanted)
            # Events come last: their lock is held until the commit.
            if wanted.batch is not None:
                records.apply(session, wanted.batch, now)
            if reservation.intent is not None and reservation.state is RefundState.SUBMITTING:
                records.apply(session, _submitted(reservation.intent, wanted.now), now)
            return reservation

    @activity.defn(no_thread_cancel_exception=True)
    def estimate_refund_fee(self, case: Case) -> int:
        """What the case would come to now, in fen."""
        with self._database.read() as session:
            return reservations.estimate(session, case).refund_fee

    @activity.defn(no_thread_cancel_exception=True)
    def adopt_refund(self, intent: Intent, answer: Answer, now: datetime) -> None:
        """Write down a refund that was made at WeChat by hand, against the cap and the books."""
        with self._database.write() as session:
            console_refunds.adopt(session, intent, answer, now)


def _submitted(intent: Intent, at: datetime) -> Batch:
    """The first batch of a refund whose turn it is: its own run goes on from number 1."""
    number = intent.out_refund_no
    source, target = RefundState.CREATED, RefundState.SUBMITTING
    entry = Entry(at, str(SYSTEM), RefundEvent.SUBMITTED, source, target)
    return Batch(
        stream=f"refund-{number}",
        number=0,
        merchant_id=intent.merchant_id,
        out_trade_no=intent.out_trade_no,
        notes=(Note(Subject.REFUND, number, entry),),
        refund=Refund(intent, target),
    )
