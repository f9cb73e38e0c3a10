"""HTTP for a service that strangers may reach: whoever is slow or one too many is cut off.

The server's own time limit is for silence between requests; this one is for a request that
has begun, or a connection on which none ever does. No request has longer, byte by byte or not.
Who is connected stays served however many come after: those are told to come again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
_REFUSED_SECONDS = 1.0
_AGAIN = 5
_BODY = b"too many clients are connected; come again\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nretry-after: %d\r\nconnection: close\r\n\r\n%b"
) % (len(_BODY), _AGAIN, _BODY)


@dataclass(slots=True)
class Door:
    """How many clients are served at once, each request within `seconds`.

    As many again are told, once they ask, that there is no room (503); `refused` is called for
    each. More than those are hung up on.
    """

    most: int
    seconds: float = SECONDS
    refused: Callable[[], None] = lambda: None
    _waiting: set[object] = field(default_factory=set)

    def protocol(self) -> Callable[..., asyncio.Protocol]:
        """What uvicorn takes for `http`."""
        return partial(Impatient, self)


class Impatient(H11Protocol):
    """A connection whose requests have to arrive in time."""

    def __init__(self, door: Door, **server: Any) -> None:
        super().__init__(**server)
        self._door = door
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request, or to turn this client away."""
        super().connection_made(transport)
        door, seconds = self._door, self._door.seconds
        if len(self.connections) > door.most:
            self.connections.discard(self)
            door.refused()
            if len(door._waiting) >= door.most:  # noqa: SLF001 - the door is this module's
                transport.abort()
                return
            door._waiting.add(self)  # noqa: SLF001
            seconds = min(seconds, _REFUSED_SECONDS)
        self._late = self.loop.call_later(seconds, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._in_time()
        self._door._waiting.discard(self)  # noqa: SLF001
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that begins has its time from here."""
        if self in self._door._waiting:  # noqa: SLF001
            # Only now: an answer to what was not read yet would be lost in a reset.
            self.transport.write(_FULL)
            self.transport.close()
            return
        # uvicorn says that there always is a cycle; before the first request there is none.
        before: Any = self.cycle
        if self._late is None and (before is None or before.response_complete):
            self._late = self.loop.call_later(self._door.seconds, self._cut)
        super().data_received(data)
        begun: Any = self.cycle
        if begun is not None and not begun.more_body:
            self._in_time()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _cut(self) -> None:
        self._late = None
        self.transport.abort()
