"""A worker, or an API, in a process of its own, killed by SIGKILL at the point of each order.

The processes are forked from one that has imported everything, so that many can die in a minute.
"""

import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import worker
from db.engine import Database
from settings import Settings
from tests.shop import Serve, Shop, api_server, settings_for
from wechat.client import WeChatPay
from workflows import calls

QUIET_S: Final = 1.0
CALL_TIMEOUT_S: Final = 1.0
LOOK_EVERY_S: Final = 0.5
DEATHS_MAX: Final = 300
SOON: Final = timedelta(seconds=5)

on_one_database = pytest.mark.parametrize(
    "database_url", [os.environ.get("CRASH_POINTS_ON", "sqlite")], indirect=True, scope="module"
)
"""A hundred deaths take five minutes; `make chaos` kills workers on PostgreSQL anyway."""


@dataclass
class Fate:
    """Who dies where: out_trade_no → point. Whoever has died once lives on."""

    points: Mapping[str, str]
    died: Path
    arrived_at: float = field(default=float("inf"))

    def meets(self, out_trade_no: str, point: str) -> bool:
        """Whether the order is at its point, and dies now: then it is written down."""
        if self.points.get(out_trade_no) != point or out_trade_no in self.died.read_text().split():
            return False
        with self.died.open("a") as file:
            file.write(f"{out_trade_no}\n")
        self.arrived_at = time.monotonic()
        return True

    def strike_when_quiet(self) -> None:
        """Kill the process once nobody else comes to a point, so that they die together."""
        while time.monotonic() < self.arrived_at + QUIET_S:
            time.sleep(0.02)
        die()

    def wait(self, out_trade_no: str, point: str) -> None:
        """In a thread: stand at the point until death, if it is this order's."""
        if self.meets(out_trade_no, point):
            threading.Event().wait()

    async def stand(self, out_trade_no: str, point: str) -> None:
        """The same on the loop."""
        if self.meets(out_trade_no, point):
            await asyncio.Event().wait()


def die() -> None:
    """At once, in mid-air."""
    os.kill(os.getpid(), signal.SIGKILL)


Plant = Callable[[Fate], None]
"""Puts the points in their places; a function of a module, so that it reaches the process."""


def work(address: str, database_url: str, configured: Settings, plant: Plant, fate: Fate) -> None:
    """Be a worker until killed."""
    plant(fate)
    threading.Thread(target=fate.strike_when_quiet, daemon=True).start()
    asyncio.run(_work(address, database_url, configured))


async def _work(address: str, database_url: str, configured: Settings) -> None:
    worker.WRITERS = 100  # each stands still at its point
    calls.ONE_CALL = SOON  # nobody waits half a minute for what the dead one held
    worker.Worker = functools.partial(  # type: ignore[attr-defined, assignment]
        Worker, workflow_runner=UnsandboxedWorkflowRunner(), max_cached_workflows=0
    )
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    config = replace(configured.wechat, timeout_s=CALL_TIMEOUT_S)
    async with WeChatPay(config) as pay:
        business, channel = worker.build(client, Database(database_url), pay, configured)
        async with business, channel:
            await asyncio.Event().wait()


async def wear_out(
    shop: Shop, plant: Plant, fate: Fate, is_over: Callable[[], Awaitable[bool]]
) -> None:
    """Workers come and die until it is over."""
    port = shop.api.base_url.port
    assert port
    configured = settings_for(shop.database, port, str(shop.wechat.base_url).rstrip("/"), {})
    arguments = (address_of(shop.client), url_of(shop.database), configured, plant, fate)
    await one_after_another(plant, work, arguments, is_over)


async def one_after_another(
    plant: Plant,
    live: Callable[..., None],
    arguments: tuple[Any, ...],
    is_over: Callable[[], Awaitable[bool]],
) -> None:
    """Processes that live until they are killed, each after the death of the last."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([plant.__module__])
    for _ in range(DEATHS_MAX):
        one = context.Process(target=live, args=arguments)
        one.start()
        try:
            while one.is_alive():
                await asyncio.sleep(LOOK_EVERY_S)
                if await is_over():
                    return
        finally:
            one.kill()
    raise AssertionError("none lives on")


def address_of(client: Client) -> str:
    """Where its Temporal server listens."""
    return client.service_client.config.target_host


def url_of(database: Database) -> str:
    """Where the tables are, password and all."""
    return database.engine.url.render_as_string(hide_password=False)


def serve(address: str, configured: Settings, plant: Plant, fate: Fate) -> None:
    """Be an API until killed."""
    plant(fate)
    threading.Thread(target=fate.strike_when_quiet, daemon=True).start()
    asyncio.run(_serve(address, configured))


async def _serve(address: str, configured: Settings) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await api_server(configured, client).serve()


def mortal(plant: Plant, fate: Fate) -> Serve:
    """An API in a process of its own, and the next one after its death."""

    @contextlib.asynccontextmanager
    async def opened(configured: Settings, client: Client) -> AsyncIterator[None]:
        arguments = (address_of(client), configured, plant, fate)
        living = asyncio.create_task(one_after_another(plant, serve, arguments, _never))
        try:
            yield
        finally:
            living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await living

    return opened


async def _never() -> bool:
    return False


def around(owner: type, name: str, fate: Fate, point: str, order_of: Callable[[Any], str]) -> None:
    """Points before and after a method that runs in a thread."""
    act = getattr(owner, name)

    @functools.wraps(act)
    def acting(self: Any, argument: Any) -> Any:
        number = order_of(argument)
        fate.wait(number, f"before {point}")
        done = act(self, argument)
        fate.wait(number, f"after {point}")
        return done

    setattr(owner, name, acting)
