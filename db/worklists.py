"""The console's lists: more filters than shops need, tabs with counts, a page at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, literal, or_, union_all
from sqlmodel import Session, col, select

from db import search, views
from db.lists import PAGE, Page, cut, read_cursor
from db.tables import CaseRow, Merchant, OrderRow, RefundRow
from domain.after_sale import FINAL, CaseState
from domain.order import OrderState
from domain.refund import RefundState

COUNTED_TO = 999
SOON = timedelta(hours=4)
OPEN = tuple(state for state in CaseState if state not in FINAL)


@dataclass(frozen=True)
class Filter:
    """What a list shows; an empty field filters nothing. Amounts in fen.

    `due` is "", "overdue", "alarmed" (three quarters gone), "soon" or "breached": such lists hold
    open cases only, the most urgent first; all others show the latest change first.
    """

    state: str = ""
    merchant_id: str = ""
    text: str = ""
    type: str = ""
    responsibility: str = ""
    reason_code: str = ""
    origin: str = ""
    due: str = ""
    fen_min: int | None = None
    fen_max: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str = ""
    limit: int = PAGE


def cases(session: Session, wanted: Filter, now: datetime) -> Page:
    """A page of cases."""
    query = select(CaseRow).where(*_case_conditions(session, wanted, now))
    urgent = bool(wanted.due)
    at = col(CaseRow.deadline_at) if urgent else col(CaseRow.updated_at)
    query = _page(query, wanted, at, col(CaseRow.case_no), ascending=urgent)
    rows = list(session.exec(query))
    keys = [((row.deadline_at if urgent else None) or row.updated_at, row.case_no) for row in rows]
    return cut([views.case_summary(row) for row in rows], keys, wanted.limit)


def orders(session: Session, wanted: Filter) -> Page:
    """A page of orders, the latest change first."""
    query = select(OrderRow).where(*_order_conditions(session, wanted))
    query = _page(query, wanted, col(OrderRow.updated_at), col(OrderRow.out_trade_no))
    rows = list(session.exec(query))
    keys = [(row.updated_at, row.out_trade_no) for row in rows]
    return cut([views.order_summary(row) for row in rows], keys, wanted.limit)


def refunds(session: Session, wanted: Filter) -> Page:
    """A page of refunds, the latest change first."""
    said = [
        (col(RefundRow.state), wanted.state),
        (col(RefundRow.merchant_id), wanted.merchant_id),
    ]
    conditions = [column == value for column, value in said if value]
    if wanted.text:
        numbers = search.orders(session, wanted.text)
        conditions.append(col(RefundRow.out_trade_no).in_(numbers))
    query = select(RefundRow).where(*conditions)
    query = _page(query, wanted, col(RefundRow.updated_at), col(RefundRow.out_refund_no))
    rows = list(session.exec(query))
    keys = [(row.updated_at, row.out_refund_no) for row in rows]
    return cut([views.refund_summary(row) for row in rows], keys, wanted.limit)


def refund_counts(session: Session) -> dict[str, int]:
    """How many refunds there are in each state; no further than one over COUNTED_TO."""
    return _counts(session, RefundRow, RefundState, "")


def case_counts(session: Session, merchant_id: str = "") -> dict[str, int]:
    """How many cases there are in each state; no further than one over COUNTED_TO."""
    return _counts(session, CaseRow, CaseState, merchant_id)


def order_counts(session: Session, merchant_id: str = "") -> dict[str, int]:
    """How many orders there are in each state; no further than one over COUNTED_TO."""
    return _counts(session, OrderRow, OrderState, merchant_id)


def merchants(session: Session) -> dict[str, str]:
    """Merchants by number, with their names."""
    query = select(Merchant.merchant_id, Merchant.name).order_by(col(Merchant.merchant_id))
    return dict(session.exec(query.limit(COUNTED_TO)).all())


def _case_conditions(session: Session, wanted: Filter, now: datetime) -> list[Any]:
    said = [
        (col(CaseRow.type), wanted.type),
        (col(CaseRow.responsibility), wanted.responsibility),
        (col(CaseRow.reason_code), wanted.reason_code),
        (col(CaseRow.origin), wanted.origin),
        (col(CaseRow.state), wanted.state),
        (col(CaseRow.merchant_id), wanted.merchant_id),
    ]
    conditions: list[Any] = [column == value for column, value in said if value]
    conditions += _between(col(CaseRow.refund_fee), wanted.fen_min, wanted.fen_max)
    conditions += _between(col(CaseRow.opened_at), wanted.since, wanted.until)
    if wanted.text:
        conditions.append(col(CaseRow.case_no).in_(search.cases(session, wanted.text)))
    if wanted.due:
        if not wanted.state:
            conditions.append(col(CaseRow.state).in_(OPEN))
        conditions.append(_due(wanted.due, now))
    return conditions


def _order_conditions(session: Session, wanted: Filter) -> list[Any]:
    said = [
        (col(OrderRow.state), wanted.state),
        (col(OrderRow.merchant_id), wanted.merchant_id),
    ]
    conditions: list[Any] = [column == value for column, value in said if value]
    conditions += _between(col(OrderRow.total_fee), wanted.fen_min, wanted.fen_max)
    conditions += _between(col(OrderRow.placed_at), wanted.since, wanted.until)
    if wanted.text:
        conditions.append(col(OrderRow.out_trade_no).in_(search.orders(session, wanted.text)))
    return conditions


def _between(column: Any, low: object, high: object) -> list[Any]:
    return ([column >= low] if low is not None else []) + (
        [column <= high] if high is not None else []
    )


def _due(due: str, now: datetime) -> Any:
    deadline, alarm = col(CaseRow.deadline_at), col(CaseRow.alarm_at)
    if due == "overdue":
        return deadline <= now
    if due == "soon":
        return and_(deadline > now, deadline <= now + SOON)
    if due == "breached":
        return and_(deadline.is_not(None), col(CaseRow.breached_at).is_not(None))
    # An alarm that was raised is taken off the case; so is that of a deadline brought forward.
    return and_(deadline > now, or_(alarm.is_(None), alarm <= now))


def _page(query: Any, wanted: Filter, at: Any, number: Any, ascending: bool = False) -> Any:
    if wanted.cursor:
        last_at, last = read_cursor(wanted.cursor)
        if ascending:
            query = query.where(or_(at > last_at, and_(at == last_at, number > last)))
        else:
            query = query.where(or_(at < last_at, and_(at == last_at, number < last)))
    order = (at, number) if ascending else (at.desc(), number.desc())
    return query.order_by(*order).limit(wanted.limit + 1)


def _counts(
    session: Session, table: Any, states: Iterable[str], merchant_id: str
) -> dict[str, int]:
    parts = []
    for state in states:
        some = select(literal(1)).where(col(table.state) == state).limit(COUNTED_TO + 1)
        if merchant_id:
            some = some.where(col(table.merchant_id) == merchant_id)
        parts.append(select(literal(str(state)), func.count()).select_from(some.subquery()))
    return {row[0]: row[1] for row in session.connection().execute(union_all(*parts))}
