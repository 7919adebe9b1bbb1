"""Who gets which fen back: what each unit of an order carries, and what a case comes to.

Each unit of each line has slices of its own that no earlier refund can change, so that the order
in which units are refunded never matters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.money import spread, unit_share
from domain.terms import Gift, Terms

Units = tuple[tuple[int, int], ...]
"""Units of an order, sorted: (line index, unit index), both from 0."""


class Party(StrEnum):
    """Who is responsible for a return, and so bears freight and vouchers."""

    BUYER = "BUYER"
    MERCHANT = "MERCHANT"


class CouponState(StrEnum):
    """How a gift voucher stands."""

    ISSUED = "ISSUED"
    USED = "USED"
    VOID = "VOID"
    RECOVERED = "RECOVERED"
    WAIVED = "WAIVED"


class FreightRule(StrEnum):
    """When a case gives the outbound freight back."""

    WHEN_NOTHING_IS_KEPT = "WHEN_NOTHING_IS_KEPT"
    """Unshipped: only when the whole order is cancelled, for else the parcel still goes."""
    WHEN_MERCHANT_IS_RESPONSIBLE = "WHEN_MERCHANT_IS_RESPONSIBLE"
    """Returned: with the first case that is the merchant's responsibility."""


@dataclass(frozen=True)
class LineAmount:
    """One line's part of a case, in fen; `net` is what the buyer paid for these units."""

    line: int
    sku: str
    title: str
    quantity: int
    gross: int
    merchant_discount: int
    platform_coupon: int
    net: int


@dataclass(frozen=True)
class VoucherEffect:
    """What a case does to one gift voucher, in fen; `to` is the state it leaves it in."""

    coupon_no: str
    title: str
    face_value: int
    to: CouponState
    deducted: int = 0
    receivable: int = 0


@dataclass(frozen=True)
class Amounts:
    """What a case comes to, in fen: goods + freight - gift_recovery = refund_fee."""

    lines: tuple[LineAmount, ...] = ()
    goods: int = 0
    platform_coupon: int = 0
    freight: int = 0
    gift_recovery: int = 0
    refund_fee: int = 0
    vouchers: tuple[VoucherEffect, ...] = ()


@dataclass(frozen=True)
class Slices:
    """What each line carries of the order's discounts, in fen, by line."""

    merchant_discount: tuple[int, ...]
    platform_coupon: tuple[int, ...]
    net: tuple[int, ...]


@dataclass(frozen=True)
class Standing:
    """What earlier refunds left of an order: units taken, freight in fen, vouchers' states."""

    taken: Units
    freight_left: int
    vouchers: Mapping[str, CouponState]


def slices(terms: Terms) -> Slices:
    """The merchant's discount by gross, then the platform's coupon by what is left."""
    gross = [line.gross for line in terms.lines]
    discount = spread(terms.merchant_discount, gross)
    discounted = [price - off for price, off in zip(gross, discount, strict=True)]
    coupon = spread(terms.platform_coupon, discounted)
    net = [price - off for price, off in zip(discounted, coupon, strict=True)]
    return Slices(tuple(discount), tuple(coupon), tuple(net))


def all_units(terms: Terms) -> Units:
    """Every unit of the order."""
    return tuple((i, unit) for i, line in enumerate(terms.lines) for unit in range(line.quantity))


def amounts(
    terms: Terms, units: Units, standing: Standing, responsible: Party, freight: FreightRule
) -> Amounts:
    """What refunding these units comes to, after what `standing` says went before."""
    shares = slices(terms)
    lines = tuple(_line(terms, shares, index, units) for index in _lines(units))
    goods = sum(line.net for line in lines)
    kept = set(all_units(terms)) - set(units) - set(standing.taken)
    freight_due = _freight(standing.freight_left, responsible, freight, bool(kept))
    vouchers = _vouchers(terms, shares, kept, standing, responsible, goods + freight_due)
    recovery = sum(voucher.deducted for voucher in vouchers)
    return Amounts(
        lines=lines,
        goods=goods,
        platform_coupon=sum(line.platform_coupon for line in lines),
        freight=freight_due,
        gift_recovery=recovery,
        refund_fee=goods + freight_due - recovery,
        vouchers=vouchers,
    )


def _lines(units: Units) -> list[int]:
    return sorted({line for line, _ in units})


def _line(terms: Terms, shares: Slices, index: int, units: Units) -> LineAmount:
    line = terms.lines[index]
    taken = [unit for at, unit in units if at == index]
    return LineAmount(
        line=index,
        sku=line.sku,
        title=line.title,
        quantity=len(taken),
        gross=line.unit_price * len(taken),
        merchant_discount=_share(shares.merchant_discount[index], taken, line.quantity),
        platform_coupon=_share(shares.platform_coupon[index], taken, line.quantity),
        net=_share(shares.net[index], taken, line.quantity),
    )


def _share(total: int, units: Iterable[int], quantity: int) -> int:
    return sum(unit_share(total, unit, quantity) for unit in units)


def _freight(left: int, responsible: Party, rule: FreightRule, anything_kept: bool) -> int:
    if rule is FreightRule.WHEN_NOTHING_IS_KEPT:
        return 0 if anything_kept else left
    return left if responsible is Party.MERCHANT else 0


def _vouchers(
    terms: Terms,
    shares: Slices,
    kept: set[tuple[int, int]],
    standing: Standing,
    responsible: Party,
    due: int,
) -> tuple[VoucherEffect, ...]:
    kept_net = sum(
        unit_share(shares.net[line], unit, terms.lines[line].quantity) for line, unit in kept
    )
    effects = []
    for gift in terms.gifts:
        if _is_kept(gift, bool(kept), kept_net):
            continue
        effect = _effect(gift, standing.vouchers.get(gift.coupon_no), responsible, due)
        if effect is not None:
            due -= effect.deducted
            effects.append(effect)
    return tuple(effects)


def _is_kept(gift: Gift, anything_kept: bool, kept_net: int) -> bool:
    if gift.keep_if_goods_at_least is None:
        return anything_kept
    return kept_net >= gift.keep_if_goods_at_least


def _effect(
    gift: Gift, state: CouponState | None, responsible: Party, due: int
) -> VoucherEffect | None:
    said = (gift.coupon_no, gift.title, gift.face_value)
    if state is CouponState.ISSUED:
        return VoucherEffect(*said, to=CouponState.VOID)
    if state is not CouponState.USED:
        return None
    if responsible is Party.MERCHANT:
        return VoucherEffect(*said, to=CouponState.WAIVED)
    deducted = min(gift.face_value, due)
    return VoucherEffect(
        *said, CouponState.RECOVERED, deducted=deducted, receivable=gift.face_value - deducted
    )
