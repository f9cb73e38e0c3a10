"""The server itself. Edge: sockets, uvicorn, tasks that run for as long as it serves."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

Task = Callable[[asyncio.Event], Awaitable[None]]

_BACKLOG: Final = 128
_IDLE: Final = 30
_GRACE: Final = 3
_STUCK: Final = 60_000  # milliseconds


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int) -> socket.socket:
    """Listen there; OSError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Who asks and then takes nothing does not keep a connection for ever.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK)
    return listener


def url_of(listener: socket.socket) -> str:
    """Give the address of a listening socket as people type it."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def serve(  # noqa: PLR0913 - by keyword
    app: ASGIApp,
    listener: socket.socket,
    *,
    tasks: Sequence[Task],
    stop: asyncio.Event,
    on_ready: Callable[[], None],
    on_stop: Callable[[], None],
    http: Callable[..., asyncio.Protocol] | None = None,
) -> None:
    """Serve until `stop`, with `tasks` beside it; a task that fails ends all, and is raised.

    `http` makes what speaks HTTP on a connection, for who is to be cut off there.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        # Whoever sends nonsense writes no lines into our log.
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_GRACE,
        http="h11" if http is None else http,  # type: ignore[arg-type]  # a class is wanted, and called
    )
    server = _Server(config)
    ending = asyncio.Event()
    running = [asyncio.ensure_future(task(ending)) for task in tasks]
    serving = asyncio.ensure_future(server.serve([listener]))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.005)
        on_ready()
        everything = [*running, serving, stopping]
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        ending.set()
        on_stop()
        server.should_exit = True
        ended = await asyncio.gather(*running, serving, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
