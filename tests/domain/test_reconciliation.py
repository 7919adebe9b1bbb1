"""Both sides of a day: what counts as a difference, and what must be asked about first."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product

import pytest

from domain.days import end_of, start_of
from domain.messages import RefundStatus, TradeState
from domain.reconciliation import (
    EDGE,
    Billed,
    Book,
    Difference,
    Item,
    Key,
    Kind,
    Ours,
    book,
    compare,
    doubts,
)
from domain.refund import RefundState

DAY = date(2026, 3, 2)
NOON = start_of(DAY) + timedelta(hours=12)
BILLED = Billed(Item.PAYMENT, "4200", "order1", "4200", 380, TradeState.PAID, 2, NOON)
OURS = Ours(Item.PAYMENT, "4200", "order1", "4200", "m1", 380, TradeState.PAID, NOON)
BACK = Billed(Item.REFUND, "case1-1", "order1", "4200", 380, RefundStatus.SUCCEEDED, -2, NOON)
OUR_BACK = Ours(Item.REFUND, "case1-1", "order1", "4200", "m1", 380, RefundState.SUCCEEDED, NOON)


def day(billed: Billed | None, ours: Ours | None) -> Book:
    """A day with one thing on it."""
    billed_ones, our_ones = [billed] if billed else [], [ours] if ours else []
    return book(billed_ones, our_ones, start_of(DAY), end_of(DAY))


def differs(
    billed: Billed | None, ours: Ours | None, told: Mapping[Key, str] | None = None
) -> Difference | None:
    """The one difference, if there is one."""
    return next(iter(compare(day(billed, ours), told or {})), None)


def kind(billed: Billed | None, ours: Ours | None, told: str = "") -> Kind | None:
    """How the two differ, after WeChat Pay's answer about them."""
    either = billed or ours
    assert either is not None
    found = differs(billed, ours, {either.key: told} if told else None)
    return found.kind if found else None


@pytest.mark.parametrize(("billed", "ours"), [(BILLED, OURS), (BACK, OUR_BACK)])
def test_what_both_sides_have_alike_is_no_difference(billed: Billed, ours: Ours) -> None:
    assert kind(billed, ours) is None
    assert doubts(day(billed, ours)) == []


def test_a_difference_says_what_each_side_has() -> None:
    assert differs(replace(BILLED, fen=379), OURS) == Difference(
        kind=Kind.AMOUNT,
        item=Item.PAYMENT,
        number="4200",
        out_trade_no="order1",
        merchant_id="m1",
        our_fen=380,
        their_fen=379,
        our_state="PAID",
        their_state="PAID",
    )


def test_what_we_do_not_have_is_asked_about_and_missing_here() -> None:
    assert doubts(day(BILLED, None)) == [BILLED.key]
    assert kind(BILLED, None, TradeState.PAID) is Kind.MISSING_HERE
    assert kind(BACK, None, RefundStatus.SUCCEEDED) is Kind.MISSING_HERE


def test_a_refund_made_by_hand_that_failed_moved_nothing() -> None:
    assert kind(replace(BACK, state=RefundStatus.CLOSED), None) is None
    assert kind(replace(BACK, state=RefundStatus.PROCESSING), None, RefundStatus.CLOSED) is None


def test_a_revoked_payment_is_another_state_or_was_none() -> None:
    revoked = replace(BILLED, state=TradeState.CLOSED)
    assert kind(revoked, OURS) is Kind.STATE
    assert kind(revoked, None, TradeState.NOT_PAID) is None


@pytest.mark.parametrize("ours", [OURS, OUR_BACK])
def test_what_the_bill_does_not_show_is_missing_there(ours: Ours) -> None:
    assert kind(None, ours) is Kind.MISSING_THERE
    assert doubts(day(None, ours)) == []
    assert kind(None, replace(ours, due_at=None)) is None


@pytest.mark.parametrize("state", [RefundState.CLOSED, RefundState.MANUAL_SETTLED])
def test_a_refund_that_moved_nothing_need_not_be_on_the_bill(state: RefundState) -> None:
    assert kind(None, replace(OUR_BACK, state=state)) is None


@pytest.mark.parametrize("at", [start_of(DAY), end_of(DAY) - EDGE + timedelta(seconds=1)])
def test_beside_midnight_wechat_pay_is_asked(at: datetime) -> None:
    ours = replace(OURS, due_at=at)
    assert doubts(day(None, ours)) == [ours.key]
    assert kind(None, ours, TradeState.PAID) is None
    assert kind(None, ours, TradeState.UNKNOWN_ORDER) is Kind.MISSING_THERE
    assert kind(None, ours) is Kind.MISSING_THERE


def test_further_from_midnight_only_the_bill_counts() -> None:
    assert doubts(day(None, replace(OURS, due_at=start_of(DAY) + EDGE))) == []


def test_where_the_bill_shows_acceptance_only_the_answer_counts() -> None:
    accepted = replace(BACK, state=RefundStatus.PROCESSING)
    assert doubts(day(accepted, OUR_BACK)) == [BACK.key]
    assert kind(accepted, OUR_BACK, RefundStatus.SUCCEEDED) is None
    assert kind(accepted, OUR_BACK, RefundStatus.CLOSED) is Kind.STATE
    assert kind(accepted, OUR_BACK) is Kind.STATE


def test_a_refund_that_is_not_final_here_is_asked_about() -> None:
    going = replace(OUR_BACK, state=RefundState.PROCESSING)
    assert doubts(day(BACK, going)) == [BACK.key]
    assert kind(BACK, going, RefundStatus.SUCCEEDED) is Kind.STATE
    assert kind(BACK, going, RefundStatus.PROCESSING) is None


@pytest.mark.parametrize(("ours", "theirs"), list(product(RefundState, RefundStatus)))
def test_no_success_goes_unseen(ours: RefundState, theirs: RefundStatus) -> None:
    """Whoever alone believes that the money is back is told of it."""
    alone = (ours is RefundState.SUCCEEDED) != (theirs is RefundStatus.SUCCEEDED)
    differs = kind(BACK, replace(OUR_BACK, state=ours), theirs)
    assert differs is Kind.STATE if alone else differs in (None, Kind.STATE)
