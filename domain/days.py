"""Days as WeChat Pay counts them: from midnight to midnight in China (+08:00)."""

from datetime import UTC, date, datetime, time, timedelta, timezone

CHINA = timezone(timedelta(hours=8))


def day_of(at: datetime) -> date:
    """The day in China on which an instant lies."""
    return at.astimezone(CHINA).date()


def start_of(day: date) -> datetime:
    """The instant at which a day in China begins, in UTC."""
    return datetime.combine(day, time(), CHINA).astimezone(UTC)


def end_of(day: date) -> datetime:
    """The instant at which the next day begins, in UTC."""
    return start_of(day) + timedelta(days=1)
