"""Events on their way to the shop: one name for each, and three days of patience."""

from datetime import timedelta

import pytest

from domain.webhooks import RETRIES, message, message_id, next_attempt
from tests.domain.builders import NOW


def test_a_message_names_its_event_and_carries_it_whole() -> None:
    event = {"id": 7, "at": "2026-03-02T09:00:00Z", "subject": "after_sale", "event": "APPLIED"}
    assert message_id(7) == "evt_7"
    assert message(event) == {
        "type": "after_sale.applied",
        "timestamp": "2026-03-02T09:00:00Z",
        "data": event,
    }


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(1, timedelta(seconds=5)), (4, timedelta(hours=2)), (9, timedelta(hours=20)), (10, None)],
)
def test_it_is_tried_again_until_it_is_given_up(failures: int, wait: timedelta | None) -> None:
    assert next_attempt(failures, NOW) == (NOW + wait if wait else None)


def test_three_days_in_all() -> None:
    assert timedelta(days=2, hours=23) < sum(RETRIES, timedelta(0)) < timedelta(days=3, hours=1)
