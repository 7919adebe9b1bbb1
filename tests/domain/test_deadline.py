"""Deadlines: absolute instants, a reminder at three quarters, the instant itself too late."""

from datetime import datetime, timedelta

import pytest

from domain.deadline import Deadline, alarmed, brought_forward, missed, owed, quiet
from tests.domain.builders import NOW, SECOND

DAY = timedelta(hours=24)
ALARM = NOW + timedelta(hours=18)
OWED = owed("platform_process", NOW, DAY)


def test_what_somebody_owes_is_reminded_of_at_three_quarters() -> None:
    assert Deadline("platform_process", NOW + DAY, ALARM) == OWED
    assert OWED.next_at == ALARM


def test_what_nobody_owes_reminds_nobody() -> None:
    deadline = quiet("auto_receive", NOW, DAY)
    assert deadline == Deadline("auto_receive", NOW + DAY)
    assert deadline.next_at == NOW + DAY
    assert not deadline.alarms(NOW + DAY - SECOND)


@pytest.mark.parametrize(
    ("at", "alarms", "is_over"),
    [
        (ALARM - SECOND, False, False),
        (ALARM, True, False),
        (ALARM + SECOND, True, False),
        (NOW + DAY - SECOND, True, False),
        (NOW + DAY, False, True),
        (NOW + DAY + SECOND, False, True),
    ],
)
def test_a_second_before_at_and_after(at: datetime, alarms: bool, is_over: bool) -> None:
    assert (OWED.alarms(at), OWED.is_over(at)) == (alarms, is_over)


def test_people_are_reminded_once() -> None:
    reminded = alarmed(OWED)
    assert not reminded.alarms(ALARM)
    assert reminded.next_at == OWED.at


def test_a_missed_deadline_stays_in_sight_and_never_comes_again() -> None:
    late = missed(OWED)
    assert late.at == OWED.at
    assert late.is_over(NOW)
    assert late.next_at is None
    assert not late.alarms(ALARM)


@pytest.mark.parametrize("at", [NOW + SECOND, NOW + DAY - SECOND])
def test_brought_forward_passes_now_without_a_reminder(at: datetime) -> None:
    now = brought_forward(OWED, at)
    assert now.next_at == at
    assert now.is_over(at)


def test_brought_forward_is_never_later() -> None:
    assert brought_forward(OWED, NOW + 2 * DAY).at == OWED.at
