"""Each day against WeChat Pay's bill; facts that were lost on their way are told again."""

import asyncio
from contextlib import suppress
from datetime import date, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from domain.days import day_of
    from domain.messages import (
        CaseStart,
        DayRun,
        Findings,
        PaymentFact,
        RefundHint,
        RefundStart,
        SignalName,
    )
    from domain.reconciliation import DayState
    from domain.refund import Intent

from workflows import calls
from workflows.after_sale import AfterSaleWorkflow
from workflows.messaging import AFTER_SALE_STATE, attributes
from workflows.refund import RefundWorkflow

SETTLES_WITHIN = (0.3, 1, 2, 4, 8, 15, 30)
"""Seconds to wait, one after the other, for what was told to be taken in."""
SCHEDULED_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn
class ReconciliationWorkflow:
    """One day in China; it may run again at will."""

    @workflow.run
    async def run(self, day: date) -> DayState:
        """Until the day agrees with its bill, or what is left needs a person."""
        run = DayRun(day, workflow.info().run_id)
        try:
            await calls.fetch_bill(run)
        except ActivityError as error:
            return await self._end(run, DayState.FAILED, str(error.cause))
        found = await calls.compare_day(run)
        for seconds in SETTLES_WITHIN:
            if not await self._repair(found):
                break
            await workflow.sleep(seconds, summary="what was lost is told again")
            found = await calls.compare_day(run)
        return await self._end(run, DayState.OPEN if found.open else DayState.SETTLED, "")

    async def _end(self, run: DayRun, state: DayState, problem: str) -> DayState:
        workflow.set_current_details(f"**{state}** {problem}")
        await calls.finish_day(run, state, problem)
        return state

    async def _repair(self, found: Findings) -> bool:
        """The same as if the notifications had arrived; False when nobody was there to be told."""
        told = await asyncio.gather(
            *map(self._tell_order, found.payments),
            *map(self._tell_refund, found.refunds),
            *map(self._look_into, found.strangers),
        )
        return any(told)

    async def _tell_order(self, fact: PaymentFact) -> bool:
        order = workflow.get_external_workflow_handle(f"order-{fact.out_trade_no}")
        try:
            await order.signal(SignalName.PAYMENT_NOTIFIED, fact)
        except ApplicationError:
            # The order has ended, or never was.
            start = await calls.take_in_unowed(fact)
            if start is not None:
                await self._start_case(start)
        return True

    async def _start_case(self, start: CaseStart) -> None:
        case = start.case
        with suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                AfterSaleWorkflow.run,
                start,
                id=f"after-sale-{case.case_no}",
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=attributes(
                    AFTER_SALE_STATE, case.state, case.merchant_id, case.deadline
                ),
                static_summary=f"{case.type} of {case.out_trade_no} ({case.origin})",
            )

    async def _tell_refund(self, hint: RefundHint) -> bool:
        refund = workflow.get_external_workflow_handle(f"refund-{hint.out_refund_no}")
        try:
            await refund.signal(SignalName.REFUND_NOTIFIED, hint)
        except ApplicationError:
            return False
        return True

    async def _look_into(self, intent: Intent) -> bool:
        with suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                RefundWorkflow.run,
                RefundStart(intent, is_claim=True),
                id=f"refund-{intent.out_refund_no}",
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{intent.refund_fee} fen, said to be made at WeChat",
            )
        return True


@workflow.defn
class DailyReconciliationWorkflow:
    """What the schedule starts each morning: reconciliations, each under its day's name."""

    @workflow.run
    async def run(self) -> None:
        """Yesterday's, and once more the day before's: what people have mended since is settled."""
        scheduled = workflow.info().typed_search_attributes.get(SCHEDULED_AT)
        today = day_of(scheduled or workflow.now())
        await self._start(today - timedelta(days=1))
        # Mornings that began before this change knew yesterday only: docs/contributing.md.
        if workflow.patched("the-day-before-too"):
            await self._start(today - timedelta(days=2))

    async def _start(self, day: date) -> None:
        """Unless somebody has already."""
        with suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                ReconciliationWorkflow.run,
                day,
                id=f"reconciliation-{day}",
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{day} against WeChat Pay's bill",
            )
