"""The hand of one story: it repeats what got no answer, clicks twice, and writes a diary."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tools.chaos.feed import Feed
from tools.shop_day import WHO

CLICKS_TWICE: Final = 0.1
ASKS_AGAIN: Final = 0.05
PAUSE_S: Final = 0.3
LONGEST_PAUSE_S: Final = 5.0
NUDGE_EVERY_S: Final = 15.0
REQUEST_S: Final = 25.0
ANSWER_CHARS: Final = 160


class OutOfPlot(Exception):
    """Something happened that the story does not allow."""


@dataclass(frozen=True)
class Reply:
    """A definite answer: done, or refused with a code."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status < 400

    @property
    def code(self) -> str:
        """Why it was refused."""
        code: str = self.body["code"]
        return code


@dataclass
class World:
    """What all stories share; `complaints` are answers that no caller should ever get."""

    api: httpx.AsyncClient
    wechat: httpx.AsyncClient
    temporal: Client
    feed: Feed
    complaints: list[str] = field(default_factory=list)
    unanswered: int = 0
    turned_away: int = 0

    async def control(self, path: str, **body: Any) -> httpx.Response:
        """One call to the simulator's control side, until it is answered."""
        while True:
            with suppress(httpx.HTTPError):
                return await self.wechat.post(f"/_control/{path}", json=body)
            await asyncio.sleep(PAUSE_S)


@contextlib.asynccontextmanager
async def opened(api_url: str, wechat_url: str, temporal_address: str) -> AsyncIterator[World]:
    """The world of a running sandbox; its feed is followed from here on."""
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(base_url=api_url, timeout=REQUEST_S, limits=limits) as api,
        httpx.AsyncClient(base_url=wechat_url, timeout=REQUEST_S, limits=limits) as wechat,
    ):
        feed = Feed(api, WHO["auditor"])
        following = asyncio.create_task(feed.follow())
        yield World(api, wechat, await Client.connect(temporal_address), feed)
        following.cancel()


@dataclass
class Hand:
    """Everybody in the story of one order."""

    world: World
    no: str
    dice: random.Random
    diary: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    asked: int = 0

    def note(self, line: str) -> None:
        """Write one line into the diary."""
        self.diary.append(f"{time.monotonic() - self.started:7.2f} s  {line}")

    def chance(self, probability: float) -> bool:
        """Whether the dice say so."""
        return self.dice.random() < probability

    # ---- commands

    async def ask(self, who: str, path: str, body: object = None, key: str | None = "") -> Reply:
        """Send one command until it is answered: once, sometimes twice at once, or once more."""
        self.asked += 1
        key = f"{self.no}-{self.asked}" if key == "" else key
        copies = 2 if key and self.chance(CLICKS_TWICE) else 1
        sent = (self._insist(who, path, body, key) for _ in range(copies))
        replies = await asyncio.gather(*sent)
        if key and self.chance(ASKS_AGAIN):
            replies.append(await self._insist(who, path, body, key))
        if any(reply != replies[0] for reply in replies):
            self._complain(f"{path}: one key, several answers: {replies}")
        self.note(f"{who} {path} {body or ''} → {_short(replies[0])}")
        return replies[0]

    async def does(self, who: str, path: str, body: object = None) -> Any:
        """A command that the story needs; raises OutOfPlot when it is refused."""
        reply = await self.ask(who, path, body)
        if not reply.ok:
            raise OutOfPlot(f"{path} was refused: {reply.body}")
        return reply.body

    async def refuses(self, who: str, path: str, body: object, code: str) -> None:
        """A command that must be refused with this code."""
        reply = await self.ask(who, path, body)
        if reply.ok or reply.code != code:
            raise OutOfPlot(f"{path}: {code} was expected, not {_short(reply)}")

    async def _insist(self, who: str, path: str, body: object, key: str | None) -> Reply:
        headers = {"Authorization": f"Bearer {WHO[who]}"}
        if key:
            headers["Idempotency-Key"] = key
        pause = PAUSE_S
        while True:
            try:
                reply = await self.world.api.post(path, json=body, headers=headers)
            except httpx.HTTPError:
                self.world.unanswered += 1
            else:
                if reply.status_code < 500:
                    return Reply(reply.status_code, reply.json())
                self._turned_away(path, reply)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    def _turned_away(self, path: str, reply: httpx.Response) -> None:
        self.world.turned_away += 1
        if reply.status_code != 503 or "Retry-After" not in reply.headers:
            self._complain(f"{path}: {reply.status_code} {reply.text[:ANSWER_CHARS]}")

    def _complain(self, what: str) -> None:
        self.world.complaints.append(f"{self.no} {what}")
        self.note(f"COMPLAINT {what}")

    # ---- decisions by signal

    async def signal(self, case_no: str, name: str, said: dict[str, str]) -> None:
        """A decision as people send it with Temporal's own tools."""
        handle = self.world.temporal.get_workflow_handle(f"after-sale-{case_no}")
        while True:
            try:
                await handle.signal(name, said)
                break
            except RPCError as error:
                # An earlier try was heard after all, and has ended the run.
                if error.status is RPCStatusCode.NOT_FOUND:
                    break
            await asyncio.sleep(PAUSE_S)
        self.note(f"signal {name} {said}")

    # ---- the buyer, and WeChat Pay's side

    async def control(self, path: str, **body: Any) -> Any:
        """One call to the simulator's control side; it may be repeated at will."""
        reply = await self.world.control(path, **body)
        self.note(f"WeChat {path} {body} → {reply.status_code}")
        return reply.json() if reply.content else {}

    async def pay(self, serial: int = 1) -> str:
        """The buyer pays, under a transaction of its own; its number."""
        transaction_id = f"42{serial}{self.no}"
        await self.control("pay", out_trade_no=self.no, transaction_id=transaction_id)
        return transaction_id

    # ---- what the feed tells

    async def order_is(
        self, *states: str, nudge: Callable[[], Awaitable[object]] | None = None
    ) -> str:
        """Wait until the order is in one of these states, nudging now and then."""
        return await self._is("order", self.no, states, nudge)

    async def case_is(self, case_no: str, *states: str) -> str:
        """Wait until the case is in one of these states."""
        return await self._is("after_sale", case_no, states, None)

    async def refund_is(self, number: str, *states: str) -> str:
        """Wait until the refund is in one of these states."""
        return await self._is("refund", number, states, None)

    async def _is(
        self,
        subject: str,
        number: str,
        states: tuple[str, ...],
        nudge: Callable[[], Awaitable[object]] | None,
    ) -> str:
        feed = self.world.feed
        while not await feed.until(lambda: feed.state(subject, number) in states, NUDGE_EVERY_S):
            if nudge is not None:
                await nudge()
        self.note(f"{subject} {number} is {feed.state(subject, number)}")
        return feed.state(subject, number)


def _short(reply: Reply) -> str:
    if reply.ok:
        return f"{reply.status} {reply.body.get('state', '')}"
    return f"{reply.status} {reply.code}: {reply.body.get('detail', '')}"
