"""A world that is served on a free port of 127.0.0.1, in a thread of this process."""

import asyncio
import threading
from contextlib import contextmanager

from watch.web.serving import listening, serve, url_of


@contextmanager
def served(world, *tasks, http=None):
    """Serve it; gives the address."""
    listener = listening("127.0.0.1", 0)
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def main():
        await serve(
            world.app,
            listener,
            tasks=tasks,
            stop=stop,
            on_ready=ready.set,
            on_stop=world.hub.close,
            http=http,
        )

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield url_of(listener)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
