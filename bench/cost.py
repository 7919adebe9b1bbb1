"""What an order costs: Actions, events and history bytes at Temporal, rows and bytes in the tables.

Each story is told step by step, the next one only when all is quiet, so that the counts are exact.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql
from temporalio.client import Client

from bench import budgets, counters
from bench.budgets import COSTS, Cost
from bench.figures import Goal, Row, Section
from bench.plant import OURS, Plant
from bench.story import JSON, PARCEL, TOKENS, Story
from bench.wire import Wire

QUICK_MERCHANT: Final = "m-quick"
WINDOWS: Final = {"after_sale_window_no_reason": "4s", "after_sale_window_quality": "4s"}
QUIET_S: Final = 0.4
LOOK_EVERY_S: Final = 0.1
PATIENCE_LOOKS: Final = 400
REPORTED_WITHIN_S: Final = 1.5
POLICIES: Final = {"SIMULATOR_REFUND_SECONDS": "86400"}
"""Refunds end when the story says so, not while another step is on its way."""


@dataclass(frozen=True)
class Spent:
    """What was spent until some moment, or between two."""

    actions: Counter[str]
    events: int
    history_bytes: int
    rows: int
    row_bytes: int

    def since(self, before: "Spent") -> "Spent":
        """What came on top."""
        return Spent(
            self.actions - before.actions,
            self.events - before.events,
            self.history_bytes - before.history_bytes,
            self.rows - before.rows,
            self.row_bytes - before.row_bytes,
        )

    @property
    def cost(self) -> Cost:
        """What is the same each time."""
        return Cost(self.actions.total(), self.events, self.rows)


@dataclass
class Meter:
    """Plays stories one at a time, and reads every meter between their steps."""

    plant: Plant
    story: Story
    temporal: Client
    runs: list[str]

    async def quiet(self) -> None:
        """Returns when no run of the story has anything to do."""
        seen, still_since = None, 0.0
        for _ in range(PATIENCE_LOOKS):
            now = [await self._look(run) for run in self.runs]
            is_still = now == seen and not any(busy for _, busy in now)
            still_since = still_since + LOOK_EVERY_S if is_still else 0.0
            if still_since >= QUIET_S:
                return
            seen = now
            await asyncio.sleep(LOOK_EVERY_S)
        raise RuntimeError(f"never quiet: {seen}")

    async def _look(self, run: str) -> tuple[int, bool]:
        told = (await self.temporal.get_workflow_handle(run).describe()).raw_description
        busy = told.HasField("pending_workflow_task") or bool(told.pending_activities)
        return told.workflow_execution_info.history_length, busy

    async def spent(self) -> Spent:
        """Everything until now."""
        await self.quiet()
        histories = [await counters.history(self.temporal, run) for run in self.runs]
        actions = await self._counted()
        rows, row_bytes = await asyncio.to_thread(table_sizes, self.plant.databases[OURS])
        events, size = (sum(column) for column in zip(*histories, strict=True))
        return Spent(actions, events, size, rows, row_bytes)

    async def nothing(self) -> Spent:
        """The meters before a story begins, none of whose runs exists yet."""
        rows, row_bytes = await asyncio.to_thread(table_sizes, self.plant.databases[OURS])
        return Spent(await self._counted(), 0, 0, rows, row_bytes)

    async def _counted(self) -> Counter[str]:
        """The server's counters, once they have caught up: it reports them every second."""
        seen: Counter[str] = Counter()
        while (now := await asyncio.to_thread(counters.actions, self.plant.metrics_url)) != seen:
            seen = now
            await asyncio.sleep(REPORTED_WITHIN_S)
        return seen

    async def step(self, *steps: Awaitable[object]) -> None:
        """One after the other, each when all is quiet again."""
        for one in steps:
            await one
            await self.quiet()

    async def paid(self, merchant_id: str) -> str:
        """A paid order, the only one whose runs are looked at."""
        (number,) = self.story.numbers(1)
        await self.story.place(number, merchant_id)
        self.runs[:] = [f"order-{number}"]
        await self.quiet()
        await self.step(self.story.pay(number))
        await self.story.becomes(f"/v1/orders/{number}", "AWAITING_SHIPMENT")
        return number

    async def does(self, who: str, path: str, body: object = None) -> None:
        """One command, and what it sets off."""
        await self.step(self.story.does(who, path, body))

    async def apply(self, number: str, kind: str) -> str:
        """The buyer applies; the case's number."""
        body = {"type": kind, "reason_code": "NO_REASON", "reason": "不想要了"}
        case = await self.story.does("shop", f"/v1/orders/{number}/after-sales", body)
        case_no: str = case["case_no"]
        self.runs.append(f"after-sale-{case_no}")
        await self.quiet()
        return case_no

    async def refund(self, case_no: str) -> None:
        """The platform approves, WeChat Pay accepts, and later the money is back."""
        await self.story.processed(case_no)
        await self._until_accepted(f"{case_no}-1")
        self.runs.append(f"refund-{case_no}-1")
        await self.quiet()
        await self.story.simulator.post(f"/_control/refunds/{case_no}-1/finish", b"{}", JSON)
        await self.story.becomes(f"/v1/after-sales/{case_no}", "COMPLETED")
        await self.quiet()

    async def _until_accepted(self, out_refund_no: str) -> None:
        headers = {"authorization": f"Bearer {TOKENS['finance']}"}
        for _ in range(PATIENCE_LOOKS):
            reply = await self.story.api.get(f"/v1/refunds/{out_refund_no}", headers)
            if reply.status == 200 and reply.json()["state"] == "PROCESSING":
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise RuntimeError(f"{out_refund_no} was never accepted")


async def completed(meter: Meter) -> Spent:
    """Created, paid, shipped, received; the windows pass by themselves."""
    before = await meter.nothing()
    number = await meter.paid(QUICK_MERCHANT)
    await meter.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    await meter.does("shop", f"/v1/orders/{number}/receive")
    await meter.story.becomes(f"/v1/orders/{number}", "COMPLETED")
    return (await meter.spent()).since(before)


async def unshipped_refund(meter: Meter) -> Spent:
    """A whole unshipped refund, without what it cost until the order was paid."""
    number = await meter.paid("m1")
    before = await meter.spent()
    case_no = await meter.apply(number, "REFUND_ONLY")
    approve = {"decision": "approve"}
    await meter.does("admin", f"/v1/after-sales/{case_no}/merchant-review", approve)
    await meter.refund(case_no)
    return (await meter.spent()).since(before)


async def return_refund(meter: Meter) -> Spent:
    """A whole return, without what it cost until the goods were received."""
    number = await meter.paid("m1")
    await meter.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    await meter.does("shop", f"/v1/orders/{number}/receive")
    before = await meter.spent()
    case_no = await meter.apply(number, "RETURN_REFUND")
    await meter.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)
    receipt = {"decision": "received", "responsibility": "BUYER"}
    await meter.does("admin", f"/v1/after-sales/{case_no}/receipt", receipt)
    await meter.refund(case_no)
    return (await meter.spent()).since(before)


STORIES: Final[dict[str, Callable[[Meter], Awaitable[Spent]]]] = {
    "completed order": completed,
    "unshipped refund, after paying": unshipped_refund,
    "return refund, after receiving": return_refund,
}


async def measure(plant: Plant) -> dict[str, Spent]:
    """What each story costs on this plant, which must have nothing else to do."""
    async with Wire(plant.api_url) as api, Wire(plant.simulator_url) as simulator:
        story = Story(api, simulator)
        temporal = await Client.connect(plant.temporal_address)
        meter = Meter(plant, story, temporal, [])
        await _quick_merchant(api)
        # The first order at a merchant writes the merchant down; it is not counted.
        for merchant_id in ("m1", QUICK_MERCHANT):
            await meter.paid(merchant_id)
        return {name: await tell(meter) for name, tell in STORIES.items()}


async def _quick_merchant(api: Wire) -> None:
    body = json.dumps({"name": "quick", "policies": WINDOWS}).encode()
    headers = {"authorization": f"Bearer {TOKENS['platform']}", "idempotency-key": "quick", **JSON}
    reply = await api.put(f"/v1/merchants/{QUICK_MERCHANT}", body, headers)
    assert reply.status == 200, reply.content


def table_sizes(database: str) -> tuple[int, int]:
    """Rows in all our tables, and their bytes without indexes and page headers."""
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        sizes = [_table_size(connection, name) for (name,) in found.fetchall()]
    return sum(size[0] for size in sizes), sum(size[1] for size in sizes)


def _table_size(connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> tuple[int, int]:
    query = sql.SQL("SELECT count(*), coalesce(sum(pg_column_size(t)), 0)::bigint FROM {} t")
    row = connection.execute(query.format(sql.Identifier(name))).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))


def section(spent: Mapping[str, Spent]) -> Section:
    """The table of what was spent."""
    rows = [row for name, one in spent.items() for row in _rows(name, one)]
    note = (
        "Exact, and the same at every run. Rival: the official order application's own count for "
        "one fulfilled order, without payment provider, refund, deadline or search attribute."
    )
    return Section("cost", "1. Cost of an order", rows, note)


def differences(spent: Mapping[str, Spent]) -> list[str]:
    """What was measured otherwise than `budgets.COSTS` says."""
    measured = {name: one.cost for name, one in spent.items()}
    return [
        f"{name}: {measured[name]}, but budgets.COSTS says {expected}; {by_type(spent[name])}"
        for name, expected in COSTS.items()
        if measured[name] != expected
    ]


def by_type(spent: Spent) -> str:
    """The Actions of a story, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in spent.actions.most_common())


_BESIDE: Final = {
    ("completed order", "Actions"): (budgets.OFFICIAL_ACTIONS, budgets.COMPLETED_ACTIONS_MAX),
    ("completed order", "events"): (budgets.OFFICIAL_EVENTS, budgets.COMPLETED_EVENTS_MAX),
    ("unshipped refund, after paying", "Actions"): (None, budgets.UNSHIPPED_REFUND_ACTIONS_MAX),
}
"""What a figure stands beside, and its budget."""


def _rows(name: str, spent: Spent) -> list[Row]:
    figures = {
        "Actions": spent.cost.actions,
        "events": spent.events,
        "bytes of history": spent.history_bytes,
        "table rows": spent.rows,
        "bytes of table rows": spent.row_bytes,
    }
    return [_row(name, unit, figure) for unit, figure in figures.items()]


def _row(name: str, unit: str, figure: int) -> Row:
    official, most = _BESIDE.get((name, unit), (None, None))
    rival = "official order application" if official else ""
    goal = Goal(most, of_ours=True) if most else None
    return Row(name, unit, (figure,), rival, (official,) if official else (), goal)
