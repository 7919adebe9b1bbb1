"""What every part of the simulator shares: settings, store, clock, and a bell for the notifier."""

import asyncio
from dataclasses import dataclass, field

from simulator.clock import Clock
from simulator.quota import Quota
from simulator.settings import Settings
from simulator.store import Store


@dataclass
class World:
    """One simulated WeChat Pay."""

    settings: Settings
    store: Store
    clock: Clock
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    """Rung whenever something may have become due."""
    quota: Quota = field(default_factory=Quota)
    sending: set[int] = field(default_factory=set)
    """Notifications on the wire now: no one else may send them meanwhile."""
