"""What every request must keep to, and what every answer carries."""

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_MAX = 256 * 1024
"""Bytes; the longest order that the fields allow, every character escaped, has some 200,000."""
BODY_MAX_OF: Mapping[str, int] = {"/codec/": 8 * 1024 * 1024, "/console/codec/": 8 * 1024 * 1024}
"""Where a path begins with this, its own bound: Temporal's UI sends a page of history at once."""
BODY_WITHIN_S = 10
LINGER_S = 1

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
DOCS_SCRIPTS = "/docs/static"
PAGES = {
    # Before /docs, for the first that fits counts.
    DOCS_SCRIPTS: {"Cache-Control": "public, max-age=3600"},
    "/docs": {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self' 'unsafe-inline';"
            " style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
            " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
    },
    # The console sets its own policy, and its browsers keep its scripts and styles.
    "/console": {"Cache-Control": "", "Content-Security-Policy": "", "Referrer-Policy": ""},
}


class Guarded:
    """Stands around the application: bodies have a bound and a deadline, answers their headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, body = _headers(scope["path"]), _Body(scope, receive)

        async def clothed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = MutableHeaders(scope=message)
                for name, value in headers.items():
                    there.setdefault(name, value)
                if not body.is_whole:
                    # Or the sender could hold the connection for as long as it goes on sending.
                    there["Connection"] = "close"
            elif not (body.is_whole or message.get("more_body", False)):
                await send({**message, "more_body": True})
                await body.run_out()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, body, clothed)


class _Body:
    """Hands a body on until it has too many bytes, or has taken too long."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._most = _body_max(scope["path"])
        self._announced = _announced(scope)
        self._bytes = 0
        self.is_whole = not _has_body(scope)
        self._until: float | None = None

    async def __call__(self) -> Message:
        """The next part; raises HTTPException."""
        if self.is_whole:
            return await self._receive()
        self._check(self._announced)
        message = await self._next()
        self._bytes += len(message.get("body", b""))
        self._check(self._bytes)
        self.is_whole = not message.get("more_body", False)
        return message

    async def run_out(self) -> None:
        """Read on for a moment: a connection closed under a sender costs it the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not self.is_whole:
                    self.is_whole = not (await self._receive()).get("more_body", False)

    async def _next(self) -> Message:
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + BODY_WITHIN_S
        try:
            async with asyncio.timeout_at(self._until):
                return await self._receive()
        except TimeoutError:
            detail = f"the body did not come within {BODY_WITHIN_S} seconds"
            raise HTTPException(408, detail) from None

    def _check(self, count: int) -> None:
        if count > self._most:
            raise HTTPException(413, f"the body is longer than {self._most} bytes")


def _has_body(scope: Scope) -> bool:
    return _announced(scope) > 0 or "transfer-encoding" in Headers(scope=scope)


def _announced(scope: Scope) -> int:
    said = Headers(scope=scope).get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


def _body_max(path: str) -> int:
    return next((most for start, most in BODY_MAX_OF.items() if path.startswith(start)), BODY_MAX)


def _headers(path: str) -> Mapping[str, str]:
    for start, own in PAGES.items():
        if path == start or path.startswith(start + "/"):
            return {name: value for name, value in (HEADERS | own).items() if value}
    return HEADERS
