"""The ways between the parts: TCP proxies that delay, throttle, hold back and cut."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field

PIECE = 16_384  # bytes


@dataclass
class Way:
    """One way, from whoever connects to `port` to the one behind it; its state may change.

    `held` is a partition: nothing passes, nothing is lost either, as TCP resends; `delay` in
    seconds each way, `rate` in bytes a second.
    """

    upstream: int
    port: int = 0
    held: bool = False
    delay: float = 0.0
    rate: float = 0.0
    cuts: int = 0
    _writers: set = field(default_factory=set)

    async def carry(self, reader, writer):
        with suppress(OSError):
            up_reader, up_writer = await self._reach()
            both = {writer, up_writer}
            self._writers |= both
            ways = [
                asyncio.create_task(self._pass(reader, up_writer)),
                asyncio.create_task(self._pass(up_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            self._writers -= both
            up_writer.transport.abort()
        writer.transport.abort()

    def cut(self):
        """End every connection at once, by a reset."""
        self.cuts += len(self._writers) // 2
        for writer in list(self._writers):
            writer.transport.abort()

    async def _reach(self):
        await self._hold()
        return await asyncio.open_connection("127.0.0.1", self.upstream)

    async def _hold(self):
        while self.held:  # noqa: ASYNC110 - another thread says so
            await asyncio.sleep(0.02)

    async def _pass(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.rate:
                    await asyncio.sleep(min(len(data) / self.rate, 5.0))
                await self._hold()
                writer.write(data)
                await writer.drain()


class Network:
    """All ways of a works, in a thread of their own."""

    def __init__(self):
        self._ways = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(30)

    def __getitem__(self, name):
        return self._ways[name]

    def lay(self, name, upstream):
        """Lay a way to a port of 127.0.0.1; gives the port to connect to instead."""
        way = Way(upstream)
        opening = asyncio.run_coroutine_threadsafe(self._open(way), self._loop)
        way.port = opening.result(30)
        self._ways[name] = way
        return way.port

    def cut(self, name):
        self._loop.call_soon_threadsafe(self._ways[name].cut)

    def heal(self):
        """Let everything pass again."""
        for way in self._ways.values():
            way.held, way.delay, way.rate = False, 0.0, 0.0

    async def _open(self, way):
        server = await asyncio.start_server(way.carry, "127.0.0.1", 0)
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def _run(self):
        self._loop, self._done, self._servers = asyncio.get_running_loop(), asyncio.Event(), []
        self._ready.set()
        await self._done.wait()
        for server in self._servers:
            server.close()
        for way in self._ways.values():
            way.held = False
            way.cut()
        await asyncio.sleep(0.05)
