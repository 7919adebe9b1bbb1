"""What WeChat Pay tells us: proved, held durably, and only then answered with SUCCESS."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from api import sample, workflows
from api.context import Context, Full, context_of
from api.metrics import ACKNOWLEDGED_S, NOTIFICATIONS
from api.problems import Problem
from api.workflows import Ended
from db import unowed
from domain import refund
from domain.messages import PaymentFact, RefundHint, RefundStart, SignalName
from wechat import notifications
from wechat.errors import MalformedXML, RejectedNotification
from wechat.notifications import BYTES_MAX, PaymentNotification, RefundNotification

router = APIRouter(prefix="/apis", tags=["WeChat Pay"])
log = structlog.get_logger()

ANSWER_WITHIN_S = 3.8
"""WeChat Pay waits five seconds, and then sends again."""
BODY_WITHIN_S = 2
"""A notification fits one packet or two."""
PATHS = frozenset({"/apis/pay_notify", "/apis/refund_notify"})


def _answer(ok: bool, message: str) -> Response:
    return Response(notifications.reply(ok, message), media_type="text/xml")


XML: dict[int | str, dict[str, Any]] = {
    200: {"description": "SUCCESS or FAIL, in XML", "content": {"text/xml": {}}}
}
TOO_MANY = _answer(False, "too many at once")


@router.post("/refund_notify", response_class=Response, responses=XML)
async def refund_notify(request: Request) -> Response:
    """How a refund ended, says WeChat Pay; a payment that comes here is understood too."""
    return await take(await context_of(request), lambda: _body(request))


@router.post("/pay_notify", response_class=Response, responses=XML)
@router.api_route("/pay_notify", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
async def pay_notify(request: Request) -> Response:
    """A payment, says WeChat Pay; a refund that comes here is understood too.

    With `test=true`, in the sandbox only, the original article's sample notification comes in.
    """
    context = await context_of(request)
    if request.query_params.get("test") == "true" and context.settings.sandbox:
        return await take(context, lambda: sample.notification(context))
    if request.method != "POST":
        raise Problem(405, "method_not_allowed", "Method Not Allowed")
    return await take(context, lambda: _body(request))


async def take(context: Context, read: Callable[[], Awaitable[bytes]]) -> Response:
    """Believe, hold, answer; anything that stands in the way makes WeChat Pay send again.

    Only what is proved takes one of the places for what is in hand: junk can't fill them.
    """
    since, kind = time.monotonic(), "unreadable"
    try:
        told = notifications.parse(await read(), context.wechat)
        kind = _kind(told)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await _hold_once(context, told)
        result, answer = "held", _answer(True, "OK")
    except Full:
        result, answer = "not_held", TOO_MANY
    except RejectedNotification as error:
        log.warning("notification refused", reason=error.reason)
        result, answer = "refused", _answer(False, error.reason)
    except Exception as error:
        log.warning("notification not held: it will come again", reason=repr(error)[:300])
        result, answer = "not_held", _answer(False, "not now")
    NOTIFICATIONS.labels(kind, result).inc()
    ACKNOWLEDGED_S.labels(result).observe(time.monotonic() - since)
    return answer


class Unhurried:
    """Stands before all else: beyond what can be answered in time, FAIL costs next to nothing.

    WeChat Pay sends again, and those that came first are answered before it would.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is a notification and there are enough of them."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        context: Context = scope["app"].state.context
        if not context.notifications.is_full:
            await self._app(scope, receive, send)
            return
        NOTIFICATIONS.labels("unread", "not_held").inc()
        await TOO_MANY(scope, receive, send)


def _kind(told: PaymentNotification | RefundNotification) -> str:
    bind_contextvars(out_trade_no=told.out_trade_no)
    if isinstance(told, PaymentNotification):
        return "payment"
    bind_contextvars(out_refund_no=told.out_refund_no)
    return "refund"


async def _hold_once(context: Context, told: PaymentNotification | RefundNotification) -> None:
    """A repeat of what is held already costs nothing: an old message can wear out no history."""
    fact = tuple(getattr(told, one.name) for one in fields(told) if one.name != "raw")
    if fact in context.held:
        return
    with context.notifications.one():
        await _hold(context, told)
    context.held.add(fact)


async def _hold(context: Context, told: PaymentNotification | RefundNotification) -> None:
    if isinstance(told, RefundNotification):
        await _hold_refund(context, told)
    else:
        await _hold_payment(context, told)


async def _hold_payment(context: Context, told: PaymentNotification) -> None:
    now = datetime.now(UTC)
    fact = PaymentFact(
        out_trade_no=told.out_trade_no,
        transaction_id=told.transaction_id,
        total_fee=told.total_fee,
        succeeded=told.success,
        paid_at=told.time_end or now,
        problem=f"{told.err_code} {told.err_code_des}".strip(),
    )
    try:
        await workflows.signal(
            context, f"order-{fact.out_trade_no}", SignalName.PAYMENT_NOTIFIED, fact
        )
    except Ended:
        if fact.succeeded:
            await _hold_unowed(context, fact, now)


async def _hold_unowed(context: Context, fact: PaymentFact, now: datetime) -> None:
    """Money for an order that has ended goes back; money that fits nothing waits for a person."""
    start = await context.write(lambda session: unowed.take_in(session, fact, now))
    if start is not None:
        await workflows.start_case(context, start)


async def _hold_refund(context: Context, told: RefundNotification) -> None:
    hint = RefundHint(told.out_refund_no, told.refund_status)
    workflow_id = f"refund-{told.out_refund_no}"
    try:
        await workflows.signal(context, workflow_id, SignalName.REFUND_NOTIFIED, hint)
    except Ended:
        intent = refund.made_at_wechat(
            told.out_refund_no,
            told.out_trade_no,
            told.transaction_id,
            told.refund_fee,
            told.total_fee,
            datetime.now(UTC),
        )
        # An ended refund of ours has this id too: then nothing is started.
        await workflows.start_refund_claim(context, RefundStart(intent, is_claim=True))


async def _body(request: Request) -> bytes:
    """Raises RejectedNotification for one that breaks off, or takes too long."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BYTES_MAX:
                    break
    except (ClientDisconnect, TimeoutError):
        raise MalformedXML("the body broke off, or came too slowly") from None
    return bytes(body)
