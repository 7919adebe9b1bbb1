"""The shop day on the cluster, while an API and a worker are killed, then the others."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import httpx

from tools import shop_day
from tools.cluster.parts import APIS, WORKERS, Cluster
from tools.demo import is_balanced
from tools.shop_day import Played, Story

VICTIMS: Final = tuple(zip(WORKERS, APIS, strict=True))
"""Who dies together: however slow the computer, the first two are both kinds."""
DOWN_SECONDS: Final = 2.0
PATIENCE_S: Final = 120.0
"""A killed worker's work is given to the other one after Temporal's timeouts."""
REPEAT_SECONDS: Final = 0.3
REPEATS_MAX: Final = 40
AWAY: Final = httpx.codes.SERVICE_UNAVAILABLE


@dataclass(frozen=True)
class Outcome:
    """What became of the trial."""

    played: list[Played]
    killed: list[str]
    balanced: bool
    measured: bool

    @property
    def ok(self) -> bool:
        """Whether every story ended as it must, and both kinds were killed meanwhile."""
        both = {name.rsplit("-", 1)[0] for name in self.killed} == {"api", "worker"}
        return self.balanced and self.measured and both and all(one.ok for one in self.played)


class Patient(httpx.AsyncBaseTransport):
    """What a shop does about a lost answer or a 503: the same request under the same key."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The first answer that is one."""
        for _ in range(REPEATS_MAX):
            try:
                reply = await self._inner.handle_async_request(request)
            except httpx.TransportError:
                pass
            else:
                if reply.status_code != AWAY:
                    return reply
                await reply.aclose()
            await asyncio.sleep(REPEAT_SECONDS)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


def trial(
    cluster: Cluster,
    stories: Mapping[str, tuple[str, Story]],
    say: Callable[[str], None],
    told: Callable[[Played], None],
) -> Outcome:
    """Play the stories through the balancer and kill meanwhile; raises StackError."""

    async def play() -> list[Played]:
        return await shop_day.play(
            cluster, told, stories=stories, transport=Patient(), patience_s=PATIENCE_S
        )

    # The parts are leashed to this thread, so the stories take another.
    with ThreadPoolExecutor(1) as beside:
        playing = beside.submit(asyncio.run, play())
        killed = _kill_meanwhile(cluster, playing, say)
        played = playing.result()
    measured = all(map(_measures, cluster.metrics_urls))
    return Outcome(played, killed, is_balanced(cluster.base_url), measured)


def _kill_meanwhile(
    cluster: Cluster, playing: "Future[list[Played]]", say: Callable[[str], None]
) -> list[str]:
    killed: list[str] = []
    for victims in itertools.cycle(VICTIMS):
        cluster.wait(DOWN_SECONDS)
        if playing.done():
            return killed
        for name in victims:
            say(f"killing {name}")
            cluster.kill(name)
            killed.append(name)
        time.sleep(DOWN_SECONDS)
        for name in victims:
            cluster.start(name)
    return killed


def _measures(url: str) -> bool:
    reply = httpx.get(url, timeout=10)
    return reply.is_success and ("order_flow_" in reply.text or "temporal_" in reply.text)
