"""An order's states, its windows, and what a buyer may apply for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import order
from domain.allocation import all_units
from domain.deadline import Deadline
from domain.order import (
    FINAL,
    TRANSITIONS,
    Application,
    CaseType,
    Claim,
    ClaimState,
    Order,
    OrderEvent,
    OrderState,
    PayState,
    ReasonCode,
)
from domain.refusals import Code, Refused
from tests.domain.builders import (
    NOW,
    O1,
    R1,
    R2,
    R3,
    SECOND,
    TRANSACTION,
    application,
    claim,
    order_in,
    policies,
)

REFUND_ONLY, RETURN_REFUND = CaseType.REFUND_ONLY, CaseType.RETURN_REFUND
ALL = all_units(O1)
LATER = NOW + timedelta(hours=3)
AUTO_RECEIVE = timedelta(days=10)
EVENTS: Mapping[OrderEvent, Callable[[Order], Order]] = {
    OrderEvent.PAID: lambda one: order.paid(one, TRANSACTION, LATER),
    OrderEvent.CLOSED_UNPAID: lambda one: order.closed_unpaid(one, LATER),
    OrderEvent.SHIPPED: lambda one: order.shipped(one, "SF", "SF1", False, LATER),
    OrderEvent.RECEIVED: lambda one: order.received(one, LATER),
    OrderEvent.WINDOW_ENDED: lambda one: order.window_ended(one, LATER),
    OrderEvent.REFUNDED_IN_FULL: lambda one: order.claim_ended(
        replace(one, claims=(claim(ALL),)), "case-1", True, LATER
    ),
}


@pytest.mark.parametrize(("state", "event"), list(product(OrderState, OrderEvent)))
def test_every_event_in_every_state(state: OrderState, event: OrderEvent) -> None:
    before, target = order_in(state), TRANSITIONS[state].get(event)
    if target is None:
        with pytest.raises(Refused, match=state) as refusal:
            EVENTS[event](before)
        assert refusal.value.code is Code.ORDER_STATE
        return
    after = EVENTS[event](before)
    assert after.state is target
    assert after.terms == before.terms
    assert after.is_final is (target in FINAL) is (after.ended_at == LATER)
    assert (after.deadline is None) is (after.is_final or target is OrderState.AWAITING_SHIPMENT)


def test_completed_and_closed_are_final() -> None:
    assert sorted(FINAL) == [OrderState.CLOSED, OrderState.COMPLETED]


# ---- paid, or closed


def test_placed_and_to_be_paid_within_half_an_hour() -> None:
    placed = order.payable(order.placed(O1, NOW), "wx-prepay")
    assert placed.deadline == Deadline("unpaid_close", NOW + timedelta(minutes=30))
    assert (placed.pay_state, placed.prepay_id) == (PayState.UNPAID, "wx-prepay")
    assert placed.units_left == ALL


def test_failed_and_then_paid() -> None:
    failed = order.payment_failed(order.placed(O1, NOW))
    paid = order.paid(failed, TRANSACTION, LATER)
    assert (failed.state, failed.pay_state) == (OrderState.PENDING_PAYMENT, PayState.FAILED)
    assert (paid.pay_state, paid.transaction_id) == (PayState.PAID, TRANSACTION)
    assert paid.paid_at == LATER


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (OrderState.AWAITING_SHIPMENT, Code.ORDER_PAID),
        (OrderState.COMPLETED, Code.ORDER_PAID),
        (OrderState.CLOSED, Code.ORDER_STATE),
    ],
)
def test_only_an_unpaid_order_is_closable(state: OrderState, code: Code) -> None:
    order.check_closable(order_in(OrderState.PENDING_PAYMENT))
    with pytest.raises(Refused) as refusal:
        order.check_closable(order_in(state))
    assert refusal.value.code is code


# ---- shipped and received


def test_an_open_refund_holds_the_parcel_back() -> None:
    held = order.claimed(order_in(OrderState.AWAITING_SHIPMENT), claim(R1), NOW)
    with pytest.raises(Refused, match="case-1") as refusal:
        order.shipped(held, "SF", "SF1", False, LATER)
    assert refusal.value.code is Code.UNSHIPPED_REFUND_OPEN


def test_a_parcel_that_had_left_turns_the_refund_into_a_return() -> None:
    held = order.claimed(order_in(OrderState.AWAITING_SHIPMENT), claim(R1), NOW)
    held = order.claimed(held, claim(R2, "case-2"), NOW)
    shipped = order.shipped(held, "SF", "SF1", True, LATER)
    returned = order.became_return(shipped, "case-1")
    assert (shipped.carrier, shipped.tracking_no, shipped.shipped_at) == ("SF", "SF1", LATER)
    assert (shipped.deadline, shipped.receive_paused) == (None, AUTO_RECEIVE)
    assert [one.type for one in returned.claims] == [RETURN_REFUND, REFUND_ONLY]
    assert returned.claims[0].units == R1


def test_an_order_with_an_open_case_is_not_received() -> None:
    held = order.claimed(order_in(OrderState.SHIPPED), claim(R1), NOW)
    with pytest.raises(Refused, match="case-1") as refusal:
        order.received(held, LATER)
    assert refusal.value.code is Code.CASE_OPEN


def test_auto_receive_stands_still_while_a_case_is_open() -> None:
    """A day passes, a case of three days, another within it: nine days are left after both."""
    shipped = order_in(OrderState.SHIPPED)
    assert shipped.deadline == Deadline("auto_receive", NOW + AUTO_RECEIVE)
    day = timedelta(days=1)
    one = order.claimed(shipped, claim(R1), NOW + day)
    two = order.claimed(one, claim(R2, "case-2"), NOW + 2 * day)
    assert one.deadline is two.deadline is None
    assert one.receive_paused == two.receive_paused == 9 * day
    first_over = order.claim_ended(two, "case-1", True, NOW + 3 * day)
    assert first_over.deadline is None
    both_over = order.claim_ended(first_over, "case-2", False, NOW + 4 * day)
    assert both_over.deadline == Deadline("auto_receive", NOW + 13 * day)
    assert both_over.receive_paused is None


def test_auto_receive_that_was_over_already_has_nothing_left() -> None:
    late = NOW + AUTO_RECEIVE + SECOND
    held = order.claimed(order_in(OrderState.SHIPPED), claim(R1), late)
    assert held.receive_paused == timedelta(0)
    over = order.claim_ended(held, "case-1", False, late)
    assert over.deadline == Deadline("auto_receive", late)


@pytest.mark.parametrize("state", [OrderState.AWAITING_SHIPMENT, OrderState.RECEIVED])
def test_other_clocks_know_no_pause(state: OrderState) -> None:
    before = order_in(state)
    held = order.claimed(before, claim(R1), LATER)
    over = order.claim_ended(held, "case-1", False, LATER)
    assert held.deadline == over.deadline == before.deadline
    assert held.receive_paused is None


@pytest.mark.parametrize(
    ("receives", "code"),
    [(order.received, Code.ORDER_STATE), (order.auto_received, Code.DEADLINE_PASSED)],
)
def test_whoever_receives_second_is_told_who_was_faster(
    receives: Callable[[Order, datetime], Order], code: Code
) -> None:
    received = receives(order_in(OrderState.SHIPPED), LATER)
    assert (received.state, received.received_at) == (OrderState.RECEIVED, LATER)
    with pytest.raises(Refused, match="RECEIVED") as refusal:
        order.received(received, LATER)
    assert refusal.value.code is code


@pytest.mark.parametrize(("no_reason", "quality", "longest"), [(7, 15, 15), (15, 7, 15), (0, 0, 0)])
def test_the_order_completes_after_the_longest_window(
    no_reason: int, quality: int, longest: int
) -> None:
    windows = policies(
        after_sale_window_no_reason=timedelta(days=no_reason),
        after_sale_window_quality=timedelta(days=quality),
    )
    received = order_in(OrderState.RECEIVED, replace(O1, policies=windows))
    assert received.received_at == NOW
    assert received.deadline == Deadline("after_sale_window", NOW + timedelta(days=longest))


def test_an_open_case_outlasts_the_window() -> None:
    held = order.claimed(order_in(OrderState.RECEIVED), claim(R1), NOW)
    late = order.clock_passed(held)
    assert late.deadline is not None
    assert late.deadline.passed
    assert late.state is OrderState.RECEIVED


def test_a_deadline_can_be_made_to_pass_now_but_only_once() -> None:
    expired = order.expired(order_in(OrderState.RECEIVED), LATER)
    assert expired.deadline == Deadline("after_sale_window", LATER)
    for idle in (order.clock_passed(expired), order_in(OrderState.AWAITING_SHIPMENT)):
        with pytest.raises(Refused) as refusal:
            order.expired(idle, LATER)
        assert refusal.value.code is Code.NO_DEADLINE


# ---- claims


def test_a_claim_holds_its_units_until_it_is_released() -> None:
    held = order.claimed(order_in(OrderState.AWAITING_SHIPMENT), claim(R1 + R2), NOW)
    assert held.units_left == R3
    assert [one.case_no for one in held.open_claims] == ["case-1"]
    released = order.claim_ended(held, "case-1", False, NOW)
    assert released.units_left == ALL
    refunded = order.claim_ended(held, "case-1", True, NOW)
    assert refunded.units_left == R3
    assert released.open_claims == refunded.open_claims == ()
    assert refunded.state is OrderState.AWAITING_SHIPMENT


@pytest.mark.parametrize("last_refunded", [True, False])
def test_refunded_in_full_closes_once_the_last_case_is_decided(last_refunded: bool) -> None:
    held = order.claimed(order_in(OrderState.RECEIVED), claim(R1 + R2), NOW)
    held = order.claimed(held, claim(R3, "case-2"), NOW)
    one_over = order.claim_ended(held, "case-1", True, NOW)
    both_over = order.claim_ended(one_over, "case-2", last_refunded, LATER)
    assert one_over.state is OrderState.RECEIVED
    assert (both_over.state is OrderState.CLOSED) is last_refunded
    assert both_over.units_left == (() if last_refunded else R3)


# ---- applications


@pytest.mark.parametrize(("state", "wanted"), list(product(OrderState, CaseType)))
def test_which_kind_of_application_each_state_allows(state: OrderState, wanted: CaseType) -> None:
    allowed = {
        OrderState.AWAITING_SHIPMENT: REFUND_ONLY,
        OrderState.SHIPPED: RETURN_REFUND,
        OrderState.RECEIVED: RETURN_REFUND,
    }.get(state)
    if wanted is allowed:
        assert order.check_application(order_in(state), application(wanted), NOW) == ALL
        return
    with pytest.raises(Refused, match=state) as refusal:
        order.check_application(order_in(state), application(wanted), NOW)
    code = Code.TYPE_NOT_ALLOWED if allowed else Code.ORDER_STATE
    assert refusal.value.code is code
    assert (allowed or state) in refusal.value.detail


SEVEN, FIFTEEN = timedelta(days=7), timedelta(days=15)
WINDOWS = {reason: FIFTEEN for reason in ReasonCode} | {
    ReasonCode.NO_REASON: SEVEN,
    ReasonCode.OTHER: SEVEN,
}


@pytest.mark.parametrize(("reason", "window"), WINDOWS.items())
def test_a_window_a_second_before_at_and_after_its_end(
    reason: ReasonCode, window: timedelta
) -> None:
    received, wanted = order_in(OrderState.RECEIVED), application(RETURN_REFUND, reason)
    assert order.check_application(received, wanted, NOW + window - SECOND) == ALL
    for late in (NOW + window, NOW + window + SECOND):
        with pytest.raises(Refused) as refusal:
            order.check_application(received, wanted, late)
        assert refusal.value.code is Code.WINDOW_CLOSED


def test_before_receipt_no_window_ends() -> None:
    shipped = order_in(OrderState.SHIPPED)
    much_later = NOW + timedelta(days=300)
    assert order.check_application(shipped, application(RETURN_REFUND), much_later) == ALL


@pytest.mark.parametrize(
    ("quantities", "units"),
    [
        (None, R2 + R3),
        ({"A": 1}, ((0, 0),)),
        ({"C": 2}, ((2, 0), (2, 1))),
        ({"C": 3, "A": 2}, R2 + R3),
    ],
)
def test_the_units_of_an_application(
    quantities: dict[str, int] | None, units: tuple[tuple[int, int], ...]
) -> None:
    held = order.claimed(order_in(OrderState.AWAITING_SHIPMENT), claim(R1), NOW)
    assert order.check_application(held, application(quantities=quantities), NOW) == units


@pytest.mark.parametrize(
    ("quantities", "code"),
    [
        ({"A": 3}, Code.QUANTITY_NOT_LEFT),
        ({"A": 0}, Code.QUANTITY_NOT_LEFT),
        ({"A": -1}, Code.QUANTITY_NOT_LEFT),
        ({"B": 1}, Code.QUANTITY_NOT_LEFT),
        ({"A": 1, "B": 1}, Code.QUANTITY_NOT_LEFT),
        ({"D": 1}, Code.INVALID_FIELD),
    ],
)
def test_an_application_for_what_is_not_left(quantities: dict[str, int], code: Code) -> None:
    held = order.claimed(order_in(OrderState.AWAITING_SHIPMENT), claim(R1), NOW)
    with pytest.raises(Refused, match=r"^lines: ") as refusal:
        order.check_application(held, application(quantities=quantities), NOW)
    assert (refusal.value.code, refusal.value.field) == (code, "lines")


@pytest.mark.parametrize(
    ("quantities", "units"),
    [(None, R2 + R3), ({"A": 3, "B": 1}, ((0, 0), (0, 1))), ({"C": 1}, ((2, 0),)), ({"D": 1}, ())],
)
def test_as_much_of_what_was_asked_for_as_is_left(
    quantities: dict[str, int] | None, units: tuple[tuple[int, int], ...]
) -> None:
    held = order.claimed(order_in(OrderState.AWAITING_SHIPMENT), claim(R1), NOW)
    assert order.units_left_of(held, held.units_left, quantities) == units


def test_nothing_is_left_to_apply_for_or_to_refund() -> None:
    held = order.claimed(order_in(OrderState.SHIPPED), claim(ALL), NOW)
    for asked in (
        lambda: order.check_application(held, application(RETURN_REFUND), NOW),
        lambda: order.check_refundable(held),
    ):
        with pytest.raises(Refused) as refusal:
            asked()
        assert refusal.value.code is Code.NOTHING_LEFT


@pytest.mark.parametrize("state", OrderState)
def test_whatever_was_paid_is_refundable(state: OrderState) -> None:
    one = order_in(state)
    if one.pay_state is PayState.PAID:
        order.check_refundable(one)
        assert one.units_left == ALL
        return
    with pytest.raises(Refused, match="not paid") as refusal:
        order.check_refundable(one)
    assert refusal.value.code is Code.ORDER_STATE


def test_five_applications_a_line_whatever_became_of_them() -> None:
    """Operators' cases do not count, nor those for other lines."""
    one = order_in(OrderState.AWAITING_SHIPMENT)
    one = order.claimed(one, claim(R1, "operator", by_buyer=False), NOW)
    one = order.claim_ended(one, "operator", False, NOW)
    for count in range(5):
        units = order.check_application(one, application(quantities={"B": 1}), NOW)
        one = order.claimed(one, claim(units, f"case-{count}"), NOW)
        one = order.claim_ended(one, f"case-{count}", False, NOW)
    with pytest.raises(Refused, match="B was applied for 5 times") as refusal:
        order.check_application(one, application(), NOW)
    assert (refusal.value.code, refusal.value.field) == (Code.TOO_MANY_APPLICATIONS, "lines")
    assert order.check_application(one, application(quantities={"A": 2, "C": 3}), NOW) == R2 + R3


@given(st.data())
def test_claims_never_share_a_unit(data: st.DataObject) -> None:
    one, skus = order_in(OrderState.AWAITING_SHIPMENT), st.sampled_from(["A", "B", "C", "D"])
    for count in range(data.draw(st.integers(1, 6))):
        quantities = data.draw(st.none() | st.dictionaries(skus, st.integers(-1, 4), min_size=1))
        wanted = Application(REFUND_ONLY, ReasonCode.OTHER, "不要了", quantities)
        try:
            units = order.check_application(one, wanted, NOW)
        except Refused:
            continue
        assert set(units) <= set(one.units_left)
        assert quantities is None or len(units) == sum(quantities.values())
        one = order.claimed(one, Claim(f"case-{count}", REFUND_ONLY, units, True), NOW)
        if data.draw(st.booleans()):
            one = order.claim_ended(one, f"case-{count}", False, NOW)
    held = [u for c in one.claims if c.state is not ClaimState.RELEASED for u in c.units]
    assert sorted([*held, *one.units_left]) == list(ALL)


def test_the_first_four_reasons_claim_the_merchants_responsibility() -> None:
    assert [reason for reason in ReasonCode if reason.claims_quality] == [
        ReasonCode.QUALITY,
        ReasonCode.WRONG_ITEM,
        ReasonCode.DAMAGED,
        ReasonCode.NOT_AS_DESCRIBED,
    ]
