"""Whole orders a second: ours, and the same story at each rival's, in turns on one machine."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from bench.figures import Goal, Row, Section
from bench.load import Burst, burst
from bench.plant import BENCH_PYTHON, OURS, Plant, Rival
from bench.story import Story
from bench.wire import Wire

STEPS: Final = Rival("steps", "bench.rivals.steps", apis=1, workers=1)
DBOS: Final = Rival("dbos", "bench.rivals.dbos_shop", apis=2, python=BENCH_PYTHON)
POLLING: Final = Rival("polling", "bench.rivals.polling", apis=2)
RIVALS: Final = (STEPS, DBOS, POLLING)
GOALS: Final = {STEPS: Goal(0.75, at_least=True), DBOS: Goal(2, at_least=True), POLLING: None}

Tell = Callable[[Story], Callable[[str], Awaitable[None]]]


@dataclass(frozen=True)
class Size:
    """Orders and refunded orders in each turn, how many at a time, how many turns."""

    orders: int = 120
    refunds: int = 60
    in_flight: int = 16
    repeats: int = 5


async def measure(plant: Plant, size: Size) -> Section:
    """The whole section; after each turn the others get a moment to come to rest."""
    async with AsyncExitStack() as opened:
        simulator = await opened.enter_async_context(Wire(plant.simulator_url))
        stories = {
            name: Story(await opened.enter_async_context(Wire(*urls)), simulator)
            for name, urls in plant.sites.items()
        }
        rows = []
        for what, tell, count in (
            ("created → paid → shipped → received", lambda story: story.received, size.orders),
            ("created → paid → unshipped refund", lambda story: story.refunded, size.refunds),
        ):
            told = await _in_turns(stories, tell, count, size)
            rows += [_row(what, told, rival) for rival in RIVALS]
            slowness = [[one.p50_ms for one in told[name]] for name in (OURS, STEPS.name)]
            rows.append(Row(f"{what}: p50 of one order", "ms", slowness[0], "steps", slowness[1]))
    note = (
        f"{size.in_flight} in flight, {size.orders} orders or {size.refunds} refunds a turn. The "
        "same simulator, HTTP and synced PostgreSQL for all; every contestant has two Python "
        "processes."
    )
    return Section("orders", "3. Whole orders", rows, note)


async def _in_turns(
    stories: Mapping[str, Story], tell: Tell, count: int, size: Size
) -> dict[str, list[Burst]]:
    bursts: dict[str, list[Burst]] = defaultdict(list)
    names = list(stories)
    for name in names:  # connections, caches and sandboxes are warm when it counts
        await burst(tell(stories[name]), stories[name].numbers(size.in_flight), size.in_flight)
    for _ in range(size.repeats):
        for name in names:
            story = stories[name]
            await asyncio.sleep(1)
            bursts[name].append(await burst(tell(story), story.numbers(count), size.in_flight))
        names.append(names.pop(0))
    return bursts


def _row(what: str, told: Mapping[str, list[Burst]], rival: Rival) -> Row:
    ours, theirs = ([one.per_second for one in told[name]] for name in (OURS, rival.name))
    return Row(what, "per s", ours, rival.name, theirs, GOALS[rival])
