"""What every story here must leave behind: histories that replay, and no task that failed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlmodel import select
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from db.engine import Database
from db.tables import CaseRow, OrderRow, RefundRow
from tests.shop import Shop, opened, wall_clock
from tools import provision
from tools.chaos.evidence import FROZEN
from workflows.after_sale import AfterSaleWorkflow
from workflows.messaging import (
    AFTER_SALE_STATE,
    DEADLINE_AT,
    MERCHANT_ID,
    ORDER_STATE,
    Doorkeeper,
)
from workflows.order import OrderWorkflow
from workflows.refund import RefundWorkflow

HARMLESS = (
    # Something came in while the run was about to end: it is asked again.
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    # An operator ended the run.
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
)


@pytest.fixture(scope="module")
async def shop(shop: Shop) -> AsyncIterator[Shop]:
    """The shop of a module, in skipping time."""
    yield shop
    await held_to_account(shop)


@pytest.fixture(scope="module")
def policies() -> dict[str, str]:
    """What the real-time shop of a module sets; nothing, unless the module says more."""
    return {}


@pytest.fixture(scope="module")
async def real_shop(
    database: Database, tmp_path_factory: pytest.TempPathFactory, policies: dict[str, str]
) -> AsyncIterator[Shop]:
    """The same on the Temporal server that `make run` starts, in real time."""
    folder = tmp_path_factory.mktemp("shop")
    async with real_server() as environment:
        client, sleep = environment.client, environment.sleep
        async with opened(client, database, folder, sleep, wall_clock, **policies) as made:
            yield made
            await held_to_account(made)


@asynccontextmanager
async def real_server() -> AsyncIterator[WorkflowEnvironment]:
    """The Temporal server that `make run` starts."""
    server = provision.paths().temporal
    assert server, "no Temporal server: run `make setup`"
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(server),
        search_attributes=[ORDER_STATE, AFTER_SALE_STATE, MERCHANT_ID, DEADLINE_AT],
    ) as environment:
        yield environment


async def held_to_account(shop: Shop) -> None:
    """Every run is held against today's code, and none of its tasks failed."""
    told = [history for run in runs(shop) async for history in kept(shop, run)]
    failed = {history.workflow_id: failures(history) for history in told}
    assert {run: said for run, said in failed.items() if said} == {}
    replayer = Replayer(
        workflows=[OrderWorkflow, AfterSaleWorkflow, RefundWorkflow],
        interceptors=[Doorkeeper()],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
        debug_mode=True,  # a busy computer is no deadlock
    )
    await replayer.replay_workflows(each(told))


async def kept(shop: Shop, run: str) -> AsyncIterator[WorkflowHistory]:
    """A run's history, if Temporal has not been made to forget it."""
    try:
        yield await shop.handle(run).fetch_history()
    except RPCError as error:
        assert error.status is RPCStatusCode.NOT_FOUND


async def each(told: list[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    """Histories as a replayer takes them."""
    for history in told:
        yield history


def runs(shop: Shop) -> list[str]:
    """The id of every run that the module's stories started."""
    with shop.database.read() as session:
        orders = session.exec(select(OrderRow.out_trade_no)).all()
        cases = session.exec(select(CaseRow.case_no)).all()
        refunds = session.exec(select(RefundRow.out_refund_no)).all()
    return [
        *(f"order-{number}" for number in orders),
        *(f"after-sale-{number}" for number in cases),
        *(f"refund-{number}" for number in refunds),
    ]


def failures(history: WorkflowHistory) -> list[str]:
    """What went wrong in a run's own tasks."""
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
        and event.workflow_task_failed_event_attributes.cause not in HARMLESS
        and FROZEN not in event.workflow_task_failed_event_attributes.failure.message
    ]
