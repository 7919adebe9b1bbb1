"""The workflows of `steps`: every durable step of ours, and nothing in them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from bench.rivals.shared import total_fee
    from bench.rivals.steps_calls import (
        is_refunded,
        nothing,
        open_payment,
        reserve,
        submit_refund,
    )

QUEUE = "steps"
CALLS = "steps-wechat-pay"
LONG = timedelta(days=7)
LIMIT = timedelta(seconds=30)
STATE = SearchAttributeKey.for_keyword("OrderState")


def show(state: str) -> None:
    """The same words and attributes as ours."""
    workflow.set_current_details(f"**{state}**")
    workflow.upsert_search_attributes([STATE.value_set(state)])


async def record() -> None:
    """What ours writes into the tables."""
    await workflow.execute_local_activity(nothing, start_to_close_timeout=LIMIT)


async def call(do: Callable[..., Any], *values: Any, queue: str = CALLS) -> Any:
    """An activity, like ours."""
    return await workflow.execute_activity(
        do, args=values, task_queue=queue, start_to_close_timeout=LIMIT
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait with a deadline, like ours."""
    with suppress(TimeoutError):
        await workflow.wait_condition(condition, timeout=LONG)


@workflow.defn
class StepsOrder:
    """An order's steps."""

    @workflow.init
    def __init__(self, terms: dict[str, Any]) -> None:
        self._state, self._transaction_id, self._case_no = "PENDING_PAYMENT", "", ""
        self._terms, self._is_payable = terms, False

    @workflow.run
    async def run(self, terms: dict[str, Any]) -> str:
        """Until the buyer has had it for a week, or has the money back."""
        await call(open_payment, terms)
        self._is_payable = True
        show(self._state)
        await until(lambda: bool(self._transaction_id))
        self._state = "AWAITING_SHIPMENT"
        await record()
        show(self._state)
        await workflow.wait_condition(self._moved_from("AWAITING_SHIPMENT"))
        while self._state not in ("COMPLETED", "CLOSED"):
            if self._case_no:
                await workflow.wait_condition(lambda: self._state == "CLOSED")
            else:
                show(self._state)
                await until(self._moved_from(self._state))
        show(self._state)
        await record()
        return self._state

    def _moved_from(self, state: str) -> Callable[[], bool]:
        return lambda: self._state != state or bool(self._case_no)

    @workflow.signal
    def payment_notified(self, transaction_id: str) -> None:
        """Paid."""
        self._transaction_id = transaction_id

    @workflow.update
    async def place(self) -> None:
        """Answered once the buyer can pay."""
        await workflow.wait_condition(lambda: self._is_payable)
        await record()

    @workflow.update
    async def move(self, state: str) -> None:
        """Shipped, received."""
        self._state = state
        await record()

    @workflow.update
    async def apply(self, case_no: str) -> None:
        """A case of its own."""
        await record()
        handle = await workflow.start_child_workflow(
            StepsCase.run,
            args=[case_no, self._transaction_id, total_fee(self._terms)],
            id=f"steps-case-{case_no}",
        )
        self._case_no = case_no
        self._follower = asyncio.create_task(self._follow(handle))

    async def _follow(self, handle: "workflow.ChildWorkflowHandle[StepsCase, None]") -> None:
        await handle
        self._state = "CLOSED"


@workflow.defn
class StepsCase:
    """A case's steps."""

    @workflow.init
    def __init__(self, case_no: str, transaction_id: str, fee: int) -> None:
        self._approvals = 0

    @workflow.run
    async def run(self, case_no: str, transaction_id: str, fee: int) -> None:
        """Approved twice, refunded."""
        await until(lambda: self._approvals == 1)
        show("PENDING_PLATFORM")
        await until(lambda: self._approvals == 2)
        show("REFUNDING")
        await call(reserve, queue=QUEUE)
        await workflow.execute_child_workflow(
            StepsRefund.run, args=[case_no, transaction_id, fee], id=f"steps-refund-{case_no}"
        )
        show("COMPLETED")
        await record()

    @workflow.update
    async def approve(self) -> None:
        """One desk approves."""
        self._approvals += 1
        await record()


@workflow.defn
class StepsRefund:
    """A refund's steps."""

    @workflow.init
    def __init__(self, case_no: str, transaction_id: str, fee: int) -> None:
        self._is_hinted = False

    @workflow.run
    async def run(self, case_no: str, transaction_id: str, fee: int) -> None:
        """Submitted, hinted at, confirmed."""
        await record()
        await call(submit_refund, case_no, transaction_id, fee)
        await record()
        while True:
            await until(lambda: self._is_hinted)
            self._is_hinted = False
            if await call(is_refunded, case_no):
                break
        await record()

    @workflow.signal
    def refund_notified(self) -> None:
        """A reason to ask."""
        self._is_hinted = True
