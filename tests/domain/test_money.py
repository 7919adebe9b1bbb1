"""Money: rounding, and slices that add up to the fen."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import at_rate, spread, unit_share, yuan

FEN = st.integers(0, 10**11)


@pytest.mark.parametrize(
    ("fen", "rate", "rounded"),
    [
        (17030, "0.006", 102),
        (10000, "0.006", 60),
        (250, "0.006", 2),
        (249, "0.006", 1),
        (14094, "0.02", 282),
        (10**11, "1", 10**11),
        (0, "0.006", 0),
        (17030, "0", 0),
    ],
)
def test_a_rate_is_rounded_half_up(fen: int, rate: str, rounded: int) -> None:
    assert at_rate(fen, Decimal(rate)) == rounded


@pytest.mark.parametrize(
    ("fen", "text"), [(17030, "170.30"), (5, "0.05"), (0, "0.00"), (-102, "-1.02")]
)
def test_yuan_has_two_decimals(fen: int, text: str) -> None:
    assert yuan(fen) == text


@pytest.mark.parametrize(
    ("total", "weights", "slices"),
    [
        (2000, [11980, 3500, 3750], [1246, 364, 390]),
        (1000, [10734, 3136, 3360], [623, 182, 195]),
        (1, [1, 1, 1], [1, 0, 0]),
        (2, [1, 1, 1], [1, 1, 0]),
        (2, [0, 300, 1], [0, 2, 0]),
        (0, [5, 7], [0, 0]),
        (12, [5, 7], [5, 7]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
    ],
)
def test_the_largest_remainder_takes_the_odd_fen_and_ties_go_to_the_earlier_line(
    total: int, weights: list[int], slices: list[int]
) -> None:
    assert spread(total, weights) == slices


def test_slices_add_up_and_stay_within_their_lines_on_20_000_orders() -> None:
    """Cheap last lines are where "the last takes the rest" turns a price negative."""
    dice = random.Random(20260302)
    for _ in range(20_000):
        weights = [dice.randint(1, 300) for _ in range(dice.randint(1, 5))] + [dice.randint(0, 3)]
        total = dice.randint(0, sum(weights))
        slices = spread(total, weights)
        assert sum(slices) == total
        assert all(0 <= part <= weight for part, weight in zip(slices, weights, strict=True))


@given(st.lists(FEN, min_size=1, max_size=100), st.data())
def test_slices_add_up_at_any_size(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    slices, whole = spread(total, weights), sum(weights) or 1
    assert sum(slices) == total
    for part, weight in zip(slices, weights, strict=True):
        assert 0 <= part <= weight
        assert part - total * weight // whole in (0, 1)


@given(FEN, st.integers(1, 2000))
def test_units_carry_the_whole_by_cumulative_floor(total: int, quantity: int) -> None:
    shares = [unit_share(total, unit, quantity) for unit in range(quantity)]
    sums = [sum(shares[:count]) for count in (1, quantity // 2, quantity)]
    assert sums == [total * count // quantity for count in (1, quantity // 2, quantity)]
    assert max(shares) - min(shares) <= 1
