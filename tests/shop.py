"""A whole shop in one process, for tests: the real API and simulator over HTTP, a real worker, on
a Temporal server and a database that the test chooses."""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

import simulator.app
import simulator.server
import simulator.settings
import worker
from api.app import create_app
from db import migrate
from db.engine import Database
from settings import Settings, token_hash
from simulator import defaults
from wechat.client import WeChatPay

PATIENCE_S = 120.0
CALL_TIMEOUT_S = 1.0
_serial = itertools.count(1)
LOOK_EVERY_S = 0.05
TOKENS = {
    "shop": {"name": "Shan", "role": "shop"},
    "merchant": {"name": "Mei", "role": "merchant", "merchant_id": "m1"},
    "stranger": {"name": "Mo", "role": "merchant", "merchant_id": "m2"},
    "platform": {"name": "Ping", "role": "platform"},
    "finance": {"name": "Fang", "role": "finance"},
    "finance2": {"name": "Feng", "role": "finance"},
    "auditor": {"name": "Shen", "role": "auditor"},
    "admin": {"name": "Ada", "role": "admin"},
}


@dataclass
class Shop:
    """Plays every part: buyer, shop, merchant, platform, finance, WeChat Pay and the clock."""

    api: httpx.AsyncClient
    wechat: httpx.AsyncClient
    client: Client
    database: Database
    clock: "Clock"
    workers: "Workers"

    async def post(
        self, who: str, path: str, body: object = None, key: str | None = None
    ) -> httpx.Response:
        """One command of one person, under a fresh key unless one is given."""
        key = f"key-{next(_serial)}" if key is None else key
        headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": key}
        return await self.api.post(path, json=body, headers=headers)

    async def get(self, who: str, path: str) -> Any:
        """What somebody reads; it must be there."""
        reply = await self.api.get(path, headers={"Authorization": f"Bearer {who}"})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def does(self, who: str, path: str, body: object = None) -> Any:
        """One command that must succeed; the fresh state. A busy Temporal is asked again."""
        key, deadline = f"key-{next(_serial)}", time.monotonic() + PATIENCE_S
        reply = await self.post(who, path, body, key)
        while reply.status_code == 503 and time.monotonic() < deadline:
            await asyncio.sleep(int(reply.headers["Retry-After"]))
            reply = await self.post(who, path, body, key)
        assert reply.is_success, reply.text
        return reply.json()

    async def refuses(self, who: str, path: str, body: object = None) -> str:
        """One command that must be refused; the code."""
        reply = await self.post(who, path, body)
        assert 400 <= reply.status_code < 500, reply.text
        assert reply.headers["content-type"] == "application/problem+json"
        code: str = reply.json()["code"]
        return code

    # ---- orders

    async def order(self, **more: Any) -> str:
        """A fresh unpaid order of two cups and freight, 2 × 150 + 80 fen; its number."""
        body = order_body(f"order{next(_serial):06d}", **more)
        placed = await self.does("shop", "/v1/orders", body)
        number: str = placed["out_trade_no"]
        return number

    async def paid(self, **more: Any) -> str:
        """A fresh paid order; its number."""
        number = await self.order(**more)
        await self.pay(number)
        await self.order_is(number, "AWAITING_SHIPMENT")
        return number

    async def shipped(self, **more: Any) -> str:
        """A fresh shipped order; its number."""
        number = await self.paid(**more)
        await self.does("shop", f"/v1/orders/{number}/ship", PARCEL)
        return number

    async def received(self, **more: Any) -> str:
        """A fresh order that the buyer has received; its number."""
        number = await self.shipped(**more)
        await self.does("shop", f"/v1/orders/{number}/receive")
        return number

    async def order_of(self, number: str) -> Any:
        """The order as the auditor reads it."""
        return await self.get("auditor", f"/v1/orders/{number}")

    async def order_is(self, number: str, state: str) -> Any:
        """Wait until the order is in this state."""
        return await self.until(lambda: self.order_of(number), state)

    # ---- cases and refunds

    async def apply(
        self, number: str, *, reason_code: str = "NO_REASON", type: str = "", **more: Any
    ) -> str:
        """The buyer applies, for what the order's state allows; the case's number."""
        state = (await self.order_of(number))["state"]
        right = "REFUND_ONLY" if state == "AWAITING_SHIPMENT" else "RETURN_REFUND"
        body = {"type": type or right, "reason_code": reason_code, "reason": "不想要了", **more}
        case = await self.does("shop", f"/v1/orders/{number}/after-sales", body)
        case_no: str = case["case_no"]
        return case_no

    async def case_of(self, case_no: str) -> Any:
        """The case as the auditor reads it."""
        return await self.get("auditor", f"/v1/after-sales/{case_no}")

    async def case_is(self, case_no: str, state: str) -> Any:
        """Wait until the case is written down and in this state."""
        return await self.until(lambda: self.found(f"/v1/after-sales/{case_no}"), state)

    async def approve(self, case_no: str, *desks: str) -> None:
        """Merchant and platform approve, or only the desks named."""
        for desk in desks or ("merchant", "platform"):
            await self.does(desk, f"/v1/after-sales/{case_no}/{desk}-review", APPROVE)

    async def reject(self, case_no: str, desk: str, reason: str = "已经发货了") -> Any:
        """Merchant or platform rejects; the case."""
        body = {"decision": "reject", "reason": reason}
        return await self.does(desk, f"/v1/after-sales/{case_no}/{desk}-review", body)

    async def send_back(self, case_no: str) -> Any:
        """The buyer sends the goods back; the case."""
        return await self.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)

    async def receipt(self, case_no: str, responsibility: str) -> Any:
        """The merchant has received and inspected the goods; the case."""
        body = {"decision": "received", "responsibility": responsibility}
        return await self.does("merchant", f"/v1/after-sales/{case_no}/receipt", body)

    async def withdraw(self, case_no: str) -> Any:
        """The buyer takes the application back; the case."""
        return await self.does("shop", f"/v1/after-sales/{case_no}/withdraw")

    async def refund_of(self, number: str) -> Any:
        """The refund as the auditor reads it."""
        return await self.get("auditor", f"/v1/refunds/{number}")

    async def refund_is(self, number: str, state: str) -> Any:
        """Wait until the refund is written down and in this state."""
        return await self.until(lambda: self.found(f"/v1/refunds/{number}"), state)

    async def found(self, path: str) -> Any:
        """What the auditor reads there; in no state as long as it is not there."""
        reply = await self.api.get(path, headers={"Authorization": "Bearer auditor"})
        return {"state": None, **reply.json()}

    async def signal(self, case_no: str, name: str, *said: Any) -> None:
        """A decision as people send it from the Temporal UI or CLI."""
        await self.handle(f"after-sale-{case_no}").signal(name, args=said)

    def handle(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        """A run, as operators address it."""
        return self.client.get_workflow_handle(workflow_id)

    async def history(self, workflow_id: str) -> Sequence[HistoryEvent]:
        """Everything that Temporal wrote down about a run."""
        return (await self.handle(workflow_id).fetch_history()).events

    # ---- time, and what is away

    async def sleep(self, length: timedelta) -> None:
        """Time passes, for WeChat Pay too."""
        await self.control("clock", advance_s=max(length.total_seconds(), 0))
        await self.clock.sleep(length)

    async def sleep_until(self, at: str, more: timedelta = timedelta(0)) -> None:
        """Time passes until that instant, or until some time before or after it."""
        await self.sleep(datetime.fromisoformat(at) + more - await self.clock.now())

    @contextlib.asynccontextmanager
    async def worker_away(self) -> AsyncIterator[None]:
        """Nobody works meanwhile; what comes in waits at Temporal.

        Not on the time-skipping server: it waits for the workers that are gone.
        """
        await self.workers.stop()
        try:
            yield
        finally:
            await self.workers.start()

    @contextlib.contextmanager
    def tables_away(self) -> Iterator[None]:
        """The worker can't write meanwhile; the API still reads and commands."""
        gone = OperationalError("BEGIN", {}, OSError("the database is away"))
        with patch.object(self.database, "write", side_effect=gone):
            yield

    @contextlib.asynccontextmanager
    async def wechat_away(self) -> AsyncIterator[None]:
        """Every call to WeChat Pay breaks off meanwhile."""
        await self.control("faults", fault="reset", times=1_000_000)
        try:
            yield
        finally:
            await self.wechat.delete("/_control/faults")

    # ---- WeChat Pay

    async def pay(self, number: str, **more: Any) -> Any:
        """The buyer pays."""
        return await self.control("pay", out_trade_no=number, **more)

    async def control(self, path: str, **body: Any) -> Any:
        """One call to the simulator's control side that must succeed."""
        reply = await self.wechat.post(f"/_control/{path}", json=body)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else {}

    async def fault(self, fault: str, number: str, **more: Any) -> None:
        """What goes wrong next with this order or refund."""
        await self.control("faults", fault=fault, number=number, **more)

    async def slow_refund(self, number: str, length: timedelta) -> None:
        """This refund will be on its way for so long."""
        await self.fault("refund_slow", number, seconds=length.total_seconds())

    async def notified(self, number: str) -> None:
        """Wait until WeChat Pay has tried to tell, or put off, what it knows of this number."""

        async def look() -> Any:
            rows = (await self.truth())["notifications"]
            mine = [row for row in rows if row["number"] == number]
            return [row["attempts"] or row["fault"] in DEFERRED for row in mine]

        await self.until(look, True, all)

    async def truth(self) -> Any:
        """Where the money really is."""
        return (await self.wechat.get("/_control/ledger")).json()

    async def money_moves(self, number: str) -> list[int]:
        """How often money left, for each refund number of an order."""
        refunds = (await self.truth())["refunds"]
        return [row["money_moves"] for row in refunds if row["out_trade_no"] == number]

    async def until(
        self,
        look: Callable[[], Awaitable[Any]],
        wanted: Any,
        of: Callable[[Any], Any] = itemgetter("state"),
    ) -> Any:
        """Look until it is in this state, or shows something else that is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        seen = await look()
        while of(seen) != wanted and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
            seen = await look()
        assert of(seen) == wanted, seen
        return seen


def told(view: Any) -> list[str]:
    """The events on a timeline."""
    return [entry["event"] for entry in view["timeline"]]


def refunds(case: Any) -> list[tuple[int, str]]:
    """Amount and state of each refund of a case."""
    return [(refund["refund_fee"], refund["state"]) for refund in case["refunds"]]


DEFERRED = ("notify_delayed", "notify_reordered", "notify_lost")
APPROVE = {"decision": "approve"}
PARCEL = {"carrier": "SF", "tracking_no": "SF1234567890"}


def order_body(number: str, **more: Any) -> dict[str, Any]:
    """An order of two cups and freight, 2 × 150 + 80 fen."""
    lines = [{"sku": "cup", "title": "茶杯", "quantity": 2, "unit_price": 150}]
    body = {"out_trade_no": number, "merchant_id": "m1", "openid": "o-buyer", "freight": 80}
    return {**body, "description": "茶具", "lines": lines, **more}


async def wall_clock() -> datetime:
    """The time at a server that skips none."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """The time at a Temporal server."""

    now: Callable[[], Awaitable[datetime]]
    sleep: Callable[[timedelta], Awaitable[None]]


class Workers:
    """Workers that can be stopped and started again; used as a context, they end with it."""

    def __init__(self, build: Callable[[], list[Worker]]) -> None:
        self._build = build
        self._running = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """New ones, as after a restart: they remember nothing."""
        for one in self._build():
            await self._running.enter_async_context(one)

    async def stop(self) -> None:
        """They finish what they hold in their hands."""
        await self._running.aclose()

    async def __aenter__(self) -> "Workers":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


Serve = Callable[[Settings, Client], contextlib.AbstractAsyncContextManager[None]]
"""How the API is there: at its public_url while the context is open."""


@contextlib.asynccontextmanager
async def in_this_process(configured: Settings, client: Client) -> AsyncIterator[None]:
    """The API on this loop."""
    async with _served(api_server(configured, client)):
        yield


def api_server(configured: Settings, client: Client) -> uvicorn.Server:
    """The API as a server at its public_url."""
    port = httpx.URL(configured.public_url).port
    assert port
    return uvicorn.Server(_quiet(create_app(configured, client), port))


@contextlib.asynccontextmanager
async def opened(
    client: Client,
    database: Database,
    folder: Path,
    sleep: Callable[[timedelta], Awaitable[None]],
    now: Callable[[], Awaitable[datetime]] = wall_clock,
    serve: Serve = in_this_process,
    /,
    **policies: str,
) -> AsyncIterator[Shop]:
    """Everything started, and ended afterwards; the API in this process, or as `serve` does it."""
    migrate.upgrade(database)
    api_port = free_port()
    wechat = simulator.settings.Settings(
        _env_file=None,
        port=free_port(),
        database=folder / "simulator.db",
        refund_seconds=0,
        public_url=f"http://127.0.0.1:{api_port}",
    )
    configured = settings_for(database, api_port, wechat.base_url, policies)
    async with (
        _served(simulator.server.build(wechat)),
        serve(configured, client),
        WeChatPay(replace(configured.wechat, timeout_s=CALL_TIMEOUT_S)) as pay,
        Workers(lambda: worker.build(client, database, pay, configured)) as workers,
        httpx.AsyncClient(base_url=configured.public_url, timeout=20) as api,
        httpx.AsyncClient(base_url=wechat.base_url, timeout=20) as control,
    ):
        yield Shop(api, control, client, database, Clock(now, sleep), workers)


def settings_for(
    database: Database, api_port: int, wechat_url: str, policies: dict[str, str]
) -> Settings:
    """Settings of a sandbox."""
    own: dict[str, Any] = {f"POLICY_{name.upper()}": value for name, value in policies.items()}
    return Settings(
        _env_file=None,
        DATABASE_URL=database.engine.url.render_as_string(hide_password=False),
        PUBLIC_URL=f"http://127.0.0.1:{api_port}",
        SANDBOX=True,
        API_TOKENS={token_hash(token): owner for token, owner in TOKENS.items()},
        WECHAT_BASE_URL=wechat_url,
        WECHAT_APPID=defaults.APPID,
        WECHAT_MCH_ID=defaults.MCH_ID,
        WECHAT_API_KEY=defaults.API_KEY,
        **own,
    )


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quiet(app: FastAPI, port: int) -> uvicorn.Config:
    return uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1)


@contextlib.asynccontextmanager
async def _served(server: uvicorn.Server) -> AsyncIterator[None]:
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task
