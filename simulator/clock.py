"""Two clocks: a calendar that dates things, and a tick that paces waits.

`scale` quickens waits only, so that a demo twenty times faster still writes today's dates;
`advance` moves both, as if time had passed.
"""

import time
from datetime import UTC, datetime

from simulator.store import Store
from wechat import times


class Clock:
    """The simulated time, kept in the store so that a restart continues it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.load()

    def load(self) -> None:
        """Read the clock's settings; a new store starts at the wall clock."""
        now = time.time()
        self.scale = float(self._store.meta("clock scale", "1"))
        self._real_base = float(self._store.meta("clock real base", repr(now)))
        self._tick_base = float(self._store.meta("clock tick base", repr(now)))
        self._offset = float(self._store.meta("clock offset", "0"))
        self._save()

    def tick(self) -> float:
        """Seconds of simulated waiting since an arbitrary start."""
        return self._tick_base + (time.time() - self._real_base) * self.scale

    def now(self) -> float:
        """The calendar, in seconds since 1970 UTC."""
        return time.time() + self._offset

    def set_scale(self, scale: float) -> None:
        """Make waits `scale` times faster from now on."""
        self._rebase(self.tick(), scale)

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once, for waits and for the calendar."""
        self._offset += seconds
        self._rebase(self.tick() + seconds, self.scale)

    def real_seconds_until(self, tick: float) -> float:
        """How long a real computer must wait until that tick; never negative."""
        return max(0.0, (tick - self.tick()) / self.scale)

    def _rebase(self, tick: float, scale: float) -> None:
        self._tick_base, self._real_base, self.scale = tick, time.time(), scale
        self._save()

    def _save(self) -> None:
        with self._store.transaction():
            self._store.set_meta("clock scale", repr(self.scale))
            self._store.set_meta("clock real base", repr(self._real_base))
            self._store.set_meta("clock tick base", repr(self._tick_base))
            self._store.set_meta("clock offset", repr(self._offset))


def compact(at: float) -> str:
    """`yyyyMMddHHmmss` in China, as order fields are dated."""
    return times.to_compact(datetime.fromtimestamp(at, UTC))


def spaced(at: float) -> str:
    """`yyyy-MM-dd HH:mm:ss` in China, as refund results and bills are dated."""
    return times.to_spaced(datetime.fromtimestamp(at, UTC))


def rfc3339(at: float | None) -> str | None:
    """RFC 3339 in UTC, as the control side dates things."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
