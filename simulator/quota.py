"""WeChat's rate limits on refunds: 150 a second that go well, 6 a second that fail."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.messages import Refusal

GOOD_PER_SECOND = 150
FAILING_PER_SECOND = 6


class Quota:
    """The refund calls of the last second of simulated waiting."""

    def __init__(self) -> None:
        self._good: deque[float] = deque()
        self._failing: deque[float] = deque()

    @contextmanager
    def counted(self, tick: float) -> Iterator[None]:
        """Count the refund call inside; raises Refusal when a limit is used up."""
        if _within(self._failing, tick) >= FAILING_PER_SECOND:
            raise Refusal("INVALID_REQ_TOO_MUCH", "无效请求过多，请稍后再试")
        if _within(self._good, tick) >= GOOD_PER_SECOND:
            raise Refusal("FREQUENCY_LIMITED", "请求频率过高")
        try:
            yield
        except Refusal:
            self._failing.append(tick)
            raise
        self._good.append(tick)


def _within(seen: deque[float], tick: float) -> int:
    while seen and not tick - 1 < seen[0] <= tick:
        seen.popleft()
    return len(seen)
