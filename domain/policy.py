"""What a merchant may set: deadlines, limits, fees. Defaults are the platform's."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from domain.refusals import Code, Refused

MAX_APPLICATIONS = 5
"""Applications a buyer may make for one line."""

ALARM_SHARE = 0.75
"""The share of a deadline after which people are reminded."""

_SHORT = re.compile(r"(\d{1,8})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ISO = re.compile(
    r"P(?=.)(?:(?P<days>\d{1,8})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,8})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,8})S)?)?"
)
_LONGEST = timedelta(days=365)


class FeePolicy(StrEnum):
    """Who bears WeChat's handling fee when a paid order becomes final."""

    MERCHANT_BEARS_ORIGINAL = "MERCHANT_BEARS_ORIGINAL"
    """The whole original fee, whatever WeChat gave back on refunds."""
    CHANNEL_ACTUAL = "CHANNEL_ACTUAL"
    """What WeChat finally kept."""


@dataclass(frozen=True)
class Policies:
    """One merchant's policies; amounts in fen, rates as decimals."""

    unpaid_close: timedelta = timedelta(minutes=30)
    merchant_review: timedelta = timedelta(hours=48)
    return_needs_approval: bool = False
    buyer_return: timedelta = timedelta(days=7)
    merchant_receipt: timedelta = timedelta(days=10)
    platform_process: timedelta = timedelta(hours=24)
    auto_receive: timedelta = timedelta(days=10)
    after_sale_window_no_reason: timedelta = timedelta(days=7)
    after_sale_window_quality: timedelta = timedelta(days=15)
    refund_gap: timedelta = timedelta(minutes=1)
    auto_process_limit: int = 20_000
    fee_policy: FeePolicy = FeePolicy.MERCHANT_BEARS_ORIGINAL
    fee_rate: Decimal = Decimal("0.006")
    commission_rate: Decimal = Decimal(0)


RATE_PLACES = 6
NAMES = tuple(field.name for field in dataclasses.fields(Policies))
_DEFAULTS = Policies()


def with_values(base: Policies, values: Mapping[str, object]) -> Policies:
    """`base` with some policies replaced, each given as text or a plain JSON value.

    Durations are `10s`, `30m`, `24h`, `7d` or ISO 8601. Raises Refused naming the policy.
    """
    changes: dict[str, Any] = {name: read(name, value) for name, value in values.items()}
    return dataclasses.replace(base, **changes)


def read(name: str, value: object) -> timedelta | bool | int | Decimal | FeePolicy:
    """One policy's value; raises Refused naming it."""
    if name not in NAMES:
        raise Refused(Code.INVALID_FIELD, f"unknown policy: {name}", name)
    try:
        return _read_as(getattr(_DEFAULTS, name), str(value).strip())
    except (ValueError, InvalidOperation) as error:
        raise Refused(Code.INVALID_FIELD, f"{name}: {error}", name) from None


def duration(text: str) -> timedelta:
    """`10s`, `30m`, `24h`, `7d` or ISO 8601, at most a year; raises ValueError."""
    if short := _SHORT.fullmatch(text):
        found = timedelta(**{_UNITS[short[2]]: int(short[1])})
    elif iso := _ISO.fullmatch(text):
        found = timedelta(**{unit: int(n) for unit, n in iso.groupdict().items() if n})
    else:
        raise ValueError(f"{text!r} is not a duration such as 10s, 30m, 24h, 7d or PT24H")
    if found > _LONGEST:
        raise ValueError(f"{text!r} is longer than a year")
    return found


def as_text(value: object) -> str:
    """A policy's value as it would be written in a setting."""
    if isinstance(value, timedelta):
        return f"{int(value.total_seconds())}s"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _read_as(default: object, text: str) -> timedelta | bool | int | Decimal | FeePolicy:
    if isinstance(default, timedelta):
        return duration(text)
    if isinstance(default, bool):
        return _truth(text)
    if isinstance(default, FeePolicy):
        return FeePolicy(text)
    if isinstance(default, Decimal):
        return _rate(text)
    return _amount(text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _rate(text: str) -> Decimal:
    rate = Decimal(text)
    if not (rate.is_finite() and 0 <= rate <= 1):
        raise ValueError(f"{text!r} is not between 0 and 1")
    if rate != round(rate, RATE_PLACES):
        raise ValueError(f"{text!r} has more than {RATE_PLACES} decimal places")
    return rate


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError(f"{text!r} is not an amount in fen")
    return int(text)
