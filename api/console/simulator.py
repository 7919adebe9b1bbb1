"""The sandbox's WeChat Pay: paid by hand, broken on purpose, asked for the truth."""

from typing import Any

import httpx

from api.console.visitor import Visitor

PATIENCE_S = 5


class SimulatorAway(Exception):
    """It does not answer, or refuses; the text says why."""


async def get(visitor: Visitor, path: str) -> Any:
    """What the control side shows; raises SimulatorAway."""
    return await _call(visitor, "GET", path)


async def post(visitor: Visitor, path: str, **body: object) -> Any:
    """Have the control side do something; raises SimulatorAway."""
    return await _call(visitor, "POST", path, body)


async def clear_faults(visitor: Visitor) -> None:
    """Nothing goes wrong any more; raises SimulatorAway."""
    await _call(visitor, "DELETE", "faults")


async def _call(visitor: Visitor, method: str, path: str, body: object = None) -> Any:
    settings = visitor.context.settings
    url = f"{settings.wechat_base_url.rstrip('/')}/_control/{path}"
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            reply = await client.request(method, url, json=body)
    except httpx.HTTPError as error:
        raise SimulatorAway(str(error)) from None
    if not reply.is_success:
        raise SimulatorAway(reply.text[:200])
    return reply.json() if reply.content else {}
