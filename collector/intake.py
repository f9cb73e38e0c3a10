"""Arrivals between the link and the ledger: gathered into batches, held in bounds.

Edge of time and of the event loop, without sockets or disk. A message stays in flight until
its batch is committed; only then is it acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.counting import Door
from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES

_BATCH_BYTES = 8 * 2**20
_HELD_BATCHES = 4  # of messages or of bytes, before the link is asked to stop reading


@dataclass(frozen=True, slots=True)
class Gathered:
    """A batch's arrivals, the receive time of each (microseconds), and the door behind them."""

    arrivals: Sequence[Arrival]
    received: Sequence[int]
    door: Door


class Gathering(Protocol):
    """What makes batches of arrivals, by whatever clock."""

    @property
    def door(self) -> Door:
        """What has come in since the start, and what of it waits."""

    @property
    def waiting_bytes(self) -> int:
        """What waits, in bytes."""

    @property
    def paused(self) -> bool:
        """Whether the reading is stopped."""

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Take what came in one read."""

    def close(self) -> None:
        """Take no more."""

    async def gather(self) -> Gathered | None:
        """Wait for the next batch; None when closed and empty."""


@dataclass(slots=True)
class _Read:
    """What came in one read, at one moment, and of what weight."""

    arrivals: list[Arrival]
    received: int
    weight: int


class Intake:
    """Takes what the link delivers; gives batches by count, by bytes or by time.

    `now` is the wall clock in microseconds; waiting goes by the loop's monotonic clock.
    `pause` and `resume` stop and start the reading: at QoS 0 nothing else bounds what comes.
    """

    def __init__(
        self,
        *,
        count: int,
        seconds: float,
        now: Callable[[], int],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._count = count
        self._seconds = seconds
        self._now = now
        self._pause = pause
        self._resume = resume
        # Read by read, since thousands come in one: what is looked at is then not each message.
        self._waiting: deque[_Read] = deque()
        self._messages = 0
        self._bytes = 0
        self._received = 0
        self._since = 0.0  # when the oldest of the waiting came, by the loop's clock
        self._changed = asyncio.Event()
        self._closed = False
        self._paused = False

    @property
    def door(self) -> Door:
        """What has come in since the start, and what of it waits."""
        return Door(self._received, self._messages)

    @property
    def waiting_bytes(self) -> int:
        """What waits, in bytes of topics, payloads and properties."""
        return self._bytes

    @property
    def paused(self) -> bool:
        """Whether the reading is stopped."""
        return self._paused

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Take what came in one read. After `close` it is left to the broker, unacknowledged."""
        if self._closed or not arrivals:
            return
        if not self._waiting:
            self._since = asyncio.get_running_loop().time()
            self._changed.set()
        read = _Read(list(arrivals), self._now(), _weight_of(arrivals))
        self._waiting.append(read)
        self._messages += len(arrivals)
        self._bytes += read.weight
        self._received += len(arrivals)
        if self._full():
            self._changed.set()
        self._regulate()

    def close(self) -> None:
        """Take no more; what waits still comes out of `gather`, at once."""
        self._closed = True
        self._changed.set()

    async def gather(self) -> Gathered | None:
        """Wait for the next batch; None when closed and empty."""
        while not self._waiting:
            if self._closed:
                return None
            await self._change()
        loop = asyncio.get_running_loop()
        while not (self._full() or self._closed):
            left = self._since + self._seconds - loop.time()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await self._change()
            except TimeoutError:
                break
        return self._taken()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _full(self) -> bool:
        return self._messages >= self._count or self._bytes >= _BATCH_BYTES

    def _taken(self) -> Gathered:
        arrivals: list[Arrival] = []
        received: list[int] = []
        size = 0
        while self._waiting and len(arrivals) < self._count and size < _BATCH_BYTES:
            read = self._next(self._count - len(arrivals), _BATCH_BYTES - size)
            arrivals += read.arrivals
            received += [read.received] * len(read.arrivals)
            size += read.weight
        self._messages -= len(arrivals)
        self._bytes -= size
        self._since = asyncio.get_running_loop().time()
        self._regulate()
        return Gathered(arrivals, received, self.door)

    def _next(self, most: int, room: int) -> _Read:
        """Take the oldest read out, or as much of it as a batch has room for."""
        read = self._waiting[0]
        if len(read.arrivals) <= most and read.weight <= room:
            return self._waiting.popleft()
        # The message that fills it goes with it: so a batch takes one, however large.
        count, weight = 0, 0
        while count < min(most, len(read.arrivals)) and weight < room:
            weight += _weight_of(read.arrivals[count : count + 1])
            count += 1
        first = _Read(read.arrivals[:count], read.received, weight)
        read.arrivals = read.arrivals[count:]
        read.weight -= weight
        if not read.arrivals:
            self._waiting.popleft()
        return first

    def _regulate(self) -> None:
        held = max(self._messages / self._count, self._bytes / _BATCH_BYTES)
        if not self._paused and held >= _HELD_BATCHES:
            self._paused = True
            self._pause()
        elif self._paused and held <= _HELD_BATCHES / 2:
            self._paused = False
            self._resume()


def _weight_of(arrivals: Sequence[Arrival]) -> int:
    """Give their bytes; a sender may put as much into properties as into a payload."""
    said = sum([len(one.topic) + len(one.payload) for one in arrivals])
    kept = [one.properties for one in arrivals if one.properties is not NO_PROPERTIES]
    return said + sum([properties.weight for properties in kept])
