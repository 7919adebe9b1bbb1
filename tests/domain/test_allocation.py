"""Who gets which fen back: O1's worked numbers, and what holds for every order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allocation import (
    Amounts,
    CouponState,
    FreightRule,
    LineAmount,
    Party,
    Slices,
    Standing,
    Units,
    VoucherEffect,
    all_units,
    amounts,
    slices,
)
from domain.terms import Gift, Terms
from tests.domain.builders import O1, R1, R2, R3, untouched
from tests.domain.strategies import orders

UNSHIPPED = FreightRule.WHEN_NOTHING_IS_KEPT
RETURNED = FreightRule.WHEN_MERCHANT_IS_RESPONSIBLE
USED = {"gift-1": CouponState.USED}


def test_the_slices_of_the_worked_order() -> None:
    assert slices(O1) == Slices(
        merchant_discount=(1246, 364, 390),
        platform_coupon=(623, 182, 195),
        net=(10111, 2954, 3165),
    )


def test_r1_one_line_cancelled_before_shipping() -> None:
    assert amounts(O1, R1, untouched(O1), Party.BUYER, UNSHIPPED) == Amounts(
        lines=(LineAmount(1, "B", "茶盘", 1, 3500, 364, 182, 2954),),
        goods=2954,
        platform_coupon=182,
        refund_fee=2954,
    )


def test_r2_a_return_without_reason_pays_the_used_voucher() -> None:
    assert amounts(O1, R2, Standing(R1, 800, USED), Party.BUYER, RETURNED) == Amounts(
        lines=(LineAmount(0, "A", "紫砂壶", 1, 5990, 623, 311, 5055),),
        goods=5055,
        platform_coupon=311,
        gift_recovery=500,
        refund_fee=4555,
        vouchers=(VoucherEffect("gift-1", "五元券", 500, CouponState.RECOVERED, deducted=500),),
    )


def test_r3_a_quality_problem_brings_the_freight_back() -> None:
    standing = Standing(R1 + R2, 800, {"gift-1": CouponState.RECOVERED})
    assert amounts(O1, R3, standing, Party.MERCHANT, RETURNED) == Amounts(
        lines=(
            LineAmount(0, "A", "紫砂壶", 1, 5990, 623, 312, 5056),
            LineAmount(2, "C", "茶杯", 3, 3750, 390, 195, 3165),
        ),
        goods=8221,
        platform_coupon=507,
        freight=800,
        refund_fee=9021,
    )


@pytest.mark.parametrize(
    ("units", "standing", "responsible", "rule", "freight"),
    [
        (all_units(O1), untouched(O1), Party.BUYER, UNSHIPPED, 800),
        (R1, untouched(O1), Party.MERCHANT, UNSHIPPED, 0),
        (R2 + R3, untouched(O1, taken=R1), Party.BUYER, UNSHIPPED, 800),
        (all_units(O1), untouched(O1), Party.BUYER, RETURNED, 0),
        (all_units(O1), untouched(O1), Party.MERCHANT, RETURNED, 800),
        (R1, untouched(O1), Party.MERCHANT, RETURNED, 800),
        (R2, untouched(O1, taken=R1, freight_left=0), Party.MERCHANT, RETURNED, 0),
        (R2 + R3, untouched(O1, taken=R1, freight_left=0), Party.BUYER, UNSHIPPED, 0),
    ],
)
def test_freight(
    units: Units, standing: Standing, responsible: Party, rule: FreightRule, freight: int
) -> None:
    assert amounts(O1, units, standing, responsible, rule).freight == freight


BROKEN = VoucherEffect("gift-1", "五元券", 500, CouponState.VOID)


@pytest.mark.parametrize(
    ("state", "responsible", "effect"),
    [
        (CouponState.ISSUED, Party.BUYER, BROKEN),
        (CouponState.ISSUED, Party.MERCHANT, BROKEN),
        (CouponState.USED, Party.BUYER, replace(BROKEN, to=CouponState.RECOVERED, deducted=500)),
        (CouponState.USED, Party.MERCHANT, replace(BROKEN, to=CouponState.WAIVED)),
        *(
            (state, party, None)
            for state in (CouponState.VOID, CouponState.RECOVERED, CouponState.WAIVED)
            for party in Party
        ),
    ],
)
def test_a_voucher_whose_condition_broke(
    state: CouponState, responsible: Party, effect: VoucherEffect | None
) -> None:
    standing = untouched(O1, vouchers={"gift-1": state})
    due = amounts(O1, all_units(O1), standing, responsible, RETURNED)
    assert due.vouchers == ((effect,) if effect else ())
    assert due.gift_recovery == (effect.deducted if effect else 0)


@pytest.mark.parametrize(
    ("keep_if_goods_at_least", "units", "is_kept"),
    [
        (16230 - 2954, R1, True),
        (16230 - 2953, R1, False),
        (0, all_units(O1), True),
        (1, all_units(O1), False),
        (None, R1 + R2, True),
        (None, all_units(O1), False),
    ],
)
def test_a_voucher_stays_while_its_condition_is_met(
    keep_if_goods_at_least: int | None, units: Units, is_kept: bool
) -> None:
    gift = Gift("gift-1", "五元券", 500, keep_if_goods_at_least)
    terms = replace(O1, gifts=(gift,))
    due = amounts(terms, units, untouched(terms), Party.BUYER, UNSHIPPED)
    assert due.vouchers == (() if is_kept else (BROKEN,))


def test_vouchers_worth_more_than_the_refund_leave_a_debt() -> None:
    """5055 fen are due: 3000 pay the first, what is left pays part of the second."""
    gifts = tuple(Gift(f"gift-{i}", "券", 3000, 10_000) for i in (1, 2, 3))
    terms = replace(O1, gifts=gifts)
    used = {gift.coupon_no: CouponState.USED for gift in gifts}
    due = amounts(terms, R2, Standing(R1, 800, used), Party.BUYER, RETURNED)
    effects = [(effect.deducted, effect.receivable) for effect in due.vouchers]
    assert effects == [(3000, 0), (2055, 945), (0, 3000)]
    assert (due.gift_recovery, due.refund_fee) == (5055, 0)


@given(orders())
def test_slices_add_up_and_no_line_is_negative(terms: Terms) -> None:
    shares = slices(terms)
    assert sum(shares.merchant_discount) == terms.merchant_discount
    assert sum(shares.platform_coupon) == terms.platform_coupon
    assert sum(shares.net) == terms.total_fee - terms.freight
    by_line = (shares.merchant_discount, shares.platform_coupon, shares.net)
    for line, *parts in zip(terms.lines, *by_line, strict=True):
        assert min(parts) >= 0
        assert sum(parts) == line.gross


@st.composite
def refunds(draw: st.DrawFn) -> tuple[Terms, list[tuple[Units, Party]]]:
    """An order, taken apart into cases in some order; not always all of it."""
    terms = draw(orders())
    units = draw(st.permutations(all_units(terms)))
    cases = []
    while units:
        count = draw(st.integers(1, len(units)))
        cases.append((tuple(sorted(units[:count])), draw(st.sampled_from(Party))))
        units = units[count:]
    return terms, cases[: draw(st.integers(1, len(cases)))]


def one_after_another(
    terms: Terms, cases: list[tuple[Units, Party]], vouchers: dict[str, CouponState]
) -> dict[Units, Amounts]:
    """What each case comes to after those before it."""
    made: dict[Units, Amounts] = {}
    standing = Standing((), terms.freight, vouchers)
    for units, responsible in cases:
        due = amounts(terms, units, standing, responsible, RETURNED)
        made[units] = due
        standing = Standing(
            standing.taken + units,
            standing.freight_left - due.freight,
            {**standing.vouchers, **{effect.coupon_no: effect.to for effect in due.vouchers}},
        )
    return made


@given(refunds(), st.data(), st.sampled_from(CouponState))
def test_the_order_of_refunds_changes_no_goods_and_no_total(
    refunded: tuple[Terms, list[tuple[Units, Party]]], data: st.DataObject, state: CouponState
) -> None:
    terms, cases = refunded
    vouchers = {gift.coupon_no: state for gift in terms.gifts}
    made = one_after_another(terms, cases, vouchers)
    again = one_after_another(terms, data.draw(st.permutations(cases)), vouchers)
    for units, due in made.items():
        assert (due.lines, due.goods) == (again[units].lines, again[units].goods)
    freight = sum(due.freight for due in made.values())
    assert freight == sum(due.freight for due in again.values())
    assert freight in (0, terms.freight)


@given(refunds(), st.sampled_from(CouponState))
def test_what_goes_back_adds_up(
    refunded: tuple[Terms, list[tuple[Units, Party]]], state: CouponState
) -> None:
    terms, cases = refunded
    vouchers = {gift.coupon_no: state for gift in terms.gifts}
    made = one_after_another(terms, cases, vouchers).values()
    for due in made:
        assert due.refund_fee == due.goods + due.freight - due.gift_recovery >= 0
        assert due.goods == sum(line.net for line in due.lines)
        assert due.gift_recovery == sum(effect.deducted for effect in due.vouchers)
    effects = [effect for due in made for effect in due.vouchers]
    assert len({effect.coupon_no for effect in effects}) == len(effects)
    for effect in effects:
        taken_back = effect.face_value if effect.to is CouponState.RECOVERED else 0
        assert effect.deducted + effect.receivable == taken_back
    if sum(len(units) for units, _ in cases) == len(all_units(terms)):
        assert sum(due.goods for due in made) == terms.total_fee - terms.freight
