"""Orders for shops: create, ship, receive, close, and read."""

import asyncio
import hashlib
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, field_validator
from sqlmodel import Session

from api import audit, privacy, workflows
from api.auth import Principal, allowed
from api.commands import Command, command, out_trade_no_of
from api.context import Context, Here
from api.fields import (
    Body,
    Fen,
    Moment,
    Name,
    Number,
    OrderNumber,
    Quantity,
    Scope,
    Text,
    Title,
)
from api.problems import Problem, temporal_away
from api.workflows import Ended
from db import lists, pending, views
from db.lists import Wanted
from db.tables import Coupon, Merchant, OrderRow
from db.views import View
from domain import policy, terms
from domain.messages import OrderStart, Place, Ship, UpdateName
from domain.order import OrderState, PayState
from domain.refusals import Code, Refused
from domain.terms import Gift, Line, Terms
from wechat.invocation import pay_params

router = APIRouter(prefix="/v1/orders", tags=["orders"])

ABOUT_CASES = frozenset(
    {Code.UNSHIPPED_REFUND_OPEN, Code.CASE_OPEN, Code.NOTHING_LEFT, Code.QUANTITY_NOT_LEFT}
)
LOOK_EVERY_S = 0.05
HEARS_WITHIN_LOOKS = 100


class LineBody(Body):
    """One thing bought; fen."""

    sku: Name
    title: Title
    quantity: Quantity
    unit_price: Fen


class GiftBody(Body):
    """A voucher given with the order; fen."""

    coupon_no: Number
    title: Title
    face_value: Annotated[Fen, Field(ge=1)]
    keep_if_goods_at_least: Annotated[Fen, Field(ge=1)] | None = None


class OrderBody(Body):
    """An order; amounts in fen."""

    out_trade_no: OrderNumber | None = None
    merchant_id: Number
    openid: Annotated[Text, Field(min_length=1, max_length=128)]
    description: Annotated[Text, Field(min_length=1, max_length=127)]
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=terms.LINES_MAX)]
    freight: Fen
    merchant_discount: Fen = 0
    platform_coupon: Fen = 0
    gifts: Annotated[tuple[GiftBody, ...], Field(max_length=20)] = ()
    client_ip: str = "127.0.0.1"
    attach: Annotated[Text, Field(max_length=127)] = ""

    @field_validator("client_ip")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ip_address(value))

    def terms(self, number: str, merchant: Merchant | None, defaults: policy.Policies) -> Terms:
        """What is agreed when this order is placed; raises Refused."""
        own = merchant.policies if merchant else {}
        return terms.checked(
            Terms(
                out_trade_no=number,
                merchant_id=self.merchant_id,
                openid=self.openid,
                description=self.description,
                lines=tuple(Line(**line.model_dump()) for line in self.lines),
                freight=self.freight,
                merchant_discount=self.merchant_discount,
                platform_coupon=self.platform_coupon,
                gifts=tuple(Gift(**gift.model_dump()) for gift in self.gifts),
                client_ip=self.client_ip,
                attach=self.attach,
                sub_mch_id=merchant.sub_mch_id if merchant else "",
                policies=policy.with_values(defaults, own),
            )
        )


class ShipBody(Body):
    """The parcel; `already_shipped`: it had left before the refund was asked for."""

    carrier: Name
    tracking_no: Name
    already_shipped: bool = False


@router.post("", status_code=201)
async def create(
    body: OrderBody, command: Annotated[Command, Depends(command("orders.create"))]
) -> JSONResponse:
    """Place an order; `pay_params` goes to `wx.requestPayment`."""

    async def act() -> View:
        number = body.out_trade_no or out_trade_no_of(command.request_id)
        await place(command, body, number)
        return await payable_view(command.context, command.principal, number)

    return await command.once(201, act)


async def place(command: Command, body: OrderBody, number: str) -> None:
    """Have the order placed; raises Refused."""
    context = command.context
    merchant = await context.read(lambda session: _merchant(session, body, number))
    agreed = body.terms(number, merchant, context.settings.policies)
    said = body.model_copy(update={"out_trade_no": number}).model_dump_json()
    fingerprint = hashlib.sha256(said.encode()).hexdigest()
    start = OrderStart(agreed, fingerprint, applies_for_sure=True)
    ask = Place(command.principal.actor, fingerprint)
    try:
        await workflows.place(context, start, ask, command.request_id)
    except Ended:
        await context.read(lambda session: _check_new(session, number))
        raise temporal_away() from None  # it lost the command, and will take it again


def _check_new(session: Session, number: str) -> None:
    """Raises Refused for an order that has ended, though Temporal may have forgotten it."""
    row = session.get(OrderRow, number)
    if row is not None and row.ended_at is not None:
        detail = "an order with this out_trade_no has ended already"
        raise Refused(Code.OUT_TRADE_NO_USED, detail, "out_trade_no")


def _merchant(session: Session, body: OrderBody, number: str) -> Merchant | None:
    _check_new(session, number)
    for gift in body.gifts:
        known = session.get(Coupon, gift.coupon_no)
        if known is not None and known.out_trade_no != number:
            detail = f"gifts: {gift.coupon_no} was given with {known.out_trade_no}"
            raise Refused(Code.INVALID_FIELD, detail, "gifts")
    return session.get(Merchant, body.merchant_id)


@router.get("")
async def list_orders(
    context: Here,
    principal: Annotated[Principal, Depends(allowed("read"))],
    state: OrderState | None = None,
    merchant_id: Scope = "",
    updated_after: Moment | None = None,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = lists.PAGE,
) -> View:
    """Orders by their last change: newest first, or oldest first with `updated_after`."""
    wanted = Wanted(state or "", principal.scope(merchant_id), updated_after, cursor, limit)
    page = await context.read(lambda session: lists.orders(session, wanted))
    return {"items": privacy.of_list(principal, page.items), "cursor": page.cursor}


@router.get("/{out_trade_no}")
async def get_order(
    out_trade_no: OrderNumber,
    request: Request,
    context: Here,
    principal: Annotated[Principal, Depends(allowed("read"))],
) -> View:
    """One order with its cases and timeline."""
    view = await payable_view(context, principal, out_trade_no)
    principal.check_sees(view)
    if principal.may("personal_data.read") and principal.role != "shop":
        where = audit.address_of(request)
        await audit.note(context, principal, "personal_data.read", "read", out_trade_no, where)
    return view


@router.post("/{out_trade_no}/ship")
async def ship(
    out_trade_no: OrderNumber,
    body: ShipBody,
    command: Annotated[Command, Depends(command("orders.ship"))],
) -> JSONResponse:
    """The parcel leaves. Refused while an unshipped refund is open."""
    parcel = Ship(command.principal.actor, **body.model_dump())
    return await carry_out(command, out_trade_no, UpdateName.SHIP, parcel)


@router.post("/{out_trade_no}/receive")
async def receive(
    out_trade_no: OrderNumber, command: Annotated[Command, Depends(command("orders.receive"))]
) -> JSONResponse:
    """The buyer has the goods. Refused while a case is open."""
    actor = command.principal.actor
    return await carry_out(command, out_trade_no, UpdateName.RECEIVE, actor)


@router.post("/{out_trade_no}/close")
async def close(
    out_trade_no: OrderNumber, command: Annotated[Command, Depends(command("orders.close"))]
) -> JSONResponse:
    """Close an unpaid order, here and at WeChat Pay."""
    return await carry_out(command, out_trade_no, UpdateName.CLOSE, command.principal.actor)


@router.post("/{out_trade_no}/expire")
async def expire(
    out_trade_no: OrderNumber, command: Annotated[Command, Depends(command("deadlines.expire"))]
) -> JSONResponse:
    """Sandbox: the order's current deadline passes now."""
    sandbox_only(command.context)
    return await carry_out(command, out_trade_no, UpdateName.EXPIRE, command.principal.actor)


def sandbox_only(context: Context) -> None:
    """Raises Problem outside the sandbox, as if the route did not exist."""
    if not context.settings.sandbox:
        raise Problem(404, "not_found", "Not Found")


async def carry_out(
    command: Command, out_trade_no: str, name: UpdateName, argument: object
) -> JSONResponse:
    """Have an order's workflow do it; the answer is the order as it is then."""

    async def act() -> View:
        def look(session: Session) -> View:
            return views.order(session, out_trade_no)

        owner = await command.context.read(lambda session: views.order_owner(session, out_trade_no))
        command.principal.check_sees(owner)
        try:
            await have_order_do(command, out_trade_no, name, argument)
        except Ended:
            order = await command.context.read(look)
            raise workflows.too_late(order, Code.ORDER_STATE) from None
        return await payable_view(command.context, command.principal, out_trade_no)

    return await command.once(200, act)


async def have_order_do(
    command: Command, out_trade_no: str, name: UpdateName, argument: object
) -> None:
    """Send a command to an order's workflow; raises Refused, Ended.

    An order that has not heard yet of a case's end would refuse what that end allows: it is asked
    again once it has.
    """
    heard_at_refusal = -1
    for _ in range(HEARS_WITHIN_LOOKS):
        try:
            await workflows.update(
                command.context, f"order-{out_trade_no}", name, argument, command.request_id
            )
            return
        except Refused as refused:
            if refused.code not in ABOUT_CASES:
                raise
            ended, heard = await command.context.read(lambda s: pending.ends(s, out_trade_no))
            if ended in (heard_at_refusal, 0):
                raise
            heard_at_refusal = heard
        await asyncio.sleep(LOOK_EVERY_S)
    raise temporal_away()


async def payable_view(context: Context, principal: Principal, out_trade_no: str) -> View:
    """The order as this caller may see it, with `pay_params` while it can be paid."""
    view, prepay_id = await context.read(lambda session: views.order_to_pay(session, out_trade_no))
    unpaid = view["pay_state"] != PayState.PAID and view["state"] == OrderState.PENDING_PAYMENT
    if unpaid and prepay_id:
        view["pay_params"] = pay_params(prepay_id, context.wechat)
    return privacy.of_order(principal, view)
