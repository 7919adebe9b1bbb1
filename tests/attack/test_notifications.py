"""Notifications by whoever reaches the address: replayed, cut, huge, slow, explosive, floods."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import pytest

import api.workflows
from api.app import create_app
from api.context import Remembered
from api.notify import ANSWER_WITHIN_S, BODY_WITHIN_S
from db import migrate
from db.engine import Database
from tests.api.test_notify import incidents, notify, payment
from tests.shop import Shop, free_port, settings_for, told
from wechat import xml
from wechat.notifications import BYTES_MAX

pytestmark = pytest.mark.slow

SENDERS = 60
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
LONG = "a" * 9_000
BOMBS = {
    "a billion laughs": f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]><xml><a>&a9;</a></xml>',
    "one entity, often": f'<!DOCTYPE x [<!ENTITY a "{LONG}">]><xml><a>{"&a;" * 900}</a></xml>',
    "a file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><a>&a;</a></xml>',
    "another host": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><xml></xml>',
    "a parameter entity": '<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><xml/>',
    "deep": "<a>" * 5_000,
    "many fields": "<xml>" + "".join(f"<f{n}>1</f{n}>" for n in range(2_000)) + "</xml>",
    "another encoding": '<?xml version="1.0" encoding="utf-7"?><xml>+ADw-a+AD4-</xml>',
}  # fmt: skip


@pytest.fixture
def forgetful() -> Iterator[None]:
    """As another API process would be: it remembers no notification."""
    with patch.object(Remembered, "__contains__", lambda *_: False):
        yield


@pytest.mark.usefixtures("forgetful")
async def test_an_old_one_replayed_changes_nothing(shop: Shop) -> None:
    number = await shop.order()
    paid = await shop.pay(number, notify=False)
    old = payment(number, transaction_id=paid["transaction_id"])
    assert (await notify(shop, old))["return_code"] == "SUCCESS"
    await shop.order_is(number, "AWAITING_SHIPMENT")
    case_no = await shop.apply(number)
    assert (await notify(shop, old))["return_code"] == "SUCCESS"
    await shop.approve(case_no)
    before = await shop.order_is(number, "CLOSED")
    for _ in range(5):
        assert (await notify(shop, old))["return_code"] == "SUCCESS"
    assert await shop.order_of(number) == before
    assert await shop.money_moves(number) == [1]
    assert await incidents(shop, number) == []


async def test_one_cut_anywhere_proves_nothing(shop: Shop) -> None:
    number = await shop.order()
    whole = payment(number)
    for end in range(0, len(whole), 40):
        assert (await notify(shop, whole[:end]))["return_code"] == "FAIL"
    assert told(await shop.order_of(number)) == ["PLACED"]


async def test_one_whose_connection_breaks_off_proves_nothing(shop: Shop) -> None:
    number = await shop.order()
    whole, at = payment(number), urlsplit(str(shop.api.base_url))
    head = f"POST /apis/pay_notify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(whole) + 1}\r\n\r\n"
    for _ in range(20):
        _, wire = await asyncio.open_connection(at.hostname, at.port)
        wire.write(head.encode() + whole)
        await wire.drain()
        wire.close()
    assert (await notify(shop, whole))["return_code"] == "SUCCESS"
    assert told(await shop.order_is(number, "AWAITING_SHIPMENT")) == ["PLACED", "PAID"]


async def test_a_huge_one_is_refused_though_it_is_signed(shop: Shop) -> None:
    number = await shop.order()
    huge = payment(number, attach="a" * BYTES_MAX)
    assert (await notify(shop, huge))["return_code"] == "FAIL"
    assert told(await shop.order_of(number)) == ["PLACED"]


@pytest.mark.parametrize("what", BOMBS)
async def test_a_bomb_is_refused_at_once(shop: Shop, what: str) -> None:
    since = time.monotonic()
    assert (await notify(shop, BOMBS[what].encode()))["return_code"] == "FAIL"
    assert time.monotonic() - since < 1


async def test_slow_ones_are_cut_off_and_hold_nobody_up(shop: Shop) -> None:
    async def drips() -> AsyncIterator[bytes]:
        for byte in payment("order-drips"):
            yield bytes([byte])
            await asyncio.sleep(0.2)

    number, since = await shop.order(), time.monotonic()
    async with senders(shop) as many:
        slow = [
            asyncio.create_task(many.post("/apis/pay_notify", content=drips()))
            for _ in range(SENDERS)
        ]
        await asyncio.sleep(0.3)
        assert (await notify(shop, payment(number)))["return_code"] == "SUCCESS"
        replies = await asyncio.gather(*slow, return_exceptions=True)
    answered = [reply for reply in replies if isinstance(reply, httpx.Response)]
    assert all(xml.parse(reply.content)["return_code"] == "FAIL" for reply in answered)
    assert BODY_WITHIN_S - 0.5 < time.monotonic() - since < BODY_WITHIN_S + 4


async def test_a_flood_of_junk_pushes_no_real_one_out(shop: Shop) -> None:
    numbers = [await shop.order() for _ in range(5)]
    junk = [b"junk", b"<xml>", payment(numbers[0], key="x" * 32), BOMBS["deep"].encode()]
    is_over = asyncio.Event()

    async def sends(many: httpx.AsyncClient) -> int:
        for count, one in enumerate(itertools.cycle(junk)):
            if is_over.is_set():
                return count
            reply = await many.post("/apis/pay_notify", content=one)
            assert xml.parse(reply.content)["return_code"] == "FAIL"
        raise AssertionError

    async def told_in_time(number: str) -> bool:
        since = time.monotonic()
        answer = await notify(shop, payment(number))
        return answer["return_code"] == "SUCCESS" and time.monotonic() - since < ANSWER_WITHIN_S

    async with senders(shop) as many:
        flood = [asyncio.create_task(sends(many)) for _ in range(SENDERS)]
        await asyncio.sleep(0.5)
        assert all([await told_in_time(number) for number in numbers])
        is_over.set()
        assert min(await asyncio.gather(*flood)) > 0
    for number in numbers:
        await shop.order_is(number, "AWAITING_SHIPMENT")


def senders(shop: Shop) -> httpx.AsyncClient:
    """Many connections at once."""
    limits = httpx.Limits(max_connections=SENDERS)
    return httpx.AsyncClient(base_url=shop.api.base_url, limits=limits, timeout=20)


# ---- while Temporal hangs


@pytest.fixture
def until_released(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No signal is held before this is set; two may be in hand."""
    released = asyncio.Event()

    async def hangs(*_: Any) -> None:
        await released.wait()

    monkeypatch.setattr("api.context.NOTIFICATIONS_MAX", 2)
    monkeypatch.setattr(api.workflows, "signal", hangs)
    return released


@pytest.fixture
async def door(until_released: asyncio.Event, tmp_path: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application alone."""
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    migrate.upgrade(database)
    app = create_app(settings_for(database, free_port(), "http://127.0.0.1:9", {}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client
    database.close()


async def said(door: httpx.AsyncClient, body: bytes) -> str:
    """The answer to a notification: code and reason."""
    answer = xml.parse((await door.post("/apis/pay_notify", content=body)).content)
    return f"{answer['return_code']} {answer['return_msg']}"


async def test_only_what_is_proved_takes_a_place_and_beyond_them_wechat_sends_again(
    door: httpx.AsyncClient, until_released: asyncio.Event
) -> None:
    first = asyncio.create_task(said(door, payment("order-1")))
    junk = await asyncio.gather(*[said(door, payment("order-1", key="x" * 32)) for _ in range(50)])
    assert not any("too many" in answer for answer in junk)
    second = asyncio.create_task(said(door, payment("order-2")))
    await asyncio.sleep(0.05)
    assert await said(door, payment("order-3")) == "FAIL too many at once"
    until_released.set()
    assert [await first, await second] == ["SUCCESS OK"] * 2
    assert await said(door, payment("order-3")) == "SUCCESS OK"
