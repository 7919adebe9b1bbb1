"""An after-sale case (售后单): its states, who may move it, and what the clock does instead."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain import deadline as deadlines
from domain.allocation import FreightRule, Party, Units
from domain.deadline import Deadline
from domain.order import Application, CaseType, Order, ReasonCode
from domain.policy import Policies
from domain.refusals import Code, Refused
from domain.terms import Terms

REASON_MIN, REASON_MAX = 2, 230


class CaseState(StrEnum):
    """Where a case stands."""

    PENDING_MERCHANT = "PENDING_MERCHANT"
    AWAITING_RETURN = "AWAITING_RETURN"
    AWAITING_RECEIPT = "AWAITING_RECEIPT"
    PENDING_PLATFORM = "PENDING_PLATFORM"
    REFUNDING = "REFUNDING"
    REFUND_ABNORMAL = "REFUND_ABNORMAL"
    REJECTED = "REJECTED"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"


class Origin(StrEnum):
    """Who asked for the refund."""

    BUYER = "BUYER"
    OPERATOR = "OPERATOR"
    LATE_PAYMENT = "LATE_PAYMENT"
    """Money for an order that was closed before."""
    SECOND_PAYMENT = "SECOND_PAYMENT"
    """Money for an order that was paid already."""

    @property
    def is_unowed(self) -> bool:
        """Whether the money itself should never have come in."""
        return self in (Origin.LATE_PAYMENT, Origin.SECOND_PAYMENT)


class CaseEvent(StrEnum):
    """What moves a case from one state to another."""

    MERCHANT_APPROVED = "MERCHANT_APPROVED"
    RETURN_APPROVED = "RETURN_APPROVED"
    MERCHANT_REJECTED = "MERCHANT_REJECTED"
    MERCHANT_SILENT = "MERCHANT_SILENT"
    RETURN_MERCHANT_SILENT = "RETURN_MERCHANT_SILENT"
    PARCEL_HAD_LEFT = "PARCEL_HAD_LEFT"
    RETURN_SHIPPED = "RETURN_SHIPPED"
    RETURN_OVERDUE = "RETURN_OVERDUE"
    RECEIPT_ACCEPTED = "RECEIPT_ACCEPTED"
    RECEIPT_REFUSED = "RECEIPT_REFUSED"
    RECEIPT_SILENT = "RECEIPT_SILENT"
    PLATFORM_APPROVED = "PLATFORM_APPROVED"
    PLATFORM_REJECTED = "PLATFORM_REJECTED"
    PLATFORM_AUTO_PROCESSED = "PLATFORM_AUTO_PROCESSED"
    PLATFORM_BREACHED = "PLATFORM_BREACHED"
    WITHDRAWN = "WITHDRAWN"
    REFUND_STUCK = "REFUND_STUCK"
    REFUND_RETRIED = "REFUND_RETRIED"
    REFUND_SUCCEEDED = "REFUND_SUCCEEDED"
    SETTLED_OFFLINE = "SETTLED_OFFLINE"
    NOTHING_TO_REFUND = "NOTHING_TO_REFUND"


UNOWED: Mapping[Origin, str] = {
    Origin.LATE_PAYMENT: "paid after the order was closed",
    Origin.SECOND_PAYMENT: "paid a second time",
}

_S, _E = CaseState, CaseEvent

TRANSITIONS: Mapping[CaseState, Mapping[CaseEvent, CaseState]] = {
    _S.PENDING_MERCHANT: {
        _E.MERCHANT_APPROVED: _S.PENDING_PLATFORM,
        _E.RETURN_APPROVED: _S.AWAITING_RETURN,
        _E.MERCHANT_REJECTED: _S.REJECTED,
        _E.MERCHANT_SILENT: _S.PENDING_PLATFORM,
        _E.RETURN_MERCHANT_SILENT: _S.AWAITING_RETURN,
        _E.PARCEL_HAD_LEFT: _S.AWAITING_RETURN,
        _E.WITHDRAWN: _S.CLOSED,
    },
    _S.AWAITING_RETURN: {
        _E.RETURN_SHIPPED: _S.AWAITING_RECEIPT,
        _E.RETURN_OVERDUE: _S.CLOSED,
        _E.WITHDRAWN: _S.CLOSED,
    },
    _S.AWAITING_RECEIPT: {
        _E.RECEIPT_ACCEPTED: _S.PENDING_PLATFORM,
        _E.RECEIPT_REFUSED: _S.REJECTED,
        _E.RECEIPT_SILENT: _S.PENDING_PLATFORM,
    },
    _S.PENDING_PLATFORM: {
        _E.PLATFORM_APPROVED: _S.REFUNDING,
        _E.PLATFORM_REJECTED: _S.REJECTED,
        _E.PLATFORM_AUTO_PROCESSED: _S.REFUNDING,
        _E.PLATFORM_BREACHED: _S.PENDING_PLATFORM,
        _E.PARCEL_HAD_LEFT: _S.AWAITING_RETURN,
        _E.WITHDRAWN: _S.CLOSED,
    },
    _S.REFUNDING: {
        _E.REFUND_SUCCEEDED: _S.COMPLETED,
        _E.REFUND_STUCK: _S.REFUND_ABNORMAL,
        _E.NOTHING_TO_REFUND: _S.COMPLETED,
    },
    _S.REFUND_ABNORMAL: {
        _E.REFUND_SUCCEEDED: _S.COMPLETED,
        _E.REFUND_RETRIED: _S.REFUNDING,
        _E.SETTLED_OFFLINE: _S.COMPLETED,
    },
    _S.REJECTED: {},
    _S.COMPLETED: {},
    _S.CLOSED: {},
}
"""Drawn in docs/flows.md."""

FINAL = frozenset(state for state, moves in TRANSITIONS.items() if not moves)


class Stage(StrEnum):
    """At which desk a decision is made."""

    MERCHANT = "merchant"
    RECEIPT = "receipt"
    PLATFORM = "platform"


DESKS: Mapping[Stage, CaseState] = {
    Stage.MERCHANT: CaseState.PENDING_MERCHANT,
    Stage.RECEIPT: CaseState.AWAITING_RECEIPT,
    Stage.PLATFORM: CaseState.PENDING_PLATFORM,
}


@dataclass(frozen=True)
class Decision:
    """One answer at one desk, from the console, REST or a signal."""

    stage: Stage
    approve: bool
    reason: str = ""
    reason_code: str = ""
    responsibility: Party | None = None


@dataclass(frozen=True)
class Parcel:
    """Goods on their way back."""

    carrier: str
    tracking_no: str


@dataclass(frozen=True)
class Case:
    """A case as its workflow holds it; what it comes to is worked out beside the books."""

    case_no: str
    out_trade_no: str
    merchant_id: str
    origin: Origin
    type: CaseType
    reason_code: ReasonCode
    reason: str
    units: Units
    responsibility: Party
    opened_at: datetime
    state: CaseState
    transaction_id: str
    evidence: tuple[str, ...] = ()
    deadline: Deadline | None = None
    approved_in_person: bool = False
    """The merchant itself, not the clock, has handed the case on to the platform."""
    breached_at: datetime | None = None
    processed_at: datetime | None = None
    ended_at: datetime | None = None
    parcel: Parcel | None = None
    left_by_clock: CaseState | None = None
    """The state that the case left last, if nobody had acted there in time."""

    @property
    def is_final(self) -> bool:
        """Whether the case is decided for good."""
        return self.state in FINAL

    @property
    def freight_rule(self) -> FreightRule:
        """When this case gives the freight back."""
        if self.origin is Origin.OPERATOR or self.type is CaseType.RETURN_REFUND:
            return FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE
        return FreightRule.WHEN_NOTHING_IS_KEPT


def applied(case: Case, policies: Policies) -> Case:
    """A buyer's new case at its first desk, with that desk's deadline."""
    if case.type is CaseType.RETURN_REFUND and not policies.return_needs_approval:
        return _entered(replace(case, state=CaseState.AWAITING_RETURN), policies, case.opened_at)
    return _entered(replace(case, state=CaseState.PENDING_MERCHANT), policies, case.opened_at)


def of_application(
    order: Order, application: Application, units: Units, case_no: str, now: datetime
) -> Case:
    """The case that a buyer's application opens."""
    quality = application.reason_code.claims_quality
    case = Case(
        case_no=case_no,
        out_trade_no=order.terms.out_trade_no,
        merchant_id=order.terms.merchant_id,
        origin=Origin.BUYER,
        type=application.type,
        reason_code=application.reason_code,
        reason=application.reason,
        units=units,
        responsibility=Party.MERCHANT if quality else Party.BUYER,
        opened_at=now,
        state=CaseState.PENDING_MERCHANT,
        transaction_id=order.transaction_id,
        evidence=application.evidence,
    )
    return applied(case, order.terms.policies)


def of_operator(
    terms: Terms, transaction_id: str, units: Units, case_no: str, now: datetime
) -> Case:
    """The case that refunds what is left of an order at once, at nobody's cost but the merchant's.

    Whether goods were sent makes no difference: nothing has to come back.
    """
    return Case(
        case_no=case_no,
        out_trade_no=terms.out_trade_no,
        merchant_id=terms.merchant_id,
        origin=Origin.OPERATOR,
        type=CaseType.REFUND_ONLY,
        reason_code=ReasonCode.OTHER,
        reason="refund of all that is left",
        units=units,
        responsibility=Party.MERCHANT,
        opened_at=now,
        processed_at=now,
        state=CaseState.REFUNDING,
        transaction_id=transaction_id,
    )


def of_payment(
    case_no: str, terms: Terms, transaction_id: str, origin: Origin, now: datetime
) -> Case:
    """The case that sends back a payment that nobody owed."""
    case = of_operator(terms, transaction_id, (), case_no, now)
    return replace(case, origin=origin, reason=UNOWED[origin])


def decided(case: Case, decision: Decision, policies: Policies, now: datetime) -> Case:
    """The case after an approval or a rejection at the desk where it lies; raises Refused."""
    if case.state is not DESKS[decision.stage]:
        raise _refusal(case, (DESKS[decision.stage],), f"not at the {decision.stage} desk")
    event = decision_event(case, decision)
    if event in (CaseEvent.MERCHANT_APPROVED, CaseEvent.RECEIPT_ACCEPTED):
        case = replace(case, approved_in_person=True)
    if decision.approve and decision.responsibility is not None:
        case = replace(case, responsibility=decision.responsibility)
    return moved(case, event, policies, now)


def decision_event(case: Case, decision: Decision) -> CaseEvent:
    """What a decision means for this case; raises Refused without the reason it needs."""
    if not decision.approve:
        checked_reason(decision.reason)
        return {
            Stage.MERCHANT: CaseEvent.MERCHANT_REJECTED,
            Stage.RECEIPT: CaseEvent.RECEIPT_REFUSED,
            Stage.PLATFORM: CaseEvent.PLATFORM_REJECTED,
        }[decision.stage]
    if decision.stage is Stage.MERCHANT and case.type is CaseType.RETURN_REFUND:
        return CaseEvent.RETURN_APPROVED
    return {
        Stage.MERCHANT: CaseEvent.MERCHANT_APPROVED,
        Stage.RECEIPT: CaseEvent.RECEIPT_ACCEPTED,
        Stage.PLATFORM: CaseEvent.PLATFORM_APPROVED,
    }[decision.stage]


def checked_reason(reason: str) -> str:
    """A reason that says something; raises Refused."""
    if not REASON_MIN <= len(reason.strip()) <= REASON_MAX:
        raise Refused(
            Code.REASON_REQUIRED,
            f"reason: {REASON_MIN} to {REASON_MAX} characters are needed",
            "reason",
        )
    return reason.strip()


def sent_back(case: Case, parcel: Parcel, policies: Policies, now: datetime) -> Case:
    """The buyer has sent the goods back."""
    return replace(moved(case, CaseEvent.RETURN_SHIPPED, policies, now), parcel=parcel)


def withdrawn(case: Case, policies: Policies, now: datetime) -> Case:
    """The buyer takes the application back; not once goods are on their way or money is."""
    if case.parcel is not None:
        raise Refused(Code.CASE_STATE, "the goods are sent back already: too late to withdraw")
    return moved(case, CaseEvent.WITHDRAWN, policies, now)


def became_return(case: Case, policies: Policies, now: datetime) -> Case:
    """The parcel had left before the refund: the goods must come back first."""
    after = moved(case, CaseEvent.PARCEL_HAD_LEFT, policies, now)
    return replace(after, type=CaseType.RETURN_REFUND, approved_in_person=False)


def extended(case: Case, until: datetime, reason: str, now: datetime) -> Case:
    """The same desk, with more time; raises Refused."""
    checked_reason(reason)
    if case.deadline is None:
        raise Refused(Code.NO_DEADLINE, f"the case is {case.state}: no deadline is running")
    if until <= max(now, case.deadline.at):
        raise Refused(Code.INVALID_FIELD, "until: must be later than the deadline now", "until")
    return replace(case, deadline=deadlines.owed(case.deadline.policy, now, until - now))


def expired(case: Case, now: datetime) -> Case:
    """The current deadline passes now."""
    if case.deadline is None or case.deadline.passed:
        raise Refused(Code.NO_DEADLINE, f"the case is {case.state}: no deadline is running")
    return replace(case, deadline=deadlines.brought_forward(case.deadline, now))


def alarmed(case: Case) -> Case:
    """The case after its people were reminded."""
    return replace(case, deadline=case.deadline and deadlines.alarmed(case.deadline))


def clock_event(case: Case, policies: Policies, refund_fee: int) -> CaseEvent:
    """What happens when nobody acted in time; `refund_fee` is what the case comes to, in fen."""
    if case.state is CaseState.PENDING_MERCHANT:
        is_return = case.type is CaseType.RETURN_REFUND
        return CaseEvent.RETURN_MERCHANT_SILENT if is_return else CaseEvent.MERCHANT_SILENT
    if case.state is CaseState.AWAITING_RETURN:
        return CaseEvent.RETURN_OVERDUE
    if case.state is CaseState.AWAITING_RECEIPT:
        return CaseEvent.RECEIPT_SILENT
    may_process = case.approved_in_person and refund_fee <= policies.auto_process_limit
    return CaseEvent.PLATFORM_AUTO_PROCESSED if may_process else CaseEvent.PLATFORM_BREACHED


def clock_passed(case: Case, event: CaseEvent, policies: Policies, now: datetime) -> Case:
    """The case after its deadline passed without an answer."""
    if event is CaseEvent.PLATFORM_BREACHED:
        late = case.deadline and deadlines.missed(case.deadline)
        return replace(case, deadline=late, breached_at=case.breached_at or now)
    return replace(moved(case, event, policies, now), left_by_clock=case.state)


def moved(case: Case, event: CaseEvent, policies: Policies, now: datetime) -> Case:
    """The case in the state that the event leads to; raises Refused where it leads nowhere."""
    target = TRANSITIONS[case.state].get(event)
    if target is None:
        meant = tuple(state for state, moves in TRANSITIONS.items() if event in moves)
        raise _refusal(case, meant, "not possible")
    return _entered(replace(case, state=target, left_by_clock=None), policies, now)


def check_in_time(case: Case, now: datetime) -> None:
    """Raises Refused at a desk whose deadline is over: the clock decides there."""
    due = case.deadline
    if due and not due.passed and due.is_over(now):
        detail = f"{due.policy} ended at {due.at.isoformat()}: the clock decides"
        raise Refused(Code.DEADLINE_PASSED, detail)


def _refusal(case: Case, meant: tuple[CaseState, ...], detail: str) -> Refused:
    """Too late for what was possible in the states that were meant, or never possible."""
    late = case.left_by_clock in meant
    code = Code.DEADLINE_PASSED if late else Code.CASE_STATE
    said = "nobody acted in time, and the clock decided" if late else detail
    return Refused(code, f"the case is {case.state}: {said}")


def _entered(case: Case, policies: Policies, now: datetime) -> Case:
    lengths = {
        CaseState.PENDING_MERCHANT: ("merchant_review", policies.merchant_review),
        CaseState.AWAITING_RETURN: ("buyer_return", policies.buyer_return),
        CaseState.AWAITING_RECEIPT: ("merchant_receipt", policies.merchant_receipt),
        CaseState.PENDING_PLATFORM: ("platform_process", policies.platform_process),
    }
    due = lengths.get(case.state)
    case = replace(case, deadline=deadlines.owed(due[0], now, due[1]) if due else None)
    if case.state is CaseState.REFUNDING and case.processed_at is None:
        case = replace(case, processed_at=now)
    return replace(case, ended_at=now) if case.is_final else case
