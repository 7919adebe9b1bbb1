"""WeChat Pay's quota: a flood of refunds, how fast it leaves, who waits, and after an outage."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from bench.figures import Goal, Row, Section
from bench.load import burst
from bench.plant import OURS, Plant
from bench.story import JSON, Story
from bench.wire import Wire
from simulator import defaults
from simulator.quota import GOOD_PER_SECOND
from wechat.client import WeChatPay
from wechat.config import Config
from wechat.errors import WeChatError

BIG: Final = "m-big"
SMALL: Final = "m-small"
QUOTA_ERRORS: Final = ("FREQUENCY_LIMITED", "INVALID_REQ_TOO_MUCH")
TOTAL_FEE: Final = 380
PATIENCE_S: Final = 600.0


@dataclass(frozen=True)
class Size:
    """Refunds of each merchant, the bare client's, and the outage."""

    big: int = 240
    small: int = 60
    bare: int = 600
    in_flight: int = 16
    outage_s: float = 240.0
    outage_refunds: int = 60


async def measure(plant: Plant, size: Size) -> Section:
    """The whole section."""
    async with Wire(plant.api_url) as api, Wire(plant.simulator_url) as simulator:
        story = Story(api, simulator)
        bare = await _bare_rate(plant.simulator_url, story, size)
        flood = await _flood(story, size)
        outage = await _caught_up(story, size)
    rows = [*_flood_rows(flood, bare), *_outage_rows(outage, size), _errors(plant)]
    note = (
        f"The simulator holds {GOOD_PER_SECOND} refunds a second, 6 failing ones a second and one "
        "a minute for an order. The small merchant's refunds are approved after the big one's."
    )
    return Section("quota", "6. The channel's quota", rows, note)


async def _bare_rate(simulator_url: str, story: Story, size: Size) -> float:
    """What one client that does nothing else sends in a second."""
    numbers = story.numbers(size.bare)
    await burst(lambda number: _pay_unknown(story, number), numbers, size.in_flight)
    config = Config(
        appid=defaults.APPID, mch_id=defaults.MCH_ID, api_key=defaults.API_KEY,
        base_url=simulator_url,
    )  # fmt: skip
    async with WeChatPay(config) as client:

        async def refund(number: str) -> None:
            with suppress(WeChatError):  # beyond the quota: sent all the same
                await client.refund(
                    out_refund_no=f"bare-{number}", out_trade_no=number, total_fee=TOTAL_FEE,
                    refund_fee=TOTAL_FEE, notify_url="", refund_desc="bare",
                )  # fmt: skip

        return (await burst(refund, numbers, size.in_flight)).per_second


async def _pay_unknown(story: Story, number: str) -> None:
    body = f'{{"out_trade_no": "{number}", "total_fee": {TOTAL_FEE}, "notify": false}}'
    await story.simulator.post("/_control/pay", body.encode(), JSON)


# ---- the flood


@dataclass(frozen=True)
class Flood:
    """When each refund was accepted, in order, and whose it was."""

    left: Sequence[tuple[datetime, str]]

    @property
    def per_second(self) -> float:
        """From the first to the last."""
        seconds = (self.left[-1][0] - self.left[0][0]).total_seconds()
        return (len(self.left) - 1) / max(seconds, 1e-9)

    def share_before_last_of(self, merchant_id: str) -> float:
        """How much of the flood had left when this merchant's last refund did."""
        last = max(place for place, (_, whose) in enumerate(self.left) if whose == merchant_id)
        return (last + 1) / len(self.left)


async def _flood(story: Story, size: Size) -> Flood:
    cases = await _approved_by_merchants(story, {BIG: size.big, SMALL: size.small}, size)
    await burst(story.processed, cases, size.in_flight)
    left = await _accepted(story, cases)
    return Flood(sorted((at, cases[case_no]) for case_no, at in left.items()))


async def _approved_by_merchants(
    story: Story, wanted: Mapping[str, int], size: Size
) -> dict[str, str]:
    """Cases that wait for the platform: number → merchant."""
    cases: dict[str, str] = {}

    async def one(order: tuple[str, str]) -> None:
        number, merchant_id = order
        await story.paid(number, merchant_id)
        cases[await story.applied(number)] = merchant_id

    for merchant_id, count in wanted.items():
        orders = [(number, merchant_id) for number in story.numbers(count)]
        await burst(one, orders, size.in_flight)
    return cases


async def _accepted(story: Story, cases: Mapping[str, str]) -> dict[str, datetime]:
    """When WeChat Pay accepted the refund of each case, once all are."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = {
            row["out_refund_no"].removesuffix("-1"): datetime.fromisoformat(row["accepted_at"])
            for row in await _refunds(story)
        }
        if cases.keys() <= found.keys():
            return {case_no: found[case_no] for case_no in cases}
        if time.monotonic() > until:
            raise TimeoutError(f"{len(cases.keys() - found.keys())} refunds never left")
        await asyncio.sleep(0.5)


async def _refunds(story: Story) -> list[dict[str, Any]]:
    reply = await story.simulator.get("/_control/ledger")
    refunds: list[dict[str, Any]] = reply.json()["refunds"]
    return refunds


# ---- an outage


async def _caught_up(story: Story, size: Size) -> float:
    """Seconds from the end of an outage until every refund asked for meanwhile has left."""
    wanted = {BIG: size.outage_refunds}
    cases = await _approved_by_merchants(story, wanted, size)
    away = b'{"fault": "reset", "call": "refund", "times": 1000000}'
    await story.simulator.post("/_control/faults", away, JSON)
    for case_no in cases:
        await story.processed(case_no)
        await asyncio.sleep(size.outage_s / len(cases))
    await story.simulator.delete("/_control/faults")
    start = time.monotonic()
    await _accepted(story, cases)
    return time.monotonic() - start


# ---- told


def _flood_rows(flood: Flood, bare: float) -> list[Row]:
    able = min(float(GOOD_PER_SECOND), bare)
    late = flood.share_before_last_of(SMALL)
    return [
        Row("refunds leave", "per s", (flood.per_second,), "the smaller of quota and bare client",
            (able,), Goal(0.95, at_least=True)),
        Row("of the flood gone when the small merchant's last left", "", (late,)),
    ]  # fmt: skip


def _outage_rows(caught_up_s: float, size: Size) -> list[Row]:
    told = (caught_up_s,), "the outage", (size.outage_s,)
    return [Row("caught up after an outage", "s", *told, Goal(1 / 3))]


def _errors(plant: Plant) -> Row:
    with psycopg.connect(plant.databases[OURS]) as connection:
        told = connection.execute("SELECT outcome, count(*) FROM refund_attempts GROUP BY outcome")
        errors = sum(count for outcome, count in told.fetchall() if outcome in QUOTA_ERRORS)
    return Row("quota errors", "", (errors,), goal=Goal(0, of_ours=True))
