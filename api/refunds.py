"""Refunds: read one, ask WeChat Pay now, and the article's routes that refund what is left."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse
from sqlmodel import Session

from api import workflows
from api.auth import Principal, allowed
from api.commands import KEY_MAX, Command, case_no_of, command, identify
from api.context import Context, Here
from api.fields import Number, OrderNumber
from api.problems import Problem
from api.workflows import Ended
from db import closed_orders, views
from db.closed_orders import Rest
from db.views import View
from domain import after_sale
from domain.messages import CaseStart, RefundRest, UpdateName
from domain.refund import refund_number
from domain.refusals import Code, Refused

router = APIRouter(tags=["refunds"])

APPEARS_WITHIN_S = 5.0
LOOK_EVERY_S = 0.05


@router.get("/v1/refunds/{out_refund_no}")
async def get_refund(
    out_refund_no: Number, context: Here, principal: Annotated[Principal, Depends(allowed("read"))]
) -> View:
    """One refund with every answer of WeChat Pay's about it."""
    view = await context.read(lambda session: views.refund(session, out_refund_no))
    principal.check_sees(view)
    return view


@router.post("/v1/refunds/{out_refund_no}/query")
async def query(
    out_refund_no: Number, command: Annotated[Command, Depends(command("refunds.query"))]
) -> JSONResponse:
    """Ask WeChat Pay now how the refund stands."""

    async def act() -> View:
        await command.context.read(lambda session: views.refund(session, out_refund_no))
        with suppress(Ended):  # then it can't change any more
            await workflows.update(
                command.context,
                f"refund-{out_refund_no}",
                UpdateName.QUERY_WECHAT,
                command.principal.actor,
                command.request_id,
            )
        return await command.context.read(lambda session: views.refund(session, out_refund_no))

    return await command.once(200, act)


@router.get("/apis/pay_refund", include_in_schema=False)
@router.get("/apis/pay_refund2", include_in_schema=False)
@router.post("/apis/pay_refund")
@router.post("/apis/pay_refund2")
async def pay_refund(
    request: Request,
    context: Here,
    principal: Annotated[Principal, Depends(allowed("refunds.rest"))],
    no: Annotated[OrderNumber, Query(description="out_trade_no")],
    idempotency_key: Annotated[str | None, Header(max_length=KEY_MAX)] = None,
) -> JSONResponse:
    """Refund all that is left of an order, without reviews. By GET in the sandbox only."""
    if request.method == "GET" and not context.settings.sandbox:
        raise Problem(405, "method_not_allowed", "Method Not Allowed")
    if idempotency_key:
        number = identify(principal, request.url.path, no, idempotency_key)
        asked = Command(context, principal, number, no)
        return await asked.once(200, lambda: refund_rest(context, principal, no, number))
    rest = await context.read(lambda session: closed_orders.rest(session, no))
    number = identify(principal, request.url.path, no, *rest.operator_cases)
    return JSONResponse(await refund_rest(context, principal, no, number))


async def refund_rest(context: Context, principal: Principal, no: str, request_id: str) -> View:
    """Open the case that refunds what is left, or find the one that does; raises Refused.

    One that is running by the tables may be lost to its order, with the task that wrote it down:
    then it is opened again, under its number.
    """
    rest = await context.read(lambda session: closed_orders.rest(session, no))
    if not (rest.units_left or rest.running) and rest.operator_cases:
        return await _refund_of(context, rest.operator_cases[-1])
    wanted = RefundRest(principal.actor, rest.running or case_no_of(request_id))
    try:
        case_no = await workflows.update(
            context, f"order-{no}", UpdateName.REFUND_REST, wanted, request_id
        )
    except Ended:
        case_no = rest.running or f"rest-{no}-{len(rest.operator_cases) + 1}"
        if not rest.running:
            await _start_alone(context, rest, case_no)
    return await _refund_of(context, case_no)


async def _start_alone(context: Context, rest: Rest, case_no: str) -> None:
    """Two people at once get the same case: its number says what it is for."""
    if not rest.units_left:
        raise Refused(Code.NOTHING_LEFT, "every unit is refunded or held by a case")
    now = datetime.now(UTC)
    terms, left = rest.terms, rest.units_left
    case = after_sale.of_operator(terms, rest.transaction_id, left, case_no, now)
    await workflows.start_case(context, CaseStart(case, terms.policies, is_recorded=False))


async def _refund_of(context: Context, case_no: str) -> View:
    """The case and its refund, once the refund is written down; that is a matter of moments."""

    def look(session: Session) -> View | None:
        try:
            case = views.case(session, case_no)
        except Refused:
            return None
        done = case["refunds"] or case["state"] in after_sale.FINAL
        return case if done else None

    case = await context.read(look)
    tries = int(APPEARS_WITHIN_S / LOOK_EVERY_S)
    while case is None and (tries := tries - 1):
        await asyncio.sleep(LOOK_EVERY_S)
        case = await context.read(look)
    if case is None:
        return {"case_no": case_no, "out_refund_no": refund_number(case_no, 1)}
    refunds = case["refunds"]
    return {
        "case_no": case_no,
        "out_refund_no": refunds[-1]["out_refund_no"] if refunds else None,
        "out_trade_no": case["out_trade_no"],
        "refund_fee": case["amounts"]["refund_fee"],
        "state": case["state"],
    }
