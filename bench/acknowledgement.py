"""How fast a notification is acknowledged, beside a bare signal to the same runs; and a storm."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Final

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.figures import Goal, Row, Section
from bench.load import Burst, burst
from bench.plant import Plant
from bench.story import Story
from bench.wire import Wire
from domain.messages import PaymentFact, SignalName
from simulator import defaults
from wechat import xml
from wechat.signing import SignType, nonce, signed

TOTAL_FEE: Final = 380
SUCCESS: Final = b"<return_code><![CDATA[SUCCESS]]></return_code>"
P50_MAX: Final = Goal(1.2)
RATE_MIN: Final = Goal(0.85, at_least=True)
_serial = itertools.count()


@dataclass(frozen=True)
class Size:
    """How much is measured: notifications for each number in flight, orders, repeats."""

    bursts: dict[int, int] = field(default_factory=lambda: {1: 200, 8: 600, 64: 1200})
    orders: int = 128
    repeats: int = 5
    storm_orders: int = 400
    storm_copies: int = 5


def notification(number: str) -> bytes:
    """The signed XML of an order's payment; no two are the same, so that each has to be held."""
    fields = {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": defaults.APPID,
        "mch_id": defaults.MCH_ID,
        "nonce_str": nonce(),
        "openid": "o-buyer",
        "trade_type": "JSAPI",
        "bank_type": "CMC",
        "total_fee": str(TOTAL_FEE),
        "cash_fee": str(TOTAL_FEE),
        "transaction_id": transaction_of(number),
        "out_trade_no": number,
        "time_end": "20260101120000",
        "attach": str(next(_serial)),
    }
    return xml.render(signed(fields, defaults.API_KEY, SignType.MD5))


def transaction_of(number: str) -> str:
    """The payment of an order."""
    return f"42{number}"


def fact(number: str) -> PaymentFact:
    """What our handler makes of that notification."""
    paid_at = datetime(2026, 1, 1, 4, tzinfo=UTC)
    return PaymentFact(number, transaction_of(number), TOTAL_FEE, True, paid_at)


@dataclass(frozen=True)
class Payment:
    """What is told of one order's payment, either way; made before the clock runs."""

    body: bytes
    workflow_id: str
    fact: PaymentFact

    @classmethod
    def of(cls, numbers: Iterable[str]) -> "list[Payment]":
        """One for each number; no two are the same, so that each has to be held."""
        return [cls(notification(number), f"order-{number}", fact(number)) for number in numbers]


@dataclass
class Desk:
    """The two ways in to the same running orders."""

    story: Story
    temporal: Client

    async def post(self, payment: Payment) -> None:
        """A notification, which must be acknowledged."""
        reply = await self.story.api.post("/apis/pay_notify", payment.body)
        if SUCCESS not in reply.content:
            raise RuntimeError(f"not acknowledged: {reply.content!r}")

    async def signal(self, payment: Payment) -> None:
        """The same fact by a bare signal."""
        handle = self.temporal.get_workflow_handle(payment.workflow_id)
        await handle.signal(SignalName.PAYMENT_NOTIFIED, payment.fact)

    async def open_orders(self, count: int) -> list[str]:
        """Orders that run and know of their payment: what comes now is WeChat's repeats."""
        numbers = self.story.numbers(count)
        await burst(self.story.place, numbers, in_flight=8)
        await burst(self.post, Payment.of(numbers), in_flight=8)
        for number in numbers:
            await self.story.becomes(f"/v1/orders/{number}", "AWAITING_SHIPMENT")
        return numbers


async def measure(plant: Plant, size: Size) -> Section:
    """The whole section."""
    async with Wire(plant.api_url) as api, Wire(plant.simulator_url) as simulator:
        temporal = await Client.connect(
            plant.temporal_address, data_converter=pydantic_data_converter
        )
        desk = Desk(Story(api, simulator), temporal)
        numbers = await desk.open_orders(size.orders)
        rows = []
        for in_flight, count in size.bursts.items():
            ours, bare = await in_turns(desk, numbers, in_flight, count, size.repeats)
            rows += _rows(in_flight, ours, bare)
        rows += await storm(desk, size)
    note = "Both wake the same running orders; the workers are up and take every signal in."
    return Section("acknowledgement", "2. Acknowledgement", rows, note)


async def in_turns(
    desk: Desk, numbers: Sequence[str], in_flight: int, count: int, repeats: int
) -> tuple[list[Burst], list[Burst]]:
    """Ours and the bare signal, in turns; who begins changes each time."""
    bursts: dict[Callable[[Payment], Awaitable[None]], list[Burst]] = {
        desk.post: [],
        desk.signal: [],
    }
    ways = [desk.post, desk.signal]
    for _ in range(repeats):
        for way in ways:
            payments = Payment.of(islice(cycle(numbers), count))
            bursts[way].append(await burst(way, payments, in_flight))
            await asyncio.sleep(1)
        ways.reverse()
    return bursts[desk.post], bursts[desk.signal]


def _rows(in_flight: int, ours: Sequence[Burst], bare: Sequence[Burst]) -> list[Row]:
    def row(what: str, unit: str, of: Callable[[Burst], float], goal: Goal | None = None) -> Row:
        told = [of(one) for one in ours], [of(one) for one in bare]
        return Row(f"{what}, {in_flight} in flight", unit, told[0], "bare signal", told[1], goal)

    return [
        row("acknowledged", "per s", lambda one: one.per_second, RATE_MIN),
        row("p50", "ms", lambda one: one.p50_ms, P50_MAX),
        row("p99", "ms", lambda one: one.p99_ms),
    ]


# ---- a storm

REPLY_WITHIN_S: Final = 4.0
REPEAT_AFTER_S: Final = 15.0
REPEATS_MAX: Final = 8


@dataclass
class Storm:
    """What became of every copy: seconds until its answer, and how many times it was sent."""

    longest_s: float = 0.0
    failed: int = 0
    lost: int = 0

    async def deliver(self, desk: Desk, body: bytes) -> None:
        """Send one copy as WeChat Pay does: until it is acknowledged."""
        for _ in range(REPEATS_MAX):
            start = time.perf_counter()
            reply = await desk.story.api.post("/apis/pay_notify", body)
            self.longest_s = max(self.longest_s, time.perf_counter() - start)
            if SUCCESS in reply.content:
                return
            self.failed += 1
            await asyncio.sleep(REPEAT_AFTER_S)
        self.lost += 1


async def storm(desk: Desk, size: Size) -> list[Row]:
    """All notifications of many fresh orders at once, each several times, the worker busy."""
    numbers = desk.story.numbers(size.storm_orders)
    await burst(desk.story.place, numbers, in_flight=8)
    told = Storm()
    copies = [notification(number) for number in numbers] * size.storm_copies
    await asyncio.gather(*(told.deliver(desk, body) for body in copies))
    for number in numbers:
        await desk.story.becomes(f"/v1/orders/{number}", "AWAITING_SHIPMENT")
    what = f"storm of {len(copies):,} at once, {size.storm_copies} copies each"
    within = Goal(REPLY_WITHIN_S, of_ours=True)
    return [
        Row(f"{what}: slowest reply", "s", (told.longest_s,), goal=within),
        Row(f"{what}: answered FAIL, and repeated", "", (told.failed,)),
        Row(f"{what}: lost", "", (told.lost,), goal=Goal(0, of_ours=True)),
    ]
