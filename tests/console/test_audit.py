"""The audit trail only grows, whoever has the database, and is read a page at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import audit, migrate
from db.audit import Wanted
from db.engine import Database
from db.tables import AuditEntry

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENTRIES = 7


@pytest.fixture(scope="module")
def trail(database: Database) -> Database:
    migrate.upgrade(database)
    with database.write() as session:
        for number in range(ENTRIES):
            entry = AuditEntry(
                at=NOW + timedelta(seconds=number),
                actor="mei" if number % 2 else "ping",
                role="merchant",
                action="read",
                outcome="refused",
            )
            audit.add(session, entry)
    return database


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        {"sqlite": "INSERT OR REPLACE INTO audit SELECT * FROM audit"},
        {"postgresql": "TRUNCATE audit"},
    ],
    ids=["update", "delete", "replace", "truncate"],
)
def test_the_database_refuses_to_change_it(trail: Database, change: str | dict[str, str]) -> None:
    if isinstance(change, dict):
        if trail.engine.dialect.name not in change:
            pytest.skip("the other database's way round")
        change = change[trail.engine.dialect.name]
    with pytest.raises(DBAPIError, match="audit is append-only"), trail.write() as session:
        session.connection().execute(text(change))


def test_the_latest_comes_first_and_pages_go_on_from_there(trail: Database) -> None:
    with trail.read() as session:
        first = audit.entries(session, Wanted(limit=4))
        rest = audit.entries(session, Wanted(before=first[-1]["id"], limit=4))
        mei = audit.entries(session, Wanted(actor="mei"))
    instants = [entry["at"] for entry in first + rest]
    assert instants == sorted(instants, reverse=True)
    assert len(instants) == ENTRIES
    assert {entry["actor"] for entry in mei} == {"mei"}
