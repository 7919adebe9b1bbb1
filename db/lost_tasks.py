"""A workflow task that was lost after it had written is done again, and may come out otherwise.

Facts come again, for Temporal holds them; a command may come later or never, for it was lost too.
So what the lost task wrote is compared with what is said now, and the timeline stays whole: nothing
stands there twice, and each step starts where the one before ended.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, case, func, or_
from sqlmodel import Session, col, select

from db.tables import Event, LostStep
from domain.messages import Batch, Note
from domain.timeline import RESTORED, STEP_LOST, SYSTEM, Entry

UNDONE: Final = -1
_SAID_BY = case((col(LostStep.event_id).is_(None), col(Event.number)), else_=col(LostStep.number))
"""The batch that an event belongs to; none if it was lost and not said again."""


@dataclass(frozen=True)
class Written:
    """All that is written of a run, where this batch has come before or a lost task went beyond it.

    Mostly it has not, and there is nothing here.
    """

    batch: Batch
    events: Sequence[Event] = ()
    """In the order of their ids."""
    steps: Mapping[int, LostStep] = field(default_factory=dict)
    """Of events that did not come again as they were, by their ids."""

    def is_over(self) -> bool:
        """Whether nothing is to be written: the same batch again, or a lost task's, late."""
        here = [event for event in self.events if self._said_by(event) == self.batch.number]
        if not here:
            return False
        was = Counter(map(_whole, here))
        now = Counter(_whole(event_of(self.batch, note)) for note in self.batch.notes)
        if not now <= was:
            return False
        newest = max(note.entry.at for note in self.batch.notes)
        return now == was or newest < max(event.at for event in here)

    def settle(self) -> tuple[list[LostStep], list[Event]]:
        """What becomes of the events of a lost task, and the events that are missing.

        What the batch does not say again waits for a later one to say it, unless what is missing
        starts elsewhere than where that had led: then it is undone for everybody to see.
        """
        number, notes = self.batch.number, self.batch.notes
        if not self.events:
            return [], [event_of(self.batch, note, at) for at, note in enumerate(notes)]
        open_ = [event for event in self.events if self._is_open(event)]
        said = _said_again(self.batch, open_)
        missing = [note for at, note in enumerate(notes) if at not in said]
        is_undone = bool(missing) and not _goes_on(self.events, missing[0])
        if is_undone:
            said = {at: event for at, event in said.items() if not _is_move(event)}
            missing = [note for at, note in enumerate(notes) if at not in said]
            missing = _stepping_back(self.events, missing)
        kept = {event.id or 0 for event in said.values()}
        unsaid = [event for event in open_ if event.id not in kept and event.event != RESTORED]
        becomes: dict[int, int | None] = {
            event.id or 0: number for event in open_ if self._said_by(event) != number
        }
        becomes |= {event.id or 0: UNDONE if is_undone else None for event in unsaid}
        steps = [
            LostStep(event_id=event_id, stream=self.batch.stream, number=said_by)
            for event_id, said_by in becomes.items()
        ]
        places = (event.position for event in self.events if event.number == number)
        first = max(places, default=-1) + 1
        return steps, [event_of(self.batch, note, at) for at, note in enumerate(missing, first)]

    def _said_by(self, event: Event) -> int | None:
        """The batch that it belongs to, which need not be the one that wrote it."""
        step = self.steps.get(event.id or 0)
        return step.number if step else event.number

    def _is_open(self, event: Event) -> bool:
        """Whether this batch may say it."""
        said_by = self._said_by(event)
        return said_by is None or said_by >= self.batch.number


def written(session: Session, batch: Batch) -> Written:
    """What is written of a run whose batch is to be written."""
    about = {"stream": batch.stream, "number": batch.number}
    if session.execute(_IS_THERE, about).first() is None:
        return Written(batch)
    of_run = _with_steps(select(Event, LostStep)).where(col(Event.stream) == batch.stream)
    found = session.exec(of_run.order_by(col(Event.id))).all()
    steps = {step.event_id: step for _, step in found if step is not None}
    return Written(batch, [event for event, _ in found], steps)


def newest(session: Session, stream: str) -> int:
    """The number of the newest batch that a workflow has written, a lost task's included."""
    query = _with_steps(select(func.max(_SAID_BY))).where(col(Event.stream) == stream)
    return session.exec(query).one() or 0


def _with_steps(query: Any) -> Any:
    return query.outerjoin(LostStep, col(LostStep.event_id) == col(Event.id))


def _is_there() -> Any:
    """Whether there is anything that a batch might say again; made once, for it is asked often."""
    number: BindParameter[int] = bindparam("number")
    said_by = func.coalesce(_SAID_BY, number)
    return (
        _with_steps(select(col(Event.id)))
        .where(col(Event.stream) == bindparam("stream"))
        .where(or_(col(Event.number) >= number, said_by >= number))
        .limit(1)
    )


_IS_THERE: Final = _is_there()


def event_of(batch: Batch, note: Note, position: int = 0) -> Event:
    """A note as a row."""
    entry = note.entry
    return Event(
        stream=batch.stream,
        number=batch.number,
        position=position,
        at=entry.at,
        merchant_id=batch.merchant_id,
        out_trade_no=batch.out_trade_no,
        subject=note.subject,
        subject_no=note.subject_no,
        actor=entry.actor,
        event=entry.event,
        source=entry.source,
        target=entry.target,
        reason=entry.reason,
        detail=dict(entry.detail),
    )


def _said_again(batch: Batch, open_: Sequence[Event]) -> dict[int, Event]:
    """The event that says what a note says, by the note's place."""
    unsaid, said = list(open_), dict[int, Event]()
    for words in (_whole, _wherever):
        for at, note in enumerate(batch.notes):
            wanted = words(event_of(batch, note))
            found = next((event for event in unsaid if words(event) == wanted), None)
            if at not in said and found is not None:
                unsaid.remove(found)
                said[at] = found
    return said


def _led_to(events: Sequence[Event], note: Note) -> str | None:
    """Where the timeline of what a note is about has come to; none if it has none."""
    about = (note.subject, note.subject_no)
    targets = [event.target for event in events if (event.subject, event.subject_no) == about]
    return targets[-1] if targets else None


def _goes_on(events: Sequence[Event], note: Note) -> bool:
    return _led_to(events, note) in (None, note.entry.source)


def _stepping_back(events: Sequence[Event], missing: Sequence[Note]) -> list[Note]:
    """The same after a step back, for everybody to see, from where a lost task had led."""
    first, entry = missing[0], missing[0].entry
    left = _led_to(events, first) or entry.source
    back = Entry(entry.at, str(SYSTEM), RESTORED, left, entry.source, STEP_LOST)
    others = (note for note in missing if note.entry.event != RESTORED)
    return [replace(first, entry=back), *others]


def _is_move(event: Event) -> bool:
    return event.source != event.target


def _whole(event: Event) -> str:
    """What an event says, without the moment: that is another one when a task is done again."""
    return _said(event, event.source, event.target)


def _wherever(event: Event) -> str:
    """The same, and one that moves nothing says it wherever its subject stood."""
    return _whole(event) if _is_move(event) else _said(event)


def _said(event: Event, *more: str) -> str:
    detail = sorted(event.detail.items())
    parts = (event.subject_no, event.event, event.actor, event.reason, *more)
    return repr(([str(part) for part in parts], detail))
