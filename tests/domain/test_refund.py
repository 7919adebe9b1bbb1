"""One movement of money: what may follow what, and what never changes."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refund
from domain.refund import (
    GIVEN_UP,
    STUCK,
    TRANSITIONS,
    UNSETTLED,
    Intent,
    Refund,
    RefundEvent,
    RefundState,
)
from domain.refusals import Code, Refused
from tests.domain.builders import NOW, TRANSACTION

INTENT = Intent(
    out_refund_no=refund.refund_number("case-1", 1),
    out_trade_no="order-o1",
    transaction_id=TRANSACTION,
    case_no="case-1",
    merchant_id="m1",
    refund_fee=2954,
    total_fee=17030,
    reason="不想要了",
    not_before=NOW,
)


@pytest.mark.parametrize(("state", "event"), list(product(RefundState, RefundEvent)))
def test_every_event_in_every_state(state: RefundState, event: RefundEvent) -> None:
    before = Refund(INTENT, state, problem="earlier words")
    target = TRANSITIONS[state].get(event)
    if target is None:
        with pytest.raises(Refused, match=state) as refusal:
            refund.moved(before, event)
        assert refusal.value.code is Code.REFUND_STATE
    else:
        assert refund.moved(before, event, "words") == Refund(INTENT, target, problem="words")


@pytest.mark.parametrize(
    "state", sorted(set(RefundState) - {RefundState.CREATED, RefundState.SUCCEEDED})
)
def test_a_late_success_beats_whatever_was_believed(state: RefundState) -> None:
    assert refund.moved(Refund(INTENT, state), RefundEvent.SUCCEEDED).state is RefundState.SUCCEEDED


def test_success_is_never_left_and_everything_else_can_still_end_there() -> None:
    leads = {state: set(moves.values()) for state, moves in TRANSITIONS.items()}
    hopeful = {RefundState.SUCCEEDED}
    for _ in RefundState:
        hopeful |= {state for state, targets in leads.items() if targets & hopeful}
    assert hopeful == set(RefundState)
    assert [state for state, targets in leads.items() if not targets] == [RefundState.SUCCEEDED]


def test_money_is_given_up_only_by_wechat_a_refusal_or_people() -> None:
    """Never by age or doubt: no other event leads to where nobody expects the money to move."""
    giving_up = {
        event for moves in TRANSITIONS.values() for event, to in moves.items() if to in GIVEN_UP
    }
    assert giving_up == {RefundEvent.CLOSED, RefundEvent.REFUSED, RefundEvent.SETTLED_OFFLINE}
    settled = {
        state for state, moves in TRANSITIONS.items() if RefundEvent.SETTLED_OFFLINE in moves
    }
    assert settled == STUCK
    assert RefundEvent.SUBMITTED not in {e for s in STUCK | GIVEN_UP for e in TRANSITIONS[s]}
    assert not UNSETTLED & (STUCK | GIVEN_UP)


@given(st.lists(st.sampled_from(RefundEvent)))
def test_whatever_happens_number_and_amount_stay(events: list[RefundEvent]) -> None:
    one = Refund(INTENT)
    for event in events:
        if event in TRANSITIONS[one.state]:
            one = refund.moved(one, event)
            one = refund.identified(one, "5000001", NOW)
        else:
            one = refund.replaced(one)
    assert one.intent == INTENT


def test_it_is_accepted_when_wechat_first_knew_it() -> None:
    once = refund.identified(Refund(INTENT), "", NOW)
    again = refund.identified(once, "5000001", NOW + timedelta(hours=1))
    nameless = refund.identified(again, "", NOW + timedelta(hours=2))
    assert (once.refund_id, again.refund_id, nameless.refund_id) == ("", "5000001", "5000001")
    assert {once.accepted_at, again.accepted_at, nameless.accepted_at} == {NOW}


def test_what_must_not_be_submitted_is_closed_with_the_reason() -> None:
    assert refund.refused(Refund(INTENT), "too late") == Refund(
        INTENT, RefundState.CLOSED, problem="too late"
    )


def test_staff_may_refund_by_hand_at_wechat() -> None:
    """Such a refund belongs to no case of ours."""
    intent = refund.made_at_wechat("by-hand", "order-o1", TRANSACTION, 2954, 17030, NOW)
    assert (intent.out_refund_no, intent.case_no, intent.merchant_id) == ("by-hand", "", "")
    assert (intent.refund_fee, intent.total_fee) == (2954, 17030)
    assert (intent.out_trade_no, intent.transaction_id) == ("order-o1", TRANSACTION)
    assert intent.not_before == NOW


def test_when_the_money_was_back_and_what_took_its_place() -> None:
    one = refund.replaced(refund.dated(Refund(INTENT), NOW))
    assert (one.succeeded_at, one.replaced) == (NOW, True)
    assert INTENT.out_refund_no == "case-1-1"
