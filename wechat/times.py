"""WeChat Pay writes times in China Standard Time (+08:00) and without a zone; we hold aware UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "CST")

_COMPACT = "%Y%m%d%H%M%S"
_SPACED = "%Y-%m-%d %H:%M:%S"


def to_compact(at: datetime) -> str:
    """An aware instant as `yyyyMMddHHmmss`, the form of the order APIs."""
    return _aware(at).astimezone(CHINA).strftime(_COMPACT)


def to_spaced(at: datetime) -> str:
    """An aware instant as `yyyy-MM-dd HH:mm:ss`, the form of refund results and bills."""
    return _aware(at).astimezone(CHINA).strftime(_SPACED)


def from_compact(text: str) -> datetime:
    """`yyyyMMddHHmmss` as an instant in UTC. Raises ValueError."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"not a compact time: {text[:32]!r}")
    return _from_china(text, _COMPACT)


def from_spaced(text: str) -> datetime:
    """`yyyy-MM-dd HH:mm:ss` as an instant in UTC. Raises ValueError."""
    return _from_china(text, _SPACED)


def to_bill_date(day: date) -> str:
    """A business day in China as `yyyyMMdd`."""
    return day.strftime("%Y%m%d")


def _from_china(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form).replace(tzinfo=CHINA).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"a time outside the calendar: {text!r}") from error


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at
