"""What happened to an order, a case or a refund, as people and shops read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class Subject(StrEnum):
    """What a timeline entry is about."""

    ORDER = "order"
    AFTER_SALE = "after_sale"
    REFUND = "refund"
    RECONCILIATION = "reconciliation"


@dataclass(frozen=True)
class Actor:
    """Who did it: a person or system by name, in a role."""

    name: str
    role: str

    def __str__(self) -> str:
        return f"{self.role}:{self.name}"


CLOCK = Actor("clock", "system")
WECHAT = Actor("wechat-pay", "channel")
SYSTEM = Actor("order-flow", "system")

RESTORED: Final = "RESTORED"
"""The event of a step that was written down by a task which was then lost, and is undone."""
STEP_LOST: Final = "a step that was written down was lost, and is undone"


@dataclass(frozen=True)
class Entry:
    """One line of a timeline; `source` and `target` differ where a state changed."""

    at: datetime
    actor: str
    event: str
    source: str
    target: str
    reason: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)
