"""What happened and what was posted can't be changed, by anybody who has the database."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine import Database
from tests.db.story import Story


@pytest.mark.parametrize("table", ["events", "transfers"])
@pytest.mark.parametrize("change", ["UPDATE {table} SET at = at", "DELETE FROM {table}"])
def test_the_database_refuses_it(tables: Database, table: str, change: str) -> None:
    Story(tables).paid()
    count = text(f"SELECT count(*) FROM {table}")
    with tables.read() as session:
        before = session.scalar(count)
    with pytest.raises(DBAPIError, match=f"{table} is append-only"), tables.write() as session:
        session.execute(text(change.format(table=table)))
    with tables.read() as session:
        assert session.scalar(count) == before > 0


@pytest.mark.parametrize("table", ["events", "transfers"])
def test_nor_can_it_be_gone_round(tables: Database, table: str) -> None:
    Story(tables).paid()
    round_about = {
        "sqlite": f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        "postgresql": f"TRUNCATE {table}",
    }[tables.engine.dialect.name]
    with pytest.raises(DBAPIError, match=f"{table} is append-only"), tables.write() as session:
        session.execute(text(round_about))
