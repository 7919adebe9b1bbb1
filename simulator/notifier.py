"""Sends notifications on WeChat's schedule until the shop acknowledges, and finishes refunds."""

import asyncio
import contextlib
import json
import secrets
import sqlite3
import time
from dataclasses import dataclass, replace
from typing import Final

import httpx

from simulator import capture, faults, notices, orders, refunds
from simulator.capture import Exchange
from simulator.faults import Strike
from simulator.messages import Reply
from simulator.world import World
from wechat import xml
from wechat.errors import MalformedXML

RETRY_SECONDS: Final = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
)  # fmt: skip
ACK_SECONDS: Final = 5.0
"""Not scaled: it limits a real computer."""

_AT_ONCE_MAX = 64
_IDLE_SECONDS = 1.0
_DEFERRALS = {"notify_delayed": 60.0, "notify_reordered": 20.0}


@dataclass(frozen=True)
class Notification:
    """One queued notification; `state` PENDING, DELIVERED, LOST or GIVEN_UP."""

    id: int
    kind: str
    number: str
    url: str
    fields: str
    sign_type: str
    state: str
    attempts: int
    due_tick: float
    fault: str
    created_at: float
    answer: str

    @property
    def told(self) -> Reply:
        """The facts that it carries."""
        facts: Reply = json.loads(self.fields)
        return facts


@dataclass(frozen=True)
class Copy:
    """One body to send, and what the viewer says about it."""

    body: bytes
    signature: str = "right"
    true: bool = True


async def run(world: World) -> None:
    """Work until cancelled: finish refunds and send notifications when they are due."""
    tasks: set[asyncio.Task[None]] = set()
    async with _connection() as client:
        while True:
            world.bell.clear()
            refunds.finish_due(world)
            for one in _due(world):
                world.sending.add(one.id)
                task = asyncio.create_task(_deliver(world, one, client))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await _wait(world)


async def deliver_now(world: World, number: str) -> None:
    """Send the pending notifications of one number and wait for their answers."""
    sql = "SELECT * FROM notifications WHERE number = ? AND state = 'PENDING'"
    found = [_notification(row) for row in world.store.rows(sql, number)]
    mine = [one for one in found if one.id not in world.sending]
    world.sending.update(one.id for one in mine)
    async with _connection() as client:
        for one in mine:
            await _deliver(world, one, client)


async def replay(world: World, number: int) -> bool:
    """Send a notification once more, whatever its state; answers whether it was acknowledged.

    Raises LookupError.
    """
    row = world.store.row("SELECT * FROM notifications WHERE id = ?", number)
    if row is None:
        raise LookupError(str(number))
    one = _notification(row)
    async with _connection() as client:
        return await _send(world, one, _genuine(world, one), client, "")


async def resend(world: World, exchange: Exchange) -> str:
    """Post a captured notification again, byte for byte; answers what the shop said."""
    started = time.perf_counter()
    async with _connection() as client:
        text, acknowledged = await _post(client, exchange.url, exchange.request.encode())
    took_ms = round((time.perf_counter() - started) * 1000)
    verdict = _verdict(acknowledged)
    again = replace(exchange, response=text, verdict=verdict, fault="replay", took_ms=took_ms)
    capture.keep(world, again)
    return text


def _connection() -> httpx.AsyncClient:
    """A client that lets no proxy of this computer's come between it and the shop."""
    return httpx.AsyncClient(timeout=ACK_SECONDS, trust_env=False)


def _due(world: World) -> list[Notification]:
    room = _AT_ONCE_MAX - len(world.sending)
    rows = world.store.rows(
        "SELECT * FROM notifications WHERE state = 'PENDING' AND due_tick <= ?"
        " ORDER BY due_tick, id LIMIT ?",
        world.clock.tick(),
        _AT_ONCE_MAX,
    )
    free = [_notification(row) for row in rows if row["id"] not in world.sending]
    return free[: max(0, room)]


async def _wait(world: World) -> None:
    seconds = _IDLE_SECONDS
    # A full house waits for the bell that each finished delivery rings.
    if len(world.sending) < _AT_ONCE_MAX:
        for tick in (_next_due(world), refunds.next_finish(world)):
            if tick is not None:
                seconds = min(seconds, world.clock.real_seconds_until(tick) + 0.002)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(world.bell.wait(), seconds)


def _next_due(world: World) -> float | None:
    marks = ", ".join(str(number) for number in world.sending) or "-1"
    row = world.store.row(
        "SELECT MIN(due_tick) AS t FROM notifications"
        f" WHERE state = 'PENDING' AND id NOT IN ({marks})"
    )
    return None if row is None else row["t"]


async def _deliver(world: World, one: Notification, client: httpx.AsyncClient) -> None:
    try:
        with world.store.transaction():
            struck = None if one.fault else faults.strike(world, one.kind, _subject(one))
            if struck and _put_off(world, one, struck):
                return
        acknowledged = await _attempt(world, one, struck, client)
        _conclude(world, one, struck, acknowledged)
    finally:
        world.sending.discard(one.id)
        world.bell.set()


def _subject(one: Notification) -> dict[str, str]:
    return {name: str(value) for name, value in one.told.items()}


def _put_off(world: World, one: Notification, struck: Strike) -> bool:
    """Write the fault down; True when nothing is to be sent now."""
    state, due = "PENDING", one.due_tick
    if struck.name in _DEFERRALS:
        seconds = _DEFERRALS[struck.name] if struck.seconds is None else struck.seconds
        due = world.clock.tick() + seconds
    elif struck.name == "notify_lost":
        state = "LOST"
    world.store.execute(
        "UPDATE notifications SET fault = ?, state = ?, due_tick = ? WHERE id = ?",
        struck.name,
        state,
        due,
        one.id,
    )
    return struck.name in _DEFERRALS or state == "LOST"


async def _attempt(
    world: World, one: Notification, struck: Strike | None, client: httpx.AsyncClient
) -> bool:
    name = struck.name if struck else ""
    if name == "notify_duplicate":
        return await _twice(world, one)
    if name in ("notify_forged", "notify_wrong_amount"):
        await _send(world, one, _altered(world, one, name), client, name)
        return await _send(world, one, _genuine(world, one), client, "")
    copy = _altered(world, one, name) if name else _genuine(world, one)
    acknowledged = await _send(world, one, copy, client, name)
    return acknowledged and copy.true and name != "notify_answer_lost"


async def _twice(world: World, one: Notification) -> bool:
    async def from_own_connection() -> bool:
        async with _connection() as client:
            return await _send(world, one, _genuine(world, one), client, "notify_duplicate")

    return any(await asyncio.gather(from_own_connection(), from_own_connection()))


def _genuine(world: World, one: Notification) -> Copy:
    return Copy(_render(world, one, one.told, world.settings.api_key))


def _altered(world: World, one: Notification, name: str) -> Copy:
    key, told = world.settings.api_key, one.told
    amount = "refund_fee" if one.kind == notices.REFUND else "total_fee"
    match name:
        case "notify_forged" | "notify_wrong_key":
            return Copy(_render(world, one, told, secrets.token_hex(16)), "wrong", False)
        case "notify_previous_key":
            previous = world.settings.previous_api_key
            return Copy(_render(world, one, told, previous), "right (previous key)")
        case "notify_wrong_amount":
            return Copy(_render(world, one, told | {amount: int(told[amount]) + 1}, key))
        case "notify_foreign":
            return Copy(_render(world, one, told | {"mch_id": "1000000001"}, key), true=False)
        case "notify_junk":
            return Copy(b"<xml><return_code><![CDATA[SUCC", "none", False)
    return _genuine(world, one)


def _render(world: World, one: Notification, told: Reply, key: str) -> bytes:
    if one.kind == notices.REFUND:
        return notices.render_refund(told, world, key)
    return notices.render_payment(told, world, key, one.sign_type)


async def _send(
    world: World, one: Notification, copy: Copy, client: httpx.AsyncClient, fault: str
) -> bool:
    started = time.perf_counter()
    url = _url(world, one, fault)
    text, acknowledged = await _post(client, url, copy.body)
    shown = Exchange(
        "out", one.kind, url, one.number, copy.body.decode(), text, copy.signature,
        _verdict(acknowledged), fault, one.attempts + 1,
        round((time.perf_counter() - started) * 1000),
    )  # fmt: skip
    capture.keep(world, shown)
    return acknowledged


async def _post(client: httpx.AsyncClient, url: str, body: bytes) -> tuple[str, bool]:
    """What the shop answered, and whether that was an acknowledgement in time."""
    try:
        async with asyncio.timeout(ACK_SECONDS):
            reply = await client.post(url, content=body, headers={"Content-Type": "text/xml"})
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return f"no answer: {type(error).__name__} {error}", False
    return f"HTTP {reply.status_code}\n{reply.text}", _acknowledges(reply)


def _verdict(acknowledged: bool) -> str:
    return "acknowledged" if acknowledged else "not acknowledged"


def _url(world: World, one: Notification, fault: str) -> str:
    if fault != "notify_wrong_url":
        return one.url
    order = orders.find(world, str(one.told["out_trade_no"]))
    return order.notify_url if order else one.url


def _acknowledges(reply: httpx.Response) -> bool:
    try:
        return reply.status_code == 200 and xml.parse(reply.content).get("return_code") == "SUCCESS"
    except MalformedXML:
        return False


def _conclude(world: World, one: Notification, struck: Strike | None, acknowledged: bool) -> None:
    attempts = one.attempts + 1
    again = acknowledged and struck is not None and struck.name == "notify_repeated"
    state, due = "DELIVERED" if acknowledged else "PENDING", world.clock.tick()
    if again or (not acknowledged and attempts <= len(RETRY_SECONDS)):
        state, due = "PENDING", due + RETRY_SECONDS[attempts - 1]
    elif not acknowledged:
        state = "GIVEN_UP"
    world.store.execute(
        "UPDATE notifications SET state = ?, attempts = ?, due_tick = ?, answer = ? WHERE id = ?",
        state,
        attempts,
        due,
        _verdict(acknowledged),
        one.id,
    )


def _notification(row: sqlite3.Row) -> Notification:
    return Notification(**dict(row))
