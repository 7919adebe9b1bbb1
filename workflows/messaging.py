"""What the workflows share in taking commands: refusals, search attributes, words for people."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

with workflow.unsafe.imports_passed_through():
    from domain.deadline import Deadline
    from domain.refusals import Refused

ORDER_STATE = SearchAttributeKey.for_keyword("OrderState")
AFTER_SALE_STATE = SearchAttributeKey.for_keyword("AfterSaleState")
MERCHANT_ID = SearchAttributeKey.for_keyword("MerchantId")
DEADLINE_AT = SearchAttributeKey.for_datetime("DeadlineAt")
A_MOMENT = timedelta(seconds=10)


class Doorkeeper(Interceptor):
    """Drops signals that no handler can read: one of them would stop a run for good.

    Refusals leave with the number of batches that the run knows to be written: one that has to do
    a lost task again stands behind the tables for a moment, and refuses what they allow.
    """

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        """What stands before every run."""
        return _Door


class _Door(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:
        if _fits(getattr(workflow.instance(), input.signal), input.args):
            await super().handle_signal(input)
        else:
            workflow.logger.warning("signal %s dropped: nobody can read it", input.signal)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        try:
            super().handle_update_validator(input)
        except ApplicationError as refused:
            raise ApplicationError(
                refused.message,
                *refused.details,
                workflow.instance().written,
                type=refused.type,
                non_retryable=True,
            ) from None


def _fits(handler: Callable[..., None], args: Sequence[Any]) -> bool:
    """Whether a handler can be given these: JSON null, for one, decodes to None for any type."""
    try:
        given = inspect.signature(handler).bind(*args).arguments
    except TypeError:
        return False
    kinds = handler.__annotations__
    return all(
        isinstance(said, kinds[name]) for name, said in given.items() if kinds[name] is not Any
    )


@contextmanager
def refusals() -> Iterator[None]:
    """A refusal inside becomes the error that an update answers with."""
    try:
        yield
    except Refused as refused:
        raise ApplicationError(
            refused.detail, refused.field, type=refused.code, non_retryable=True
        ) from None


def attributes(
    state_key: SearchAttributeKey[str], state: str, merchant_id: str, deadline: Deadline | None
) -> TypedSearchAttributes:
    """What a run is found by from its start."""
    pairs: list[SearchAttributePair[str] | SearchAttributePair[datetime]] = [
        SearchAttributePair(state_key, state),
        SearchAttributePair(MERCHANT_ID, merchant_id),
    ]
    if deadline is not None:
        pairs.append(SearchAttributePair(DEADLINE_AT, deadline.at))
    return TypedSearchAttributes(pairs)


def show(
    state_key: SearchAttributeKey[str], state: str, deadline: Deadline | None, words: str
) -> None:
    """Say where the run stands: in words, and in the attributes that it is searched by."""
    workflow.set_current_details(words)
    found = workflow.info().typed_search_attributes
    deadline_at = deadline.at if deadline else None
    if found.get(state_key) == state and _is_near(found.get(DEADLINE_AT), deadline_at):
        return
    due = DEADLINE_AT.value_set(deadline_at) if deadline_at else DEADLINE_AT.value_unset()
    workflow.upsert_search_attributes([state_key.value_set(state), due])


def _is_near(shown: datetime | None, deadline_at: datetime | None) -> bool:
    """Whether it is that deadline: who starts an order names it before the run knows it exactly."""
    if shown is None or deadline_at is None:
        return shown is deadline_at
    return abs(shown - deadline_at) < A_MOMENT


async def wait_for(condition: Callable[[], bool], deadline: Deadline | None) -> None:
    """Until the condition holds, or the clock has something to do about the deadline."""
    due = deadline.next_at if deadline else None
    timeout = max(due - workflow.now(), timedelta(0)) if due else None
    with suppress(TimeoutError):
        await workflow.wait_condition(condition, timeout=timeout, timeout_summary=until(deadline))


def until(deadline: Deadline | None) -> str:
    """A deadline in words."""
    if deadline is None:
        return "No deadline."
    at = deadline.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"Overdue since {at}." if deadline.passed else f"Until {at} ({deadline.policy})."
