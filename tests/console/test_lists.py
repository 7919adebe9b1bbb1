"""With 50,000 orders and 10,000 cases each list asks a few questions, and indexes answer them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Connection, Integer, event, insert
from sqlmodel import Session

from db import audit, effects, lists, migrate, statistics, views, work_queue, worklists
from db.columns import Instant
from db.engine import Database
from db.lists import Wanted
from db.statistics import Period
from db.tables import CaseRow, Event, Merchant, OrderRow, Payment, RefundRow
from db.worklists import Filter
from domain.after_sale import CaseState
from domain.order import OrderState
from domain.refund import RefundState

pytestmark = pytest.mark.slow
ORDERS, CASES, MERCHANTS = 50_000, 10_000, 20
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASE = "A0005000"
ORDER = "W0025000"
SCAN = re.compile(r"^SCAN (orders|after_sales|refunds|events|payments)\b(?!.*INDEX)")
SORT = "USE TEMP B-TREE FOR ORDER BY"

Look = Callable[[Session], Any]

LISTS: dict[str, tuple[int, Look]] = {
    "the queue of a merchant": (
        1,
        lambda s: work_queue.at_desks(
            s, [CaseState.PENDING_MERCHANT, CaseState.AWAITING_RECEIPT], "m3"
        ),
    ),
    "the queue of the platform": (
        1,
        lambda s: work_queue.at_desks(s, [CaseState.PENDING_PLATFORM]),
    ),
    "refunds in trouble": (2, lambda s: work_queue.troubled_refunds(s, NOW)),
    "incidents": (1, work_queue.open_incidents),
    "days": (1, work_queue.days),
    "all cases": (1, lambda s: worklists.cases(s, Filter(), NOW)),
    "cases in a state": (1, lambda s: worklists.cases(s, Filter(state="COMPLETED"), NOW)),
    "a merchant's cases": (1, lambda s: worklists.cases(s, Filter(merchant_id="m3"), NOW)),
    "a merchant's cases in a state": (
        1,
        lambda s: worklists.cases(s, Filter(state="REFUNDING", merchant_id="m3"), NOW),
    ),
    "overdue cases": (1, lambda s: worklists.cases(s, Filter(due="overdue"), NOW)),
    "alarmed cases": (1, lambda s: worklists.cases(s, Filter(due="alarmed"), NOW)),
    "cases due soon": (1, lambda s: worklists.cases(s, Filter(due="soon"), NOW)),
    "breached cases": (1, lambda s: worklists.cases(s, Filter(due="breached"), NOW)),
    "cases found by number": (2, lambda s: worklists.cases(s, Filter(text=CASE), NOW)),
    "cases by amount and reason": (
        1,
        lambda s: worklists.cases(s, Filter(fen_min=500, reason_code="QUALITY"), NOW),
    ),
    "counts of cases": (1, worklists.case_counts),
    "counts of a merchant's cases": (1, lambda s: worklists.case_counts(s, "m3")),
    "all orders": (1, lambda s: worklists.orders(s, Filter())),
    "orders in a state": (1, lambda s: worklists.orders(s, Filter(state="SHIPPED"))),
    "a merchant's orders in a state": (
        1,
        lambda s: worklists.orders(s, Filter(state="SHIPPED", merchant_id="m3")),
    ),
    "orders found by number": (2, lambda s: worklists.orders(s, Filter(text=ORDER))),
    "orders found by buyer": (2, lambda s: worklists.orders(s, Filter(text="o-777"))),
    "counts of orders": (1, worklists.order_counts),
    "counts of a merchant's orders": (1, lambda s: worklists.order_counts(s, "m3")),
    "all refunds": (1, lambda s: worklists.refunds(s, Filter())),
    "refunds in a state": (1, lambda s: worklists.refunds(s, Filter(state="SUCCEEDED"))),
    "counts of refunds": (1, worklists.refund_counts),
    "merchants": (1, worklists.merchants),
    "the audit trail": (1, lambda s: audit.entries(s, audit.Wanted())),
    "one person's audit trail": (1, lambda s: audit.entries(s, audit.Wanted("mei"))),
    "REST: orders": (1, lambda s: lists.orders(s, Wanted(merchant_id="m3"))),
    "REST: cases": (1, lambda s: lists.cases(s, Wanted(state="REFUNDING"), NOW)),
    "one case": (3, lambda s: views.case(s, CASE)),
    "one order": (5, lambda s: views.order(s, ORDER)),
    "what came in for an order": (1, lambda s: effects.payments(s, ORDER)),
    "statistics of a month": (
        5,
        lambda s: statistics.overview(s, Period(NOW - timedelta(days=30), NOW)),
    ),
}


@pytest.fixture(scope="module")
def full(database: Database) -> Database:
    """A shop that has been open for a while."""
    migrate.upgrade(database)
    with database.write() as session:
        connection = session.connection()
        _insert(connection, Merchant, ({"merchant_id": f"m{i}"} for i in range(MERCHANTS)))
        _insert(connection, OrderRow, map(_order, range(ORDERS)))
        _insert(connection, Payment, map(_payment, range(ORDERS)))
        _insert(connection, CaseRow, map(_case, range(CASES)))
        _insert(connection, RefundRow, map(_refund, range(CASES)))
        _insert(connection, Event, map(_event, range(CASES)))
        connection.exec_driver_sql("ANALYZE")
    return database


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_few_questions_and_finds_what_it_asks_for(full: Database, name: str) -> None:
    allowed, look = LISTS[name]
    with full.read() as session, _listening(session) as asked:
        look(session)
    assert 1 <= len(asked) <= allowed, [statement for statement, _ in asked]


@pytest.mark.parametrize("name", LISTS)
def test_indexes_answer_it(full: Database, name: str) -> None:
    if full.engine.dialect.name != "sqlite":
        pytest.skip("plans are read on SQLite")
    with full.read() as session, _listening(session) as asked:
        LISTS[name][1](session)
    with full.read() as session:
        plans = [line for statement, given in asked for line in _plan(session, statement, given)]
    assert [line for line in plans if SCAN.match(line)] == []


def test_pages_go_on_by_index_to_the_end(full: Database) -> None:
    """The last page costs what the first does: no page is counted through."""
    seen: set[str] = set()
    cursor: str | None = ""
    with full.read() as session:
        while cursor is not None:
            with _listening(session) as asked:
                page = worklists.cases(session, Filter(cursor=cursor, limit=500), NOW)
            assert len(asked) == 1
            numbers = {case["case_no"] for case in page.items}
            assert not numbers & seen
            seen |= numbers
            cursor = page.cursor
    assert len(seen) == CASES


def test_the_urgent_come_first_without_sorting(full: Database) -> None:
    with full.read() as session, _listening(session) as asked:
        page = worklists.cases(session, Filter(due="overdue"), NOW)
    deadlines = [case["deadline_at"] for case in page.items]
    assert deadlines == sorted(deadlines)
    if full.engine.dialect.name == "sqlite":
        with full.read() as session:
            assert SORT not in _plan(session, *asked[0])


@contextmanager
def _listening(session: Session) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, given: Any, *___: object) -> None:
        if not statement.startswith("BEGIN"):
            asked.append((statement, given))

    engine = session.get_bind().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _plan(session: Session, statement: str, given: Any) -> list[str]:
    rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
    return [row[-1] for row in rows]


def _insert(connection: Connection, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    connection.execute(insert(table), [_filled(table, row) for row in rows])


def _filled(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """A row with every column that must not be empty."""
    empty: dict[str, Any] = {}
    for column in table.__table__.columns:
        if column.name in row or column.nullable or column.primary_key:
            continue
        kinds: tuple[tuple[type, Any], ...] = (
            (JSON, {}),
            (Instant, NOW),
            (Boolean, False),
            (Integer, 0),
        )
        fitting = (value for kind, value in kinds if isinstance(column.type, kind))
        empty[column.name] = next(fitting, "")
    return empty | row


def _at(number: int) -> datetime:
    return NOW - timedelta(minutes=number)


def _order(number: int) -> dict[str, Any]:
    states = list(OrderState)
    terms = {"description": "茶杯", "attach": "", "freight": 0, "lines": [], "gifts": []}
    return {
        "out_trade_no": f"W{number:07d}",
        "merchant_id": f"m{number % MERCHANTS}",
        "openid": f"o-{number % 9973}",
        "state": states[number % len(states)],
        "pay_state": 1,
        "total_fee": 1000 + number % 500,
        "terms": terms | {"merchant_discount": 0, "platform_coupon": 0},
        "placed_at": _at(number),
        "updated_at": _at(number),
    }


def _payment(number: int) -> dict[str, Any]:
    return {
        "transaction_id": f"42{number:026d}",
        "out_trade_no": f"W{number:07d}",
        "merchant_id": f"m{number % MERCHANTS}",
        "kind": "FIRST",
        "total_fee": 1000 + number % 500,
        "paid_at": _at(number),
    }


def _case(number: int) -> dict[str, Any]:
    states = list(CaseState)
    return {
        "case_no": f"A{number:07d}",
        "out_trade_no": f"W{number * 5:07d}",
        "merchant_id": f"m{number * 5 % MERCHANTS}",
        "transaction_id": f"42{number * 5:026d}",
        "origin": "BUYER",
        "type": "REFUND_ONLY",
        "state": states[number % len(states)],
        "responsibility": "BUYER",
        "reason_code": "QUALITY" if number % 3 else "NO_REASON",
        "evidence": [],
        "units": [],
        "refund_fee": 300 + number % 700,
        "deadline_at": NOW + timedelta(minutes=number % 5000 - 500),
        "opened_at": _at(number),
        "updated_at": _at(number),
    }


def _refund(number: int) -> dict[str, Any]:
    states = list(RefundState)
    return {
        "out_refund_no": f"A{number:07d}-1",
        "out_trade_no": f"W{number * 5:07d}",
        "case_no": f"A{number:07d}",
        "merchant_id": f"m{number * 5 % MERCHANTS}",
        "transaction_id": f"42{number * 5:026d}",
        "refund_fee": 300 + number % 700,
        "state": states[number % len(states)] if number % 50 == 0 else RefundState.SUCCEEDED,
        "refund_id": f"50{number:026d}",
        "updated_at": _at(number),
    }


def _event(number: int) -> dict[str, Any]:
    return {
        "stream": f"after-sale-A{number:07d}",
        "number": 1,
        "position": 0,
        "at": _at(number),
        "merchant_id": f"m{number * 5 % MERCHANTS}",
        "out_trade_no": f"W{number * 5:07d}",
        "subject": "after_sale",
        "subject_no": f"A{number:07d}",
        "actor": "merchant:Mei",
        "event": "MERCHANT_APPROVED",
        "source": "PENDING_MERCHANT",
        "target": "PENDING_PLATFORM",
    }
