"""Lists of orders and cases, page by page: a page starts after the last row of the one before."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

from db import views
from db.tables import CaseRow, OrderRow
from db.views import View
from domain.after_sale import FINAL
from domain.refusals import Code, Refused

PAGE = 50


@dataclass(frozen=True)
class Page:
    """`cursor` asks for the next page; None on the last."""

    items: list[View]
    cursor: str | None


@dataclass(frozen=True)
class Wanted:
    """Filters that orders and cases share; an empty one filters nothing.

    With `updated_after` the oldest change comes first, so that a follower can go on from the last;
    without it the newest.
    """

    state: str = ""
    merchant_id: str = ""
    updated_after: datetime | None = None
    cursor: str = ""
    limit: int = PAGE


def orders(session: Session, wanted: Wanted) -> Page:
    """Orders by their last change."""
    number, changed = col(OrderRow.out_trade_no), col(OrderRow.updated_at)
    query = _page(select(OrderRow), wanted, changed, number, col(OrderRow.state))
    if wanted.merchant_id:
        query = query.where(col(OrderRow.merchant_id) == wanted.merchant_id)
    rows = list(session.exec(query))
    more = [(row.updated_at, row.out_trade_no) for row in rows]
    return cut([views.order_summary(row) for row in rows], more, wanted.limit)


def cases(
    session: Session,
    wanted: Wanted,
    now: datetime,
    overdue: bool | None = None,
    due_before: datetime | None = None,
) -> Page:
    """Cases by their last change; overdue: open, and past their deadline."""
    number, changed = col(CaseRow.case_no), col(CaseRow.updated_at)
    query = _page(select(CaseRow), wanted, changed, number, col(CaseRow.state))
    if wanted.merchant_id:
        query = query.where(col(CaseRow.merchant_id) == wanted.merchant_id)
    is_open = col(CaseRow.state).not_in(FINAL)
    if overdue is not None:
        late = and_(is_open, col(CaseRow.deadline_at) <= now)
        query = query.where(late if overdue else or_(~is_open, _not_late(now)))
    if due_before is not None:
        query = query.where(is_open, col(CaseRow.deadline_at) < due_before)
    rows = list(session.exec(query))
    more = [(row.updated_at, row.case_no) for row in rows]
    return cut([views.case_summary(row) for row in rows], more, wanted.limit)


def _not_late(now: datetime) -> ColumnElement[bool]:
    deadline = col(CaseRow.deadline_at)
    return or_(deadline.is_(None), deadline > now)


def _page(query: Any, wanted: Wanted, changed: Any, number: Any, state: Any) -> Any:
    if wanted.state:
        query = query.where(state == wanted.state)
    ascending = wanted.updated_after is not None
    if wanted.updated_after is not None:
        query = query.where(changed > wanted.updated_after)
    if wanted.cursor:
        at, last = read_cursor(wanted.cursor)
        further = (changed > at, number > last) if ascending else (changed < at, number < last)
        query = query.where(or_(further[0], and_(changed == at, further[1])))
    order = (changed, number) if ascending else (changed.desc(), number.desc())
    return query.order_by(*order).limit(wanted.limit + 1)


def cut(items: list[View], keys: list[tuple[datetime, str]], limit: int) -> Page:
    """The first `limit` items, and a cursor to what follows; `keys` is what they are sorted by."""
    if len(items) <= limit:
        return Page(items, None)
    at, number = keys[limit - 1]
    said = f"{at.isoformat()}|{number}".encode()
    return Page(items[:limit], base64.urlsafe_b64encode(said).decode())


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Where the page before ended; raises Refused."""
    try:
        said, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        at = datetime.fromisoformat(said)
        if at.tzinfo is None or "\0" in number:
            raise ValueError(cursor)
        return at.astimezone(UTC), number
    except (binascii.Error, OverflowError, ValueError):
        raise Refused(Code.INVALID_FIELD, "cursor: not one of ours", "cursor") from None
