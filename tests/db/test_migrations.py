"""Migrations: up, down and up again with a shop's data in the tables, and no table forgotten."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlmodel import SQLModel

from db import __main__ as command
from db import migrate, views
from db.engine import Database
from db.trial_balance import trial_balance
from tests.db.story import Story
from tests.domain.builders import R1

REVISIONS = [
    script.revision for script in ScriptDirectory.from_config(migrate.config()).walk_revisions()
]
FIRST = REVISIONS[-1]


@pytest.fixture
def empty(database: Database) -> Iterator[Database]:
    """A database whose tables come and go within one test."""
    yield database
    migrate.downgrade(database)


def tables_of(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def lived(database: Database) -> Story:
    """A shop's little day: paid, partly refunded, settled."""
    story = Story(database).paid()
    story.voucher_used("order-elsewhere")
    story.refunded(story.reserve(story.case(R1)))
    story.ended()
    return story


def test_the_migrations_make_exactly_the_tables(empty: Database) -> None:
    migrate.upgrade(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []
    assert tables_of(empty) == set(SQLModel.metadata.tables)


def test_down_with_data_in_them_leaves_nothing_and_up_again_works(empty: Database) -> None:
    migrate.upgrade(empty)
    lived(empty)
    migrate.downgrade(empty)
    assert tables_of(empty) == set()
    migrate.upgrade(empty)
    lived(empty)
    with empty.read() as session:
        assert trial_balance(session)["balanced"]


def test_orders_and_books_outlive_a_step_back_to_the_first_tables(empty: Database) -> None:
    migrate.upgrade(empty)
    story = lived(empty)
    with empty.read() as session:
        before = views.order(session, story.number), trial_balance(session)
    for revision in REVISIONS[1:]:
        migrate.downgrade(empty, revision)
    migrate.upgrade(empty)
    with empty.read() as session:
        assert (views.order(session, story.number), trial_balance(session)) == before
    lived(empty)


def test_upgrading_twice_changes_nothing(empty: Database) -> None:
    for _ in range(2):
        migrate.upgrade(empty)
    assert tables_of(empty) == set(SQLModel.metadata.tables)


def test_the_command(
    empty: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = empty.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    assert command.main(["upgrade", FIRST]) == 0
    assert "orders" in tables_of(empty)
    assert command.main(["downgrade"]) == 0
    assert tables_of(empty) == set()
    for nonsense in ([], ["sideways"]):
        assert command.main(nonsense) == 2
    assert "usage: python -m db" in capsys.readouterr().err
