"""Whether this process lives, and whether it can do its work."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.context import Here

router = APIRouter(tags=["health"])

ANSWER_WITHIN_S = 3


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(context: Here) -> JSONResponse:
    """200 when database and Temporal can be reached, else 503 that names what is away."""
    parts = {
        "database": await _works(asyncio.to_thread(context.database.ping)),
        "temporal": await _works(context.client.service_client.check_health()),
    }
    ready = all(parts.values())
    said = {name: "ok" if works else "away" for name, works in parts.items()}
    return JSONResponse({"status": "ok" if ready else "away", **said}, 200 if ready else 503)


async def _works(check: "asyncio.Future[object] | object") -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            answer = await check  # type: ignore[misc]
    except Exception:
        return False
    return answer is not False
