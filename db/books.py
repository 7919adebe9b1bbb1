"""The ledger: postings in, balances out. Nothing here is ever edited or deleted."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func
from sqlmodel import Session, col, select

from db.tables import Merchant, RefundRow, Transfer
from domain.ledger import Account, Posting, PostingKind


@dataclass(frozen=True)
class Tags:
    """What a posting belongs to; `cause` makes it happen once."""

    cause: str
    at: datetime
    merchant_id: str
    out_trade_no: str
    case_no: str = ""
    out_refund_no: str = ""


def post(session: Session, tags: Tags, postings: list[Posting]) -> None:
    """Write postings down; once for each cause and kind, whoever repeats it."""
    for posting in postings:
        known = select(col(Transfer.id)).where(
            col(Transfer.cause) == tags.cause, col(Transfer.kind) == posting.kind
        )
        if session.exec(known).first() is None:
            _write(session, tags, posting)


def merchant_payable(session: Session, merchant_id: str) -> int:
    """What the merchant is owed now, in fen; holds the merchant's row until the commit."""
    query = select(Merchant).where(col(Merchant.merchant_id) == merchant_id).with_for_update()
    return session.exec(query).one().payable


def escrow(session: Session, out_trade_no: str) -> tuple[int, int]:
    """What is still held for an order: goods and freight, in fen."""
    goods = order_balance(session, Account.ESCROW_GOODS, out_trade_no)
    return -goods, -order_balance(session, Account.ESCROW_FREIGHT, out_trade_no)


def order_balance(session: Session, account: Account, out_trade_no: str) -> int:
    """One account's balance in one order: debits less credits, in fen."""
    of_order = col(Transfer.out_trade_no) == out_trade_no
    amount = func.coalesce(func.sum(Transfer.amount), 0)
    debits = select(amount).where(of_order, col(Transfer.debit) == account.code)
    credits = select(amount).where(of_order, col(Transfer.credit) == account.code)
    return int(session.exec(debits).one()) - int(session.exec(credits).one())


def paid_back(refund: RefundRow | type[RefundRow], until: Any) -> ColumnElement[bool]:
    """The transfer that says of a refund that its money was back, by our clock, until then."""
    return and_(
        col(Transfer.out_trade_no) == refund.out_trade_no,
        col(Transfer.out_refund_no) == refund.out_refund_no,
        col(Transfer.kind) == PostingKind.REFUND_PAID,
        col(Transfer.at) <= until,
    )


def legs(posting: Posting) -> list[tuple[Account, Account, int]]:
    """The same posting as amounts moved from one account to another: (debit, credit, fen)."""
    debits = deque((account, fen) for account, fen in posting.entries if fen > 0)
    credits = deque((account, -fen) for account, fen in posting.entries if fen < 0)
    moved = []
    while debits:
        (debit, owed), (credit, given) = debits.popleft(), credits.popleft()
        fen = min(owed, given)
        moved.append((debit, credit, fen))
        if owed > fen:
            debits.appendleft((debit, owed - fen))
        if given > fen:
            credits.appendleft((credit, given - fen))
    return moved


def _write(session: Session, tags: Tags, posting: Posting) -> None:
    for debit, credit, fen in legs(posting):
        session.add(
            Transfer(
                cause=tags.cause,
                kind=posting.kind,
                debit=debit.code,
                credit=credit.code,
                amount=fen,
                at=tags.at,
                merchant_id=tags.merchant_id,
                out_trade_no=tags.out_trade_no,
                case_no=tags.case_no,
                out_refund_no=tags.out_refund_no,
            )
        )
    owed = -sum(fen for account, fen in posting.entries if account is Account.MERCHANT_PAYABLE)
    if owed:
        merchant_payable(session, tags.merchant_id)
        session.get_one(Merchant, tags.merchant_id).payable += owed
