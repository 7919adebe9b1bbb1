"""What the checker judges by: everything that can be read about a system from outside.

WeChat Pay's side as the simulator shows it, HTTP answers, rows of the ledger, and Temporal's own
list of runs with their histories. Nothing here is taken from the product's code.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution

from tools.chaos.hand import World
from tools.chaos.stories import Ending

Row = dict[str, Any]

TABLES: Final = ("payments", "refunds", "transfers", "incidents", "merchants", "coupons")
AT_ONCE: Final = 16
LIST_PAGE: Final = 200
EVENTS_PAGE: Final = 1000
NEWEST_SHOWN: Final = 12
HARMLESS: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
"""Something came in while a run was about to end: the task is done again."""
FROZEN: Final = "[TMPRL1101]"
"""How the SDK begins when a task took two seconds: a worker that was frozen looks like one that
hangs. The task is done again; of a run that really hangs, the task would be tried ever again."""


@dataclass(frozen=True)
class Told:
    """One story as it went: `ending` None when it came to none, and why."""

    no: str
    story: str
    diary: list[str]
    ending: Ending | None
    problem: str = ""


@dataclass(frozen=True)
class Run:
    """One run by Temporal's own word; `heard` are the signals that it holds, as JSON text."""

    workflow_id: str
    type: str
    status: str
    heard: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    attempt: int = 1
    """Of the task that waits for a worker; more than one is a task that fails."""
    newest: tuple[str, ...] = ()
    """How its history ends."""


@dataclass
class Evidence:
    """All that the checker is given."""

    told: Sequence[Told]
    complaints: Sequence[str]
    wechat: Row
    orders: list[Row]
    cases: list[Row]
    balance: Row
    followed: list[Row]
    """Events as a shop followed them while they came."""
    events: list[Row]
    """The same, read again in the end."""
    tables: dict[str, list[Row]]
    runs: list[Run]
    days: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """Where everything is read; `token` may read all."""

    world: World
    database: Engine
    token: str

    async def evidence(self, told: Sequence[Told], days: list[Row]) -> Evidence:
        """Read everything."""
        return Evidence(
            told=told,
            complaints=tuple(self.world.complaints),
            wechat=(await self.world.wechat.get("/_control/ledger")).json(),
            orders=await self._list("/v1/orders"),
            cases=await self._list("/v1/after-sales"),
            balance=await self._get("/v1/ledger/trial-balance"),
            followed=list(self.world.feed.events),
            events=await self._events(),
            tables=await asyncio.to_thread(self._tables),
            runs=await runs(self.world.temporal),
            days=days,
        )

    async def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        reply = await self.world.api.get(path, headers=headers)
        reply.raise_for_status()
        return reply.json()

    async def _list(self, path: str) -> list[Row]:
        found: list[Row] = []
        cursor = ""
        while True:
            page = await self._get(f"{path}?limit={LIST_PAGE}&cursor={cursor}")
            found += page["items"]
            cursor = page["cursor"]
            if not cursor:
                return found

    async def _events(self) -> list[Row]:
        found: list[Row] = []
        while True:
            after = found[-1]["id"] if found else 0
            page = (await self._get(f"/v1/events?after={after}&limit={EVENTS_PAGE}"))["items"]
            found += page
            if len(page) < EVENTS_PAGE:
                return found

    def _tables(self) -> dict[str, list[Row]]:
        with self.database.connect() as connection:
            return {
                name: [
                    dict(row)
                    for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()
                ]
                for name in TABLES
            }


async def runs(client: Client) -> list[Run]:
    """Every run that Temporal knows, with what its history says."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(found: WorkflowExecution) -> Run:
        async with turns:
            return await _run(client, found)

    listed = [found async for found in client.list_workflows("")]
    return await asyncio.gather(*map(read, listed))


async def _run(client: Client, found: WorkflowExecution) -> Run:
    handle = client.get_workflow_handle(found.id, run_id=found.run_id)
    told = (await handle.fetch_history()).events
    status = found.status.name if found.status else "UNKNOWN"
    attempt = 1
    if status == "RUNNING":
        described = await handle.describe()
        attempt = described.raw_description.pending_workflow_task.attempt
    newest = tuple(EventType.Name(event.event_type)[11:] for event in told[-NEWEST_SHOWN:])
    return Run(
        found.id, found.workflow_type, status, _heard(told), failures_of(told), attempt, newest
    )


def _heard(events: Iterable[HistoryEvent]) -> tuple[str, ...]:
    signals = (
        event.workflow_execution_signaled_event_attributes
        for event in events
        if event.HasField("workflow_execution_signaled_event_attributes")
    )
    return tuple(payload.data.decode() for signal in signals for payload in signal.input.payloads)


def failures_of(events: Iterable[HistoryEvent]) -> tuple[str, ...]:
    """What went wrong in a run's tasks, and with the run."""
    found = []
    for event in events:
        if event.HasField("workflow_task_failed_event_attributes"):
            failed = event.workflow_task_failed_event_attributes
            if failed.cause != HARMLESS and not failed.failure.message.startswith(FROZEN):
                cause = WorkflowTaskFailedCause.Name(failed.cause)
                found.append(f"{cause}: {failed.failure.message}")
        elif event.HasField("workflow_execution_failed_event_attributes"):
            failure = event.workflow_execution_failed_event_attributes.failure
            found.append(
                f"{failure.message}: {failure.cause.message}: {failure.cause.cause.message}"
            )
    return tuple(found)
