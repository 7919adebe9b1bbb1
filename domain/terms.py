"""What was agreed when an order was placed; it never changes afterwards."""

import re
from dataclasses import dataclass, field

from domain.policy import Policies
from domain.refusals import Code, Refused

LINES_MAX = 100
UNITS_MAX = 2_000
"""Units that one order may have in all: each is followed by itself."""
TOTAL_MAX = 100_000_000_000
"""In fen: the largest amount that one order may come to."""

_ORDER_NUMBER = re.compile(r"[0-9A-Za-z_-]{6,32}")


@dataclass(frozen=True)
class Line:
    """One thing bought: `quantity` units at `unit_price` fen."""

    sku: str
    title: str
    quantity: int
    unit_price: int

    @property
    def gross(self) -> int:
        """Before any discount, in fen."""
        return self.quantity * self.unit_price


@dataclass(frozen=True)
class Gift:
    """A voucher (兑换券) that paying this order gives to the buyer; amounts in fen.

    It stays the buyer's while the net goods kept are worth `keep_if_goods_at_least`; without that
    condition, while anything is kept.
    """

    coupon_no: str
    title: str
    face_value: int
    keep_if_goods_at_least: int | None = None


@dataclass(frozen=True)
class Terms:
    """An order as the shop placed it; amounts in fen."""

    out_trade_no: str
    merchant_id: str
    openid: str
    description: str
    lines: tuple[Line, ...]
    freight: int
    merchant_discount: int = 0
    platform_coupon: int = 0
    gifts: tuple[Gift, ...] = ()
    client_ip: str = "127.0.0.1"
    attach: str = ""
    sub_mch_id: str = ""
    policies: Policies = field(default_factory=Policies)

    @property
    def gross(self) -> int:
        """All lines before discounts."""
        return sum(line.gross for line in self.lines)

    @property
    def total_fee(self) -> int:
        """What the buyer pays."""
        return self.gross - self.merchant_discount - self.platform_coupon + self.freight


def checked(terms: Terms) -> Terms:
    """The same terms, if they make sense; raises Refused naming the field."""
    if not _ORDER_NUMBER.fullmatch(terms.out_trade_no):
        _wrong("out_trade_no", "6 to 32 letters, digits, _ or -")
    if not 1 <= len(terms.lines) <= LINES_MAX:
        _wrong("lines", f"between 1 and {LINES_MAX} lines")
    if len({line.sku for line in terms.lines}) < len(terms.lines):
        _wrong("lines", "each sku once; use quantity for more")
    if sum(line.quantity for line in terms.lines) > UNITS_MAX:
        _wrong("lines", f"at most {UNITS_MAX} units in all")
    if terms.merchant_discount > terms.gross:
        _wrong("merchant_discount", "more than the goods are worth")
    if terms.platform_coupon > terms.gross - terms.merchant_discount:
        _wrong("platform_coupon", "more than the goods are worth after the merchant's discount")
    if not 1 <= terms.total_fee <= TOTAL_MAX:
        _wrong("total_fee", f"must come to between 1 and {TOTAL_MAX} fen, not {terms.total_fee}")
    if len({gift.coupon_no for gift in terms.gifts}) < len(terms.gifts):
        _wrong("gifts", "each coupon_no once")
    return terms


def _wrong(name: str, reason: str) -> None:
    raise Refused(Code.INVALID_FIELD, f"{name}: {reason}", name)
