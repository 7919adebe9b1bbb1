"""WeChat's times in China, ours in UTC."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat import times

INSTANT = datetime(2026, 11, 8, 17, 30, 5, tzinfo=UTC)


def test_instants_are_written_as_china_reads_them() -> None:
    assert times.to_compact(INSTANT) == "20261109013005"
    assert times.to_spaced(INSTANT) == "2026-11-09 01:30:05"
    assert times.to_bill_date(date(2026, 1, 2)) == "20260102"


def test_what_is_read_is_aware_utc() -> None:
    assert times.from_compact("20261109013005") == INSTANT
    assert times.from_spaced("2026-11-09 01:30:05").tzinfo is UTC


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)))
def test_both_forms_return_the_instant(naive: datetime) -> None:
    instant = naive.replace(microsecond=0, tzinfo=UTC)
    assert times.from_compact(times.to_compact(instant)) == instant
    assert times.from_spaced(times.to_spaced(instant)) == instant


@pytest.mark.parametrize(
    "text", ["", "2026110901300", "2026110901300x", "20261309013005", "00010101000000", "٢" * 14]
)
def test_an_odd_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        times.from_compact(text)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        times.to_compact(datetime(2026, 1, 1))
