"""What all pages of one API process share."""

import time
from dataclasses import dataclass, field

from sqlmodel import Session, func, select

from api.context import Context
from db.tables import Event, Incident, RefundAttempt

OFFICE = "order_flow.office"
"""Where a request's scope carries the office."""

FRESH_S = 0.5

Mark = tuple[int, int, int]


@dataclass
class Feed:
    """Whether anything has happened: one cheap question for all pages together."""

    context: Context
    _mark: Mark = (0, 0, 0)
    _asked_at: float = field(default=float("-inf"))

    async def mark(self) -> Mark:
        """Different whenever something new was written down, half a second old at most."""
        now = time.monotonic()
        if now - self._asked_at >= FRESH_S:
            self._asked_at = now
            self._mark = await self.context.read(_last_numbers)
        return self._mark


class Office:
    """One application's context and its feed."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.feed = Feed(context)


def _last_numbers(session: Session) -> Mark:
    last = [
        select(func.coalesce(func.max(table.id), 0)).scalar_subquery()
        for table in (Event, Incident, RefundAttempt)
    ]
    events, incidents, attempts = session.connection().execute(select(*last)).one()
    return events, incidents, attempts
