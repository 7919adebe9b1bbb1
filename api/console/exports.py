"""Lists as spreadsheets: what the filters show, to the last row."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from sqlmodel import Session

from api import statements
from api.auth import Forbidden
from api.console import door
from api.console.filters import Asked
from api.console.menu import CASES, ORDERS, STATEMENT
from api.console.visitor import Entrance, Visitor, now
from api.statements import Period
from db import worklists
from db.lists import Page
from db.views import View
from db.worklists import Filter
from domain.days import end_of, start_of
from domain.money import yuan
from domain.refusals import Refused

ROWS_MAX = 50_000
PAGE_ROWS = 500
BOM = "\ufeff"
"""Without it, Excel takes Chinese for something else."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

CASE_FIELDS = (
    "case_no",
    "out_trade_no",
    "merchant_id",
    "origin",
    "type",
    "state",
    "reason_code",
    "responsibility",
    "deadline_at",
    "breached_at",
    "processed_at",
    "opened_at",
    "ended_at",
)
ORDER_FIELDS = (
    "out_trade_no",
    "merchant_id",
    "description",
    "state",
    "pay_state",
    "transaction_id",
    "carrier",
    "tracking_no",
    "placed_at",
    "paid_at",
    "shipped_at",
    "received_at",
    "ended_at",
)

router = APIRouter(prefix="/export", include_in_schema=False)


@router.get("/cases.csv")
async def cases(
    request: Request, visitor: Annotated[Visitor, Depends(Entrance(CASES))]
) -> StreamingResponse:
    """The cases that the filters show."""
    at = now()
    amounts = {"refund_fee": lambda case: case["amounts"]["refund_fee"]}
    return await _spreadsheet(
        visitor,
        Asked.read(request.query_params),
        "cases",
        (CASE_FIELDS, amounts),
        lambda session, wanted: worklists.cases(session, wanted, at),
    )


@router.get("/orders.csv")
async def orders(
    request: Request, visitor: Annotated[Visitor, Depends(Entrance(ORDERS))]
) -> StreamingResponse:
    """The orders that the filters show; buyers stay unnamed."""
    amounts = {"total_fee": lambda order: order["total_fee"]}
    return await _spreadsheet(
        visitor,
        Asked.read(request.query_params),
        "orders",
        (ORDER_FIELDS, amounts),
        worklists.orders,
    )


@router.get("/statement.csv")
async def statement(
    request: Request,
    visitor: Annotated[Visitor, Depends(Entrance(STATEMENT))],
    merchant_id: str,
    since: str,
    until: str,
) -> Response:
    """A merchant's statement, as REST gives it."""
    try:
        first, last = date.fromisoformat(since), date.fromisoformat(until)
        period = Period(start_of(first), end_of(last))
        return await statements.get_spreadsheet(
            merchant_id, period, visitor.context, visitor.principal
        )
    except Forbidden as forbidden:
        await visitor.note(forbidden.action, "refused", f"GET {request.url.path}")
        return door.message(request, "refused.missing", 404)
    except (Refused, ValueError):
        return door.message(request, "refused.missing", 404)


Columns = tuple[tuple[str, ...], Mapping[str, Callable[[View], int]]]
"""Fields as they are, and amounts: each once in fen and once in yuan."""


async def _spreadsheet(
    visitor: Visitor,
    asked: Asked,
    name: str,
    columns: Columns,
    look: Callable[[Session, Filter], Page],
) -> StreamingResponse:
    await visitor.note("export", "read", f"{name} {asked.address()}")
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    rows = _rows(visitor, asked, columns, look)
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


async def _rows(
    visitor: Visitor, asked: Asked, columns: Columns, look: Callable[[Session, Filter], Page]
) -> AsyncIterator[str]:
    fields, amounts = columns
    said = [f"{name}_{unit}" for name in amounts for unit in ("fen", "yuan")]
    yield BOM + _lines([[*fields, *said]])
    cursor: str | None = ""
    for _ in range(ROWS_MAX // PAGE_ROWS):
        wanted = asked.filter(visitor, cursor or "", PAGE_ROWS)
        page = await visitor.read(partial(_look, look, wanted))
        yield _lines(_row(view, columns) for view in page.items)
        cursor = page.cursor
        if cursor is None:
            return


def _look(look: Callable[[Session, Filter], Page], wanted: Filter, session: Session) -> Page:
    return look(session, wanted)


def _row(view: View, columns: Columns) -> list[object]:
    fields, amounts = columns
    cells: list[object] = [_safe(view[name]) for name in fields]
    for amount in amounts.values():
        fen = amount(view)
        cells += [fen, yuan(fen)]
    return cells


def _safe(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _lines(rows: Iterable[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
