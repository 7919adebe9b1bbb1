"""Finding orders and cases by whatever number, or buyer, somebody has at hand."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, union
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select

from db.tables import CaseRow, OrderRow, Payment, RefundRow

FOUND_MAX = 200
_LAST = "z" * 40


def orders(session: Session, text: str) -> list[str]:
    """Order numbers that begin with `text`, or belong to a transaction, refund, case or buyer."""
    number = col(OrderRow.out_trade_no)
    return _numbers(
        session,
        select(number).where(_begins(number, text)),
        select(number).where(col(OrderRow.openid) == text),
        select(col(Payment.out_trade_no)).where(col(Payment.transaction_id) == text),
        select(col(CaseRow.out_trade_no)).where(_begins(col(CaseRow.case_no), text)),
        select(col(RefundRow.out_trade_no)).where(col(RefundRow.out_refund_no) == text),
        select(col(RefundRow.out_trade_no)).where(col(RefundRow.refund_id) == text),
    )


def cases(session: Session, text: str) -> list[str]:
    """Case numbers that begin with `text`, or belong to an order, transaction, refund or buyer."""
    number, order = col(CaseRow.case_no), col(CaseRow.out_trade_no)
    of_buyer = select(col(OrderRow.out_trade_no)).where(col(OrderRow.openid) == text)
    paid = select(col(Payment.out_trade_no)).where(col(Payment.transaction_id) == text)
    return _numbers(
        session,
        select(number).where(_begins(number, text)),
        select(number).where(_begins(order, text)),
        select(number).where(order.in_(of_buyer)),
        select(number).where(order.in_(paid)),
        select(col(RefundRow.case_no)).where(col(RefundRow.out_refund_no) == text),
        select(col(RefundRow.case_no)).where(col(RefundRow.refund_id) == text),
    )


def _begins(column: Mapped[str], text: str) -> ColumnElement[bool]:
    # A range, and not LIKE: every index serves it, whatever the collation.
    starts = func.substr(column, 1, len(text)) == text
    return and_(column >= text, column <= text + _LAST, starts)


def _numbers(session: Session, *ways: Any) -> list[str]:
    some = (select(way.limit(FOUND_MAX).subquery()) for way in ways)
    found = session.connection().execute(union(*some).limit(FOUND_MAX))
    return [number for (number,) in found if number]
