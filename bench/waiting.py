"""Whether waiting is free: the same acts beside few open orders and beside many."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Final

import psycopg
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.acknowledgement import Desk, Payment
from bench.figures import Goal, Row, Section
from bench.load import burst
from bench.plant import OURS, Plant, sqlalchemy_url
from bench.processes import memory_bytes
from bench.story import Story
from bench.wire import Wire
from db import work_queue
from db.engine import Database
from domain.after_sale import CaseState

FLAT: Final = Goal(1.2)
POLICIES: Final = {"POLICY_UNPAID_CLOSE": "30d"}
KEYS: Final = {"orders": "out_trade_no", "after_sales": "case_no"}


@dataclass(frozen=True)
class Size:
    """Open runs at each look, rows put into the tables, notifications and repeats at each look."""

    runs: tuple[int, ...] = (1_000, 10_000)
    notified: int = 100
    orders: int = 50_000
    cases: int = 5_000
    notifications: int = 200
    repeats: int = 5


@dataclass(frozen=True)
class Look:
    """What was seen beside so many open runs."""

    runs: int
    acknowledged_ms: Sequence[float]
    signalled_ms: Sequence[float]
    queue_ms: Sequence[float]
    worker_mb: float


async def measure(plant: Plant, size: Size) -> Section:
    """The whole section."""
    async with Wire(plant.api_url) as api, Wire(plant.simulator_url) as simulator:
        temporal = await Client.connect(
            plant.temporal_address, data_converter=pydantic_data_converter
        )
        desk = Desk(Story(api, simulator), temporal)
        numbers = await desk.open_orders(size.notified)
        await desk.story.applied(numbers.pop())
        unpaid = desk.story.numbers(size.runs[0] - size.notified)
        await burst(desk.story.place, unpaid, in_flight=16)
        looks = [await look(plant, desk, numbers, size.runs[0], size)]
        fill(plant.databases[OURS], size)
        for before, runs in zip(size.runs, size.runs[1:], strict=False):
            await burst(desk.story.place, desk.story.numbers(runs - before), in_flight=16)
            looks.append(await look(plant, desk, numbers, runs, size))
    note = f"After the first look, {size.orders:,} orders and {size.cases:,} cases more are there."
    return Section("waiting", "4. Waiting", _rows(looks), note)


async def look(plant: Plant, desk: Desk, numbers: Sequence[str], runs: int, size: Size) -> Look:
    """Acknowledgement, queue page and memory as they are now."""
    acknowledged, signalled, queue = [], [], []
    for _ in range(size.repeats):
        payments = Payment.of(islice(cycle(numbers), size.notifications))
        acknowledged.append((await burst(desk.post, payments, in_flight=1)).p50_ms)
        signalled.append((await burst(desk.signal, payments, in_flight=1)).p50_ms)
        queue.append(await asyncio.to_thread(queue_page_ms, plant.databases[OURS]))
    memory = sum(map(memory_bytes, plant.pids(*plant.workers))) / 1e6
    return Look(runs, acknowledged, signalled, queue, memory)


def queue_page_ms(database: str) -> float:
    """The console's queue: what lies at the desks, and the refunds in trouble."""
    opened = Database(sqlalchemy_url(database))
    _queue_page(opened)  # connects, and compiles the statements
    start = time.perf_counter()
    _queue_page(opened)
    took_ms = (time.perf_counter() - start) * 1000
    opened.close()
    return took_ms


def _queue_page(database: Database) -> None:
    with database.read() as session:
        work_queue.at_desks(session, [CaseState.PENDING_MERCHANT, CaseState.PENDING_PLATFORM])
        work_queue.troubled_refunds(session, datetime.now(UTC))


def fill(database: str, size: Size) -> None:
    """Copies of what is there, under other numbers; the copied cases have ended."""
    with psycopg.connect(database, autocommit=True) as connection:
        for table, count in (("orders", size.orders), ("after_sales", size.cases)):
            connection.execute(
                f"""INSERT INTO {table} SELECT copy.*
                    FROM (SELECT * FROM {table} LIMIT 1) one, generate_series(1, {count}) n,
                      jsonb_populate_record(NULL::{table}, to_jsonb(one) || jsonb_build_object(
                        '{KEYS[table]}', 'bulk' || n, 'state', 'COMPLETED')) copy""".encode()
            )
        connection.execute("ANALYZE")


def _rows(looks: Sequence[Look]) -> list[Row]:
    first, rows = looks[0], []
    beside = f"{first.runs:,} open runs"
    for now in looks[1:]:
        at = f"{now.runs:,} open runs"
        rows += [
            Row(f"acknowledgement p50, {at}", "ms", now.acknowledged_ms, beside,
                first.acknowledged_ms, FLAT),
            Row(f"bare signal p50, {at}", "ms", now.signalled_ms, beside, first.signalled_ms),
            Row(f"queue page, {at}", "ms", now.queue_ms, beside, first.queue_ms, FLAT),
            Row(f"worker memory, {at}", "MB", (now.worker_mb,), beside, (first.worker_mb,), FLAT),
        ]  # fmt: skip
    return rows
