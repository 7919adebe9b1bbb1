"""A merchant's statement, read from the ledger."""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from db import books
from db.documents import load
from db.tables import Merchant, OrderRow, Payment, RefundRow, Transfer
from domain import statement
from domain.ledger import Account
from domain.order import PayState
from domain.refusals import Code, Refused
from domain.statement import Balance, Charge, Movement, Statement
from domain.terms import Terms


def read(session: Session, merchant_id: str, start: datetime, end: datetime) -> Statement:
    """What happened from `start` until `end`; raises Refused for an unknown merchant."""
    if session.get(Merchant, merchant_id) is None:
        detail = f"no merchant {merchant_id}"
        raise Refused(Code.MERCHANT_NOT_FOUND, detail, "merchant_id")
    in_period = (
        col(Transfer.merchant_id) == merchant_id,
        col(Transfer.at) >= start,
        col(Transfer.at) < end,
    )
    rows = session.exec(
        select(Transfer).where(*in_period).order_by(col(Transfer.at), col(Transfer.id))
    )
    movements = [_movement(row) for row in rows]
    charges = _charges(session, merchant_id, start, end)
    return statement.build(_balance(session, merchant_id, start), movements, charges)


def _movement(row: Transfer) -> Movement:
    return Movement(
        row.cause, row.kind, row.debit, row.credit, row.amount, row.at, row.out_trade_no
    )


def _balance(session: Session, merchant_id: str, before: datetime) -> Balance:
    payable = _net(session, merchant_id, before, Account.MERCHANT_PAYABLE)
    return Balance(-payable, _net(session, merchant_id, before, Account.MERCHANT_RECEIVABLE))


def _net(session: Session, merchant_id: str, before: datetime, account: Account) -> int:
    total = select(func.coalesce(func.sum(Transfer.amount), 0)).where(
        col(Transfer.merchant_id) == merchant_id, col(Transfer.at) < before
    )
    debits = session.exec(total.where(col(Transfer.debit) == account.code)).one()
    credits = session.exec(total.where(col(Transfer.credit) == account.code)).one()
    return int(debits) - int(credits)


def _charges(
    session: Session, merchant_id: str, start: datetime, end: datetime
) -> dict[str, Charge]:
    """The fees of the orders that became final in the period."""
    is_final = (
        col(OrderRow.merchant_id) == merchant_id,
        col(OrderRow.pay_state) == PayState.PAID,
        col(OrderRow.ended_at) >= start,
        col(OrderRow.ended_at) < end,
    )
    returned = (
        select(RefundRow.transaction_id, func.sum(RefundRow.fee_returned))
        .join(OrderRow, col(OrderRow.transaction_id) == col(RefundRow.transaction_id))
        .join(Transfer, books.paid_back(RefundRow, OrderRow.ended_at))
        .where(*is_final)
        .group_by(col(RefundRow.transaction_id))
    )
    back = dict(session.exec(returned).all())
    paid = select(OrderRow.out_trade_no, OrderRow.terms, Payment.transaction_id, Payment.fee).join(
        Payment, col(Payment.transaction_id) == col(OrderRow.transaction_id)
    )
    return {
        number: Charge(
            policy=load(Terms, terms).policies.fee_policy,
            original=fee,
            # PostgreSQL answers a Decimal.
            actual=fee - int(back.get(transaction_id) or 0),
        )
        for number, terms, transaction_id, fee in session.exec(paid.where(*is_final))
    }
