"""Orders and cases at any point of their lives, and O1: the order whose every fen is worked out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain import after_sale, order
from domain.after_sale import Case, CaseEvent, CaseState, Decision, Parcel, Stage
from domain.allocation import CouponState, Standing, Units
from domain.order import Application, CaseType, Claim, Order, OrderState, ReasonCode
from domain.policy import Policies
from domain.terms import Gift, Line, Terms

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRANSACTION = "4200000001"
PARCEL = Parcel("SF", "SF2")

O1 = Terms(
    out_trade_no="order-o1",
    merchant_id="m1",
    openid="o-buyer",
    description="茶具",
    lines=(
        Line("A", "紫砂壶", 2, 5990),
        Line("B", "茶盘", 1, 3500),
        Line("C", "茶杯", 3, 1250),
    ),
    freight=800,
    merchant_discount=2000,
    platform_coupon=1000,
    gifts=(Gift("gift-1", "五元券", 500, keep_if_goods_at_least=10_000),),
)
R1: Units = ((1, 0),)
R2: Units = ((0, 0),)
R3: Units = ((0, 1), (2, 0), (2, 1), (2, 2))


def untouched(terms: Terms, **changes: Any) -> Standing:
    """An order of which nothing was refunded, with its vouchers unspent."""
    issued = {gift.coupon_no: CouponState.ISSUED for gift in terms.gifts}
    return replace(Standing(taken=(), freight_left=terms.freight, vouchers=issued), **changes)


def policies(**changes: Any) -> Policies:
    """The defaults, but for what a test says."""
    return replace(Policies(), **changes)


def order_in(state: OrderState, terms: Terms = O1, at: datetime = NOW) -> Order:
    """An order that came to this state on the usual way, everything at the same instant."""
    made = order.placed(terms, at)
    if state is OrderState.CLOSED:
        return order.closed_unpaid(made, at)
    steps: Mapping[OrderState, Callable[[Order], Order]] = {
        OrderState.AWAITING_SHIPMENT: lambda one: order.paid(one, TRANSACTION, at),
        OrderState.SHIPPED: lambda one: order.shipped(one, "SF", "SF1", False, at),
        OrderState.RECEIVED: lambda one: order.received(one, at),
        OrderState.COMPLETED: lambda one: order.window_ended(one, at),
    }
    for target, step in steps.items():
        if made.state is not state:
            made = step(made)
            assert made.state is target
    return made


def claim(units: Units, case_no: str = "case-1", **changes: Any) -> Claim:
    """Units that a buyer's case for unshipped goods holds."""
    return replace(Claim(case_no, CaseType.REFUND_ONLY, units, by_buyer=True), **changes)


def application(
    type: CaseType = CaseType.REFUND_ONLY,
    reason_code: ReasonCode = ReasonCode.NO_REASON,
    quantities: Mapping[str, int] | None = None,
) -> Application:
    """What a buyer asks for: all that is left, or so many of each sku."""
    return Application(type, reason_code, "不想要了", quantities)


def case_in(
    state: CaseState,
    type: CaseType = CaseType.RETURN_REFUND,
    terms: Terms = O1,
    at: datetime = NOW,
    **changes: Any,
) -> Case:
    """A case of the whole order that came to this state, everything at the same instant."""
    if state is CaseState.PENDING_MERCHANT and type is CaseType.RETURN_REFUND:
        terms = replace(terms, policies=replace(terms.policies, return_needs_approval=True))
    wanted = application(type)
    is_unshipped = type is CaseType.REFUND_ONLY
    asked = order_in(OrderState.AWAITING_SHIPMENT if is_unshipped else OrderState.RECEIVED, terms)
    units = order.check_application(asked, wanted, at)
    case = after_sale.of_application(asked, wanted, units, "case-1", at)
    while case.state is not state:
        step = ASIDE.get((case.state, state)) or AHEAD[case.state]
        case = step(case, terms.policies, at)
    return replace(case, **changes)


Step = Callable[[Case, Policies, datetime], Case]


def decides(stage: Stage, approve: bool = True) -> Step:
    """A person at one desk."""
    decision = Decision(stage, approve, "看过了")
    return lambda case, policies, at: after_sale.decided(case, decision, policies, at)


def happens(event: CaseEvent) -> Step:
    """What nobody decides."""
    return lambda case, policies, at: after_sale.moved(case, event, policies, at)


AHEAD: Mapping[CaseState, Step] = {
    CaseState.PENDING_MERCHANT: decides(Stage.MERCHANT),
    CaseState.AWAITING_RETURN: lambda case, policies, at: after_sale.sent_back(
        case, PARCEL, policies, at
    ),
    CaseState.AWAITING_RECEIPT: decides(Stage.RECEIPT),
    CaseState.PENDING_PLATFORM: decides(Stage.PLATFORM),
    CaseState.REFUNDING: happens(CaseEvent.REFUND_SUCCEEDED),
}
"""How a case goes on from each state when all goes well."""

ASIDE: Mapping[tuple[CaseState, CaseState], Step] = {
    (CaseState.PENDING_MERCHANT, CaseState.CLOSED): after_sale.withdrawn,
    (CaseState.AWAITING_RETURN, CaseState.CLOSED): after_sale.withdrawn,
    (CaseState.PENDING_PLATFORM, CaseState.REJECTED): decides(Stage.PLATFORM, approve=False),
    (CaseState.REFUNDING, CaseState.REFUND_ABNORMAL): happens(CaseEvent.REFUND_STUCK),
}
"""Where a way leaves the usual one, by (from, to)."""
