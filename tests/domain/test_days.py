"""Days in China against instants in UTC."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import day_of, end_of, start_of

DAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)


def test_a_day_lasts_from_midnight_to_midnight_in_china() -> None:
    assert (start_of(DAY), end_of(DAY)) == (MIDNIGHT, MIDNIGHT + timedelta(days=1))


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (MIDNIGHT - timedelta(microseconds=1), date(2026, 3, 1)),
        (MIDNIGHT, DAY),
        (MIDNIGHT + timedelta(hours=24, microseconds=-1), DAY),
        (MIDNIGHT + timedelta(hours=24), date(2026, 3, 3)),
    ],
)
def test_the_day_of_an_instant(at: datetime, day: date) -> None:
    assert day_of(at) == day


@given(st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1), timezones=st.timezones()))
def test_every_instant_lies_within_its_day(at: datetime) -> None:
    day = day_of(at)
    assert start_of(day) <= at < end_of(day)
