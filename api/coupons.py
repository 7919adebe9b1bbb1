"""Gift vouchers (兑换券): read one, spend one."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api import workflows
from api.auth import Principal, allowed
from api.commands import Command, command
from api.context import Here
from api.fields import Body, Number, OrderNumber
from api.workflows import Ended
from db import views
from db.views import View
from domain.messages import UpdateName, UseCoupon
from domain.refusals import Code, Refused

router = APIRouter(prefix="/v1/coupons", tags=["gift vouchers"])


class UseBody(Body):
    """The order that the voucher is spent on."""

    out_trade_no: OrderNumber


@router.get("/{coupon_no}")
async def get_coupon(
    coupon_no: Number, context: Here, principal: Annotated[Principal, Depends(allowed("read"))]
) -> View:
    """One gift voucher."""
    view = await context.read(lambda session: views.coupon(session, coupon_no))
    principal.check_sees(view)
    return view


@router.post("/{coupon_no}/use")
async def use(
    coupon_no: Number, body: UseBody, command: Annotated[Command, Depends(command("coupons.use"))]
) -> JSONResponse:
    """Spend a voucher on an order, once."""

    async def act() -> View:
        view = await command.context.read(lambda session: views.coupon(session, coupon_no))
        spend = UseCoupon(command.principal.actor, coupon_no, body.out_trade_no)
        try:
            await _spend(command, view["out_trade_no"], spend)
        except Ended:
            await _spend_alone(command, spend)
        return await command.context.read(lambda session: views.coupon(session, coupon_no))

    return await command.once(200, act)


async def _spend(command: Command, out_trade_no: str, spend: UseCoupon) -> None:
    await workflows.update(
        command.context,
        f"order-{out_trade_no}",
        UpdateName.USE_COUPON,
        spend,
        command.request_id,
    )


async def _spend_alone(command: Command, spend: UseCoupon) -> None:
    """The order that gave the voucher has ended: the order that it is spent on takes it."""
    try:
        await _spend(command, spend.spent_on, spend)
    except Ended:
        detail = f"out_trade_no: no running order {spend.spent_on}"
        raise Refused(Code.ORDER_NOT_FOUND, detail, "out_trade_no") from None
