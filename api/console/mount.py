"""`/console` on the API: loaded when somebody first asks for it, and shut to other sites."""

import asyncio
import importlib
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import sessions
from api.console.office import OFFICE, Office
from api.console.visitor import SESSION_COOKIE
from api.context import Context

PATH = "/console"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval';"
        " style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; font-src 'self' data:;"
        " connect-src 'self' ws: wss:; frame-ancestors 'none'; form-action 'self';"
        " base-uri 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
POLICY_VIOLATION = 1008


class Console:
    """An ASGI application; importing what it stands on costs a second, so that comes last."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()
        self._running = AsyncExitStack()
        self._door: ASGIApp | None = None
        self._office: Office | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one connection."""
        door, office = await self._opened(scope["app"].state.context)
        if scope["type"] == "websocket" and not await _is_welcome(scope, office.context):
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await door({**scope, OFFICE: office}, receive, _guarded(send))

    async def close(self) -> None:
        """End what was started."""
        await self._running.aclose()

    async def _opened(self, context: Context) -> tuple[ASGIApp, Office]:
        async with self._loading:
            if self._door is None:
                site = await asyncio.to_thread(importlib.import_module, "api.console.site")
                door: FastAPI = site.build()
                await self._running.enter_async_context(door.router.lifespan_context(door))
                await sessions.ensure_sandbox_logins(context)
                self._office, self._door = Office(context), door
        assert self._door is not None and self._office is not None
        return self._door, self._office


async def _is_welcome(scope: Scope, context: Context) -> bool:
    """Whether a connection comes from our own page, of somebody who is signed in."""
    headers = Headers(scope=scope)
    if not is_own_origin(headers, context):
        return False
    cookie = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    return cookie is not None and await sessions.signed_in(context, cookie.value) is not None


def is_own_origin(headers: Headers, context: Context) -> bool:
    """Whether a browser says that this comes from a page of ours."""
    origin = urlsplit(headers.get("origin", "")).netloc
    return bool(origin) and origin in (
        headers.get("host", ""),
        urlsplit(context.settings.public_url).netloc,
    )


def _guarded(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return guarded
