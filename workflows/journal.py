"""What a workflow has decided and not yet written down."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.records import Records
    from domain.after_sale import Case
    from domain.messages import Batch, Booking, BookingKind, Note
    from domain.order import Order
    from domain.refund import Refund
    from domain.timeline import Actor, Entry, Subject

T = TypeVar("T")

ONE_TRY = RetryPolicy(maximum_attempts=1)
LOCAL_LIMIT = timedelta(seconds=3)
WRITE_LIMIT = timedelta(seconds=30)
MONEY_BACK = frozenset({BookingKind.REFUND_SUCCEEDED, BookingKind.REFUND_SETTLED_OFFLINE})


@dataclass
class Snapshot:
    """The rows as they are to be now."""

    order: Order | None = None
    cases: tuple[Case, ...] = ()
    refund: Refund | None = None


@dataclass
class Journal:
    """Collects timeline entries and bookings, and writes them together with the state they led to.

    Writers take turns, so what is written is always the newest state and never an older one. What
    is written at once is written before Temporal has it: a task that is lost then is done again.
    With `sure_first`, what could come out otherwise the second time waits until Temporal has it.
    """

    subject: Subject
    subject_no: str
    merchant_id: str
    out_trade_no: str
    snapshot: Callable[[], Snapshot]
    sure_first: bool = True
    notes: list[Note] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    batches: int = 0
    commanded_at: int = 0
    """The length of the history when a command was last carried out."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(
        self,
        event: str,
        actor: Actor | str,
        source: str,
        target: str,
        reason: str = "",
        **detail: str,
    ) -> None:
        """Put one line on the timeline."""
        if workflow.current_update_info() is not None:
            self.commanded_at = workflow.info().get_current_history_length()
        entry = Entry(workflow.now(), str(actor), event, source, target, reason, detail)
        self.notes.append(Note(self.subject, self.subject_no, entry))

    def note_case(
        self, case: Case, event: str, actor: Actor, source: str, target: str, reason: str
    ) -> None:
        """Put one line on the timeline of a case that this workflow opens."""
        entry = Entry(workflow.now(), str(actor), event, source, target, reason)
        self.notes.append(Note(Subject.AFTER_SALE, case.case_no, entry))

    def book(self, booking: Booking) -> None:
        """Put one thing into the books."""
        self.bookings.append(booking)

    async def flush(self, is_sure_first: bool | None = None) -> None:
        """Returns when everything noted until now is in the tables, however long they are away."""
        async with self.turn:
            batch = self._batch()
            if batch is None:
                return
            waits = self.sure_first if is_sure_first is None else is_sure_first
            if waits and self._is_unsure(batch):
                await _record_surely(batch)
            else:
                await _record_at_once(batch)

    async def flush_with(self, write: Callable[[Batch | None], Awaitable[T]]) -> T:
        """The same by an activity that has more to write in its transaction; its answer."""
        async with self.turn:
            return await write(self._batch())

    def _batch(self) -> Batch | None:
        """Everything noted until now, if there is anything."""
        if not self.notes:
            return None
        notes, bookings = tuple(self.notes), tuple(self.bookings)
        self.notes.clear()
        self.bookings.clear()
        self.batches += 1
        now = self.snapshot()
        return Batch(
            stream=workflow.info().workflow_id,
            number=self.batches,
            merchant_id=self.merchant_id,
            out_trade_no=self.out_trade_no,
            notes=notes,
            order=now.order,
            cases=now.cases,
            refund=now.refund,
            bookings=bookings,
        )

    def _is_unsure(self, batch: Batch) -> bool:
        """Whether it comes of a command of this task, or is about money that went back."""
        is_commanded = self.commanded_at == workflow.info().get_current_history_length()
        return is_commanded or any(booking.kind in MONEY_BACK for booking in batch.bookings)


async def _record_at_once(batch: Batch) -> None:
    """Inside this workflow task if the tables are there; else by an activity that waits."""
    try:
        await workflow.execute_local_activity_method(
            Records.record, batch, start_to_close_timeout=LOCAL_LIMIT, retry_policy=ONE_TRY
        )
    except FailureError as error:
        # What a local activity fails with comes as it is, without an ActivityError around it.
        if isinstance(error, CancelledError):
            raise
        await _record_surely(batch)


async def _record_surely(batch: Batch) -> None:
    """By an activity: it starts once Temporal has what the batch is made of, and waits its time."""
    await workflow.execute_activity_method(
        Records.record,
        batch,
        start_to_close_timeout=WRITE_LIMIT,
        summary="write down",
    )
