"""Temporal's own floor: workflows with the same durable steps as ours, and nothing in them.

The same updates, signals, activities, batches of local activities, children, timers and upserted
attributes, the same calls to WeChat Pay, the same HTTP in front; but no rules, and no tables: the
local activities are empty.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from bench.rivals.shared import acknowledged, case_no_of, notified, shop
from bench.rivals.steps_calls import (
    Here,
    is_refunded,
    nothing,
    open_payment,
    reserve,
    submit_refund,
)
from bench.rivals.steps_flow import CALLS, QUEUE, StepsCase, StepsOrder, StepsRefund
from wechat.notifications import PaymentNotification


class _Site:
    temporal: Client
    states: dict[str, str]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A client; the states that a table would hold are remembered here."""
    _Site.temporal = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    _Site.states = {}
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Up."""
    return {"status": "ready"}


@app.post("/v1/orders", status_code=201)
async def place(terms: dict[str, Any]) -> dict[str, Any]:
    """Place an order; answered once the buyer can pay."""
    number = terms["out_trade_no"]
    start = WithStartWorkflowOperation(
        StepsOrder.run,
        terms,
        id=f"steps-order-{number}",
        task_queue=QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    await _Site.temporal.execute_update_with_start_workflow(
        StepsOrder.place, start_workflow_operation=start
    )
    return order(number)


@app.get("/v1/orders/{number}")
def order(number: str) -> dict[str, Any]:
    """An order."""
    return {"out_trade_no": number, "state": _Site.states.get(number, "PENDING_PAYMENT")}


@app.post("/v1/orders/{number}/ship")
async def ship(number: str) -> dict[str, Any]:
    """The parcel leaves."""
    return await move(number, "SHIPPED")


@app.post("/v1/orders/{number}/receive")
async def receive(number: str) -> dict[str, Any]:
    """The buyer has the goods."""
    return await move(number, "RECEIVED")


@app.post("/v1/orders/{number}/after-sales", status_code=201)
async def apply(number: str) -> dict[str, Any]:
    """The buyer applies."""
    handle = _Site.temporal.get_workflow_handle(f"steps-order-{number}")
    await handle.execute_update(StepsOrder.apply, case_no_of(number))
    return {"case_no": case_no_of(number)}


@app.post("/v1/after-sales/{case_no}/{desk}-review")
async def review(case_no: str, desk: str) -> dict[str, Any]:
    """Merchant or platform approves."""
    await _Site.temporal.get_workflow_handle(f"steps-case-{case_no}").execute_update("approve")
    return {"case_no": case_no}


@app.get("/v1/after-sales/{case_no}")
async def case(case_no: str) -> dict[str, Any]:
    """A case, as Temporal knows it."""
    told = await _Site.temporal.get_workflow_handle(f"steps-case-{case_no}").describe()
    is_over = told.status is WorkflowExecutionStatus.COMPLETED
    return {"case_no": case_no, "state": "COMPLETED" if is_over else "OPEN"}


@app.post("/apis/{which}_notify")
async def hear(which: str, request: Request) -> Response:
    """WeChat Pay says something: signalled, then acknowledged."""
    told = await notified(request)
    if isinstance(told, PaymentNotification):
        order_id = f"steps-order-{told.out_trade_no}"
        handle = _Site.temporal.get_workflow_handle(order_id)
        await handle.signal(StepsOrder.payment_notified, told.transaction_id)
        _Site.states[told.out_trade_no] = "AWAITING_SHIPMENT"
    else:
        refund_id = f"steps-refund-{told.out_refund_no.removesuffix('-1')}"
        await _Site.temporal.get_workflow_handle(refund_id).signal("refund_notified")
    return acknowledged()


async def move(number: str, state: str) -> dict[str, Any]:
    """One step of an order."""
    handle = _Site.temporal.get_workflow_handle(f"steps-order-{number}")
    await handle.execute_update(StepsOrder.move, state)
    _Site.states[number] = state
    return order(number)


# ---- the worker


async def work() -> None:
    """Two queues, like ours, until the process is ended."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    async with shop() as Here.shop:
        workflows = [StepsOrder, StepsCase, StepsRefund]
        calls: list[Callable[..., Any]] = [open_payment, submit_refund, is_refunded]
        async with (
            Worker(client, task_queue=QUEUE, workflows=workflows, activities=[nothing, reserve]),
            Worker(client, task_queue=CALLS, activities=calls),
        ):
            print("worker ready", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(work()))
