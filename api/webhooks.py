"""The log of what was delivered to the shop's webhook."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Principal, allowed
from api.context import Here
from api.fields import Last
from db import webhooks
from db.views import View
from domain.webhooks import DeliveryState

router = APIRouter(prefix="/v1/webhooks", tags=["ledger and events"])


@router.get("/deliveries")
async def list_deliveries(
    context: Here,
    principal: Annotated[Principal, Depends(allowed("events.read"))],
    state: DeliveryState | None = None,
    after: Last = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> View:
    """Each event's delivery, by event; go on after the last `event_id`."""
    found = await context.read(
        lambda session: webhooks.deliveries(session, after, limit, state or "")
    )
    return {"items": found, "last": found[-1]["event_id"] if found else after}
