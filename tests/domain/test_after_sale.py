"""A case's states and desks, who may move it, and what the clock does instead."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from domain import after_sale
from domain.after_sale import (
    DESKS,
    FINAL,
    TRANSITIONS,
    Case,
    CaseEvent,
    CaseState,
    Decision,
    Origin,
    Stage,
    clock_event,
    decided,
)
from domain.allocation import FreightRule, Party, all_units
from domain.deadline import Deadline, owed
from domain.order import CaseType, OrderState, ReasonCode
from domain.policy import Policies
from domain.refusals import Code, Refused
from tests.domain.builders import (
    AHEAD,
    NOW,
    O1,
    PARCEL,
    R1,
    SECOND,
    TRANSACTION,
    application,
    case_in,
    order_in,
    policies,
)

REFUND_ONLY, RETURN_REFUND = CaseType.REFUND_ONLY, CaseType.RETURN_REFUND
DEFAULTS = Policies()
LATER = NOW + timedelta(hours=3)
RETURNING = (CaseState.AWAITING_RETURN, CaseState.AWAITING_RECEIPT)
DUE = {
    CaseState.PENDING_MERCHANT: ("merchant_review", timedelta(hours=48)),
    CaseState.AWAITING_RETURN: ("buyer_return", timedelta(days=7)),
    CaseState.AWAITING_RECEIPT: ("merchant_receipt", timedelta(days=10)),
    CaseState.PENDING_PLATFORM: ("platform_process", timedelta(hours=24)),
}


@pytest.mark.parametrize(("state", "event"), list(product(CaseState, CaseEvent)))
def test_every_event_in_every_state(state: CaseState, event: CaseEvent) -> None:
    before, target = case_in(state), TRANSITIONS[state].get(event)
    if target is None:
        with pytest.raises(Refused, match=state) as refusal:
            after_sale.moved(before, event, DEFAULTS, LATER)
        assert refusal.value.code is Code.CASE_STATE
        return
    after = after_sale.moved(before, event, DEFAULTS, LATER)
    assert after.state is target
    due = DUE.get(target)
    assert after.deadline == (owed(due[0], LATER, due[1]) if due else None)
    assert after.is_final is (after.ended_at == LATER) is (target in FINAL)
    first_time = target is CaseState.REFUNDING and before.processed_at is None
    assert after.processed_at == (LATER if first_time else before.processed_at)


def test_every_state_but_the_final_ones_leads_to_an_end() -> None:
    leads = {state: set(moves.values()) for state, moves in TRANSITIONS.items()}
    ending = set(FINAL)
    for _ in CaseState:
        ending |= {state for state, targets in leads.items() if targets & ending}
    assert ending == set(CaseState)
    assert sorted(FINAL) == [CaseState.CLOSED, CaseState.COMPLETED, CaseState.REJECTED]


def test_it_was_processed_when_the_refund_was_first_approved() -> None:
    """A second number for a refund that was closed does not start the clock again."""
    case = case_in(CaseState.REFUND_ABNORMAL)
    again = after_sale.moved(case, CaseEvent.REFUND_RETRIED, DEFAULTS, LATER)
    assert (again.state, again.processed_at) == (CaseState.REFUNDING, NOW)


# ---- opened


@pytest.mark.parametrize(
    ("type", "needs_approval", "state"),
    [
        (REFUND_ONLY, False, CaseState.PENDING_MERCHANT),
        (REFUND_ONLY, True, CaseState.PENDING_MERCHANT),
        (RETURN_REFUND, False, CaseState.AWAITING_RETURN),
        (RETURN_REFUND, True, CaseState.PENDING_MERCHANT),
    ],
)
def test_the_first_desk(type: CaseType, needs_approval: bool, state: CaseState) -> None:
    agreed = policies(return_needs_approval=needs_approval)
    case = after_sale.applied(case_in(state, type), agreed)
    assert case.state is state
    assert case.deadline == owed(DUE[state][0], NOW, DUE[state][1])


@pytest.mark.parametrize("reason", ReasonCode)
def test_an_application_becomes_a_case(reason: ReasonCode) -> None:
    asked = order_in(OrderState.AWAITING_SHIPMENT)
    wanted = replace(application(REFUND_ONLY, reason), evidence=("https://e.example/1.jpg",))
    case = after_sale.of_application(asked, wanted, R1, "case-1", LATER)
    assert case == Case(
        case_no="case-1",
        out_trade_no="order-o1",
        merchant_id="m1",
        origin=Origin.BUYER,
        type=REFUND_ONLY,
        reason_code=reason,
        reason="不想要了",
        units=R1,
        responsibility=Party.MERCHANT if reason.claims_quality else Party.BUYER,
        opened_at=LATER,
        state=CaseState.PENDING_MERCHANT,
        transaction_id=TRANSACTION,
        evidence=("https://e.example/1.jpg",),
        deadline=owed("merchant_review", LATER, timedelta(hours=48)),
    )


def test_an_operators_refund_needs_no_review() -> None:
    case = after_sale.of_operator(O1, TRANSACTION, all_units(O1), "case-1", LATER)
    assert (case.origin, case.state, case.type) == (
        Origin.OPERATOR,
        CaseState.REFUNDING,
        REFUND_ONLY,
    )
    assert (case.processed_at, case.deadline) == (LATER, None)
    assert case.responsibility is Party.MERCHANT
    assert not case.origin.is_unowed


@pytest.mark.parametrize(
    ("origin", "type", "rule"),
    [
        (Origin.BUYER, REFUND_ONLY, FreightRule.WHEN_NOTHING_IS_KEPT),
        (Origin.BUYER, RETURN_REFUND, FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE),
        (Origin.OPERATOR, REFUND_ONLY, FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE),
    ],
)
def test_which_freight_rule_a_case_goes_by(
    origin: Origin, type: CaseType, rule: FreightRule
) -> None:
    case = replace(case_in(CaseState.PENDING_PLATFORM, type), origin=origin)
    assert case.freight_rule is rule


# ---- decisions


def said(stage: Stage, approve: bool, reason: str = "", party: Party | None = None) -> Decision:
    return Decision(stage, approve, reason, responsibility=party)


@pytest.mark.parametrize(
    ("stage", "type", "approve", "event", "target"),
    [
        (
            Stage.MERCHANT,
            REFUND_ONLY,
            True,
            CaseEvent.MERCHANT_APPROVED,
            CaseState.PENDING_PLATFORM,
        ),
        (Stage.MERCHANT, RETURN_REFUND, True, CaseEvent.RETURN_APPROVED, CaseState.AWAITING_RETURN),
        (Stage.MERCHANT, REFUND_ONLY, False, CaseEvent.MERCHANT_REJECTED, CaseState.REJECTED),
        (Stage.MERCHANT, RETURN_REFUND, False, CaseEvent.MERCHANT_REJECTED, CaseState.REJECTED),
        (
            Stage.RECEIPT,
            RETURN_REFUND,
            True,
            CaseEvent.RECEIPT_ACCEPTED,
            CaseState.PENDING_PLATFORM,
        ),
        (Stage.RECEIPT, RETURN_REFUND, False, CaseEvent.RECEIPT_REFUSED, CaseState.REJECTED),
        (Stage.PLATFORM, RETURN_REFUND, True, CaseEvent.PLATFORM_APPROVED, CaseState.REFUNDING),
        (Stage.PLATFORM, REFUND_ONLY, False, CaseEvent.PLATFORM_REJECTED, CaseState.REJECTED),
    ],
)
def test_a_decision_at_its_desk(
    stage: Stage, type: CaseType, approve: bool, event: CaseEvent, target: CaseState
) -> None:
    case = replace(case_in(DESKS[stage], type), approved_in_person=False)
    decision = said(stage, approve, "" if approve else "与描述一致")
    assert after_sale.decision_event(case, decision) is event
    after = decided(case, decision, DEFAULTS, LATER)
    assert after.state is target
    assert after.approved_in_person is (approve and target is CaseState.PENDING_PLATFORM)


@pytest.mark.parametrize(("stage", "state"), list(product(Stage, CaseState)))
@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_at_another_desk_changes_nothing(
    stage: Stage, state: CaseState, approve: bool
) -> None:
    case = case_in(state)
    if state is DESKS[stage]:
        assert decided(case, said(stage, approve, "与描述一致"), DEFAULTS, LATER) != case
        return
    with pytest.raises(Refused, match=f"{state}: not at the {stage} desk") as refusal:
        decided(case, said(stage, approve, "与描述一致"), DEFAULTS, LATER)
    assert refusal.value.code is Code.CASE_STATE


@pytest.mark.parametrize("reason", ["", " ", "x", " x ", "长" * 231])
@pytest.mark.parametrize("stage", Stage)
def test_a_rejection_without_a_reason_changes_nothing(stage: Stage, reason: str) -> None:
    case = case_in(DESKS[stage])
    with pytest.raises(Refused, match=r"^reason: 2 to 230") as refusal:
        decided(case, said(stage, False, reason), DEFAULTS, LATER)
    assert (refusal.value.code, refusal.value.field) == (Code.REASON_REQUIRED, "reason")
    assert decided(case, said(stage, True, reason), DEFAULTS, LATER).state is not case.state


@pytest.mark.parametrize(
    ("reason", "checked"), [("不行", "不行"), (" ok ", "ok"), ("长" * 230, "长" * 230)]
)
def test_a_reason_that_says_something(reason: str, checked: str) -> None:
    assert after_sale.checked_reason(reason) == checked


@pytest.mark.parametrize(
    ("approve", "party", "responsible"),
    [
        (True, Party.MERCHANT, Party.MERCHANT),
        (True, Party.BUYER, Party.BUYER),
        (True, None, Party.BUYER),
        (False, Party.MERCHANT, Party.BUYER),
    ],
)
def test_who_is_responsible(approve: bool, party: Party | None, responsible: Party) -> None:
    case = case_in(CaseState.AWAITING_RECEIPT, responsibility=Party.BUYER)
    after = decided(case, said(Stage.RECEIPT, approve, "验过了", party), DEFAULTS, LATER)
    assert after.responsibility is responsible


# ---- sent back, withdrawn, on its way already


def test_the_goods_are_on_their_way_back() -> None:
    case = after_sale.sent_back(case_in(CaseState.AWAITING_RETURN), PARCEL, DEFAULTS, LATER)
    assert (case.state, case.parcel) == (CaseState.AWAITING_RECEIPT, PARCEL)


@pytest.mark.parametrize(
    ("type", "state"),
    [
        *((RETURN_REFUND, state) for state in CaseState),
        *((REFUND_ONLY, state) for state in CaseState if state not in RETURNING),
    ],
)
def test_withdrawn_until_goods_or_money_are_on_their_way(type: CaseType, state: CaseState) -> None:
    case = case_in(state, type)
    can = {CaseState.PENDING_MERCHANT, CaseState.AWAITING_RETURN}
    if type is REFUND_ONLY:
        can.add(CaseState.PENDING_PLATFORM)
    if state in can:
        assert after_sale.withdrawn(case, DEFAULTS, LATER).state is CaseState.CLOSED
        return
    with pytest.raises(Refused) as refusal:
        after_sale.withdrawn(case, DEFAULTS, LATER)
    assert refusal.value.code is Code.CASE_STATE


@pytest.mark.parametrize("state", [CaseState.PENDING_MERCHANT, CaseState.PENDING_PLATFORM])
def test_a_parcel_that_had_left_must_come_back_first(state: CaseState) -> None:
    case = case_in(state, REFUND_ONLY, breached_at=NOW)
    after = after_sale.became_return(case, DEFAULTS, LATER)
    assert (after.state, after.type) == (CaseState.AWAITING_RETURN, RETURN_REFUND)
    assert not after.approved_in_person
    assert after.freight_rule is FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE


# ---- time


@pytest.mark.parametrize("state", DUE)
def test_extended_by_a_reason_and_an_instant(state: CaseState) -> None:
    case = case_in(state)
    until = NOW + timedelta(days=30)
    after = after_sale.extended(case, until, "春节", LATER)
    assert after == replace(case, deadline=owed(DUE[state][0], LATER, until - LATER))


def test_a_missed_deadline_that_is_extended_runs_again() -> None:
    case = case_in(CaseState.PENDING_PLATFORM)
    late = after_sale.clock_passed(case, CaseEvent.PLATFORM_BREACHED, DEFAULTS, LATER)
    after = after_sale.extended(late, NOW + timedelta(days=3), "系统故障", LATER)
    assert after.deadline is not None
    assert not after.deadline.passed
    assert after.breached_at == LATER


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (LATER, NOW + timedelta(hours=24)),
        (LATER, NOW + timedelta(hours=24) - SECOND),
        (LATER, LATER),
        (NOW + timedelta(hours=25), NOW + timedelta(hours=25)),
    ],
)
def test_an_extension_that_is_none(now: datetime, until: datetime) -> None:
    case = case_in(CaseState.PENDING_PLATFORM)
    with pytest.raises(Refused) as refusal:
        after_sale.extended(case, until, "春节", now)
    assert (refusal.value.code, refusal.value.field) == (Code.INVALID_FIELD, "until")


Act = Callable[[Case], Case]
ACTS: Mapping[str, Act] = {
    "extend": lambda case: after_sale.extended(case, NOW + timedelta(days=99), "春节", LATER),
    "expire": lambda case: after_sale.expired(case, LATER),
}


@pytest.mark.parametrize("state", sorted(set(CaseState) - set(DUE)))
@pytest.mark.parametrize("act", ACTS)
def test_where_no_deadline_runs(act: str, state: CaseState) -> None:
    with pytest.raises(Refused, match=state) as refusal:
        ACTS[act](case_in(state))
    assert refusal.value.code is Code.NO_DEADLINE


def test_an_extension_needs_a_reason() -> None:
    with pytest.raises(Refused) as refusal:
        after_sale.extended(
            case_in(CaseState.PENDING_PLATFORM), NOW + timedelta(days=9), " ", LATER
        )
    assert refusal.value.code is Code.REASON_REQUIRED


def test_a_deadline_can_be_made_to_pass_now_but_only_once() -> None:
    expired = after_sale.expired(case_in(CaseState.PENDING_PLATFORM), LATER)
    assert expired.deadline == Deadline("platform_process", LATER)
    late = after_sale.clock_passed(expired, CaseEvent.PLATFORM_BREACHED, DEFAULTS, LATER)
    with pytest.raises(Refused) as refusal:
        after_sale.expired(late, LATER)
    assert refusal.value.code is Code.NO_DEADLINE


@pytest.mark.parametrize("state", CaseState)
def test_people_are_reminded_where_they_owe_something(state: CaseState) -> None:
    case = case_in(state)
    alarm_at = case.deadline.alarm_at if case.deadline else None
    assert (alarm_at is not None) is (state in DUE)
    reminded = after_sale.alarmed(case)
    assert reminded == (
        replace(case, deadline=replace(case.deadline, alarm_at=None)) if case.deadline else case
    )


LIMIT = DEFAULTS.auto_process_limit
SILENT: list[tuple[CaseState, CaseType, bool, int, CaseEvent, CaseState]] = [
    (
        CaseState.PENDING_MERCHANT,
        REFUND_ONLY,
        False,
        LIMIT + 1,
        CaseEvent.MERCHANT_SILENT,
        CaseState.PENDING_PLATFORM,
    ),
    (
        CaseState.PENDING_MERCHANT,
        RETURN_REFUND,
        False,
        LIMIT + 1,
        CaseEvent.RETURN_MERCHANT_SILENT,
        CaseState.AWAITING_RETURN,
    ),
    (
        CaseState.AWAITING_RETURN,
        RETURN_REFUND,
        True,
        1,
        CaseEvent.RETURN_OVERDUE,
        CaseState.CLOSED,
    ),
    (
        CaseState.AWAITING_RECEIPT,
        RETURN_REFUND,
        False,
        LIMIT + 1,
        CaseEvent.RECEIPT_SILENT,
        CaseState.PENDING_PLATFORM,
    ),
    *(
        (
            CaseState.PENDING_PLATFORM,
            type,
            in_person,
            fen,
            CaseEvent.PLATFORM_AUTO_PROCESSED if processes else CaseEvent.PLATFORM_BREACHED,
            CaseState.REFUNDING if processes else CaseState.PENDING_PLATFORM,
        )
        for type in CaseType
        for in_person, fen, processes in (
            (True, LIMIT, True),
            (True, 0, True),
            (True, LIMIT + 1, False),
            (False, LIMIT, False),
            (False, LIMIT + 1, False),
        )
    ),
]


@pytest.mark.parametrize(("state", "type", "in_person", "fen", "event", "target"), SILENT)
def test_when_nobody_acted_in_time(
    state: CaseState,
    type: CaseType,
    in_person: bool,
    fen: int,
    event: CaseEvent,
    target: CaseState,
) -> None:
    case = case_in(state, type, approved_in_person=in_person)
    assert clock_event(case, DEFAULTS, fen) is event
    after = after_sale.clock_passed(case, event, DEFAULTS, LATER)
    assert after.state is target
    assert after.approved_in_person is in_person
    assert after.responsibility is case.responsibility
    if event is CaseEvent.PLATFORM_BREACHED:
        assert after.breached_at == LATER
        assert after.deadline == Deadline("platform_process", NOW + DUE[state][1], passed=True)


@pytest.mark.parametrize(
    ("at", "is_late"), [(-SECOND, False), (timedelta(0), True), (SECOND, True)]
)
def test_an_action_a_second_before_at_and_after_the_deadline(at: timedelta, is_late: bool) -> None:
    case = case_in(CaseState.PENDING_PLATFORM)
    now = NOW + DUE[case.state][1] + at
    if is_late:
        with pytest.raises(Refused, match="platform_process ended at 2026-03-03T09:00:00") as late:
            after_sale.check_in_time(case, now)
        assert late.value.code is Code.DEADLINE_PASSED
        case = after_sale.clock_passed(case, CaseEvent.PLATFORM_BREACHED, DEFAULTS, now)
    after_sale.check_in_time(case, now)
    assert decided(case, said(Stage.PLATFORM, True), DEFAULTS, now).state is CaseState.REFUNDING


@pytest.mark.parametrize("state", [*RETURNING, CaseState.COMPLETED])
def test_where_no_deadline_is_over_everybody_is_in_time(state: CaseState) -> None:
    case = case_in(state)
    after_sale.check_in_time(case, NOW)
    assert case.left_by_clock is None


def test_who_comes_just_too_late_is_told_that_the_clock_decided() -> None:
    """Until the case goes on: from then on such an action is out of place, not late."""
    silent = case_in(CaseState.AWAITING_RECEIPT)
    case = after_sale.clock_passed(silent, CaseEvent.RECEIPT_SILENT, DEFAULTS, LATER)
    rejected = decided(case, said(Stage.PLATFORM, False, "与描述一致"), DEFAULTS, LATER)
    codes = []
    for now in (case, rejected):
        with pytest.raises(Refused, match=now.state) as refusal:
            decided(now, said(Stage.RECEIPT, True), DEFAULTS, LATER)
        codes.append(refusal.value.code)
    assert codes == [Code.DEADLINE_PASSED, Code.CASE_STATE]
    with pytest.raises(Refused) as refusal:
        after_sale.sent_back(case, PARCEL, DEFAULTS, LATER)
    assert refusal.value.code is Code.CASE_STATE


def test_silence_never_counts_as_an_approval_in_person() -> None:
    """A merchant who never answered leaves the platform's last word to a person."""
    case = case_in(CaseState.AWAITING_RECEIPT)
    after = after_sale.clock_passed(case, CaseEvent.RECEIPT_SILENT, DEFAULTS, LATER)
    assert clock_event(after, DEFAULTS, refund_fee=1) is CaseEvent.PLATFORM_BREACHED


def test_the_first_breach_is_the_one_that_is_recorded() -> None:
    case = case_in(CaseState.PENDING_PLATFORM, breached_at=NOW)
    after = after_sale.clock_passed(case, CaseEvent.PLATFORM_BREACHED, DEFAULTS, LATER)
    assert after.breached_at == NOW


def test_the_usual_way_leads_through_every_desk() -> None:
    case, seen = case_in(CaseState.PENDING_MERCHANT), []
    while not case.is_final:
        case = AHEAD[case.state](case, DEFAULTS, LATER)
        seen.append(case.state)
    assert seen == [
        CaseState.AWAITING_RETURN,
        CaseState.AWAITING_RECEIPT,
        CaseState.PENDING_PLATFORM,
        CaseState.REFUNDING,
        CaseState.COMPLETED,
    ]
    assert case.approved_in_person
