"""Each day against WeChat Pay's bill."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api import workflows
from api.auth import Principal, allowed
from api.commands import Command, command
from api.context import Context, Here
from api.fields import Day
from api.problems import temporal_away
from db import reconciliations
from db.views import View
from domain.days import day_of
from domain.reconciliation import DayState
from domain.refusals import Code, Refused

router = APIRouter(prefix="/v1/reconciliations", tags=["reconciliations"])

BILLS_KEPT = timedelta(days=90)
"""WeChat Pay hands out bills for three months."""


@router.get("/{day}")
async def get_reconciliation(
    day: Day,
    context: Here,
    principal: Annotated[Principal, Depends(allowed("reconciliations.read"))],
) -> View:
    """How a day in China stands against its bill; amounts in fen."""
    return await context.read(lambda session: reconciliations.view(session, day))


@router.post("/{day}")
async def reconcile(
    day: Day, command: Annotated[Command, Depends(command("reconciliations.run"))]
) -> JSONResponse:
    """Run it again; answers how it came out, or RUNNING when that takes more than seconds."""

    async def act() -> View:
        _check(command.context, day)
        is_over = await workflows.reconcile(command.context, day)
        try:
            view = await command.context.read(lambda session: reconciliations.view(session, day))
        except Refused:
            # Not even begun: no worker is there.
            raise temporal_away() from None
        return view if is_over else view | {"state": DayState.RUNNING}

    return await command.once(200, act)


def _check(context: Context, day: date) -> None:
    """Raises Refused for a day without a bill; the simulator hands out today's too."""
    today = day_of(datetime.now(UTC))
    if today - day > BILLS_KEPT:
        detail = f"day: WeChat Pay keeps bills for {BILLS_KEPT.days} days"
        raise Refused(Code.INVALID_FIELD, detail, "day")
    last = today if context.settings.sandbox else today - timedelta(days=1)
    if day > last:
        raise Refused(Code.BILL_NOT_READY, f"the bill of {day} is made on the day after", "day")
