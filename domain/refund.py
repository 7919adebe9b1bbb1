"""One movement of money back to the buyer, under one number that never changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.refusals import Code, Refused

REFUNDS_MAX = 50
"""Refunds that WeChat Pay takes for one order."""

REFUNDABLE_FOR = timedelta(days=365)
"""After its payment; WeChat Pay refuses later ones."""


class RefundState(StrEnum):
    """Where a refund stands; accepted is not refunded."""

    CREATED = "CREATED"
    SUBMITTING = "SUBMITTING"
    PROCESSING = "PROCESSING"
    UNKNOWN = "UNKNOWN"
    SUCCEEDED = "SUCCEEDED"
    ABNORMAL = "ABNORMAL"
    CLOSED = "CLOSED"
    MANUAL_SETTLED = "MANUAL_SETTLED"


class RefundEvent(StrEnum):
    """What moves a refund from one state to another."""

    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    REFUSED = "REFUSED"
    SUCCEEDED = "SUCCEEDED"
    ABNORMAL = "ABNORMAL"
    CLOSED = "CLOSED"
    SETTLED_OFFLINE = "SETTLED_OFFLINE"


_S, _E = RefundState, RefundEvent

_TOLD_BY_WECHAT: Mapping[RefundEvent, RefundState] = {
    _E.ACCEPTED: _S.PROCESSING,
    _E.SUCCEEDED: _S.SUCCEEDED,
    _E.ABNORMAL: _S.ABNORMAL,
    _E.CLOSED: _S.CLOSED,
}

TRANSITIONS: Mapping[RefundState, Mapping[RefundEvent, RefundState]] = {
    _S.CREATED: {_E.SUBMITTED: _S.SUBMITTING},
    _S.SUBMITTING: {
        **_TOLD_BY_WECHAT,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
        _E.REFUSED: _S.CLOSED,
    },
    _S.UNKNOWN: {
        **_TOLD_BY_WECHAT,
        _E.SUBMITTED: _S.SUBMITTING,
        _E.REFUSED: _S.CLOSED,
    },
    _S.PROCESSING: {
        _E.SUCCEEDED: _S.SUCCEEDED,
        _E.ABNORMAL: _S.ABNORMAL,
        _E.CLOSED: _S.CLOSED,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
    _S.ABNORMAL: {
        _E.ACCEPTED: _S.PROCESSING,
        _E.SUCCEEDED: _S.SUCCEEDED,
        _E.CLOSED: _S.CLOSED,
        _E.SETTLED_OFFLINE: _S.MANUAL_SETTLED,
    },
    _S.CLOSED: {
        _E.SUCCEEDED: _S.SUCCEEDED,
        _E.SETTLED_OFFLINE: _S.MANUAL_SETTLED,
    },
    _S.MANUAL_SETTLED: {_E.SUCCEEDED: _S.SUCCEEDED},
    _S.SUCCEEDED: {},
}
"""Drawn in docs/flows.md. A late SUCCEEDED beats whatever was believed before."""

UNSETTLED = frozenset({RefundState.CREATED, RefundState.SUBMITTING, RefundState.UNKNOWN})
"""WeChat Pay is not known to have taken it."""

STUCK = frozenset({RefundState.ABNORMAL, RefundState.CLOSED})
"""A person decides what happens next."""

GIVEN_UP = frozenset({RefundState.CLOSED, RefundState.MANUAL_SETTLED})
"""Nobody expects WeChat Pay to move the money any more."""


@dataclass(frozen=True)
class Intent:
    """What is to be refunded; stored before the first call and the same for ever. Fen."""

    out_refund_no: str
    out_trade_no: str
    transaction_id: str
    case_no: str
    merchant_id: str
    refund_fee: int
    total_fee: int
    reason: str
    not_before: datetime
    """Its place in the queue of this order's refunds."""
    sub_mch_id: str = ""


@dataclass(frozen=True)
class Refund:
    """A refund as its workflow holds it."""

    intent: Intent
    state: RefundState = RefundState.CREATED
    refund_id: str = ""
    problem: str = ""
    """WeChat Pay's last words against it."""
    accepted_at: datetime | None = None
    succeeded_at: datetime | None = None
    replaced: bool = False
    """Another number, or a payment offline, has taken its place."""


def refund_number(case_no: str, count: int) -> str:
    """The number of a case's `count`-th refund, from 1."""
    return f"{case_no}-{count}"


def made_at_wechat(
    out_refund_no: str,
    out_trade_no: str,
    transaction_id: str,
    refund_fee: int,
    total_fee: int,
    now: datetime,
) -> Intent:
    """A refund that is not of ours, as one that staff made by hand at WeChat; fen."""
    return Intent(
        out_refund_no=out_refund_no,
        out_trade_no=out_trade_no,
        transaction_id=transaction_id,
        case_no="",
        merchant_id="",
        refund_fee=refund_fee,
        total_fee=total_fee,
        reason="made in WeChat Pay's merchant console",
        not_before=now,
    )


def moved(refund: Refund, event: RefundEvent, problem: str = "") -> Refund:
    """The refund in the state that the event leads to; raises Refused where it leads nowhere."""
    target = TRANSITIONS[refund.state].get(event)
    if target is None:
        raise Refused(Code.REFUND_STATE, f"the refund is {refund.state}: not possible")
    return replace(refund, state=target, problem=problem)


def refused(refund: Refund, problem: str) -> Refund:
    """A refund that must not even be submitted."""
    return replace(refund, state=RefundState.CLOSED, problem=problem)


def identified(refund: Refund, refund_id: str, now: datetime) -> Refund:
    """WeChat Pay knows it by a number of its own: it was accepted."""
    accepted_at = refund.accepted_at or now
    return replace(refund, refund_id=refund_id or refund.refund_id, accepted_at=accepted_at)


def dated(refund: Refund, succeeded_at: datetime) -> Refund:
    """When the money was back, as WeChat Pay says."""
    return replace(refund, succeeded_at=succeeded_at)


def replaced(refund: Refund) -> Refund:
    """Settled in another way; it may only be watched."""
    return replace(refund, replaced=True)
