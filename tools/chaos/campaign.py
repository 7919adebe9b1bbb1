"""One campaign: stories while everything breaks, then quiet, then the verdict."""

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import create_engine

from tools.chaos import besieged, settling
from tools.chaos.breaker import Breaker
from tools.chaos.checker import Finding, judge
from tools.chaos.evidence import Evidence, Reader
from tools.chaos.hand import World, opened
from tools.chaos.telling import Teller
from tools.chaos.wire import Wire
from tools.shop_day import WHO

T = TypeVar("T")
Say = Callable[[str], None]

LOOK_EVERY_S: Final = 0.1
PROGRESS_EVERY_S: Final = 5.0


@dataclass(frozen=True)
class Plan:
    """What is to happen: how many orders, and how many processes are killed meanwhile."""

    orders: int
    kills: int
    seed: int
    folder: Path
    outage_s: float = 0.0
    """How long Temporal is away when half of the orders have begun."""
    patience_s: float = 120.0
    """How long the system may take to find its rest, each time it must."""


@dataclass(frozen=True)
class Verdict:
    """What was done, what was seen, and what is wrong."""

    plan: Plan
    damage: "Counter[str]"
    faults: "Counter[str]"
    kills: int
    unanswered: int
    turned_away: int
    evidence: Evidence
    findings: list[Finding]
    seconds: float


class Loop:
    """An event loop in a thread of its own: the parts belong to the main one."""

    def __init__(self) -> None:
        """It runs from here on, as long as the program."""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Let it run; its result comes later."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result."""
        return self.start(work).result()

    def call(self, act: Callable[[], None]) -> None:
        """Have something done there."""

        async def done() -> None:
            act()

        self.run(done())

    @contextlib.contextmanager
    def inside(self, context: "contextlib.AbstractAsyncContextManager[T]") -> Iterator[T]:
        """A context of that loop, for this thread."""

        async def enter() -> T:
            return await context.__aenter__()

        async def leave() -> None:
            await context.__aexit__(None, None, None)

        entered = self.run(enter())
        try:
            yield entered
        finally:
            self.run(leave())


def run(plan: Plan, say: Say) -> Verdict:
    """Play it all: this thread breaks what the loop's stories use."""
    since, started = datetime.now(UTC), time.monotonic()
    made = besieged.besieged(plan.folder, say)
    loop = Loop()
    with contextlib.ExitStack() as parts:
        for proxy in made.proxies:
            parts.enter_context(loop.inside(proxy))
        parts.enter_context(made.supervisor)
        urls = made.api_url, made.simulator_url, made.temporal_address
        world = parts.enter_context(loop.inside(opened(*urls)))
        wire = parts.enter_context(loop.inside(Wire(world.wechat)))
        breaker = Breaker(made, random.Random(plan.seed), loop.call, say)
        teller = Teller(world, plan.seed, plan.orders)
        loop.run(settling.arm(world, plan.seed))
        telling = loop.start(teller.tell_all())
        _besiege(plan, teller, breaker, world, say)
        say("the faults stop; waiting until all is quiet")
        settled = loop.start(_settle(plan, world, telling, since))
        days = _await(settled, lambda: _progress(plan, teller, breaker, world), say)
        say("reading the evidence")
        reader = Reader(world, create_engine(made.database_url), WHO["admin"])
        evidence = loop.run(reader.evidence(teller.told, days))
    return Verdict(
        plan,
        breaker.done,
        wire.faults,
        breaker.kills,
        world.unanswered,
        world.turned_away,
        evidence,
        judge(evidence),
        time.monotonic() - started,
    )


def _besiege(plan: Plan, teller: Teller, breaker: Breaker, world: World, say: Say) -> None:
    """Strike as the stories go on, until all have begun and all kills are done."""
    told_at, outage_s = time.monotonic(), plan.outage_s
    while teller.begun < plan.orders or breaker.kills < plan.kills:
        if time.monotonic() > told_at + PROGRESS_EVERY_S:
            told_at = time.monotonic()
            say(_progress(plan, teller, breaker, world))
        if breaker.kills * plan.orders < teller.begun * plan.kills:
            breaker.strike()
        if outage_s and teller.begun >= plan.orders / 2:
            breaker.without_temporal(outage_s)
            outage_s = 0.0
        breaker.mend()
        time.sleep(LOOK_EVERY_S)


def _progress(plan: Plan, teller: Teller, breaker: Breaker, world: World) -> str:
    return (
        f"{len(teller.told)} of {plan.orders} stories told, {breaker.kills} of {plan.kills} kills,"
        f" {world.unanswered} requests without an answer, {world.turned_away} times 503"
    )


def _await(future: "Future[T]", progress: Callable[[], str], say: Say) -> T:
    """Its result; what has gone on meanwhile is said."""
    said = ""
    while True:
        try:
            return future.result(PROGRESS_EVERY_S)
        except TimeoutError:
            if future.done():
                raise
        if progress() != said:
            said = progress()
            say(said)


async def _settle(
    plan: Plan, world: World, telling: "Future[None]", since: datetime
) -> list[dict[str, Any]]:
    """Everything comes to rest; how each day stands against WeChat Pay's bill then."""
    await settling.disarm(world)
    told = asyncio.wrap_future(telling)
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(told, plan.patience_s)
    await settling.quiet(world, plan.patience_s)
    return await settling.reconciled(world, since, plan.patience_s)
