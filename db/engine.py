"""The one way to the database: `read()` and `write()`, on SQLite and on PostgreSQL."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel

BUSY_MS = 10_000
IDLE_S = 2.0


class Database:
    """Sessions on one database; share one per process."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.engine = _engine(url, pool_size)
        is_sqlite = self.engine.dialect.name == "sqlite"
        self._each = self.engine.execution_options(begin="")
        # SQLite shows a transaction of reads one state by itself.
        snapshot = "BEGIN" if is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        self._reading = self.engine.execution_options(begin=snapshot)
        # On SQLite a write takes its lock at once: an upgrade in mid-transaction could only fail.
        begin = "BEGIN IMMEDIATE" if is_sqlite else "BEGIN"
        self._writing = self.engine.execution_options(begin=begin)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that writes nothing, and sees one state however often it looks."""
        with Session(self._reading) as session:
            yield session

    @contextmanager
    def each(self) -> Iterator[Session]:
        """A session whose every statement is a transaction, which saves its beginning and end."""
        with Session(self._each) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: all of it is written, or nothing."""
        with Session(self._writing) as session, session.begin():
            yield session

    def ping(self) -> None:
        """Raises if the database is away."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Let every connection go."""
        self.engine.dispose()


def insert_new(session: Session, table: str, row: Mapping[str, Any]) -> bool:
    """Enter a row unless there is one of the same key; whether it was entered.

    Around the mapper, which would double what a single row costs.
    """
    connection = session.connection()
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    entering = insert(SQLModel.metadata.tables[table]).on_conflict_do_nothing()
    return connection.execute(entering, row).rowcount == 1


def _engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        engine = create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            hide_parameters=True,
        )
        _ping_idle_connections(engine)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _hide_row)
        return engine
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed,
        connect_args={"isolation_level": None},
        pool_size=pool_size,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _ping_idle_connections(engine: Engine) -> None:
    """One that the server has closed meanwhile is replaced, and nobody notices.

    One that was in use a moment ago is not asked: that would be a fifth of all round trips.
    """

    def returned(_: object, kept: ConnectionPoolEntry) -> None:
        kept.info["returned_at"] = time.monotonic()

    def taken(connection: Any, kept: ConnectionPoolEntry, _: object) -> None:
        idle_s = time.monotonic() - kept.info.get("returned_at", time.monotonic())
        if idle_s < IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError(str(error)) from error

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


def _hide_row(context: ExceptionContext) -> None:
    """PostgreSQL quotes the row that it refuses; it must not get into logs and histories."""
    diagnosis = getattr(context.original_exception, "diag", None)
    detail = getattr(diagnosis, "message_detail", None)
    for error in (context.original_exception, context.sqlalchemy_exception):
        if detail and error is not None:
            error.args = tuple(str(said).replace(detail, "hidden") for said in error.args)


def _configure_sqlite(connection: object, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        # Else INSERT OR REPLACE would delete past the triggers of append-only tables.
        "recursive_triggers = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    if begin := connection.get_execution_options().get("begin", "BEGIN"):
        connection.exec_driver_sql(begin)
