"""The feed of events under many writers: in order, once each, and never a gap."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import func
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from db import views
from db.engine import Database
from db.records import apply
from db.tables import Event
from domain.messages import Batch, Note
from domain.timeline import SYSTEM, Entry, Subject

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WRITERS, BATCHES = 6, 8


def batch(stream: str, number: int, notes: int) -> Batch:
    """What one workflow task leaves to be written."""
    entry = Entry(NOW, str(SYSTEM), "STEP", "", "", reason=f"{number}")
    note = Note(Subject.ORDER, stream, entry)
    return Batch(stream, number, merchant_id="m1", out_trade_no=stream, notes=(note,) * notes)


def write(database: Database, stream: str) -> None:
    """All batches of one workflow, slowly committed, and each told twice."""
    for number in range(1, BATCHES + 1):
        written = 0
        while written < 2:
            with suppress(OperationalError), database.write() as session:  # SQLite may be busy
                apply(session, batch(stream, number, notes=number % 3 + 1), NOW)
                time.sleep(0.001)
                written += 1


def follow(database: Database, is_over: Callable[[], bool]) -> list[tuple[int, str, str]]:
    """What somebody sees who always goes on after the last event."""
    seen: list[tuple[int, str, str]] = []
    while True:
        over = is_over()
        with database.read() as session:
            page = views.events(session, seen[-1][0] if seen else 0, limit=7)
        seen += [(one["id"], one["out_trade_no"], one["reason"]) for one in page]
        if over and not page:
            return seen


def test_a_follower_misses_nothing_while_many_write(tables: Database) -> None:
    streams = [f"order-{serial}" for serial in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS + 1) as threads:
        writing = [threads.submit(write, tables, stream) for stream in streams]
        following = threads.submit(follow, tables, lambda: all(one.done() for one in writing))
        for one in writing:
            one.result()
        seen = following.result()
    with tables.read() as session:
        assert len(seen) == session.exec(select(func.count()).select_from(Event)).one()
    assert [number for number, _, _ in seen] == sorted({number for number, _, _ in seen})
    expected = [str(n) for n in range(1, BATCHES + 1) for _ in range(n % 3 + 1)]
    for stream in streams:
        assert [step for _, order, step in seen if order == stream] == expected
