"""The books, and the feed of everything that happened."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Principal, allowed
from api.context import Here
from api.fields import Last, OrderNumber
from db import trial_balance, views
from db.views import View

router = APIRouter(prefix="/v1", tags=["ledger and events"])


@router.get("/ledger/trial-balance")
async def get_trial_balance(
    context: Here, principal: Annotated[Principal, Depends(allowed("ledger.read"))]
) -> View:
    """Every account's debits and credits, in fen."""
    return await context.read(trial_balance.trial_balance)


@router.get("/ledger/entries")
async def get_entries(
    out_trade_no: OrderNumber,
    context: Here,
    principal: Annotated[Principal, Depends(allowed("ledger.read"))],
) -> View:
    """The postings of an order, oldest first."""
    found = await context.read(lambda session: trial_balance.entries(session, out_trade_no))
    return {"items": found}


@router.get("/events")
async def get_events(
    context: Here,
    principal: Annotated[Principal, Depends(allowed("events.read"))],
    after: Last = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> View:
    """Every state change in order, once each; go on after the last `id` that you handled."""
    found = await context.read(lambda session: views.events(session, after, limit))
    return {"items": found, "last": found[-1]["id"] if found else after}
