"""docs/money.md and its Chinese twin: every number on the page is what the code makes of O1."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from domain import ledger
from domain.allocation import Amounts, CouponState, FreightRule, Party, Units, amounts, slices
from domain.ledger import Account, Posting, fee_returned
from domain.policy import FeePolicy
from domain.statement import FIGURES
from tests.domain.builders import O1, R1, R2, R3, untouched

DOCS = Path(__file__).parents[2] / "docs"
RATE = O1.policies.fee_rate
FEE = 102
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
LEG = re.compile(r"(\w+) (\d+)")


@pytest.fixture(params=["money.md", "money.zh-CN.md"])
def page(request: pytest.FixtureRequest) -> str:
    """The page, in each language."""
    path: Path = DOCS / request.param
    return path.read_text(encoding="utf-8")


def table(page: str, name: str) -> list[list[str]]:
    """The rows of a marked table, without its headings."""
    lines = page.split(f"<!-- {name} -->\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def numbers(rows: list[list[str]]) -> list[list[int]]:
    """The whole numbers of each row, its label left out."""
    return [[int(one) for one in NUMBER.findall(" ".join(cells[1:]))] for cells in rows]


def refund(units: Units, taken: Units, party: Party, freight: FreightRule) -> Amounts:
    """A refund of O1 after those of `taken`, the voucher spent once anything was shipped."""
    voucher = CouponState.USED if taken == R1 else CouponState.ISSUED
    voucher = CouponState.RECOVERED if len(taken) > 1 else voucher
    standing = untouched(O1, taken=taken, vouchers={"gift-1": voucher})
    return amounts(O1, units, standing, party, freight)


FIRST = refund(R1, (), Party.BUYER, FreightRule.WHEN_NOTHING_IS_KEPT)
SECOND = refund(R2, R1, Party.BUYER, FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE)
THIRD = refund(R3, (*R1, *R2), Party.MERCHANT, FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE)


def test_slices(page: str) -> None:
    shares = slices(O1)
    columns = [
        [line.gross for line in O1.lines], shares.merchant_discount, shares.platform_coupon,
        shares.net,
    ]  # fmt: skip
    lines = [list(row) for row in zip(*columns, strict=True)]
    assert numbers(table(page, "slices")) == [*lines, [sum(column) for column in columns]]


def test_refunds(page: str) -> None:
    rows = [
        [one.goods, one.platform_coupon, one.freight, one.gift_recovery, one.refund_fee]
        for one in (FIRST, SECOND, THIRD)
    ]
    totals = [sum(column) for column in zip(*rows, strict=True)]
    assert numbers(table(page, "refunds")) == [*rows, totals]


def test_fees(page: str) -> None:
    returned = [fee_returned(RATE, 0, 2954), fee_returned(RATE, 2954, 4555)]
    returned.append(fee_returned(RATE, 2954 + 4555, 9021))
    assert returned == [18, 27, 54]
    rows = [charges(FEE, returned[0]), charges(FEE, sum(returned)), charges(60, 60)]
    assert numbers(table(page, "fees"))[1:] == rows


def charges(original: int, returned: int) -> list[int]:
    """What a merchant is charged under each policy."""
    made = (ledger.handling_fee(original, returned, policy, payable=0) for policy in FeePolicy)
    return [sum(fen for _, fen in one[0].entries if fen > 0) if one else 0 for one in made]


def test_accounts(page: str) -> None:
    rows = [(cells[0], cells[1]) for cells in table(page, "accounts")]
    assert rows == [(account.code, account.title) for account in Account]


def test_postings(page: str) -> None:
    told = [
        {name: int(fen) for name, fen in LEG.findall(debit)}
        | {name: -int(fen) for name, fen in LEG.findall(credit)}
        for _, _, debit, credit in table(page, "postings")
    ]
    assert told == [{account.title: fen for account, fen in one.entries} for one in o1_postings()]


def o1_postings() -> list[Posting]:
    """E1 to E15."""
    return [
        *ledger.payment(O1, FEE),
        *ledger.refund_approved(FIRST, None),
        *ledger.refund_paid(FIRST.refund_fee, 18, expected=True),
        *ledger.gift_used(500),
        *ledger.refund_approved(SECOND, None),
        *ledger.refund_paid(SECOND.refund_fee, 27, expected=True),
        *ledger.refund_approved(THIRD, None),
        *ledger.refund_paid(THIRD.refund_fee, 54, expected=True),
        *ledger.handling_fee(FEE, 99, FeePolicy.MERCHANT_BEARS_ORIGINAL, payable=0),
    ]


def test_settlement(page: str) -> None:
    goods = 17230 - FIRST.goods - FIRST.platform_coupon
    release, commission = ledger.release(goods, O1.freight, Decimal("0.02"))
    (released, charged) = (max(fen for _, fen in one.entries) for one in (release, commission))
    owed = goods + O1.freight - charged
    assert released == goods
    assert numbers(table(page, "settlement")) == [
        [goods, O1.freight, goods + O1.freight],
        [charged],
        [FEE],
        [owed - FEE],
        [owed - (FEE - 18)],
    ]


def test_figures(page: str) -> None:
    told = {
        cells[0].strip("`"): set(re.findall("[A-Z_]{4,}", cells[1]))
        for cells in table(page, "figures")
    }
    coded = {name: set(kinds) for name, (kinds, _) in FIGURES.items()}
    assert told | {"settled": coded["settled"]} == coded


def test_what_the_sentences_say(page: str) -> None:
    said = {int(one) for one in NUMBER.findall(page)}
    kept = sum(slices(O1).net) - FIRST.goods
    assert {O1.total_fee, 5055, 5056, kept, kept - SECOND.goods, 99, 497} <= said
