"""`/api/v1/live`: the stream of one page, ended where it takes nothing for long."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from watch.web import asked
from watch.web.api import status_of
from watch.web.live import MOST_STREAMS, Stream
from watch.web.login import Login
from watch.web.ports import Away
from watch.web.service import Service

_STUCK_AFTER: Final = 30.0


class EventStream(Response):
    """Server-sent events as they come; ends with the client, and with one that reads nothing."""

    media_type = "text/event-stream"

    def __init__(
        self, parts: AsyncGenerator[bytes, None], stuck_after: float = _STUCK_AFTER
    ) -> None:
        super().__init__()
        self._parts = parts
        self._stuck_after = stuck_after
        del self.headers["content-length"]
        # Proxies would gather what is to be seen now.
        self.headers["x-accel-buffering"] = "no"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send part after part."""
        del scope
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            sent, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._parts.aclose()
        if isinstance(sent, Exception) and not isinstance(sent, TimeoutError | OSError):
            raise sent

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for part in self._parts:
            async with asyncio.timeout(self._stuck_after):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def live(service: Service, login: Login) -> Callable[[Request], Awaitable[Response]]:
    """Give the stream of a page."""

    async def answer(request: Request) -> Response:
        device = asked.device(request.query_params)
        if len(service.hub.streams) >= MOST_STREAMS:
            raise Away(f"{MOST_STREAMS} pages look on already")
        parts = Stream(service.hub, device).run(status_of(service, login.state(request)))

        async def allowed() -> AsyncGenerator[bytes, None]:
            """The stream, for as long as whoever asked is logged in."""
            async with contextlib.aclosing(parts):
                async for part in parts:
                    if login.state(request) == "needed":
                        return
                    yield part

        return EventStream(allowed())

    return answer
