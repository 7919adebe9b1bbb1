"""The books of O1, entry by entry, and what no posting may do."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ledger
from domain.allocation import (
    Amounts,
    CouponState,
    FreightRule,
    Party,
    Standing,
    Units,
    VoucherEffect,
    amounts,
)
from domain.ledger import Account, Posting, PostingKind, fee_returned
from domain.money import at_rate
from domain.policy import FeePolicy
from tests.domain.builders import O1, R1, R2, R3, untouched

CLEARING, BANK = Account.CHANNEL_CLEARING, Account.BANK
ESCROW, FREIGHT = Account.ESCROW_GOODS, Account.ESCROW_FREIGHT
COUPON, FEE = Account.COUPON_EXPENSE_PLATFORM, Account.CHANNEL_FEE_EXPENSE
OWED, SUSPENSE = Account.REFUND_PAYABLE, Account.SUSPENSE
GIFT_EXPENSE, GIFT_LIABILITY = Account.GIFT_VOUCHER_EXPENSE, Account.GIFT_VOUCHER_LIABILITY
GIFT_RECOVERY, BUYER_OWES = Account.GIFT_VOUCHER_RECOVERY, Account.BUYER_RECEIVABLE
PAYABLE, MERCHANT_OWES = Account.MERCHANT_PAYABLE, Account.MERCHANT_RECEIVABLE
COMMISSION, FEE_RECOVERY = Account.COMMISSION_INCOME, Account.CHANNEL_FEE_RECOVERY
RATE = Decimal("0.006")

Entries = list[dict[Account, int]]


def said(postings: list[Posting]) -> Entries:
    """Each posting's entries by account, debits positive."""
    return [dict(posting.entries) for posting in postings]


def balances(postings: Iterable[Posting]) -> dict[Account, int]:
    """Where the accounts stand, debits positive, settled ones left out."""
    total: Counter[Account] = Counter()
    for posting in postings:
        total.update(dict(posting.entries))
    return {account: fen for account, fen in total.items() if fen}


def case(
    units: Units,
    standing: Standing,
    responsible: Party = Party.BUYER,
    rule: FreightRule = FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE,
) -> Amounts:
    return amounts(O1, units, standing, responsible, rule)


UNSHIPPED = FreightRule.WHEN_NOTHING_IS_KEPT
A1 = case(R1, untouched(O1), rule=UNSHIPPED)
A2 = case(R2, Standing(R1, 800, {"gift-1": CouponState.USED}))
A3 = case(R3, Standing(R1 + R2, 800, {}), Party.MERCHANT)
PAID = ledger.payment(O1, at_rate(17030, RATE))
TO_R1 = [
    *PAID,
    *ledger.refund_approved(A1, None),
    *ledger.refund_paid(2954, fee_returned(RATE, 0, 2954), expected=True),
]
TO_R3 = [
    *TO_R1,
    *ledger.gift_used(500),
    *ledger.refund_approved(A2, None),
    *ledger.refund_paid(4555, fee_returned(RATE, 2954, 4555), expected=True),
    *ledger.refund_approved(A3, None),
    *ledger.refund_paid(9021, fee_returned(RATE, 7509, 9021), expected=True),
]


def test_every_entry_of_the_worked_order() -> None:
    assert said(TO_R3) == [
        {CLEARING: 17030, COUPON: 1000, ESCROW: -17230, FREIGHT: -800},
        {FEE: 102, CLEARING: -102},
        {GIFT_EXPENSE: 500, GIFT_LIABILITY: -500},
        {ESCROW: 3136, COUPON: -182, OWED: -2954},
        {OWED: 2954, CLEARING: -2954},
        {CLEARING: 18, FEE: -18},
        {GIFT_LIABILITY: 500, ESCROW: -500},
        {ESCROW: 5366, COUPON: -311, OWED: -5055},
        {OWED: 500, GIFT_RECOVERY: -500},
        {OWED: 4555, CLEARING: -4555},
        {CLEARING: 27, FEE: -27},
        {ESCROW: 8728, FREIGHT: 800, COUPON: -507, OWED: -9021},
        {OWED: 9021, CLEARING: -9021},
        {CLEARING: 54, FEE: -54},
    ]


def test_the_end_balances_of_the_worked_order() -> None:
    """What is left in escrow is the voucher's 500, held for the order it was spent on."""
    assert balances(TO_R3) == {
        CLEARING: 497,
        FEE: 3,
        GIFT_EXPENSE: 500,
        ESCROW: -500,
        GIFT_RECOVERY: -500,
    }


def test_a_merchant_who_is_owed_nothing_owes_the_fee() -> None:
    fee = ledger.handling_fee(102, 99, FeePolicy.MERCHANT_BEARS_ORIGINAL, payable=0)
    assert said(fee) == [{MERCHANT_OWES: 102, FEE_RECOVERY: -102}]


@pytest.mark.parametrize(
    ("policy", "fee", "due"),
    [(FeePolicy.MERCHANT_BEARS_ORIGINAL, 102, 14510), (FeePolicy.CHANNEL_ACTUAL, 84, 14528)],
)
def test_settlement_after_r1_alone(policy: FeePolicy, fee: int, due: int) -> None:
    held = balances(TO_R1)
    released = ledger.release(-held[ESCROW], -held[FREIGHT], Decimal("0.02"))
    charged = ledger.handling_fee(102, 18, policy, -balances(released)[PAYABLE])
    assert said(released + charged) == [
        {ESCROW: 14094, FREIGHT: 800, PAYABLE: -14894},
        {PAYABLE: 282, COMMISSION: -282},
        {PAYABLE: fee, FEE_RECOVERY: -fee},
    ]
    after = balances([*TO_R1, *released, *charged])
    assert after[PAYABLE] == -due
    assert after[CLEARING] == 13992
    assert (after.get(ESCROW, 0), after.get(FREIGHT, 0)) == (0, 0)


@pytest.mark.parametrize(
    ("policy", "entries"),
    [
        (FeePolicy.MERCHANT_BEARS_ORIGINAL, [{MERCHANT_OWES: 60, FEE_RECOVERY: -60}]),
        (FeePolicy.CHANNEL_ACTUAL, []),
    ],
)
def test_an_order_of_10000_refunded_in_full(policy: FeePolicy, entries: Entries) -> None:
    fee = at_rate(10000, RATE)
    returned = fee_returned(RATE, 0, 10000)
    assert said(ledger.handling_fee(fee, returned, policy, payable=0)) == entries


@pytest.mark.parametrize(
    ("payable", "entries"),
    [
        (200, {PAYABLE: 102}),
        (102, {PAYABLE: 102}),
        (40, {PAYABLE: 40, MERCHANT_OWES: 62}),
        (0, {MERCHANT_OWES: 102}),
        (-5, {MERCHANT_OWES: 102}),
    ],
)
def test_a_charge_beyond_the_balance_is_owed(payable: int, entries: dict[Account, int]) -> None:
    fee = ledger.handling_fee(102, 0, FeePolicy.MERCHANT_BEARS_ORIGINAL, payable)
    assert said(fee) == [{**entries, FEE_RECOVERY: -102}]


@pytest.mark.parametrize(
    ("payable", "entries"),
    [
        (14510, {PAYABLE: 9528}),
        (9000, {PAYABLE: 9000, MERCHANT_OWES: 528}),
        (0, {MERCHANT_OWES: 9528}),
    ],
)
def test_a_refund_after_release_comes_from_the_merchant(
    payable: int, entries: dict[Account, int]
) -> None:
    approved = ledger.refund_approved(A3, payable)
    assert said(approved) == [{**entries, COUPON: -507, OWED: -9021}]


@pytest.mark.parametrize(
    ("postings", "entries"),
    [
        (
            ledger.unowed_payment(17030, 102),
            [{CLEARING: 17030, SUSPENSE: -17030}, {FEE: 102, CLEARING: -102}],
        ),
        (ledger.unowed_payment(1, 0), [{CLEARING: 1, SUSPENSE: -1}]),
        (ledger.unowed_refund(17030), [{SUSPENSE: 17030, OWED: -17030}]),
        (
            ledger.refund_paid(2954, 18, expected=False),
            [{SUSPENSE: 2954, CLEARING: -2954}, {CLEARING: 18, FEE: -18}],
        ),
        (ledger.refund_paid(50, 0, expected=True), [{OWED: 50, CLEARING: -50}]),
        (ledger.settled_offline(2954), [{OWED: 2954, BANK: -2954}]),
        (ledger.fee_trued_up(2), [{FEE: 2, CLEARING: -2}]),
        (ledger.fee_trued_up(-2), [{FEE: -2, CLEARING: 2}]),
        (ledger.fee_trued_up(0), []),
        (ledger.handling_fee_trued_up(3, 2), [{PAYABLE: 2, MERCHANT_OWES: 1, FEE_RECOVERY: -3}]),
        (ledger.handling_fee_trued_up(-3, 2), [{PAYABLE: -3, FEE_RECOVERY: 3}]),
        (ledger.release(0, 0, RATE), []),
        (ledger.release(100, 0, Decimal(0)), [{ESCROW: 100, PAYABLE: -100}]),
    ],
)
def test_the_other_events(postings: list[Posting], entries: Entries) -> None:
    assert said(postings) == entries


def test_vouchers_taken_back_with_a_case() -> None:
    """One void, one used beyond what the case pays, one waived."""
    due = Amounts(
        goods=300,
        gift_recovery=300,
        vouchers=(
            VoucherEffect("g1", "券", 700, CouponState.VOID),
            VoucherEffect("g2", "券", 500, CouponState.RECOVERED, deducted=300, receivable=200),
            VoucherEffect("g3", "券", 900, CouponState.WAIVED),
        ),
    )
    assert said(ledger.refund_approved(due, None)) == [
        {ESCROW: 300, OWED: -300},
        {GIFT_LIABILITY: 700, GIFT_EXPENSE: -700},
        {OWED: 300, BUYER_OWES: 200, GIFT_RECOVERY: -500},
    ]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (((CLEARING, 100), (SUSPENSE, -99)), "does not balance"),
        (((CLEARING, 100),), "does not balance"),
        ((), "says nothing"),
        (((CLEARING, 0),), "says nothing"),
        (((CLEARING, 1), (SUSPENSE, -1), (FEE, 0)), "says nothing"),
    ],
)
def test_what_does_not_balance_cannot_be_built(
    entries: tuple[tuple[Account, int], ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=f"UNOWED_PAYMENT .*{reason}"):
        Posting(PostingKind.UNOWED_PAYMENT, entries)


@given(st.lists(st.integers(0, 10**11)), st.sampled_from(["0", "0.006", "0.0038", "1"]))
def test_the_fee_given_back_on_parts_is_the_fee_on_the_whole(parts: list[int], rate: str) -> None:
    before = [sum(parts[:index]) for index in range(len(parts))]
    back = [fee_returned(Decimal(rate), *one) for one in zip(before, parts, strict=True)]
    assert sum(back) == at_rate(sum(parts), Decimal(rate))
    assert min(back, default=0) >= 0


def test_an_account_is_known_by_its_code_and_its_name() -> None:
    assert (CLEARING.code, CLEARING.title) == ("1010", "channel_clearing")
    assert len({account.code for account in Account}) == len(Account)
