"""What the ledger says: balances of accounts, and the entries of an order."""

from collections import defaultdict

from sqlalchemy import func
from sqlmodel import Session, col, select

from db.tables import Transfer
from db.views import View, instant
from domain.ledger import Account


def trial_balance(session: Session) -> View:
    """Every account with its debits and credits, in fen; balanced when they come to the same."""
    debits = _sums(session, "debit")
    credits = _sums(session, "credit")
    accounts = [
        {
            "code": account.code,
            "name": account.title,
            "debit": debits[account.code],
            "credit": credits[account.code],
        }
        for account in Account
    ]
    return {"balanced": sum(debits.values()) == sum(credits.values()), "accounts": accounts}


def entries(session: Session, out_trade_no: str) -> list[View]:
    """The postings of an order, oldest first: each with its entries, in fen."""
    rows = session.exec(
        select(Transfer)
        .where(col(Transfer.out_trade_no) == out_trade_no)
        .order_by(col(Transfer.id))
    )
    postings: dict[tuple[str, str], list[Transfer]] = defaultdict(list)
    for row in rows:
        postings[row.cause, row.kind].append(row)
    return [_posting(transfers) for transfers in postings.values()]


def _sums(session: Session, side: str) -> dict[str, int]:
    account = col(getattr(Transfer, side))
    query = select(account, func.sum(col(Transfer.amount))).group_by(account)
    return defaultdict(int, {code: int(total) for code, total in session.exec(query)})


def _posting(transfers: list[Transfer]) -> View:
    balances: dict[str, int] = defaultdict(int)
    for transfer in transfers:
        balances[transfer.debit] += transfer.amount
        balances[transfer.credit] -= transfer.amount
    names = {account.code: account.title for account in Account}
    first = transfers[0]
    return {
        "cause": first.cause,
        "kind": first.kind,
        "at": instant(first.at),
        "out_trade_no": first.out_trade_no,
        "case_no": first.case_no or None,
        "out_refund_no": first.out_refund_no or None,
        "entries": [
            {"account": code, "name": names[code], "debit": max(fen, 0), "credit": max(-fen, 0)}
            for code, fen in balances.items()
        ],
    }
