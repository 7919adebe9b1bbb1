"""Where it bends: with one worker and two, with longer histories; and whose CPU an order takes."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.acknowledgement import Desk, Payment
from bench.figures import Row, Section
from bench.load import Burst, burst
from bench.plant import Plant
from bench.processes import cpu_seconds
from bench.story import PARCEL, Story
from bench.wire import Wire

SECOND: Final = "worker-2"
RATES: Final = (1, 100, 10_000)
FULL: Final = 0.7
CORE_MS: Final = 1000 * FULL
"""What a core does in a second, with room to breathe."""
OURS_TO_BUY: Final = ("Temporal", "worker", "API", "PostgreSQL")


@dataclass(frozen=True)
class Size:
    """Orders in each turn, how many at a time; histories longer by so many notifications."""

    orders: int = 150
    in_flight: int = 16
    repeats: int = 3
    repeated: tuple[int, ...] = (100, 500)
    long_orders: int = 8


async def measure(plant: Plant, size: Size) -> list[Section]:
    """The section, and what follows for machines; the plant has two workers."""
    async with Wire(plant.api_url) as api, Wire(plant.simulator_url) as simulator:
        story = Story(api, simulator)
        temporal = await Client.connect(
            plant.temporal_address, data_converter=pydantic_data_converter
        )
        rates, used = await _by_workers(plant, story, size)
        cpu = {part: [turn[part] for turn in used] for part in used[0]}
        rows = [rates, *(Row(f"CPU of {part}", "ms an order", ms) for part, ms in cpu.items())]
        rows += await _by_length(Desk(story, temporal), size)
    note = "CPU is what Linux counts for all processes of a part, over one whole order."
    return [Section("growth", "5. Growth", rows, note), plan(cpu)]


def plan(cpu_ms: Mapping[str, Sequence[float]]) -> Section:
    """The cores that each part needs at some rates, if its CPU for an order stays the same."""
    rows = [
        Row(f"{part}, at {rate:,} orders a second", "cores", [one * rate / CORE_MS for one in ms])
        for rate in RATES
        for part, ms in cpu_ms.items()
        if part in OURS_TO_BUY
    ]
    note = f"Orders that are created, paid, shipped and received; cores {FULL:.0%} full."
    return Section("plan", "5b. Machines", rows, note)


async def _by_workers(plant: Plant, story: Story, size: Size) -> tuple[Row, list[dict[str, float]]]:
    one: list[Burst] = []
    two: list[Burst] = []
    used: list[dict[str, float]] = []
    await burst(story.received, story.numbers(size.in_flight), size.in_flight)
    for _ in range(size.repeats):
        two.append(await burst(story.received, story.numbers(size.orders), size.in_flight))
        plant.supervisor.stop(SECOND)
        one.append(await burst(story.received, story.numbers(size.orders), size.in_flight))
        plant.supervisor.start(SECOND)
        used.append(await _cpu_ms_each(plant, story, size))
    rates = [burst.per_second for burst in two], [burst.per_second for burst in one]
    return Row("orders with two workers", "per s", rates[0], "one worker", rates[1]), used


async def _cpu_ms_each(plant: Plant, story: Story, size: Size) -> dict[str, float]:
    before = cpu_seconds(plant)
    await burst(story.received, story.numbers(size.orders), size.in_flight)
    after = cpu_seconds(plant)
    return {part: (after[part] - before[part]) * 1000 / size.orders for part in after}


async def _by_length(desk: Desk, size: Size) -> list[Row]:
    fresh, rows = await _shipped_ms(desk, size, 0), []
    for repeated in size.repeated:
        long = await _shipped_ms(desk, size, repeated)
        what = f"shipping, {repeated} notifications in the history"
        rows.append(Row(what, "ms", long, "a fresh order", fresh))
    return rows


async def _shipped_ms(desk: Desk, size: Size, repeated: int) -> Sequence[float]:
    """How long `ship` takes on orders whose payment was notified so often."""
    numbers = await desk.open_orders(size.long_orders)
    payments = Payment.of(chain(*repeat(numbers, repeated)))
    await burst(desk.signal, payments, size.in_flight)
    await asyncio.sleep(2)
    took = []
    for number in numbers:
        start = time.perf_counter()
        await desk.story.does("shop", f"/v1/orders/{number}/ship", PARCEL)
        took.append((time.perf_counter() - start) * 1000)
    return took
