"""Every request: counted, timed, and one line in the log. Its span is FastAPI's own."""

import itertools
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.metrics import ANSWERED_S, REQUESTS
from api.problems import broken

log = structlog.get_logger()

NUMBERS = {
    "orders": "out_trade_no",
    "after-sales": "case_no",
    "refunds": "out_refund_no",
}
"""Part of a path → the number that comes after it."""
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """Stands around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and take note of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clear_contextvars()
        request_id = uuid.uuid4().hex[:16]
        bind_contextvars(request_id=request_id, **dict(_numbers(scope["path"])))
        since, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            log.exception("request broken off")
            if not status:
                await broken(request_id).response()(scope, receive, noting)
        finally:
            _note(scope, status or 500, time.monotonic() - since)


def _note(scope: Scope, status: int, seconds: float) -> None:
    method, route = scope["method"], _route(scope)
    known = method if method in METHODS else "other"
    REQUESTS.labels(known, route, str(status)).inc()
    ANSWERED_S.labels(route).observe(seconds)
    say = log.debug if route in QUIET else log.info
    say("request", method=method, route=route, status=status, seconds=round(seconds, 3))


def _route(scope: Mapping[str, Any]) -> str:
    # The pattern, never the path: paths have numbers in them, and strangers choose them freely.
    return getattr(scope.get("route"), "path", "other")


def _numbers(path: str) -> Iterator[tuple[str, str]]:
    parts = path.split("/")
    for part, number in itertools.pairwise(parts):
        if part in NUMBERS and number:
            yield NUMBERS[part], number[:64]
