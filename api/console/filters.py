"""What a list shows, as its address says it: a link to a list is a saved view."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from api.console import formats
from api.console.visitor import Visitor
from db.worklists import Filter


@dataclass
class Asked:
    """The filters as people type them; an empty one filters nothing."""

    state: str = ""
    text: str = ""
    type: str = ""
    responsibility: str = ""
    reason_code: str = ""
    origin: str = ""
    merchant_id: str = ""
    due: str = ""
    yuan_min: str = ""
    yuan_max: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Asked":
        """The filters of an address; what it does not know is left out."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: formats.typed(query.get(name))[:100] for name in names})

    def address(self) -> str:
        """The same as a query, without a question mark."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return urlencode({name: value for name, value in said.items() if value})

    def filter(self, visitor: Visitor, cursor: str = "", limit: int = 50) -> Filter:
        """The same for the tables, and never beyond what the visitor may see."""
        return Filter(
            state=self.state,
            merchant_id=visitor.principal.scope(self.merchant_id),
            text=self.text,
            type=self.type,
            responsibility=self.responsibility,
            reason_code=self.reason_code,
            origin=self.origin,
            due=self.due,
            fen_min=fen(self.yuan_min),
            fen_max=fen(self.yuan_max),
            since=_midnight(visitor, self.since),
            until=_midnight(visitor, self.until, days=1),
            cursor=cursor,
            limit=limit,
        )


def fen(yuan: str) -> int | None:
    """An amount typed in yuan; None for what is none."""
    try:
        amount = Decimal(yuan) * 100
    except ArithmeticError:
        return None
    return int(amount) if amount.is_finite() and 0 <= amount < 10**12 else None


def _midnight(visitor: Visitor, day: str, days: int = 0) -> datetime | None:
    try:
        date = datetime.fromisoformat(day).date()
        at = datetime.combine(date, time(), visitor.zone) + timedelta(days=days)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
