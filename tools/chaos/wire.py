"""Counts what went wrong between the product and WeChat Pay, as the simulator wrote it down."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

import httpx

LOOK_EVERY_S: Final = 1.0


@dataclass
class Wire:
    """Reads the simulator's log of exchanges while it is written; use it as a context."""

    wechat: httpx.AsyncClient
    faults: "Counter[str]" = field(default_factory=Counter)
    _seen: int = 0
    _reading: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        assert self._reading is not None
        self._reading.cancel()

    async def _read(self) -> None:
        while True:
            with suppress(httpx.HTTPError):
                reply = await self.wechat.get(f"/_control/exchanges?after={self._seen}")
                for exchange in reply.json():
                    self._seen = exchange["id"]
                    if exchange["fault"]:
                        self.faults[exchange["fault"]] += 1
            await asyncio.sleep(LOOK_EVERY_S)
