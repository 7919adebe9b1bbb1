"""Whether an order has still to hear that a case of its has ended: a matter of moments."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from db.tables import CaseRow, Event
from domain.after_sale import FINAL, Origin
from domain.order import OrderEvent
from domain.timeline import Subject

CASE_ENDED = "CASE_ENDED"
_HEARD = (CASE_ENDED, OrderEvent.REFUNDED_IN_FULL)
_ASKED_FOR = (Origin.BUYER, Origin.OPERATOR)


def ends(session: Session, out_trade_no: str) -> tuple[int, int]:
    """How many of its cases have ended, and of how many the order has heard."""
    ended = select(func.count()).where(
        col(CaseRow.out_trade_no) == out_trade_no,
        col(CaseRow.origin).in_(_ASKED_FOR),
        col(CaseRow.state).in_(FINAL),
    )
    heard = select(func.count()).where(
        col(Event.out_trade_no) == out_trade_no,
        col(Event.subject) == Subject.ORDER,
        col(Event.event).in_(_HEARD),
    )
    return session.exec(ended).one(), session.exec(heard).one()
