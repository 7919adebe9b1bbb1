"""What people and shops read, as plain data: one shape for each thing, whoever asks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy
from sqlalchemy import Row
from sqlmodel import Session, col, select

from db.tables import CaseRow, Coupon, Event, Merchant, OrderRow, RefundAttempt, RefundRow
from domain.refusals import Code, Refused
from domain.timeline import Subject

View = dict[str, Any]
T = TypeVar("T")


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return at.isoformat().replace("+00:00", "Z") if at else None


def order_owner(session: Session, out_trade_no: str) -> View:
    """Whose order it is: its merchant_id and no more; raises Refused."""
    query = select(OrderRow.merchant_id).where(col(OrderRow.out_trade_no) == out_trade_no)
    return {"merchant_id": _found(session.exec(query).first(), _no_order(out_trade_no))}


def order(session: Session, out_trade_no: str) -> View:
    """One order with its cases, vouchers and timeline; raises Refused."""
    view, _ = order_to_pay(session, out_trade_no)
    return view


def order_to_pay(session: Session, out_trade_no: str) -> tuple[View, str]:
    """The order, and the prepay_id that its payment is signed over; raises Refused."""
    row = _found(session.get(OrderRow, out_trade_no), _no_order(out_trade_no))
    cases = session.exec(
        select(CaseRow)
        .where(col(CaseRow.out_trade_no) == out_trade_no)
        .order_by(col(CaseRow.opened_at), col(CaseRow.case_no))
    )
    view = order_summary(row) | {
        "lines": row.terms["lines"],
        "gifts": _gifts(session, row),
        "after_sales": [case_summary(case) for case in cases],
        "timeline": _timeline(session, Subject.ORDER, [out_trade_no]),
    }
    return view, row.prepay_id


def order_summary(row: OrderRow) -> View:
    """An order as a list shows it; amounts in fen."""
    return {
        "out_trade_no": row.out_trade_no,
        "merchant_id": row.merchant_id,
        "openid": row.openid,
        "description": row.terms["description"],
        "attach": row.terms["attach"],
        "state": row.state,
        "pay_state": row.pay_state,
        "total_fee": row.total_fee,
        "freight": row.terms["freight"],
        "merchant_discount": row.terms["merchant_discount"],
        "platform_coupon": row.terms["platform_coupon"],
        "transaction_id": row.transaction_id,
        "carrier": row.carrier,
        "tracking_no": row.tracking_no,
        "deadline": row.deadline_policy,
        "deadline_at": instant(row.deadline_at),
        "placed_at": instant(row.placed_at),
        "paid_at": instant(row.paid_at),
        "shipped_at": instant(row.shipped_at),
        "received_at": instant(row.received_at),
        "ended_at": instant(row.ended_at),
        "updated_at": instant(row.updated_at),
    }


def case_owner(session: Session, case_no: str) -> View:
    """Whose case it is: its merchant_id and no more; raises Refused."""
    query = select(CaseRow.merchant_id).where(col(CaseRow.case_no) == case_no)
    return {"merchant_id": _found(session.exec(query).first(), _no_case(case_no))}


def case(session: Session, case_no: str) -> View:
    """One after-sale case with its refunds and timeline; raises Refused."""
    row = _found(session.get(CaseRow, case_no), _no_case(case_no))
    refunds = list(
        session.exec(
            select(RefundRow)
            .where(col(RefundRow.case_no) == case_no)
            .order_by(col(RefundRow.created_at), col(RefundRow.out_refund_no))
        )
    )
    subjects = [case_no, *(refund.out_refund_no for refund in refunds)]
    return case_summary(row) | {
        "reason": row.reason,
        "evidence": row.evidence,
        "return_shipment": _parcel(row),
        "refunds": [refund_summary(refund) for refund in refunds],
        "timeline": _timeline(session, Subject.AFTER_SALE, subjects),
    }


def case_summary(row: CaseRow) -> View:
    """A case as a list shows it; amounts in fen, an estimate until `amounts_final`."""
    return {
        "case_no": row.case_no,
        "out_trade_no": row.out_trade_no,
        "merchant_id": row.merchant_id,
        "origin": row.origin,
        "type": row.type,
        "state": row.state,
        "reason_code": row.reason_code,
        "responsibility": row.responsibility,
        "amounts": row.amounts,
        "amounts_final": row.reserved,
        "deadline": row.deadline_policy,
        "deadline_at": instant(row.deadline_at),
        "alarm_at": instant(row.alarm_at),
        "breached_at": instant(row.breached_at),
        "processed_at": instant(row.processed_at),
        "opened_at": instant(row.opened_at),
        "ended_at": instant(row.ended_at),
        "updated_at": instant(row.updated_at),
    }


def refund(session: Session, out_refund_no: str) -> View:
    """One refund with every answer of WeChat Pay's about it; raises Refused."""
    row = session.get(RefundRow, out_refund_no)
    if row is None:
        raise Refused(Code.REFUND_NOT_FOUND, f"no refund {out_refund_no}", "out_refund_no")
    attempts = session.exec(
        select(RefundAttempt)
        .where(col(RefundAttempt.out_refund_no) == out_refund_no)
        .order_by(col(RefundAttempt.id))
    )
    return refund_summary(row) | {
        "attempts": [
            {
                "at": instant(attempt.at),
                "call": attempt.call,
                "outcome": attempt.outcome,
                "message": attempt.message,
            }
            for attempt in attempts
        ],
        "timeline": _timeline(session, Subject.REFUND, [out_refund_no]),
    }


def refund_summary(row: RefundRow) -> View:
    """A refund as a list shows it; fen."""
    return {
        "out_refund_no": row.out_refund_no,
        "out_trade_no": row.out_trade_no,
        "case_no": row.case_no,
        "merchant_id": row.merchant_id,
        "transaction_id": row.transaction_id,
        "origin": row.origin,
        "refund_fee": row.refund_fee,
        "state": row.state,
        "refund_id": row.refund_id,
        "problem": row.problem,
        "not_before": instant(row.not_before),
        "created_at": instant(row.created_at),
        "accepted_at": instant(row.accepted_at),
        "succeeded_at": instant(row.succeeded_at),
        "updated_at": instant(row.updated_at),
    }


def coupon(session: Session, coupon_no: str) -> View:
    """One gift voucher; raises Refused."""
    row = session.get(Coupon, coupon_no)
    if row is None:
        raise Refused(Code.COUPON_NOT_FOUND, f"no voucher {coupon_no}", "coupon_no")
    return {
        "coupon_no": row.coupon_no,
        "out_trade_no": row.out_trade_no,
        "merchant_id": row.merchant_id,
        "title": row.title,
        "face_value": row.face_value,
        "keep_if_goods_at_least": row.keep_if_goods_at_least,
        "state": row.state,
        "used_on": row.used_on or None,
        "issued_at": instant(row.issued_at),
        "updated_at": instant(row.updated_at),
    }


def merchant(session: Session, merchant_id: str) -> View:
    """One merchant's settings; raises Refused."""
    row = session.get(Merchant, merchant_id)
    if row is None:
        raise Refused(Code.MERCHANT_NOT_FOUND, f"no merchant {merchant_id}", "merchant_id")
    return {
        "merchant_id": row.merchant_id,
        "name": row.name,
        "sub_mch_id": row.sub_mch_id,
        "return_address": row.return_address,
        "policies": row.policies,
        "updated_at": instant(row.updated_at),
    }


def events(session: Session, after: int, limit: int, merchant_id: str = "") -> list[View]:
    """What happened after event `after`, oldest first."""
    query = select(Event).where(col(Event.id) > after).order_by(col(Event.id)).limit(limit)
    if merchant_id:
        query = query.where(col(Event.merchant_id) == merchant_id)
    return [event(row) for row in session.exec(query)]


def event(row: Event) -> View:
    """One event of the feed."""
    return {
        "id": row.id,
        "subject": row.subject,
        "subject_no": row.subject_no,
        "out_trade_no": row.out_trade_no,
        "merchant_id": row.merchant_id,
    } | _entry(row)


def _gifts(session: Session, row: OrderRow) -> list[View]:
    if not row.terms["gifts"]:
        return []
    query = select(Coupon.coupon_no, Coupon.state)
    states = dict(session.exec(query.where(col(Coupon.out_trade_no) == row.out_trade_no)).all())
    return [gift | {"state": states.get(gift["coupon_no"])} for gift in row.terms["gifts"]]


def _parcel(row: CaseRow) -> View | None:
    if not row.return_tracking_no:
        return None
    return {"carrier": row.return_carrier, "tracking_no": row.return_tracking_no}


def _timeline(session: Session, subject: Subject, numbers: Sequence[str]) -> list[View]:
    subjects = [subject] if subject is not Subject.AFTER_SALE else [subject, Subject.REFUND]
    rows = session.execute(
        _ENTRIES.where(col(Event.subject).in_(subjects), col(Event.subject_no).in_(numbers))
    )
    return [_entry(row) for row in rows]


# Columns, not rows of the mapper: a timeline is most of what an order's readers are sent.
_ENTRIES: Final = sqlalchemy.select(
    col(Event.at), col(Event.actor), col(Event.event), col(Event.source), col(Event.target),
    col(Event.reason), col(Event.detail),
).order_by(col(Event.id))  # fmt: skip


def _entry(row: Event | Row[Any]) -> View:
    return {
        "at": instant(row.at),
        "actor": row.actor,
        "event": row.event,
        "from": row.source,
        "to": row.target,
        "reason": row.reason,
        "detail": row.detail,
    }


def _found(row: T | None, refusal: Refused) -> T:
    if row is None:
        raise refusal
    return row


def _no_order(out_trade_no: str) -> Refused:
    return Refused(Code.ORDER_NOT_FOUND, f"no order {out_trade_no}", "out_trade_no")


def _no_case(case_no: str) -> Refused:
    return Refused(Code.CASE_NOT_FOUND, f"no after-sale case {case_no}", "case_no")
