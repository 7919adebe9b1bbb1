"""A deadline is an absolute instant, with a reminder on the way to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.policy import ALARM_SHARE


@dataclass(frozen=True)
class Deadline:
    """`policy` names the rule; `alarm_at` is None once people were reminded, or need not be.

    `passed` stays true on a deadline that was missed and left the thing open.
    """

    policy: str
    at: datetime
    alarm_at: datetime | None = None
    passed: bool = False

    @property
    def next_at(self) -> datetime | None:
        """When the clock has to do something, if ever."""
        if self.passed:
            return None
        return self.alarm_at or self.at

    def is_over(self, now: datetime) -> bool:
        """Whether it has passed, now or before; the instant itself is too late."""
        return self.passed or now >= self.at

    def alarms(self, now: datetime) -> bool:
        """Whether people are to be reminded now."""
        return not self.is_over(now) and self.alarm_at is not None and now >= self.alarm_at


def quiet(policy: str, start: datetime, length: timedelta) -> Deadline:
    """A deadline that nobody is reminded of, because nobody owes anything."""
    return Deadline(policy, start + length)


def owed(policy: str, start: datetime, length: timedelta) -> Deadline:
    """A deadline by which somebody owes an action."""
    return Deadline(policy, start + length, start + length * ALARM_SHARE)


def alarmed(deadline: Deadline) -> Deadline:
    """The same deadline after the reminder."""
    return replace(deadline, alarm_at=None)


def missed(deadline: Deadline) -> Deadline:
    """The same deadline, kept in sight after it was missed."""
    return replace(deadline, alarm_at=None, passed=True)


def brought_forward(deadline: Deadline, now: datetime) -> Deadline:
    """The same deadline, passing at `now`."""
    return replace(deadline, at=min(deadline.at, now), alarm_at=None)
