"""A task that was lost after it had written: whatever order it is done again in, the tables fit."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from db import lost_tasks, records, views
from db.engine import Database
from db.tables import Event
from domain import order
from domain.messages import Batch, Note
from domain.timeline import RESTORED, SYSTEM, Entry, Subject
from tests.db.story import Story
from tests.domain.builders import NOW, SECOND

_serial = itertools.count(1)

Step = tuple[str, str]
"""What happened, and the state that it leads to; the same state if there is none."""


@dataclass
class Run:
    """A run as Temporal has it: what it has decided for good, and writes in batches."""

    database: Database
    state: str = "START"
    number: int = 0
    at: datetime = NOW
    stream: str = field(default_factory=lambda: f"order-lost-{next(_serial)}")

    def task(self, *batches: Sequence[Step]) -> None:
        """These steps are taken, and written in these batches."""
        self.at += SECOND
        for steps in batches:
            self.number += 1
            notes = tuple(self.note(*step) for step in steps)
            batch = Batch(self.stream, self.number, "m1", self.stream[-30:], notes)
            with self.database.write() as session:
                records.apply(session, batch, self.at)

    def lost_task(self, *batches: Sequence[Step]) -> None:
        """The same, but Temporal never has it."""
        replace(self).task(*batches)

    def note(self, event: str, target: str) -> Note:
        source, self.state = self.state, target or self.state
        entry = Entry(self.at, str(SYSTEM), event, source, self.state)
        return Note(Subject.ORDER, self.stream, entry)

    @property
    def timeline(self) -> list[Event]:
        with self.database.read() as session:
            query = select(Event).where(col(Event.stream) == self.stream)
            return list(session.exec(query.order_by(col(Event.id))).all())

    @property
    def told(self) -> list[str]:
        return [event.event for event in self.timeline]

    @property
    def newest(self) -> int:
        with self.database.read() as session:
            return lost_tasks.newest(session, self.stream)


SHIPPED, PAID_TWICE, RECEIVED = ("SHIPPED", "SHIPPED"), ("SECOND", ""), ("RECEIVED", "RECEIVED")


def test_a_fact_that_came_with_a_lost_command_stands_there_once(tables: Database) -> None:
    run = Run(tables)
    run.lost_task([SHIPPED], [PAID_TWICE])
    run.task([PAID_TWICE])
    run.task([SHIPPED])
    assert run.told == ["SHIPPED", "SECOND"]
    assert run.newest == run.number == 2


def test_a_command_that_is_repeated_late_stands_there_once(tables: Database) -> None:
    run = Run(tables)
    run.lost_task([PAID_TWICE, SHIPPED])
    run.task([PAID_TWICE])
    run.task([SHIPPED], [PAID_TWICE])
    assert run.told == ["SECOND", "SHIPPED", "SECOND"]


def test_what_was_never_repeated_is_undone_where_something_else_goes_on(tables: Database) -> None:
    run = Run(tables)
    run.lost_task([SHIPPED])
    assert run.newest == 1
    run.task([PAID_TWICE])
    run.task([SHIPPED], [RECEIVED])
    told = [(event.event, event.source, event.target) for event in run.timeline]
    assert told == [
        ("SHIPPED", "START", "SHIPPED"),
        (RESTORED, "SHIPPED", "START"),
        ("SECOND", "START", "START"),
        ("SHIPPED", "START", "SHIPPED"),
        ("RECEIVED", "SHIPPED", "RECEIVED"),
    ]
    assert run.newest == run.number


def test_a_run_that_is_told_to_restore_says_what_it_undoes(tables: Database) -> None:
    run = Run(tables)
    run.lost_task([SHIPPED])
    run.task([(RESTORED, "")])
    told = [(event.event, event.source, event.target) for event in run.timeline]
    assert told == [("SHIPPED", "START", "SHIPPED"), (RESTORED, "SHIPPED", "START")]


def test_a_lost_task_that_comes_late_changes_nothing(tables: Database) -> None:
    """A frozen worker that goes on after its task was done again, with more, by another."""
    run = Run(tables)
    late = replace(run)
    run.at += SECOND
    run.task([SHIPPED, PAID_TWICE], [RECEIVED])
    late.task([SHIPPED])
    assert run.told == ["SHIPPED", "SECOND", "RECEIVED"]
    run.task([PAID_TWICE])
    assert run.told == ["SHIPPED", "SECOND", "RECEIVED", "SECOND"]


def test_the_row_is_where_the_run_is(tables: Database) -> None:
    """A lost step that is not said again is taken back in the lists at once."""
    story = Story(tables).paid()
    before, batch = story.order, story.batch("SHIPPED")
    shipped = order.shipped(before, "SF", "SF1", False, NOW + SECOND)
    entry = replace(batch.notes[0].entry, source=before.state, target=shipped.state)
    shipping = replace(batch, notes=(replace(batch.notes[0], entry=entry),), order=shipped)
    entry = replace(entry, event="SECOND_PAYMENT", source=shipped.state)
    second = replace(batch.notes[0], entry=entry)
    entry = replace(entry, source=before.state, target=before.state)
    again = replace(batch, notes=(replace(second, entry=entry),), order=before)
    number = batch.number
    written = [
        shipping,
        replace(batch, number=number + 1, notes=(second,), order=shipped),
        again,
        replace(shipping, number=number + 1),
    ]
    states = []
    for one in written:
        with tables.write() as session:
            records.apply(session, one, NOW)
        with tables.read() as session:
            states.append(views.order(session, story.number)["state"])
    assert states == ["SHIPPED", "SHIPPED", "AWAITING_SHIPMENT", "SHIPPED"]


def is_whole(events: Sequence[Event]) -> bool:
    """Whether each step starts where the one before ended."""
    return all(one.target == other.source for one, other in itertools.pairwise(events))


def repeated(told: Sequence[str]) -> dict[str, int]:
    """What stands there twice without having been undone in between."""
    seen, most = Counter[str](), Counter[str]()
    for event in told:
        seen = Counter() if event == RESTORED else seen + Counter([event])
        most |= seen
    return {event: count for event, count in most.items() if count > 1}


@st.composite
def cut(draw: Callable[[st.SearchStrategy[Any]], Any], steps: Sequence[Step]) -> list[list[Step]]:
    """The same in some order, in batches."""
    order_of = draw(st.permutations(steps))
    batches: list[list[Step]] = [[]]
    for step in order_of:
        if batches[-1] and draw(st.booleans()):
            batches.append([])
        batches[-1].append(step)
    return batches if batches[-1] else batches[:-1]


@pytest.mark.timeout(600)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_is_lost_the_timeline_is_whole(tables: Database, data: st.DataObject) -> None:
    run = Run(tables)
    names, waiting = itertools.count(1), list[Step]()
    kept = list[str]()
    for _ in range(data.draw(st.integers(1, 3), "tasks")):
        facts, commands = data.draw(
            st.tuples(st.integers(0, 2), st.integers(0, 2)), "facts, commands"
        )
        moves = data.draw(st.lists(st.booleans(), min_size=facts, max_size=facts), "moves")
        new = [(f"F{next(names)}", f"M{next(names)}" if moving else "") for moving in moves]
        waiting += [(f"C{name}", f"S{name}") for name in itertools.islice(names, commands)]
        for _ in range(data.draw(st.integers(0, 2), "lost")):
            come = data.draw(st.lists(st.sampled_from(waiting), unique=True) if waiting else NONE)
            batches = data.draw(cut([*new, *come]), "lost task")
            run.lost_task(*batches[: data.draw(st.integers(0, len(batches)), "written")])
        come = data.draw(st.lists(st.sampled_from(waiting), unique=True) if waiting else NONE)
        waiting = [command for command in waiting if command not in come]
        batches = data.draw(cut([*new, *come]), "task")
        run.task(*batches)
        kept += [event for batch in batches for event, _ in batch]
    run.task([("END", "END")])
    assert is_whole(run.timeline), run.told
    assert run.timeline[-1].target == "END"
    assert not repeated(run.told), run.told
    assert set(kept) <= set(run.told)
    assert run.newest == run.number


NONE: st.SearchStrategy[list[Step]] = st.just([])
