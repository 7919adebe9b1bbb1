"""Doing a thing many times with so many in flight, and how long each took."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Burst:
    """How a burst went: the seconds of all of it, and the milliseconds of each."""

    seconds: float
    each_ms: Sequence[float]

    @property
    def per_second(self) -> float:
        """The rate."""
        return len(self.each_ms) / self.seconds

    @property
    def p50_ms(self) -> float:
        """Half were faster."""
        return median(self.each_ms)

    @property
    def p99_ms(self) -> float:
        """One in a hundred was slower."""
        return quantiles(self.each_ms, n=100, method="inclusive")[98]


async def burst(
    do: Callable[[T], Awaitable[object]], subjects: Iterable[T], in_flight: int
) -> Burst:
    """Do it for every subject, so many at a time; the first failure ends it all."""
    waiting, each_ms = iter(subjects), list[float]()

    async def lane() -> None:
        for subject in waiting:
            start = time.perf_counter()
            await do(subject)
            each_ms.append((time.perf_counter() - start) * 1000)

    start = time.perf_counter()
    async with asyncio.TaskGroup() as lanes:
        for _ in range(in_flight):
            lanes.create_task(lane())
    return Burst(time.perf_counter() - start, each_ms)
