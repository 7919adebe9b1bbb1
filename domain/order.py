"""An order from placing to completion: its states, and what each of them allows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from domain import deadline as deadlines
from domain.allocation import Units, all_units
from domain.deadline import Deadline
from domain.policy import MAX_APPLICATIONS, Policies
from domain.refusals import Code, Refused
from domain.terms import Terms


class OrderState(StrEnum):
    """Where an order stands."""

    PENDING_PAYMENT = "PENDING_PAYMENT"
    AWAITING_SHIPMENT = "AWAITING_SHIPMENT"
    SHIPPED = "SHIPPED"
    RECEIVED = "RECEIVED"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"


class PayState(IntEnum):
    """Whether it was paid; once paid it never changes again."""

    UNPAID = 0
    PAID = 1
    FAILED = 2


class OrderEvent(StrEnum):
    """What moves an order from one state to another."""

    PAID = "PAID"
    CLOSED_UNPAID = "CLOSED_UNPAID"
    SHIPPED = "SHIPPED"
    RECEIVED = "RECEIVED"
    WINDOW_ENDED = "WINDOW_ENDED"
    REFUNDED_IN_FULL = "REFUNDED_IN_FULL"


class CaseType(StrEnum):
    """What a buyer asks for."""

    REFUND_ONLY = "REFUND_ONLY"
    RETURN_REFUND = "RETURN_REFUND"


class ReasonCode(StrEnum):
    """Why; the first four claim the merchant's responsibility."""

    QUALITY = "QUALITY"
    WRONG_ITEM = "WRONG_ITEM"
    DAMAGED = "DAMAGED"
    NOT_AS_DESCRIBED = "NOT_AS_DESCRIBED"
    NO_REASON = "NO_REASON"
    OTHER = "OTHER"

    @property
    def claims_quality(self) -> bool:
        """Whether the goods are said to be at fault."""
        return self not in (ReasonCode.NO_REASON, ReasonCode.OTHER)


TRANSITIONS: Mapping[OrderState, Mapping[OrderEvent, OrderState]] = {
    OrderState.PENDING_PAYMENT: {
        OrderEvent.PAID: OrderState.AWAITING_SHIPMENT,
        OrderEvent.CLOSED_UNPAID: OrderState.CLOSED,
    },
    OrderState.AWAITING_SHIPMENT: {
        OrderEvent.SHIPPED: OrderState.SHIPPED,
        OrderEvent.REFUNDED_IN_FULL: OrderState.CLOSED,
    },
    OrderState.SHIPPED: {
        OrderEvent.RECEIVED: OrderState.RECEIVED,
        OrderEvent.REFUNDED_IN_FULL: OrderState.CLOSED,
    },
    OrderState.RECEIVED: {
        OrderEvent.WINDOW_ENDED: OrderState.COMPLETED,
        OrderEvent.REFUNDED_IN_FULL: OrderState.CLOSED,
    },
    OrderState.COMPLETED: {},
    OrderState.CLOSED: {},
}
"""Drawn in docs/flows.md."""

FINAL = frozenset(state for state, moves in TRANSITIONS.items() if not moves)


class ClaimState(StrEnum):
    """What became of the units that a case asked for."""

    OPEN = "OPEN"
    REFUNDED = "REFUNDED"
    RELEASED = "RELEASED"


@dataclass(frozen=True)
class Claim:
    """The units of the order that one case holds."""

    case_no: str
    type: CaseType
    units: Units
    by_buyer: bool
    state: ClaimState = ClaimState.OPEN


@dataclass(frozen=True)
class Application:
    """What a buyer applies for; without `quantities` (sku → quantity), all that is left."""

    type: CaseType
    reason_code: ReasonCode
    reason: str
    quantities: Mapping[str, int] | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Order:
    """An order as its workflow holds it."""

    terms: Terms
    placed_at: datetime
    deadline: Deadline | None
    state: OrderState = OrderState.PENDING_PAYMENT
    pay_state: PayState = PayState.UNPAID
    prepay_id: str = ""
    transaction_id: str = ""
    carrier: str = ""
    tracking_no: str = ""
    paid_at: datetime | None = None
    shipped_at: datetime | None = None
    received_at: datetime | None = None
    received_by_clock: bool = False
    ended_at: datetime | None = None
    receive_paused: timedelta | None = None
    """What was left of `auto_receive` when a case stopped that clock."""
    claims: tuple[Claim, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state in FINAL

    @property
    def open_claims(self) -> tuple[Claim, ...]:
        """Claims of cases that are not decided."""
        return tuple(claim for claim in self.claims if claim.state is ClaimState.OPEN)

    @property
    def units_left(self) -> Units:
        """Units that no case holds or has refunded."""
        held = {u for c in self.claims if c.state is not ClaimState.RELEASED for u in c.units}
        return tuple(unit for unit in all_units(self.terms) if unit not in held)


def placed(terms: Terms, now: datetime) -> Order:
    """A new order, to be paid in time."""
    return Order(terms, now, deadlines.quiet("unpaid_close", now, terms.policies.unpaid_close))


def payable(order: Order, prepay_id: str) -> Order:
    """WeChat Pay knows the order: the buyer can pay."""
    return replace(order, prepay_id=prepay_id)


def payment_failed(order: Order) -> Order:
    """The buyer's bank refused; the buyer may try again."""
    return replace(order, pay_state=PayState.FAILED)


def paid(order: Order, transaction_id: str, at: datetime) -> Order:
    """The money came in."""
    return replace(
        _moved(order, OrderEvent.PAID),
        pay_state=PayState.PAID,
        transaction_id=transaction_id,
        paid_at=at,
        deadline=None,
    )


def closed_unpaid(order: Order, at: datetime) -> Order:
    """Nobody paid; WeChat Pay has closed it too."""
    return _ended(_moved(order, OrderEvent.CLOSED_UNPAID), at)


def check_closable(order: Order) -> None:
    """Raises Refused unless the shop may close the order."""
    if order.pay_state is PayState.PAID:
        raise Refused(Code.ORDER_PAID, "the order is paid: refund it instead")
    _moved(order, OrderEvent.CLOSED_UNPAID)


def shipped(
    order: Order, carrier: str, tracking_no: str, already_shipped: bool, now: datetime
) -> Order:
    """The parcel left. While an unshipped refund is open, only if it had left before."""
    moved = _moved(order, OrderEvent.SHIPPED)
    if order.open_claims and not already_shipped:
        raise Refused(
            Code.UNSHIPPED_REFUND_OPEN,
            f"case {order.open_claims[0].case_no} asks for a refund of unshipped goods;"
            " if the parcel had left already, say already_shipped",
        )
    moved = replace(moved, carrier=carrier, tracking_no=tracking_no, shipped_at=now)
    length = order.terms.policies.auto_receive
    if order.open_claims:
        return replace(moved, receive_paused=length)
    return replace(moved, deadline=deadlines.quiet("auto_receive", now, length))


def became_return(order: Order, case_no: str) -> Order:
    """The parcel had left before: a case for unshipped goods goes on as a return."""
    return _with_claim(order, case_no, type=CaseType.RETURN_REFUND)


def received(order: Order, now: datetime) -> Order:
    """The buyer has the goods; the after-sale windows begin."""
    if order.received_by_clock:
        detail = f"the order is {order.state}: auto_receive is over, and the clock was faster"
        raise Refused(Code.DEADLINE_PASSED, detail)
    moved = _moved(order, OrderEvent.RECEIVED)
    if order.open_claims:
        raise Refused(Code.CASE_OPEN, f"case {order.open_claims[0].case_no} is still open")
    length = longest_window(order.terms.policies)
    deadline = deadlines.quiet("after_sale_window", now, length)
    return replace(moved, received_at=now, deadline=deadline)


def auto_received(order: Order, now: datetime) -> Order:
    """Nobody said so in time: the goods count as received."""
    return replace(received(order, now), received_by_clock=True)


def longest_window(policies: Policies) -> timedelta:
    """How long after receipt a buyer may apply for anything at all."""
    return max(policies.after_sale_window_no_reason, policies.after_sale_window_quality)


def window_ended(order: Order, now: datetime) -> Order:
    """The windows are over and no case is open: the order completes."""
    return _ended(_moved(order, OrderEvent.WINDOW_ENDED), now)


def clock_passed(order: Order) -> Order:
    """The deadline has passed, but an open case holds the order back."""
    return replace(order, deadline=order.deadline and deadlines.missed(order.deadline))


def expired(order: Order, now: datetime) -> Order:
    """The current deadline passes now."""
    if order.deadline is None or order.deadline.passed:
        raise Refused(Code.NO_DEADLINE, "no deadline is running")
    return replace(order, deadline=deadlines.brought_forward(order.deadline, now))


def check_application(order: Order, application: Application, now: datetime) -> Units:
    """The units that a buyer's application would hold; raises Refused."""
    _check_type(order, application.type)
    _check_window(order, application.reason_code, now)
    units = _units(order, application.quantities)
    _check_count(order, units)
    return units


def units_left_of(order: Order, left: Units, quantities: Mapping[str, int] | None) -> Units:
    """As many of the units asked for as are among those left."""
    if quantities is None:
        return left
    taken: list[tuple[int, int]] = []
    for index, line in enumerate(order.terms.lines):
        free = [unit for unit in left if unit[0] == index]
        taken += free[: quantities.get(line.sku, 0)]
    return tuple(taken)


def check_refundable(order: Order) -> None:
    """Raises Refused unless something is left that could be refunded."""
    if order.pay_state is not PayState.PAID:
        raise Refused(Code.ORDER_STATE, f"the order is {order.state}: it was not paid")
    if not order.units_left:
        raise Refused(Code.NOTHING_LEFT, "every unit is refunded or held by a case")


def claimed(order: Order, claim: Claim, now: datetime) -> Order:
    """The order with units held by a new case; the clock to receipt stands still meanwhile."""
    held = replace(order, claims=(*order.claims, claim))
    if order.state is not OrderState.SHIPPED or order.deadline is None:
        return held
    return replace(held, deadline=None, receive_paused=max(order.deadline.at - now, timedelta(0)))


def claim_ended(order: Order, case_no: str, refunded: bool, now: datetime) -> Order:
    """A case was decided; an order refunded in full is closed by that."""
    state = ClaimState.REFUNDED if refunded else ClaimState.RELEASED
    after = _with_claim(order, case_no, state=state)
    if refunded and not after.open_claims and not after.units_left:
        return _ended(_moved(after, OrderEvent.REFUNDED_IN_FULL), now)
    if after.receive_paused is None or after.open_claims:
        return after
    deadline = deadlines.quiet("auto_receive", now, after.receive_paused)
    return replace(after, deadline=deadline, receive_paused=None)


def _moved(order: Order, event: OrderEvent) -> Order:
    target = TRANSITIONS[order.state].get(event)
    if target is None:
        raise Refused(Code.ORDER_STATE, f"the order is {order.state}: not possible")
    return replace(order, state=target)


def _ended(order: Order, at: datetime) -> Order:
    return replace(order, ended_at=at, deadline=None, receive_paused=None)


def _with_claim(order: Order, case_no: str, **changes: object) -> Order:
    claims = (
        replace(claim, **changes) if claim.case_no == case_no else claim  # type: ignore[arg-type]
        for claim in order.claims
    )
    return replace(order, claims=tuple(claims))


def _check_type(order: Order, wanted: CaseType) -> None:
    if order.pay_state is not PayState.PAID or order.is_final:
        raise Refused(Code.ORDER_STATE, f"the order is {order.state}: nothing can be applied for")
    unshipped = order.state is OrderState.AWAITING_SHIPMENT
    if unshipped != (wanted is CaseType.REFUND_ONLY):
        right = CaseType.REFUND_ONLY if unshipped else CaseType.RETURN_REFUND
        raise Refused(
            Code.TYPE_NOT_ALLOWED, f"the order is {order.state}: apply for {right}", "type"
        )


def _check_window(order: Order, reason: ReasonCode, now: datetime) -> None:
    if order.received_at is None:
        return
    policies = order.terms.policies
    quality = reason.claims_quality
    length = policies.after_sale_window_quality if quality else policies.after_sale_window_no_reason
    if now >= order.received_at + length:
        kind = "a quality problem" if quality else "a return without a quality problem"
        raise Refused(Code.WINDOW_CLOSED, f"the time to apply for {kind} is over")


def _units(order: Order, quantities: Mapping[str, int] | None) -> Units:
    left = order.units_left
    if not left:
        raise Refused(Code.NOTHING_LEFT, "every unit is refunded or held by a case")
    if quantities is None:
        return left
    lines = {line.sku: index for index, line in enumerate(order.terms.lines)}
    taken: list[tuple[int, int]] = []
    for sku, quantity in quantities.items():
        if sku not in lines:
            raise Refused(Code.INVALID_FIELD, f"lines: the order has no sku {sku}", "lines")
        free = [unit for unit in left if unit[0] == lines[sku]]
        if not 1 <= quantity <= len(free):
            detail = f"lines: {quantity} of {sku} asked for, {len(free)} left"
            raise Refused(Code.QUANTITY_NOT_LEFT, detail, "lines")
        taken += free[:quantity]
    return tuple(sorted(taken))


def _check_count(order: Order, units: Units) -> None:
    for line in {line for line, _ in units}:
        made = sum(
            claim.by_buyer and any(at == line for at, _ in claim.units) for claim in order.claims
        )
        if made >= MAX_APPLICATIONS:
            sku = order.terms.lines[line].sku
            detail = f"{sku} was applied for {made} times; {MAX_APPLICATIONS} are allowed"
            raise Refused(Code.TOO_MANY_APPLICATIONS, detail, "lines")
