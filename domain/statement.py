"""What a merchant is told of a period: its orders line by line, and what it is owed before and
after. Every figure is a sum of ledger entries, and each line names its postings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.ledger import Account, PostingKind
from domain.policy import FeePolicy


@dataclass(frozen=True)
class Movement:
    """A ledger entry: `fen` from the credited account to the debited one, as codes."""

    cause: str
    kind: str
    debit: str
    credit: str
    fen: int
    at: datetime
    out_trade_no: str


@dataclass(frozen=True)
class Charge:
    """The handling fee of an order that became final, as each policy would charge it; fen."""

    policy: FeePolicy
    original: int
    actual: int


@dataclass(frozen=True)
class Balance:
    """What the merchant is owed, and what it owes; fen."""

    payable: int
    receivable: int

    @property
    def net(self) -> int:
        """Owed to the merchant; below zero, owed by it."""
        return self.payable - self.receivable


@dataclass(frozen=True)
class Figures:
    """Sums over one order or all of them; fen.

    `paid` and `refunded`: what buyers paid, and what they got back. `released`: what escrow still
    held when orders completed. `refunds_charged`: refunds after that, at the merchant's cost.
    `settled`: what the period added to the merchant's balance.
    """

    paid: int = 0
    refunded: int = 0
    released: int = 0
    commission: int = 0
    handling_fee: int = 0
    refunds_charged: int = 0
    settled: int = 0


@dataclass(frozen=True)
class Reference:
    """A posting that a line's figures come from."""

    cause: str
    kind: str
    at: datetime


@dataclass(frozen=True)
class StatementLine:
    """One order's part of the period."""

    out_trade_no: str
    figures: Figures
    charge: Charge | None
    postings: tuple[Reference, ...]


@dataclass(frozen=True)
class Statement:
    """A merchant's period."""

    opening: Balance
    closing: Balance
    lines: tuple[StatementLine, ...]
    totals: Figures


_MERCHANT = (Account.MERCHANT_PAYABLE.code, Account.MERCHANT_RECEIVABLE.code)
_CLEARING, _BANK = Account.CHANNEL_CLEARING.code, Account.BANK.code
_K = PostingKind


def _net(movement: Movement, *accounts: str) -> int:
    """Debits less credits of these accounts."""
    return movement.fen * ((movement.debit in accounts) - (movement.credit in accounts))


FIGURES: Mapping[str, tuple[frozenset[PostingKind], Callable[[Movement], int]]] = {
    "paid": (frozenset({_K.PAYMENT, _K.UNOWED_PAYMENT}), lambda one: _net(one, _CLEARING)),
    "refunded": (
        frozenset({_K.REFUND_PAID, _K.REFUND_SETTLED_OFFLINE}),
        lambda one: -_net(one, _CLEARING, _BANK),
    ),
    "released": (frozenset({_K.RELEASE}), lambda one: -_net(one, *_MERCHANT)),
    "commission": (frozenset({_K.COMMISSION}), lambda one: _net(one, *_MERCHANT)),
    "handling_fee": (
        frozenset({_K.HANDLING_FEE, _K.HANDLING_FEE_TRUED_UP}),
        lambda one: _net(one, *_MERCHANT),
    ),
    "refunds_charged": (frozenset({_K.REFUND_APPROVED}), lambda one: _net(one, *_MERCHANT)),
    "settled": (frozenset(_K), lambda one: -_net(one, *_MERCHANT)),
}
"""Each figure: the kinds of posting that it sums, and what each of their entries adds."""


def build(
    opening: Balance, movements: Iterable[Movement], charges: Mapping[str, Charge]
) -> Statement:
    """The statement over a period's entries, oldest first; `charges` by out_trade_no."""
    by_order: dict[str, list[Movement]] = defaultdict(list)
    everything = list(movements)
    for movement in everything:
        by_order[movement.out_trade_no].append(movement)
    lines = (_line(number, of_order, charges) for number, of_order in by_order.items())
    return Statement(
        opening=opening,
        closing=_after(opening, everything),
        lines=tuple(line for line in lines if line.figures != Figures()),
        totals=_figures(everything),
    )


def _line(number: str, movements: list[Movement], charges: Mapping[str, Charge]) -> StatementLine:
    postings = dict.fromkeys(Reference(one.cause, one.kind, one.at) for one in movements)
    return StatementLine(number, _figures(movements), charges.get(number), tuple(postings))


def _figures(movements: list[Movement]) -> Figures:
    return Figures(
        **{
            name: sum(adds(one) for one in movements if one.kind in kinds)
            for name, (kinds, adds) in FIGURES.items()
        }
    )


def _after(opening: Balance, movements: list[Movement]) -> Balance:
    payable, receivable = _MERCHANT
    return Balance(
        opening.payable - sum(_net(one, payable) for one in movements),
        opening.receivable + sum(_net(one, receivable) for one in movements),
    )
