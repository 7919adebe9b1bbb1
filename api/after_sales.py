"""After-sale cases: applied for, reviewed, sent back, processed, refunded."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field, HttpUrl
from sqlmodel import Session

from api import workflows
from api.auth import Principal, allowed
from api.commands import Command, case_no_of, command
from api.context import Here
from api.fields import (
    Body,
    Moment,
    Name,
    Number,
    OrderNumber,
    Quantity,
    Reason,
    Scope,
    Soon,
    Text,
)
from api.orders import have_order_do, sandbox_only
from api.workflows import Ended
from db import lists, quotes, views
from db.lists import Wanted
from db.views import View
from domain.after_sale import CaseState, Decision, Parcel, Stage, checked_reason
from domain.allocation import Party
from domain.messages import (
    Apply,
    Decide,
    Extend,
    RefundAgain,
    SendBack,
    SettleOffline,
    UpdateName,
)
from domain.order import Application, CaseType, OrderState, ReasonCode
from domain.refusals import Code, Refused

router = APIRouter(tags=["after-sales"])

SHOW_DUE = frozenset({Code.QUANTITY_NOT_LEFT, Code.TOO_MANY_APPLICATIONS, Code.WINDOW_CLOSED})
"""Refusals of an application that could come to something."""


class LineBody(Body):
    """Units of one line."""

    sku: Name
    quantity: Quantity


class ApplyBody(Body):
    """What the buyer asks for; without `lines`, all that is left."""

    type: CaseType
    reason_code: ReasonCode
    reason: Reason
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=100)] | None = None
    evidence: Annotated[tuple[HttpUrl, ...], Field(max_length=20)] = ()

    def application(self) -> Application:
        """The same in the domain's words; raises Refused for a sku that comes twice."""
        quantities = None
        if self.lines is not None:
            quantities = {line.sku: line.quantity for line in self.lines}
            if len(quantities) < len(self.lines):
                raise Refused(Code.INVALID_FIELD, "lines: each sku once", "lines")
        evidence = tuple(str(url) for url in self.evidence)
        return Application(
            self.type, self.reason_code, checked_reason(self.reason), quantities, evidence
        )


class MerchantReviewBody(Body):
    """The merchant's answer; a rejection needs a reason."""

    decision: Literal["approve", "reject"]
    reason_code: Annotated[Text, Field(max_length=32)] = ""
    reason: Reason = ""


class PlatformReviewBody(Body):
    """The platform's answer; a rejection needs a reason."""

    decision: Literal["approve", "reject"]
    reason: Reason = ""


class ReceiptBody(Body):
    """What came back: received needs who is responsible, refused needs a reason."""

    decision: Literal["received", "refused"]
    responsibility: Party | None = None
    reason: Reason = ""


class ParcelBody(Body):
    """The parcel that the buyer sent back."""

    carrier: Name
    tracking_no: Name


class ExtendBody(Body):
    """More time, and why."""

    until: Soon
    reason: Reason


class SettleBody(Body):
    """The payment that took a refund's place."""

    out_refund_no: Number
    reference: Name
    reason: Reason


class AgainBody(Body):
    """The closed refund that a new number takes the place of."""

    out_refund_no: Number


@router.post("/v1/orders/{out_trade_no}/after-sales", status_code=201)
async def apply(
    out_trade_no: OrderNumber,
    body: ApplyBody,
    command: Annotated[Command, Depends(command("after_sales.apply"))],
) -> JSONResponse:
    """The buyer applies for a refund."""

    async def act() -> View:
        case_no = case_no_of(command.request_id)
        await command.context.read(lambda session: views.order(session, out_trade_no))
        wanted = Apply(command.principal.actor, case_no, body.application())
        try:
            await have_order_do(command, out_trade_no, UpdateName.APPLY, wanted)
        except Ended:
            order = await command.context.read(lambda session: views.order(session, out_trade_no))
            if order["state"] != OrderState.COMPLETED:
                raise workflows.too_late(order, Code.ORDER_STATE) from None
            detail = "the order is COMPLETED: the time to apply is over"
            raise Refused(Code.WINDOW_CLOSED, detail) from None
        return await command.context.read(lambda session: views.case(session, case_no))

    return await command.once(201, lambda: with_due(command, out_trade_no, body, act))


async def with_due(
    command: Command, out_trade_no: str, body: ApplyBody, act: Callable[[], Awaitable[View]]
) -> View:
    """What `act` answers; a refusal says what the units that are left would come to."""
    try:
        return await act()
    except Refused as refused:
        if refused.code not in SHOW_DUE:
            raise
        wanted, now = body.application(), datetime.now(UTC)
        due = await command.context.read(
            lambda session: quotes.due(session, out_trade_no, wanted, now)
        )
        said = {"due": due} if due else {}
        raise Refused(refused.code, refused.detail, refused.field, **said) from None


@router.get("/v1/after-sales")
async def list_cases(
    context: Here,
    principal: Annotated[Principal, Depends(allowed("read"))],
    state: CaseState | None = None,
    merchant_id: Scope = "",
    overdue: bool | None = None,
    due_before: Moment | None = None,
    updated_after: Moment | None = None,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = lists.PAGE,
) -> View:
    """Cases by their last change: newest first, or oldest first with `updated_after`."""
    wanted = Wanted(state or "", principal.scope(merchant_id), updated_after, cursor, limit)
    now = datetime.now(UTC)
    page = await context.read(
        lambda session: lists.cases(session, wanted, now, overdue, due_before)
    )
    return {"items": page.items, "cursor": page.cursor}


@router.get("/v1/after-sales/{case_no}")
async def get_case(
    case_no: Number, context: Here, principal: Annotated[Principal, Depends(allowed("read"))]
) -> View:
    """One case with its refunds and timeline."""
    view = await context.read(lambda session: views.case(session, case_no))
    principal.check_sees(view)
    return view


@router.post("/v1/after-sales/{case_no}/merchant-review")
async def merchant_review(
    case_no: Number,
    body: MerchantReviewBody,
    command: Annotated[Command, Depends(command("after_sales.merchant_review"))],
) -> JSONResponse:
    """The merchant approves or rejects."""
    approve = body.decision == "approve"
    decision = Decision(Stage.MERCHANT, approve, body.reason, body.reason_code)
    return await decide(command, case_no, decision)


@router.post("/v1/after-sales/{case_no}/receipt")
async def receipt(
    case_no: Number,
    body: ReceiptBody,
    command: Annotated[Command, Depends(command("after_sales.receipt"))],
) -> JSONResponse:
    """The merchant has received and inspected the goods, or refuses them."""
    received = body.decision == "received"
    if received and body.responsibility is None:
        detail = "responsibility: BUYER or MERCHANT is needed"
        raise Refused(Code.RESPONSIBILITY_REQUIRED, detail, "responsibility")
    decision = Decision(Stage.RECEIPT, received, body.reason, responsibility=body.responsibility)
    return await decide(command, case_no, decision)


@router.post("/v1/after-sales/{case_no}/platform-review")
async def platform_review(
    case_no: Number,
    body: PlatformReviewBody,
    command: Annotated[Command, Depends(command("after_sales.platform_review"))],
) -> JSONResponse:
    """The platform processes the case, or rejects it."""
    decision = Decision(Stage.PLATFORM, body.decision == "approve", body.reason)
    return await decide(command, case_no, decision)


async def decide(command: Command, case_no: str, decision: Decision) -> JSONResponse:
    """One decision at one desk."""
    argument = Decide(command.principal.actor, decision)
    return await carry_out(command, case_no, UpdateName.DECIDE, argument)


@router.post("/v1/after-sales/{case_no}/return-shipment")
async def return_shipment(
    case_no: Number,
    body: ParcelBody,
    command: Annotated[Command, Depends(command("after_sales.return_shipment"))],
) -> JSONResponse:
    """The buyer has sent the goods back."""
    parcel = SendBack(command.principal.actor, Parcel(body.carrier, body.tracking_no))
    return await carry_out(command, case_no, UpdateName.SEND_BACK, parcel)


@router.post("/v1/after-sales/{case_no}/withdraw")
async def withdraw(
    case_no: Number, command: Annotated[Command, Depends(command("after_sales.withdraw"))]
) -> JSONResponse:
    """The buyer takes the application back."""
    return await carry_out(command, case_no, UpdateName.WITHDRAW, command.principal.actor)


@router.post("/v1/after-sales/{case_no}/extend")
async def extend(
    case_no: Number,
    body: ExtendBody,
    command: Annotated[Command, Depends(command("after_sales.extend"))],
) -> JSONResponse:
    """An operator gives more time."""
    longer = Extend(command.principal.actor, body.until, body.reason)
    return await carry_out(command, case_no, UpdateName.EXTEND, longer)


@router.post("/v1/after-sales/{case_no}/expire")
async def expire(
    case_no: Number, command: Annotated[Command, Depends(command("deadlines.expire"))]
) -> JSONResponse:
    """Sandbox: the case's current deadline passes now."""
    sandbox_only(command.context)
    return await carry_out(command, case_no, UpdateName.EXPIRE, command.principal.actor)


@router.post("/v1/after-sales/{case_no}/settle-offline")
async def settle_offline(
    case_no: Number,
    body: SettleBody,
    command: Annotated[Command, Depends(command("after_sales.settle_offline"))],
) -> JSONResponse:
    """The buyer was paid another way: one person proposes, another confirms by the same call."""
    settled = SettleOffline(command.principal.actor, **body.model_dump())
    return await carry_out(command, case_no, UpdateName.SETTLE_OFFLINE, settled)


@router.post("/v1/after-sales/{case_no}/refunds")
async def refund_again(
    case_no: Number,
    body: AgainBody,
    command: Annotated[Command, Depends(command("refunds.again"))],
) -> JSONResponse:
    """A new number in place of a refund that is proved closed."""
    again = RefundAgain(command.principal.actor, body.out_refund_no)
    return await carry_out(command, case_no, UpdateName.REFUND_AGAIN, again)


async def carry_out(
    command: Command, case_no: str, name: UpdateName, argument: object
) -> JSONResponse:
    """Have a case's workflow do it; the answer is the case as it is then."""

    async def act() -> View:
        def look(session: Session) -> View:
            return views.case(session, case_no)

        owner = await command.context.read(lambda session: views.case_owner(session, case_no))
        command.principal.check_sees(owner)
        try:
            await workflows.update(
                command.context, f"after-sale-{case_no}", name, argument, command.request_id
            )
        except Ended:
            case = await command.context.read(look)
            raise workflows.too_late(case, Code.CASE_STATE) from None
        return await command.context.read(look)

    return await command.once(200, act)
