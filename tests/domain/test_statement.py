"""A merchant's statement: every figure a sum of entries, and the balance it leads to."""

import pytest

from domain.ledger import Account, PostingKind
from domain.policy import FeePolicy
from domain.statement import (
    Balance,
    Charge,
    Figures,
    Movement,
    Reference,
    Statement,
    build,
)
from tests.domain.builders import NOW

CLEARING, BANK, ESCROW = Account.CHANNEL_CLEARING, Account.BANK, Account.ESCROW_GOODS
OWED, PAYABLE = Account.REFUND_PAYABLE, Account.MERCHANT_PAYABLE
MERCHANT_OWES, RECOVERY = Account.MERCHANT_RECEIVABLE, Account.CHANNEL_FEE_RECOVERY
K = PostingKind


def moved(
    kind: PostingKind, debit: Account, credit: Account, fen: int, number: str = "order-o1"
) -> Movement:
    return Movement(f"cause-{kind}", kind, debit.code, credit.code, fen, NOW, number)


O1_AFTER_R1 = [
    moved(K.PAYMENT, CLEARING, ESCROW, 16_230),
    moved(K.PAYMENT, CLEARING, Account.ESCROW_FREIGHT, 800),
    moved(K.PAYMENT, Account.COUPON_EXPENSE_PLATFORM, ESCROW, 1000),
    moved(K.REFUND_APPROVED, ESCROW, OWED, 2954),
    moved(K.REFUND_PAID, OWED, CLEARING, 2954),
    moved(K.RELEASE, ESCROW, PAYABLE, 14_094),
    moved(K.RELEASE, Account.ESCROW_FREIGHT, PAYABLE, 800),
    moved(K.COMMISSION, PAYABLE, Account.COMMISSION_INCOME, 282),
    moved(K.HANDLING_FEE, PAYABLE, RECOVERY, 102),
]


def test_the_worked_order_after_r1() -> None:
    charge = Charge(FeePolicy.MERCHANT_BEARS_ORIGINAL, original=102, actual=84)
    statement = build(Balance(100, 40), O1_AFTER_R1, {"order-o1": charge})
    figures = Figures(
        paid=17_030,
        refunded=2954,
        released=14_894,
        commission=282,
        handling_fee=102,
        settled=14_510,
    )
    (line,) = statement.lines
    assert (line.out_trade_no, line.figures, line.charge) == ("order-o1", figures, charge)
    assert line.postings == tuple(
        Reference(f"cause-{kind}", kind, NOW)
        for kind in (
            K.PAYMENT,
            K.REFUND_APPROVED,
            K.REFUND_PAID,
            K.RELEASE,
            K.COMMISSION,
            K.HANDLING_FEE,
        )
    )
    assert statement.totals == figures
    assert (statement.opening.net, statement.closing) == (60, Balance(14_610, 40))
    assert statement.closing.net == 60 + 14_510


@pytest.mark.parametrize(
    ("movements", "figures", "closing"),
    [
        (
            [
                moved(K.REFUND_APPROVED, PAYABLE, OWED, 1000),
                moved(K.REFUND_APPROVED, MERCHANT_OWES, OWED, 500),
            ],
            Figures(refunds_charged=1500, settled=-1500),
            Balance(0, 500),
        ),
        (
            [moved(K.HANDLING_FEE_TRUED_UP, RECOVERY, PAYABLE, 3)],
            Figures(handling_fee=-3, settled=3),
            Balance(1003, 0),
        ),
        (
            [moved(K.REFUND_SETTLED_OFFLINE, OWED, BANK, 700)],
            Figures(refunded=700),
            Balance(1000, 0),
        ),
        (
            [moved(K.UNOWED_PAYMENT, CLEARING, Account.SUSPENSE, 900)],
            Figures(paid=900),
            Balance(1000, 0),
        ),
    ],
)
def test_the_other_figures(movements: list[Movement], figures: Figures, closing: Balance) -> None:
    statement = build(Balance(1000, 0), movements, {})
    assert statement.totals == statement.lines[0].figures == figures
    assert statement.lines[0].charge is None
    assert statement.closing == closing


def test_orders_one_by_one_and_none_that_did_nothing() -> None:
    movements = [
        moved(K.PAYMENT, CLEARING, ESCROW, 5, "order-b"),
        moved(K.GIFT_USED, Account.GIFT_VOUCHER_LIABILITY, ESCROW, 7, "order-a"),
        moved(K.PAYMENT, CLEARING, ESCROW, 6, "order-c"),
        moved(K.REFUND_PAID, OWED, CLEARING, 5, "order-b"),
    ]
    statement = build(Balance(0, 0), movements, {})
    assert [(line.out_trade_no, line.figures) for line in statement.lines] == [
        ("order-b", Figures(paid=5, refunded=5)),
        ("order-c", Figures(paid=6)),
    ]
    assert statement.totals == Figures(paid=11, refunded=5)


def test_a_period_in_which_nothing_happened() -> None:
    balance = Balance(14_510, 0)
    assert build(balance, [], {}) == Statement(balance, balance, (), Figures())
