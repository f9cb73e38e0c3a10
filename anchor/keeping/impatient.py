"""HTTP for a service that strangers may reach: whoever is slow with a request is cut off.

The server's own time limit is for silence between requests; this one is for a request that
has begun, or a connection on which none ever does. No request has longer, byte by byte or not.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0


class Impatient(H11Protocol):
    """A connection whose requests have to arrive within `seconds`."""

    def __init__(self, seconds: float, **server: Any) -> None:
        super().__init__(**server)
        self._seconds = seconds
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._late = self.loop.call_later(self._seconds, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that begins has its time from here."""
        # uvicorn says that there always is a cycle; before the first request there is none.
        before: Any = self.cycle
        if self._late is None and (before is None or before.response_complete):
            self._late = self.loop.call_later(self._seconds, self._cut)
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


def impatient(seconds: float = SECONDS) -> Callable[..., asyncio.Protocol]:
    """Give the protocol, for uvicorn's `http`, that ends what takes longer to be asked."""
    return partial(Impatient, seconds)
