"""Lists page by page: every row once, in order, however many changed in the same instant."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.documents import dump
from db.engine import Database
from db.lists import PAGE, Page, Wanted, cases, orders
from db.tables import CaseRow, OrderRow
from domain.after_sale import CaseState
from domain.order import OrderState
from domain.refusals import Code, Refused
from tests.domain.builders import NOW, O1

ROWS = 120
OPEN, DONE = CaseState.PENDING_PLATFORM, CaseState.COMPLETED
HOUR = timedelta(hours=1)


def changed(serial: int) -> datetime:
    """A handful of instants for all rows, so that many are the same."""
    return NOW + HOUR * (serial * 7 % 5)


def due(serial: int) -> datetime | None:
    """From two hours late to two hours ahead; some have no deadline."""
    return None if serial % 6 == 5 else NOW + HOUR * (serial % 6 - 2)


def order_row(serial: int) -> OrderRow:
    return OrderRow(
        out_trade_no=f"order-{serial:03}",
        merchant_id=f"m-{serial % 3}",
        openid="o-buyer",
        state=OrderState.SHIPPED if serial % 2 else OrderState.RECEIVED,
        pay_state=1,
        total_fee=17_030,
        terms=dump(O1),
        placed_at=NOW,
        updated_at=changed(serial),
    )


def case_row(serial: int) -> CaseRow:
    return CaseRow(
        case_no=f"case-{serial:03}",
        out_trade_no=f"order-{serial:03}",
        merchant_id=f"m-{serial % 3}",
        transaction_id="",
        origin="BUYER",
        type="REFUND_ONLY",
        state=OPEN if serial % 2 else DONE,
        responsibility="BUYER",
        reason_code="OTHER",
        reason="不想要了",
        evidence=[],
        units=[],
        amounts={},
        refund_fee=0,
        deadline_at=due(serial),
        opened_at=NOW,
        updated_at=changed(serial),
    )


@pytest.fixture(scope="module")
def filled(tables: Database) -> Database:
    """Orders and cases enough for several pages."""
    with tables.write() as session:
        session.add_all(row(serial) for serial in range(ROWS) for row in (order_row, case_row))
    return tables


def read_through(page: Callable[[Wanted], Page], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """All pages, one after another."""
    seen, cursor = [], ""
    while True:
        found = page(Wanted(**wanted, cursor=cursor))
        assert len(found.items) <= wanted.get("limit", PAGE)
        seen += found.items
        if found.cursor is None:
            return seen
        cursor = found.cursor


FILTERS = st.fixed_dictionaries(
    {"limit": st.integers(1, ROWS + 1)},
    optional={
        "merchant_id": st.sampled_from(["m-0", "m-1", "m-2", "nobody"]),
        "updated_after": st.sampled_from([NOW + HOUR * hours for hours in range(-1, 6)]),
    },
)


def expected(rows: list[Any], wanted: dict[str, Any], number: str) -> list[str]:
    """The numbers that the filters leave, in order."""
    after = wanted.get("updated_after")
    kept = [
        row
        for row in rows
        if wanted.get("merchant_id", row.merchant_id) == row.merchant_id
        and wanted.get("state", row.state) == row.state
        and (after is None or row.updated_at > after)
    ]
    kept.sort(key=lambda row: (row.updated_at, getattr(row, number)), reverse=after is None)
    return [getattr(row, number) for row in kept]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(FILTERS, st.none() | st.sampled_from([OrderState.SHIPPED, OrderState.CLOSED]))
def test_orders_without_gap_or_repeat(
    filled: Database, wanted: dict[str, Any], state: OrderState | None
) -> None:
    wanted |= {"state": state} if state else {}
    with filled.read() as session:
        seen = read_through(lambda one: orders(session, one), wanted)
    rows = [order_row(serial) for serial in range(ROWS)]
    assert [row["out_trade_no"] for row in seen] == expected(rows, wanted, "out_trade_no")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    FILTERS,
    st.none() | st.sampled_from([OPEN, DONE]),
    st.none() | st.booleans(),
    st.none() | st.sampled_from([NOW + HOUR * hours for hours in range(-3, 4)]),
)
def test_cases_without_gap_or_repeat(
    filled: Database,
    wanted: dict[str, Any],
    state: CaseState | None,
    overdue: bool | None,
    due_before: datetime | None,
) -> None:
    """A decided case is never late, nor due."""
    wanted |= {"state": state} if state else {}
    with filled.read() as session:
        seen = read_through(lambda one: cases(session, one, NOW, overdue, due_before), wanted)
    rows = []
    for row in (case_row(serial) for serial in range(ROWS)):
        open_until = row.deadline_at if row.state == OPEN else None
        is_late = open_until is not None and open_until <= NOW
        is_due = open_until is not None and due_before is not None and open_until < due_before
        if overdue in (None, is_late) and (due_before is None or is_due):
            rows.append(row)
    assert [row["case_no"] for row in seen] == expected(rows, wanted, "case_no")


def test_a_page_has_fifty_rows(filled: Database) -> None:
    with filled.read() as session:
        assert len(orders(session, Wanted()).items) == PAGE == 50


def said(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "后面",
        "====",
        "\udcff",
        said("yesterday|order-001"),
        said("2026-03-02T09:00:00|order-001"),
        said("2026-03-02T09:00:00+00:00|order\0"),
    ],
)
def test_a_cursor_that_is_none_of_ours(filled: Database, cursor: str) -> None:
    with filled.read() as session, pytest.raises(Refused) as refusal:
        orders(session, Wanted(cursor=cursor))
    assert (refusal.value.code, refusal.value.field) == (Code.INVALID_FIELD, "cursor")
