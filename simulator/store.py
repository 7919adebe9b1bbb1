"""The simulator's memory: one SQLite file that survives SIGKILL.

All access happens on the event loop's thread, so that one transaction is one step of the
simulated WeChat Pay and no lock is needed.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Value = str | int | float | bytes | None

OPENING_BALANCE_FEN = 10_000_000_000

TABLES = ("meta", "orders", "payments", "refunds", "notifications", "exchanges", "faults", "draws")

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
  out_trade_no TEXT PRIMARY KEY, total_fee INTEGER NOT NULL, body TEXT NOT NULL,
  attach TEXT NOT NULL, notify_url TEXT NOT NULL, openid TEXT NOT NULL, trade_type TEXT NOT NULL,
  sign_type TEXT NOT NULL, prepay_id TEXT NOT NULL, state TEXT NOT NULL,
  fingerprint TEXT NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS payments (
  transaction_id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, total_fee INTEGER NOT NULL,
  coupon_fee INTEGER NOT NULL, openid TEXT NOT NULL, kind TEXT NOT NULL, paid_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS payments_by_order ON payments (out_trade_no);
CREATE INDEX IF NOT EXISTS payments_by_time ON payments (paid_at);
CREATE TABLE IF NOT EXISTS refunds (
  out_refund_no TEXT PRIMARY KEY, refund_id TEXT NOT NULL UNIQUE, transaction_id TEXT NOT NULL,
  out_trade_no TEXT NOT NULL, total_fee INTEGER NOT NULL, refund_fee INTEGER NOT NULL,
  coupon_refund_fee INTEGER NOT NULL, state TEXT NOT NULL, ending TEXT NOT NULL,
  source TEXT NOT NULL, notify_url TEXT NOT NULL, accepted_at REAL NOT NULL,
  accepted_tick REAL NOT NULL, finish_tick REAL NOT NULL, finished_at REAL,
  money_moves INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS refunds_by_payment ON refunds (transaction_id);
CREATE INDEX IF NOT EXISTS refunds_by_order ON refunds (out_trade_no);
CREATE INDEX IF NOT EXISTS refunds_by_time ON refunds (accepted_at);
CREATE INDEX IF NOT EXISTS refunds_open ON refunds (finish_tick) WHERE state = 'PROCESSING';
CREATE TABLE IF NOT EXISTS notifications (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, number TEXT NOT NULL, url TEXT NOT NULL,
  fields TEXT NOT NULL, sign_type TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  due_tick REAL NOT NULL, fault TEXT NOT NULL, created_at REAL NOT NULL, answer TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS notifications_due ON notifications (due_tick) WHERE state = 'PENDING';
CREATE INDEX IF NOT EXISTS notifications_by_number ON notifications (number);
CREATE TABLE IF NOT EXISTS exchanges (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, direction TEXT NOT NULL,
  call TEXT NOT NULL, url TEXT NOT NULL, number TEXT NOT NULL, request TEXT NOT NULL,
  response TEXT NOT NULL, signature TEXT NOT NULL, verdict TEXT NOT NULL, fault TEXT NOT NULL,
  attempt INTEGER NOT NULL, took_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
  id INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL, call TEXT NOT NULL,
  number TEXT NOT NULL, times_left INTEGER, probability REAL NOT NULL, seed INTEGER NOT NULL,
  seconds REAL, err_code TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS draws (name TEXT PRIMARY KEY, drawn INTEGER NOT NULL);
"""


class Store:
    """A thin typed door to the SQLite file; `":memory:"` is allowed."""

    def __init__(self, path: Path) -> None:
        if str(path) != ":memory:":
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written together or not at all; nested ones join the outer."""
        if self._depth == 0:
            self._connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._connection.execute("COMMIT")

    def execute(self, sql: str, *values: Value) -> int:
        """Run one statement; answers the id of an inserted row."""
        return self._connection.execute(sql, values).lastrowid or 0

    def insert(self, table: str, row: dict[str, Value]) -> int:
        """Insert one row; raises sqlite3.IntegrityError when its key is taken."""
        marks = ", ".join("?" for _ in row)
        return self.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values()
        )

    def rows(self, sql: str, *values: Value) -> Sequence[sqlite3.Row]:
        """All rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Value) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def meta(self, name: str, default: str) -> str:
        """One remembered value."""
        found = self.row("SELECT value FROM meta WHERE name = ?", name)
        return default if found is None else str(found["value"])

    def set_meta(self, name: str, value: str) -> None:
        """Remember one value."""
        self.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value)

    def serial(self, name: str) -> int:
        """The next number of a named series, from 1."""
        number = int(self.meta(f"serial {name}", "0")) + 1
        self.set_meta(f"serial {name}", str(number))
        return number

    def balance(self) -> int:
        """The merchant's refundable money, in fen."""
        return int(self.meta("balance", str(OPENING_BALANCE_FEN)))

    def move_balance(self, fen: int) -> None:
        """Add to (or, negative, take from) the merchant's refundable money."""
        self.set_meta("balance", str(self.balance() + fen))

    def forget(self) -> None:
        """Empty every table."""
        with self.transaction():
            for table in TABLES:
                self.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
