"""Double entry: what each event does to which account, in fen.

This is bookkeeping over WeChat Pay's own funds, never a pool of money.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum

from domain.allocation import Amounts, CouponState, slices
from domain.money import at_rate
from domain.policy import FeePolicy
from domain.terms import Gift, Terms


class Account(Enum):
    """The chart of accounts: code and name."""

    CHANNEL_CLEARING = ("1010", "channel_clearing")
    BANK = ("1020", "bank")
    BUYER_RECEIVABLE = ("1030", "buyer_receivable")
    MERCHANT_RECEIVABLE = ("1040", "merchant_receivable")
    MERCHANT_PAYABLE = ("2010", "merchant_payable")
    ESCROW_GOODS = ("2021", "escrow_goods")
    ESCROW_FREIGHT = ("2022", "escrow_freight")
    REFUND_PAYABLE = ("2030", "refund_payable")
    GIFT_VOUCHER_LIABILITY = ("2040", "gift_voucher_liability")
    SUSPENSE = ("2060", "suspense")
    COMMISSION_INCOME = ("4010", "commission_income")
    GIFT_VOUCHER_RECOVERY = ("4020", "gift_voucher_recovery")
    CHANNEL_FEE_RECOVERY = ("4030", "channel_fee_recovery")
    CHANNEL_FEE_EXPENSE = ("5010", "channel_fee_expense")
    COUPON_EXPENSE_PLATFORM = ("5020", "coupon_expense_platform")
    GIFT_VOUCHER_EXPENSE = ("5025", "gift_voucher_expense")

    @property
    def code(self) -> str:
        """Its number, such as 1010."""
        return self.value[0]

    @property
    def title(self) -> str:
        """Its name, such as channel_clearing."""
        return self.value[1]


class PostingKind(StrEnum):
    """What a posting is for; one cause posts each kind at most once."""

    PAYMENT = "PAYMENT"
    CHANNEL_FEE = "CHANNEL_FEE"
    GIFT_ISSUED = "GIFT_ISSUED"
    GIFT_USED = "GIFT_USED"
    GIFT_VOIDED = "GIFT_VOIDED"
    GIFT_RECOVERED = "GIFT_RECOVERED"
    REFUND_APPROVED = "REFUND_APPROVED"
    REFUND_PAID = "REFUND_PAID"
    REFUND_SETTLED_OFFLINE = "REFUND_SETTLED_OFFLINE"
    FEE_RETURNED = "FEE_RETURNED"
    FEE_TRUED_UP = "FEE_TRUED_UP"
    RELEASE = "RELEASE"
    COMMISSION = "COMMISSION"
    HANDLING_FEE = "HANDLING_FEE"
    HANDLING_FEE_TRUED_UP = "HANDLING_FEE_TRUED_UP"
    UNOWED_PAYMENT = "UNOWED_PAYMENT"
    UNOWED_REFUND = "UNOWED_REFUND"


@dataclass(frozen=True)
class Posting:
    """One balanced set of entries: (account, fen), debits positive and credits negative.

    One that does not balance, or says nothing, can't be built.
    """

    kind: PostingKind
    entries: tuple[tuple[Account, int], ...]

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if sum(fen for _, fen in self.entries) != 0:
            raise ValueError(f"{self.kind} does not balance: {self.entries}")
        if not self.entries or any(fen == 0 for _, fen in self.entries):
            raise ValueError(f"{self.kind} has an entry that says nothing")


def payment(terms: Terms, fee: int) -> list[Posting]:
    """An order was paid, WeChat Pay took its fee (an estimate until the bill), gifts were given."""
    goods = sum(slices(terms).net)
    return _postings(
        _posting(
            PostingKind.PAYMENT,
            (Account.CHANNEL_CLEARING, terms.total_fee),
            (Account.COUPON_EXPENSE_PLATFORM, terms.platform_coupon),
            (Account.ESCROW_GOODS, -goods - terms.platform_coupon),
            (Account.ESCROW_FREIGHT, -terms.freight),
        ),
        _channel_fee(fee),
        gifts_issued(terms.gifts),
    )


def unowed_payment(fen: int, fee: int) -> list[Posting]:
    """Money that nobody owed came in: late, a second time, or for no order of ours."""
    return _postings(
        _posting(
            PostingKind.UNOWED_PAYMENT, (Account.CHANNEL_CLEARING, fen), (Account.SUSPENSE, -fen)
        ),
        _channel_fee(fee),
    )


def gifts_issued(gifts: Iterable[Gift]) -> Posting | None:
    """Vouchers were given with the order."""
    value = sum(gift.face_value for gift in gifts)
    return _posting(
        PostingKind.GIFT_ISSUED,
        (Account.GIFT_VOUCHER_EXPENSE, value),
        (Account.GIFT_VOUCHER_LIABILITY, -value),
    )


def gift_used(face_value: int) -> list[Posting]:
    """A voucher was spent: what was owed to the buyer is now held for the order it is spent on."""
    return _postings(
        _posting(
            PostingKind.GIFT_USED,
            (Account.GIFT_VOUCHER_LIABILITY, face_value),
            (Account.ESCROW_GOODS, -face_value),
        )
    )


def refund_approved(amounts: Amounts, payable: int | None) -> list[Posting]:
    """A case's refund was approved: the buyer is owed it.

    Before release it comes out of escrow. Afterwards (`payable`: what the merchant is owed) out of
    the merchant's balance, and below zero the merchant owes it.
    """
    owed = amounts.goods + amounts.freight
    sources: tuple[tuple[Account, int], ...]
    if payable is None:
        sources = (
            (Account.ESCROW_GOODS, amounts.goods + amounts.platform_coupon),
            (Account.ESCROW_FREIGHT, amounts.freight),
        )
    else:
        sources = merchant_bears(owed + amounts.platform_coupon, payable)
    return _postings(
        _posting(
            PostingKind.REFUND_APPROVED,
            *sources,
            (Account.COUPON_EXPENSE_PLATFORM, -amounts.platform_coupon),
            (Account.REFUND_PAYABLE, -owed),
        ),
        *_vouchers_taken_back(amounts),
    )


def unowed_refund(fen: int) -> list[Posting]:
    """Money that nobody owed is to go back."""
    return _postings(
        _posting(PostingKind.UNOWED_REFUND, (Account.SUSPENSE, fen), (Account.REFUND_PAYABLE, -fen))
    )


def refund_paid(fen: int, fee_back: int, *, expected: bool) -> list[Posting]:
    """WeChat Pay refunded the money, and returned that part of its fee.

    What nobody expected (made in WeChat's console, or settled otherwise before) goes to suspense.
    """
    source = Account.REFUND_PAYABLE if expected else Account.SUSPENSE
    return _postings(
        _posting(PostingKind.REFUND_PAID, (source, fen), (Account.CHANNEL_CLEARING, -fen)),
        _posting(
            PostingKind.FEE_RETURNED,
            (Account.CHANNEL_CLEARING, fee_back),
            (Account.CHANNEL_FEE_EXPENSE, -fee_back),
        ),
    )


def settled_offline(fen: int) -> list[Posting]:
    """Two people vouch that the buyer was paid from the bank."""
    return _postings(
        _posting(
            PostingKind.REFUND_SETTLED_OFFLINE, (Account.REFUND_PAYABLE, fen), (Account.BANK, -fen)
        )
    )


def fee_trued_up(difference: int) -> list[Posting]:
    """The bill shows `difference` fen more of fee than was estimated."""
    return _postings(
        _posting(
            PostingKind.FEE_TRUED_UP,
            (Account.CHANNEL_FEE_EXPENSE, difference),
            (Account.CHANNEL_CLEARING, -difference),
        )
    )


def handling_fee_trued_up(difference: int, payable: int) -> list[Posting]:
    """The bill came after the charge: the merchant bears `difference` fen more of the fee."""
    return _postings(
        _posting(
            PostingKind.HANDLING_FEE_TRUED_UP,
            *merchant_bears(difference, payable),
            (Account.CHANNEL_FEE_RECOVERY, -difference),
        )
    )


def release(goods: int, freight: int, commission_rate: Decimal) -> list[Posting]:
    """The order completed: what escrow still holds is the merchant's, less commission on goods."""
    commission = at_rate(goods, commission_rate)
    return _postings(
        _posting(
            PostingKind.RELEASE,
            (Account.ESCROW_GOODS, goods),
            (Account.ESCROW_FREIGHT, freight),
            (Account.MERCHANT_PAYABLE, -goods - freight),
        ),
        _posting(
            PostingKind.COMMISSION,
            (Account.MERCHANT_PAYABLE, commission),
            (Account.COMMISSION_INCOME, -commission),
        ),
    )


def handling_fee(original: int, returned: int, policy: FeePolicy, payable: int) -> list[Posting]:
    """A paid order became final: the merchant is charged the fee, once."""
    actual = policy is FeePolicy.CHANNEL_ACTUAL
    fee = original - returned if actual else original
    return _postings(
        _posting(
            PostingKind.HANDLING_FEE,
            *merchant_bears(fee, payable),
            (Account.CHANNEL_FEE_RECOVERY, -fee),
        )
    )


def merchant_bears(fen: int, payable: int) -> tuple[tuple[Account, int], ...]:
    """A charge to a merchant who is owed `payable`: beyond that, the merchant owes it."""
    covered = min(fen, max(payable, 0))
    return (
        (Account.MERCHANT_PAYABLE, covered),
        (Account.MERCHANT_RECEIVABLE, fen - covered),
    )


def fee_returned(rate: Decimal, refunded_before: int, fen: int) -> int:
    """The fee WeChat Pay gives back on a refund, estimated so that all parts add up."""
    return at_rate(refunded_before + fen, rate) - at_rate(refunded_before, rate)


def _channel_fee(fee: int) -> Posting | None:
    return _posting(
        PostingKind.CHANNEL_FEE,
        (Account.CHANNEL_FEE_EXPENSE, fee),
        (Account.CHANNEL_CLEARING, -fee),
    )


def _vouchers_taken_back(amounts: Amounts) -> Iterable[Posting | None]:
    voided = sum(v.face_value for v in amounts.vouchers if v.to is CouponState.VOID)
    receivable = sum(voucher.receivable for voucher in amounts.vouchers)
    yield _posting(
        PostingKind.GIFT_VOIDED,
        (Account.GIFT_VOUCHER_LIABILITY, voided),
        (Account.GIFT_VOUCHER_EXPENSE, -voided),
    )
    yield _posting(
        PostingKind.GIFT_RECOVERED,
        (Account.REFUND_PAYABLE, amounts.gift_recovery),
        (Account.BUYER_RECEIVABLE, receivable),
        (Account.GIFT_VOUCHER_RECOVERY, -amounts.gift_recovery - receivable),
    )


def _posting(kind: PostingKind, *entries: tuple[Account, int]) -> Posting | None:
    said = tuple(entry for entry in entries if entry[1] != 0)
    return Posting(kind, said) if said else None


def _postings(*made: Posting | None) -> list[Posting]:
    return [posting for posting in made if posting is not None]
