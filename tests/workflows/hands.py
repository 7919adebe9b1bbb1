"""Hands that repeat what got no answer, as shops do."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from tests.shop import Shop

ASK_AGAIN_S: Final = 0.5
PATIENCE_S: Final = 1200.0


async def insist(shop: Shop, who: str, key: str, path: str, body: object = None) -> Any:
    """A command under one key until it is answered for good; the answer, refused or not."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            reply = await shop.post(who, path, body, key=key)
        except httpx.HTTPError:
            reply = None
        if reply is not None and reply.status_code < 500:
            return reply.json()
        await asyncio.sleep(ASK_AGAIN_S)
    raise TimeoutError(path)


async def patiently(shop: Shop, path: str, is_so: Callable[[Any], bool]) -> None:
    """Look until it is as it should come to be."""
    until, found = time.monotonic() + PATIENCE_S, None
    while time.monotonic() < until:
        try:
            found = await shop.get("auditor", path)
        except httpx.HTTPError:
            found = None
        if found is not None and is_so(found):
            return
        await asyncio.sleep(ASK_AGAIN_S)
    raise TimeoutError(f"{path}: {found}")
