"""Speaking to the workflows: their answers, their refusals, and that they are away."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from structlog.contextvars import bind_contextvars
from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.context import Context
from api.problems import temporal_away
from db import lost_tasks
from db.views import View
from domain import order
from domain.after_sale import CaseState
from domain.messages import CaseStart, OrderStart, Place, RefundStart, SignalName, UpdateName
from domain.refusals import Code, Refused
from domain.timeline import CLOCK
from telemetry.logs import numbers_of
from workflows.after_sale import AfterSaleWorkflow
from workflows.messaging import AFTER_SALE_STATE, ORDER_STATE, attributes
from workflows.order import OrderWorkflow
from workflows.queues import ORDERS
from workflows.reconciliation import ReconciliationWorkflow
from workflows.refund import RefundWorkflow

PATIENCE_S = 15
LOOK_EVERY_S = 0.25
RESTORED_AFTER_LOOKS = 20
RECONCILED_WITHIN_S = 10
_CODES = frozenset(Code)


class Ended(Exception):
    """The workflow that should hear this has ended, or never was."""


async def place(context: Context, start: OrderStart, command: Place, request_id: str) -> None:
    """Start the order's workflow, or find it, and have the order placed; raises Refused, Ended."""
    terms = start.terms
    bind_contextvars(out_trade_no=terms.out_trade_no)
    placed = order.placed(terms, datetime.now(UTC))
    operation = WithStartWorkflowOperation(
        OrderWorkflow.run,
        start,
        id=f"order-{terms.out_trade_no}",
        task_queue=ORDERS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=attributes(ORDER_STATE, placed.state, terms.merchant_id, placed.deadline),
        static_summary=f"{terms.total_fee} fen at {terms.merchant_id}",
    )
    with _answers():
        async with asyncio.timeout(PATIENCE_S):
            await context.client.execute_update_with_start_workflow(
                OrderWorkflow.place, command, start_workflow_operation=operation, id=request_id
            )


async def update(
    context: Context, workflow_id: str, name: UpdateName, argument: Any, request_id: str
) -> Any:
    """Have a workflow carry out a command; raises Refused, Ended.

    One that stands behind the tables would refuse what they allow: it is asked again.
    """
    bind_contextvars(**numbers_of(workflow_id))
    handle = context.client.get_workflow_handle(workflow_id)
    with _answers():
        async with asyncio.timeout(PATIENCE_S):
            for look in itertools.count(1):
                try:
                    return await handle.execute_update(name, argument, id=request_id)
                except WorkflowUpdateFailedError as error:
                    if not await _is_behind(context, workflow_id, error):
                        raise
                if look == RESTORED_AFTER_LOOKS and workflow_id.startswith("order-"):
                    await handle.signal(SignalName.RESTORE)
                await asyncio.sleep(LOOK_EVERY_S)


async def _is_behind(context: Context, workflow_id: str, error: WorkflowUpdateFailedError) -> bool:
    """Whether the run that refused has yet to do a task again that was lost after it had written.

    A task that nobody does again, for its command was lost with it, leaves its step in the tables.
    """
    cause = error.cause
    if not isinstance(cause, ApplicationError) or len(cause.details) < 2:
        return False
    written = await context.read(lambda session: lost_tasks.newest(session, workflow_id))
    return written > int(cause.details[1])


async def signal(context: Context, workflow_id: str, name: SignalName, fact: Any) -> None:
    """Tell a workflow a fact; once this returns it is held durably. Raises Ended."""
    with _answers():
        await context.client.get_workflow_handle(workflow_id).signal(name, fact)


async def start_case(context: Context, start: CaseStart) -> None:
    """Start a case that no order workflow is there to start; a repeat changes nothing."""
    case = start.case
    bind_contextvars(out_trade_no=case.out_trade_no, case_no=case.case_no)
    with _answers():
        try:
            await context.client.start_workflow(
                AfterSaleWorkflow.run,
                start,
                id=f"after-sale-{case.case_no}",
                task_queue=ORDERS,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=attributes(
                    AFTER_SALE_STATE, case.state, case.merchant_id, case.deadline
                ),
                static_summary=f"{case.type} of {case.out_trade_no} ({case.origin})",
            )
        except WorkflowAlreadyStartedError:
            return


async def reconcile(context: Context, day: date) -> bool:
    """Hold a day against its bill, or join the run that does; False when it takes longer."""
    with _answers():
        handle = await context.client.start_workflow(
            ReconciliationWorkflow.run,
            day,
            id=f"reconciliation-{day}",
            task_queue=ORDERS,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"{day} against WeChat Pay's bill",
        )
        try:
            async with asyncio.timeout(RECONCILED_WITHIN_S):
                await handle.result()
        except TimeoutError:
            return False
    return True


async def start_refund_claim(context: Context, start: RefundStart) -> None:
    """Look into a refund that is said to be made at WeChat by hand; a repeat changes nothing."""
    with _answers():
        try:
            await context.client.start_workflow(
                RefundWorkflow.run,
                start,
                id=f"refund-{start.intent.out_refund_no}",
                task_queue=ORDERS,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{start.intent.refund_fee} fen, said to be made at WeChat",
            )
        except WorkflowAlreadyStartedError:
            return


def too_late(view: View, code: Code) -> Exception:
    """Why the run of this order or case takes no command: it has ended, or has yet to begin."""
    if view["ended_at"] is None:
        return temporal_away()
    moves = [entry for entry in view["timeline"] if entry["from"] != entry["to"]]
    by_clock = view["state"] == CaseState.CLOSED and moves[-1]["actor"] == str(CLOCK)
    said = "nobody acted in time, and the clock decided" if by_clock else "not possible"
    return Refused(Code.DEADLINE_PASSED if by_clock else code, f"it is {view['state']}: {said}")


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from error
    except WorkflowAlreadyStartedError as error:
        raise Ended from error
    except (TimeoutError, RPCTimeoutOrCancelledError) as error:
        raise temporal_away() from error
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.ALREADY_EXISTS):
            raise Ended from error
        raise temporal_away() from error
    except RuntimeError as error:
        # A client that has never reached its server yet.
        raise temporal_away() from error


def _refusal(error: WorkflowUpdateFailedError) -> Exception:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type in _CODES:
        field = str(cause.details[0]) if cause.details else ""
        return Refused(Code(cause.type), cause.message, field)
    return Ended()
