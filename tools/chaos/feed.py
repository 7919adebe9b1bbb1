"""Follows the feed of events as a shop does: whoever waits for a state is woken by it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

LOOK_EVERY_S: Final = 0.15
PAGE: Final = 1000


@dataclass
class Feed:
    """What the feed has told so far, and where each order, case and refund stands by it."""

    api: httpx.AsyncClient
    token: str
    events: list[dict[str, Any]] = field(default_factory=list)
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Read on for ever, whatever is away meanwhile."""
        while True:
            try:
                told = await self._page()
            except httpx.HTTPError:
                told = []
            for event in told:
                self._take_in(event)
            if told:
                self._news.set()
                self._news = asyncio.Event()
            if len(told) < PAGE:
                await asyncio.sleep(LOOK_EVERY_S)

    async def until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        """Wait until it holds by what the feed tells; whether it does in the end."""
        try:
            async with asyncio.timeout(patience_s):
                while not holds():
                    await self._news.wait()
        except TimeoutError:
            return holds()
        return True

    def state(self, subject: str, number: str) -> str:
        """Where something stands; "" before anything was told of it."""
        return self.states.get((subject, number), "")

    async def _page(self) -> list[dict[str, Any]]:
        after = self.events[-1]["id"] if self.events else 0
        path = f"/v1/events?after={after}&limit={PAGE}"
        headers = {"Authorization": f"Bearer {self.token}"}
        reply = await self.api.get(path, headers=headers)
        reply.raise_for_status()
        found: list[dict[str, Any]] = reply.json()["items"]
        return found

    def _take_in(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.states[event["subject"], event["subject_no"]] = event["to"]
