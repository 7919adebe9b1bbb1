"""What waits for people: cases at their desks, refunds that are stuck, incidents, open days."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from db import views
from db.tables import CaseRow, Event, Incident, Reconciliation, RefundRow
from db.views import View, instant
from domain.after_sale import CaseState
from domain.reconciliation import DayState
from domain.refund import RefundState
from domain.timeline import Subject

SHOWN_MAX = 200
UNKNOWN_FOR = timedelta(minutes=10)
NOT_BACK_FOR = timedelta(hours=24)

_UNCLEAR = (RefundState.UNKNOWN, RefundState.SUBMITTING)
_STUCK = (RefundState.ABNORMAL, RefundState.CLOSED)
_SETTLEMENT = ("OFFLINE_SETTLEMENT_PROPOSED", "OFFLINE_SETTLEMENT_CONFIRMED")


def at_desks(session: Session, states: Sequence[CaseState], merchant_id: str = "") -> list[View]:
    """Cases in these states, the most urgent first."""
    query = select(CaseRow).where(col(CaseRow.state).in_(states))
    if merchant_id:
        query = query.where(col(CaseRow.merchant_id) == merchant_id)
    query = query.order_by(col(CaseRow.deadline_at), col(CaseRow.case_no)).limit(SHOWN_MAX)
    return [views.case_summary(row) for row in session.exec(query)]


def troubled_refunds(session: Session, now: datetime, merchant_id: str = "") -> list[View]:
    """Refunds that are unknown for long, not back after a day, or wait for a person to decide.

    A closed one counts while its case waits for it and no other number has taken its place.
    """
    state = col(RefundRow.state)
    unclear = and_(state.in_(_UNCLEAR), col(RefundRow.not_before) <= now - UNKNOWN_FOR)
    slow = and_(state == RefundState.PROCESSING, col(RefundRow.accepted_at) <= now - NOT_BACK_FOR)
    later = aliased(RefundRow)
    replaced = exists().where(
        col(later.case_no) == col(RefundRow.case_no),
        col(later.created_at) > col(RefundRow.created_at),
    )
    waiting = select(CaseRow.case_no).where(col(CaseRow.state) == CaseState.REFUND_ABNORMAL)
    stuck = and_(state.in_(_STUCK), col(RefundRow.case_no).in_(waiting), ~replaced)
    query = select(RefundRow).where(
        state.in_((*_UNCLEAR, RefundState.PROCESSING, *_STUCK)), or_(unclear, slow, stuck)
    )
    if merchant_id:
        query = query.where(col(RefundRow.merchant_id) == merchant_id)
    rows = session.exec(query.order_by(col(RefundRow.updated_at)).limit(SHOWN_MAX))
    return with_proposals(session, [views.refund_summary(row) for row in rows])


def with_proposals(session: Session, refunds: list[View]) -> list[View]:
    """The same refunds, each with what one person has proposed to settle it by, if anybody has."""
    stuck = [one["case_no"] for one in refunds if one["state"] in _STUCK and one["case_no"]]
    if not stuck:
        return refunds
    said = session.exec(
        select(Event)
        .where(
            col(Event.subject) == Subject.AFTER_SALE,
            col(Event.subject_no).in_(stuck),
            col(Event.event).in_(_SETTLEMENT),
        )
        .order_by(col(Event.id))
    )
    last = {event.subject_no: event for event in said}
    return [one | _proposal(one, last.get(one["case_no"])) for one in refunds]


def _proposal(refund: View, event: Event | None) -> View:
    is_of_this = event is not None and event.at >= datetime.fromisoformat(refund["created_at"])
    if event is None or not is_of_this or event.event != _SETTLEMENT[0]:
        return {}
    reference = event.detail.get("reference", "")
    return {"proposal": {"by": event.actor, "reference": reference, "reason": event.reason}}


def open_incidents(session: Session) -> list[View]:
    """What nobody has looked at yet, oldest first."""
    query = select(Incident).where(col(Incident.handled_at).is_(None)).order_by(col(Incident.id))
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "cause": row.cause,
            "at": instant(row.at),
            "out_trade_no": row.out_trade_no,
            "fen": row.fen,
            "reason": row.reason,
        }
        for row in session.exec(query.limit(SHOWN_MAX))
    ]


def handle_incident(session: Session, incident: int, by: str, note: str, now: datetime) -> bool:
    """Somebody has looked at it; False where somebody had before."""
    row = session.get(Incident, incident)
    if row is None or row.handled_at is not None:
        return False
    row.handled_at, row.handled_by, row.note = now, by, note
    return True


def unsettled_days(session: Session) -> list[View]:
    """Days whose bill does not agree with our books, the latest first."""
    return _days(session, col(Reconciliation.state) != DayState.SETTLED)


def days(session: Session) -> list[View]:
    """Every day that was held against its bill, the latest first."""
    return _days(session)


def _days(session: Session, *conditions: ColumnElement[bool]) -> list[View]:
    query = select(Reconciliation).where(*conditions).order_by(col(Reconciliation.day).desc())
    return [
        {"day": row.day, "state": row.state, "problem": row.problem, "counts": row.counts}
        for row in session.exec(query.limit(SHOWN_MAX))
    ]
