"""What a decision would come to, before anybody makes it."""

from sqlmodel import Session, col, select

from db import views
from db.bookings import terms_of
from db.documents import dump
from db.reservations import estimate
from db.tables import CaseRow, OrderRow, Payment, RefundRow
from db.views import View
from domain import ledger
from domain.after_sale import Case, CaseState, Origin
from domain.allocation import Party, slices
from domain.order import CaseType, ReasonCode
from domain.refund import RefundState
from domain.refusals import Code, Refused


def of_case(session: Session, case_no: str, responsible: Party | None = None) -> View:
    """What refunding a case comes to now, in fen, whoever is `responsible`; raises Refused.

    `fee` is WeChat Pay's on the whole payment, `fee_returned` what this refund brings back of it.
    """
    row = session.get(CaseRow, case_no)
    if row is None:
        raise Refused(Code.CASE_NOT_FOUND, f"no after-sale case {case_no}", "case_no")
    case = _case(row, responsible or Party(row.responsibility))
    amounts = row.amounts if row.reserved else dump(estimate(session, case))
    payment = session.get_one(Payment, row.transaction_id)
    policies = terms_of(session, row.out_trade_no).policies
    before = _refunded(session, row)
    return {
        "amounts": amounts,
        "responsibility": case.responsibility,
        "fee": payment.fee,
        "fee_returned": ledger.fee_returned(policies.fee_rate, before, amounts["refund_fee"]),
        "fee_policy": policies.fee_policy,
        "auto_process_limit": policies.auto_process_limit,
    }


def order_lines(session: Session, out_trade_no: str) -> list[View]:
    """Each line of an order with its slices of discount and coupon, in fen; raises Refused."""
    row = session.get(OrderRow, out_trade_no)
    if row is None:
        raise Refused(Code.ORDER_NOT_FOUND, f"no order {out_trade_no}", "out_trade_no")
    terms = terms_of(session, out_trade_no)
    shares = slices(terms)
    return [
        {
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "gross": line.gross,
            "merchant_discount": shares.merchant_discount[index],
            "platform_coupon": shares.platform_coupon[index],
            "net": shares.net[index],
        }
        for index, line in enumerate(terms.lines)
    ]


def payments(session: Session, out_trade_no: str) -> list[View]:
    """The money that came in for an order, and what refunds hold of it, in fen."""
    query = select(Payment).where(col(Payment.out_trade_no) == out_trade_no)
    return [
        {
            "transaction_id": row.transaction_id,
            "kind": row.kind,
            "total_fee": row.total_fee,
            "fee": row.fee,
            "held": row.held,
            "refunds": row.refunds,
            "paid_at": views.instant(row.paid_at),
        }
        for row in session.exec(query.order_by(col(Payment.paid_at)))
    ]


def _case(row: CaseRow, responsible: Party) -> Case:
    return Case(
        case_no=row.case_no,
        out_trade_no=row.out_trade_no,
        merchant_id=row.merchant_id,
        origin=Origin(row.origin),
        type=CaseType(row.type),
        reason_code=ReasonCode(row.reason_code),
        reason=row.reason,
        units=tuple((line, unit) for line, unit in row.units),
        responsibility=responsible,
        opened_at=row.opened_at,
        state=CaseState(row.state),
        transaction_id=row.transaction_id,
    )


def _refunded(session: Session, case: CaseRow) -> int:
    query = select(RefundRow.refund_fee).where(
        col(RefundRow.out_trade_no) == case.out_trade_no,
        col(RefundRow.transaction_id) == case.transaction_id,
        col(RefundRow.state) == RefundState.SUCCEEDED,
    )
    return sum(session.exec(query))
