"""Server-sent events: the floor to every page that looks, each at its own pace.

A page that reads slowly is sent less, never later: of machines it gets the newest state, of
its device's readings the newest few; nothing waits in a queue without an end.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

import msgspec

from watch.floor.alarms import Alarm
from watch.floor.floor import Floor
from watch.floor.machine import Scan
from watch.web import answers, spoken

MOST_STREAMS: Final = 64
_KEPT_POINTS: Final = 256
_KEPT_ALARMS: Final = 256
_READINGS_EVERY: Final = 0.05
_MACHINES_EVERY: Final = 0.1
_COMMENT_EVERY: Final = 15.0
_RETRY: Final = b"retry: 2000\n\n"

_ENCODER: Final = msgspec.json.Encoder()

Latest = dict[str, Any]
"""What is true now, by the event's name; a value is replaced, never changed."""


def event(name: str, said: Any) -> bytes:
    """Write one event; JSON holds no line break."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _ENCODER.encode(said))


class Hub:
    """Everybody who looks on."""

    def __init__(self, floor: Floor, *, clock: Callable[[], int]) -> None:
        self.floor = floor
        self.clock = clock
        self.latest: Latest = {}
        self.streams = set[Stream]()
        self.closed = False
        floor.on_alarms = self._alarms
        floor.on_scans = self._scans

    def tell(self, name: str, said: Any) -> None:
        """Let everybody know what is true now; the same again is told nobody."""
        if self.latest.get(name) == said:
            return
        self.latest[name] = said
        for stream in self.streams:
            stream.wake.set()

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        for stream in self.streams:
            stream.wake.set()

    def _alarms(self, alarms: Sequence[Alarm]) -> None:
        for stream in self.streams:
            stream.alarms.extend(alarms)

    def _scans(self, device: str, scans: Sequence[Scan]) -> None:
        for stream in self.streams:
            if stream.device == device:
                stream.scans.extend(scans)
                stream.wake.set()


class Stream:
    """One page's stream; `device` is whose readings it wants."""

    def __init__(
        self, hub: Hub, device: str | None, *, comment_every: float = _COMMENT_EVERY
    ) -> None:
        self.device = device
        self.wake = asyncio.Event()
        self.scans: deque[Scan] = deque(maxlen=_KEPT_POINTS)
        self.alarms: deque[Alarm] = deque(maxlen=_KEPT_ALARMS)
        self._hub = hub
        self._comment_every = comment_every
        self._seen: Latest = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Up to which version of the floor it has given machines."""
        return self._version

    async def run(self, status: answers.Status) -> AsyncGenerator[bytes, None]:
        """Give what is to be sent next, as soon as the last was taken."""
        hub, floor = self._hub, self._hub.floor
        hub.streams.add(self)
        try:
            self._version = floor.version
            all_ = [spoken.machine(one, hub.clock()) for one in floor.machines.values()]
            yield _RETRY + event("hello", answers.Hello(all_, status)) + self._told()
            spoke = news_at = time.monotonic()
            machines_at = spoke + _MACHINES_EVERY
            while not hub.closed:
                now = await self._due(news_at, machines_at)
                said = b""
                if now >= news_at:
                    self.wake.clear()
                    said = self._readings() + self._news()
                    news_at = now + _READINGS_EVERY if said else news_at
                if now >= machines_at:
                    said += self._machines()
                    # From when it was due: what a timer is late is not added each time.
                    machines_at = max(machines_at + _MACHINES_EVERY, now)
                if not said and now - spoke >= self._comment_every:
                    said = b": still here\n\n"
                if said:
                    spoke = now
                    yield said
        finally:
            hub.streams.discard(self)

    async def _due(self, news_at: float, machines_at: float) -> float:
        """Wait until there is news that may be sent, or machines are due; gives the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(machines_at - time.monotonic()):
                await self.wake.wait()
                await asyncio.sleep(news_at - time.monotonic())
        return time.monotonic()

    def _readings(self) -> bytes:
        if not self.scans or self.device is None:
            return b""
        said = event("readings", spoken.points(self.device, self.scans))
        self.scans.clear()
        return said

    def _news(self) -> bytes:
        begun = b"".join(event("alarm", spoken.alarm(one)) for one in self.alarms)
        self.alarms.clear()
        return begun + self._told()

    def _told(self) -> bytes:
        fresh = [(n, v) for n, v in self._hub.latest.items() if self._seen.get(n) is not v]
        self._seen.update(fresh)
        return b"".join(event(name, said) for name, said in fresh)

    def _machines(self) -> bytes:
        floor = self._hub.floor
        if floor.version == self._version:
            return b""
        found = spoken.machines(
            floor.changed(self._version), self._hub.clock(), floor.not_shown, self._version
        )
        self._version = floor.version
        return event("machines", found)
