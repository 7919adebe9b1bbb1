"""What an order may be placed on; every refusal names its field."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from domain.refusals import Code, Refused
from domain.terms import LINES_MAX, TOTAL_MAX, UNITS_MAX, Gift, Line, checked
from tests.domain.builders import O1


def lines(count: int, quantity: int = 1, unit_price: int = 10) -> tuple[Line, ...]:
    return tuple(Line(f"sku-{i}", "茶杯", quantity, unit_price) for i in range(count))


def test_the_worked_order() -> None:
    assert checked(O1) is O1
    assert (O1.gross, O1.total_fee) == (19230, 17030)


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "a" * 6},
        {"out_trade_no": "A-z_0" * 6 + "ab"},
        {"lines": lines(LINES_MAX)},
        {"lines": lines(1, quantity=UNITS_MAX)},
        {"lines": lines(1, 1, TOTAL_MAX - 800)},
        {"lines": lines(1, 1, 0), "freight": 1},
        {"merchant_discount": 19230},
        {"merchant_discount": 2000, "platform_coupon": 17230},
        {"gifts": (Gift("g1", "券", 1), Gift("g2", "券", 1))},
    ],
)
def test_the_utmost_that_is_taken(changes: Mapping[str, Any]) -> None:
    terms = replace(O1, **{"merchant_discount": 0, "platform_coupon": 0, **changes})
    assert checked(terms) is terms


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        *(
            ("out_trade_no", {"out_trade_no": bad})
            for bad in ("", "a" * 5, "a" * 33, "order o1", "order.o1", "订单号码一二", "order-1\n")
        ),
        ("lines", {"lines": ()}),
        ("lines", {"lines": lines(LINES_MAX + 1)}),
        ("lines", {"lines": lines(2, quantity=UNITS_MAX // 2 + 1)}),
        ("lines", {"lines": (Line("A", "茶杯", 1, 9), Line("A", "茶壶", 1, 9))}),
        ("merchant_discount", {"merchant_discount": 19231}),
        ("platform_coupon", {"platform_coupon": 17231}),
        ("total_fee", {"merchant_discount": 19230, "platform_coupon": 0, "freight": 0}),
        ("total_fee", {"lines": lines(1, 1, TOTAL_MAX), "freight": 3001}),
        ("gifts", {"gifts": (Gift("g1", "券", 1), Gift("g1", "券", 2))}),
    ],
)
def test_a_refusal_names_its_field(field: str, changes: Mapping[str, Any]) -> None:
    with pytest.raises(Refused, match=f"^{field}: ") as refusal:
        checked(replace(O1, **changes))
    assert (refusal.value.code, refusal.value.field) == (Code.INVALID_FIELD, field)
