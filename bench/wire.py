"""HTTP/1.1 on kept connections, with so little in it that it is not what is measured."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

BYTES_MAX = 1 << 20
KEPT_S = 3.0
"""Servers hang up on idle connections after five seconds."""


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    content: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.content)


class Wire:
    """Requests to one or several addresses of the same service, which take turns."""

    def __init__(self, *urls: str) -> None:
        self._places = [(parts.hostname or "", parts.port or 80) for parts in map(urlsplit, urls)]
        self._turn = 0
        self._idle: dict[tuple[str, int], list[_Connection]] = {place: [] for place in self._places}

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        for connection in [one for idle in self._idle.values() for one in idle]:
            connection.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """One POST; raises OSError when the connection breaks."""
        return await self._send("POST", path, body, headers or {})

    async def put(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """One PUT; raises OSError when the connection breaks."""
        return await self._send("PUT", path, body, headers)

    async def delete(self, path: str) -> Reply:
        """One DELETE; raises OSError when the connection breaks."""
        return await self._send("DELETE", path, b"", {})

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """One GET; raises OSError when the connection breaks."""
        return await self._send("GET", path, b"", headers or {})

    async def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        place = self._places[self._turn % len(self._places)]
        self._turn += 1
        connection = self._kept(place) or await _Connection.open(place)
        reply = await connection.send(method, path, body, headers)
        self._idle[place].append(connection)
        return reply

    def _kept(self, place: tuple[str, int]) -> "_Connection | None":
        idle = self._idle[place]
        while idle:
            connection = idle.pop()
            if time.monotonic() < connection.used_at + KEPT_S:
                return connection
            connection.close()
        return None


class _Connection:
    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host, self._reader, self._writer = host, reader, writer
        self.used_at = 0.0

    @classmethod
    async def open(cls, place: tuple[str, int]) -> Self:
        reader, writer = await asyncio.open_connection(*place, limit=BYTES_MAX)
        return cls(place[0], reader, writer)

    async def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self._head()
        content = await self._reader.readexactly(_length(head))
        self.used_at = time.monotonic()
        return Reply(int(head[9:12]), content)

    async def _head(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("no answer") from error

    def close(self) -> None:
        with suppress(OSError):
            self._writer.close()


def _length(head: bytes) -> int:
    if head[9:12] == b"204":
        return 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ValueError("an answer without Content-Length")
