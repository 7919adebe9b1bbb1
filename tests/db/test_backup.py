"""What docs/operating.md says about losing the tables: restored, a running case goes on."""

import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from db.engine import Database
from tests.shop import opened, wall_clock
from tools import postgres, provision
from workflows.messaging import AFTER_SALE_STATE, DEADLINE_AT, MERCHANT_ID, ORDER_STATE


class SQLite:
    """Backup, loss and restore of a file."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._backup = folder / "shop.backup.db"
        self._file = Path(str(database.engine.url.database))

    def back_up(self) -> None:
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute("VACUUM INTO ?", [str(self._backup)])

    def lose(self) -> None:
        for file in self._file.parent.glob(f"{self._file.name}*"):
            file.unlink()

    def restore(self) -> None:
        shutil.copy(self._backup, self._file)


class PostgreSQL:
    """Backup, loss and restore with the programs that the page names."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._dump = database, folder / "shop.dump"
        url = database.engine.url.set(drivername="postgresql")
        self._url = url.render_as_string(hide_password=False)

    def back_up(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self._dump}", self._url)

    def lose(self) -> None:
        with self._database.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))

    def restore(self) -> None:
        self._run("pg_restore", "--clean", "--if-exists", f"--dbname={self._url}", str(self._dump))

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([postgres.programs() / program, *arguments], check=True)


@pytest.fixture
def tables(database: Database, tmp_path: Path) -> SQLite | PostgreSQL:
    """How the database under test is backed up."""
    kind: Callable[[Database, Path], SQLite | PostgreSQL]
    kind = SQLite if database.engine.dialect.name == "sqlite" else PostgreSQL
    return kind(database, tmp_path)


@pytest.fixture
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """The server of `make run`: it gives a run to a new worker as a real one does."""
    server = provision.paths().temporal
    assert server, "no Temporal server: run `make setup`"
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(server),
        search_attributes=[ORDER_STATE, AFTER_SALE_STATE, MERCHANT_ID, DEADLINE_AT],
    ) as environment:
        yield environment


@pytest.mark.slow
async def test_restored_tables_go_on_and_the_refund_is_paid_once(
    temporal: WorkflowEnvironment,
    database: Database,
    tables: SQLite | PostgreSQL,
    tmp_path: Path,
) -> None:
    time = (temporal.sleep, wall_clock)
    async with opened(temporal.client, database, tmp_path, *time) as shop:
        number = await shop.paid()
        case_no = await shop.apply(number)
        await shop.approve(case_no, "merchant")
        before = await shop.case_of(case_no)
    tables.back_up()
    database.close()
    tables.lose()
    database.close()
    tables.restore()
    async with opened(temporal.client, database, tmp_path, *time) as shop:
        assert await shop.case_of(case_no) == before
        await shop.approve(case_no, "platform")
        await shop.case_is(case_no, "COMPLETED")
        await shop.order_is(number, "CLOSED")
        assert await shop.money_moves(number) == [1]
        assert (await shop.get("finance", "/v1/ledger/trial-balance"))["balanced"]
        await shop.paid()
