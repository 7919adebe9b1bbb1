"""What each story costs, exactly, and what it may cost: a deliberate change edits one line."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Cost:
    """Billable Actions, history events, rows added to our tables."""

    actions: int
    events: int
    rows: int


COSTS: Final = {
    "completed order": Cost(actions=18, events=45, rows=16),
    "unshipped refund, after paying": Cost(actions=24, events=97, rows=21),
    "return refund, after receiving": Cost(actions=29, events=114, rows=23),
}
"""Measured by `make bench-quick`, which fails when it measures anything else."""

COMPLETED_ACTIONS_MAX: Final = 18
COMPLETED_EVENTS_MAX: Final = 50
UNSHIPPED_REFUND_ACTIONS_MAX: Final = 24

OFFICIAL_ACTIONS: Final = 20
OFFICIAL_EVENTS: Final = 96
"""One fulfilled order of temporalio/reference-app-orders-go: no payment provider, no refund."""
