"""A TCP proxy whose connection can be cut, slowed down and held up while it is in use."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final, Self

CHUNK_BYTES: Final = 65536


class Proxy:
    """Carries bytes between a port of this machine and one other; use it as a context.

    Whatever is done to it holds for the connections that stand and for those to come, in both
    directions, until `heal`.
    """

    def __init__(self, name: str, port: int, target_port: int, host: str = "127.0.0.1") -> None:
        """Nothing listens yet."""
        self.name = name
        self.port = port
        self._host, self._target_port = host, target_port
        self._delay_s = 0.0
        self._is_cut = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._carry, self._host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        self._abort()

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._is_cut = True
        self._abort()

    def slow_down(self, delay_s: float) -> None:
        """Hold each piece of data back for that long."""
        self._delay_s = delay_s

    def hold_up(self) -> None:
        """Let nothing through, and keep what comes: neither side is told."""
        self._flowing.clear()

    def heal(self) -> None:
        """All is well again; what was held up arrives."""
        self._is_cut = False
        self._delay_s = 0.0
        self._flowing.set()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._kept(writer):
            if self._is_cut:
                return
            with contextlib.suppress(OSError):  # the other side is away, and so are we
                there, back = await asyncio.open_connection(self._host, self._target_port)
                with self._kept(back):
                    await self._both_ways(reader, writer, there, back)

    @contextlib.contextmanager
    def _kept(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, back))
                pumps.create_task(self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.write_eof()
