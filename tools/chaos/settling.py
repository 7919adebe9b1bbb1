"""Before and after: what WeChat Pay does wrong, and how the system finds its rest again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

import httpx

from tools.chaos.checker import REFUND_RESTS
from tools.chaos.hand import World
from tools.shop_day import WHO

CHINA: Final = timezone(timedelta(hours=8))
SCALE: Final = 60
"""WeChat Pay's waits: its minute between refunds is a second."""
TIMELESS: Final = 100_000
FAULTS: Final[tuple[dict[str, Any], ...]] = ({"fault": "any", "probability": 0.08},)
QUIET_S: Final = 3.0
LOOK_EVERY_S: Final = 1.0


async def arm(world: World, seed: int) -> None:
    """From here on WeChat Pay does everything wrong that passes by itself."""
    await world.control("clock", scale=SCALE)
    for fault in FAULTS:
        await world.control("faults", **fault, seed=seed)


async def disarm(world: World) -> None:
    """WeChat Pay does nothing wrong any more; what it was slow about, it does now."""
    await world.wechat.delete("/_control/faults")
    await world.control("clock", scale=TIMELESS)
    await asyncio.sleep(QUIET_S)
    await world.control("clock", scale=SCALE)


async def quiet(world: World, patience_s: float) -> bool:
    """Wait until nothing happens any more, and nothing is left that should."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        before = len(world.feed.events)
        await asyncio.sleep(QUIET_S)
        if len(world.feed.events) == before and not _unsettled(world) and await _delivered(world):
            return True
    return False


async def reconciled(world: World, since: datetime, patience_s: float) -> list[dict[str, Any]]:
    """Hold each day against WeChat Pay's bill, lost facts taken in and at rest again."""
    for day in _days(since):
        await _reconcile(world, day, "first", patience_s)
    await quiet(world, patience_s)
    return [await _reconcile(world, day, "last", patience_s) for day in _days(since)]


def _unsettled(world: World) -> bool:
    moving = {("after_sale", "REFUNDING")}
    return any(
        (subject == "refund" and state not in REFUND_RESTS) or (subject, state) in moving
        for (subject, _), state in world.feed.states.items()
    )


async def _delivered(world: World) -> bool:
    told = (await world.wechat.get("/_control/ledger")).json()
    waiting = [*told["notifications"], *told["refunds"]]
    return all(row["state"] not in ("PENDING", "PROCESSING") for row in waiting)


def _days(since: datetime) -> Iterator[date]:
    day = since.astimezone(CHINA).date()
    while day <= datetime.now(UTC).astimezone(CHINA).date():
        yield day
        day += timedelta(days=1)


async def _reconcile(world: World, day: date, turn: str, patience_s: float) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {WHO['finance']}", "Idempotency-Key": turn}
    path = f"/v1/reconciliations/{day}"
    until = time.monotonic() + patience_s
    view: dict[str, Any] = (await world.api.post(path, headers=headers)).json()
    while view["state"] == "RUNNING" and time.monotonic() < until:
        await asyncio.sleep(LOOK_EVERY_S)
        with suppress(httpx.HTTPError):
            view = (await world.api.get(path, headers=headers)).json()
    return view
