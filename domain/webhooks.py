"""Events on their way to the shop: what is sent, and when it is tried again.

Source: the Standard Webhooks specification.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

_HOUR = timedelta(hours=1)

RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 20)),
)
"""Waits after each failed attempt; three days in all."""


class DeliveryState(StrEnum):
    """How the delivery of an event stands."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


def message_id(event_id: int) -> str:
    """The same for every attempt, so that the shop can tell a repeat."""
    return f"evt_{event_id}"


def message(event: Mapping[str, Any]) -> dict[str, Any]:
    """The body for an event as the feed shows it."""
    return {
        "type": f"{event['subject']}.{event['event']}".lower(),
        "timestamp": event["at"],
        "data": dict(event),
    }


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many failures; None to give up."""
    return now + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None
