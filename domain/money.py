"""Money is integer fen (分); rates are Decimals, so that no float ever touches an amount."""

from decimal import ROUND_HALF_UP, Decimal


def at_rate(fen: int, rate: Decimal) -> int:
    """`rate` of an amount, rounded half up to a fen, as WeChat Pay rounds its handling fee."""
    return int((fen * rate).quantize(Decimal(1), ROUND_HALF_UP))


def yuan(fen: int) -> str:
    """An amount in yuan for people: 17030 → `170.30`."""
    return f"{Decimal(fen) / 100:.2f}"


def spread(total: int, weights: list[int]) -> list[int]:
    """`total` fen over the weights by largest remainder, ties to the earlier line.

    The slices add up exactly, and none exceeds its weight while `total` does not exceed their sum.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    slices = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_remainder[: total - sum(slices)]:
        slices[index] += 1
    return slices


def unit_share(total: int, unit: int, quantity: int) -> int:
    """What one unit (from 0) of `quantity` carries of `total`, by cumulative floor.

    So one unit and then another come to the same as both at once.
    """
    return total * (unit + 1) // quantity - total * unit // quantity
