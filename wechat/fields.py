"""Typed values out of a flat message; whatever is missing or not what it must be is malformed."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from wechat.errors import MalformedXML

Fields = Mapping[str, str]

_DIGITS = re.compile("[0-9]{1,15}")


def text(fields: Fields, name: str) -> str:
    """A text that must be there. Raises MalformedXML."""
    value = fields.get(name, "")
    if not value:
        raise MalformedXML(f"without {name}")
    return value


def fen(fields: Fields, name: str) -> int:
    """An amount that must be there, in fen. Raises MalformedXML."""
    value = text(fields, name)
    if not _DIGITS.fullmatch(value):
        raise MalformedXML(f"{name} is not an amount in fen: {value[:32]!r}")
    return int(value)


def fen_or_none(fields: Fields, name: str) -> int | None:
    """An amount in fen that may be absent. Raises MalformedXML."""
    return fen(fields, name) if fields.get(name) else None


def moment_or_none(fields: Fields, name: str, read: Callable[[str], datetime]) -> datetime | None:
    """An instant in UTC; None when absent or unreadable, for no money fact hangs on a date."""
    try:
        return read(fields.get(name, ""))
    except ValueError:
        return None
