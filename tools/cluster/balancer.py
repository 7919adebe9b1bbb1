"""What stands before the APIs: `python -m tools.cluster.balancer PORT BACKEND_PORT…`.

Each connection goes to the next backend that takes one.
"""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Iterator
from typing import Final

from tools.stack import HOST

CHUNK_BYTES: Final = 65536


class Balancer:
    """Carries bytes between its port and the backends in turn."""

    def __init__(self, backends: list[int]) -> None:
        self._backends = backends
        self._turns: Iterator[int] = itertools.count()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        with contextlib.suppress(OSError, ExceptionGroup):
            there, back = await self._connected()
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, back))
                    both.create_task(_pump(there, writer))
            finally:
                back.transport.abort()
        writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        turn = next(self._turns)
        for offset in range(len(self._backends)):
            port = self._backends[(turn + offset) % len(self._backends)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(HOST, port)
        raise ConnectionRefusedError


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    # One side is done: end both, or a dead backend would keep its callers waiting.
    raise EOFError


async def serve(port: int, backends: list[int]) -> None:
    """Balance for ever."""
    server = await asyncio.start_server(Balancer(backends).carry, HOST, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
