"""A TCP proxy before the broker that cuts connections in the middle of a packet."""

import asyncio
import threading
from contextlib import suppress


class CuttingProxy:
    """Carries bytes both ways, and cuts each connection after a number of them drawn by chance.

    In a thread of its own. What was cut off is half sent: the last piece that passes is shorter
    than what was read.
    """

    def __init__(self, port, chance, least, most):
        self._upstream, self._chance, self._span = port, chance, (least, most)
        self.cuts = 0
        self.cutting = True
        self.port = None
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))

    def __enter__(self):
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    async def _listen(self):
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            self._listening.set()
            await self._done.wait()

    async def _carry(self, reader, writer):
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
            ways = [
                asyncio.create_task(self._pass(reader, up_writer)),
                asyncio.create_task(self._pass(up_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            up_writer.transport.abort()
        writer.transport.abort()

    async def _pass(self, reader, writer):
        left = self._chance.randint(*self._span)
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.cutting and len(data) >= left:
                    writer.write(data[: left - 1])
                    await writer.drain()
                    self.cuts += 1
                    return
                left -= len(data)
                writer.write(data)
                await writer.drain()
