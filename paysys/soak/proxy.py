"""A wire that can be slow, cut or dead: between our processes and whatever they talk to.

It stands in front of the simulator (TCP) and of the database (its Unix socket), and passes on
bytes without understanding them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

CHUNK = 65_536
_LONGEST_START_SECONDS = 10.0

# An address: a path of a Unix socket, or a port of this machine's loopback interface.
Address = Path | int
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """From one address to another. Its faults end by themselves after their seconds."""

    def __init__(self, listen: Address, target: Address) -> None:
        self.listen = listen
        self.target = target
        self._delay_seconds = 0.0
        self._slow_until = self._refused_until = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_listening = threading.Event()

    def start(self) -> None:
        """Listen, in a thread of its own that ends with the process."""
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        if not self._is_listening.wait(_LONGEST_START_SECONDS):
            raise OSError(f"nobody listens at {self.listen}")

    def slow_down(self, *, delay_seconds: float, seconds: float) -> None:
        """Every piece of data arrives so much later, for a while."""
        self._delay_seconds, self._slow_until = delay_seconds, time.monotonic() + seconds

    def cut(self) -> None:
        """Every connection is broken off at once, whatever was on its way."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._abort_all)

    def refuse(self, *, seconds: float) -> None:
        """As `cut`, and nobody gets through for a while."""
        self._refused_until = time.monotonic() + seconds
        self.cut()

    def heal(self) -> None:
        self._slow_until = self._refused_until = 0.0

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        if isinstance(self.listen, Path):
            server = await asyncio.start_unix_server(self._accepted, path=self.listen)
        else:
            server = await asyncio.start_server(self._accepted, host="127.0.0.1", port=self.listen)
        self._is_listening.set()
        async with server:
            await server.serve_forever()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if time.monotonic() < self._refused_until:
            writer.transport.abort()
            return
        try:
            there = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        ends = (writer, there[1])
        self._open.update(ends)
        try:
            await asyncio.gather(self._pass_on(reader, there[1]), self._pass_on(there[0], writer))
        finally:
            for end in ends:
                end.transport.abort()
                self._open.discard(end)

    def _connect(self) -> Awaitable[_Streams]:
        if isinstance(self.target, Path):
            return asyncio.open_unix_connection(self.target)
        return asyncio.open_connection("127.0.0.1", self.target)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if time.monotonic() < self._slow_until:
                    await asyncio.sleep(self._delay_seconds)
                writer.write(data)
                await writer.drain()
        # One end is gone: so is the other, once it has got what was for it.
        with suppress(OSError):
            writer.close()

    def _abort_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()
