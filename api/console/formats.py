"""Amounts, instants and stretches of time as people read them."""

import uuid
from datetime import date, datetime, timedelta

from api.console.visitor import Visitor
from db.views import View

MINUTE, HOUR, DAY = 60, 3600, 86_400


def money(fen: int | None) -> str:
    """17030 → ¥170.30; nothing where there is no amount."""
    if fen is None:
        return "–"
    sign = "−" if fen < 0 else ""
    yuan, rest = divmod(abs(fen), 100)
    return f"{sign}¥{yuan:,}.{rest:02d}"


def instant(text: str | None) -> datetime | None:
    """An instant of a view."""
    return datetime.fromisoformat(text) if text else None


def day(text: str) -> date | None:
    """A day such as 2026-11-24; None for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def when(visitor: Visitor, text: str | None) -> str:
    """An instant in the reader's zone: 11-24 21:15:08."""
    at = instant(text)
    return at.astimezone(visitor.zone).strftime("%m-%d %H:%M:%S") if at else "–"


def when_in_full(visitor: Visitor, text: str | None) -> str:
    """An instant in the reader's zone with year and zone."""
    at = instant(text)
    return at.astimezone(visitor.zone).strftime("%Y-%m-%d %H:%M:%S %Z") if at else ""


def length(visitor: Visitor, span: timedelta | float) -> str:
    """A stretch of time by its two largest units; the last minute by the second."""
    seconds = int(span.total_seconds() if isinstance(span, timedelta) else span)
    days, hours, minutes = seconds // DAY, seconds % DAY // HOUR, seconds % HOUR // MINUTE
    if days:
        return visitor.t("time.days_hours", days=days, hours=hours)
    if hours:
        return visitor.t("time.hours_minutes", hours=hours, minutes=minutes)
    if minutes >= 10:
        return visitor.t("time.minutes", minutes=minutes)
    if minutes:
        return visitor.t("time.minutes_seconds", minutes=minutes, seconds=seconds % MINUTE)
    return visitor.t("time.seconds", seconds=seconds)


def countdown(visitor: Visitor, deadline_at: datetime, now: datetime) -> str:
    """What is left until a deadline, or for how long it is over."""
    left = deadline_at - now
    if left < timedelta(0):
        return visitor.t("time.over", length=length(visitor, -left))
    return visitor.t("time.left", length=length(visitor, left))


def urgency(view: View, now: datetime) -> str:
    """late, alarm (three quarters gone) or fine; empty without a deadline."""
    deadline, alarm = instant(view["deadline_at"]), instant(view.get("alarm_at"))
    if deadline is None:
        return ""
    if deadline <= now:
        return "late"
    return "alarm" if alarm is None or alarm <= now else "fine"


def actor(visitor: Visitor, text: str) -> str:
    """`merchant:Mei` → Mei (merchant)."""
    role, _, name = text.partition(":")
    if role in ("system", "channel"):
        return visitor.said("actor", name)
    return visitor.t("actor.person", name=name, role=visitor.said("role", role))


def typed(text: str | None) -> str:
    """What somebody typed, as one line that every table can hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text or "").split())


def fresh_key() -> str:
    """An Idempotency-Key for one dialog: pressing its button twice is pressing it once."""
    return uuid.uuid4().hex
