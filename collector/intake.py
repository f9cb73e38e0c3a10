"""Arrivals between the link and the ledger: gathered into batches, held in bounds.

Edge of time and of the event loop, without sockets or disk. A message stays in flight until
its batch is committed; only then is it acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.counting import Door
from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES

_BATCH_BYTES = 8 * 2**20
_HELD_BATCHES = 4  # of messages or of bytes, before the link is asked to stop reading


@dataclass(frozen=True, slots=True)
class Gathered:
    """A batch's arrivals, each with its receive time (microseconds), and the door behind them."""

    arrivals: Sequence[tuple[Arrival, int]]
    door: Door


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
        self._waiting: deque[tuple[Arrival, int]] = deque()
        self._bytes = 0
        self._received = 0
        self._since = 0.0  # when the oldest of the waiting came, by the loop's clock
        self._changed = asyncio.Event()
        self._closed = False
        self._paused = False

    @property
    def door(self) -> Door:
        """What has come in since the start, and what of it waits."""
        return Door(self._received, len(self._waiting))

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
        if self._closed:
            return
        if not self._waiting:
            self._since = asyncio.get_running_loop().time()
            self._changed.set()
        received = self._now()
        self._waiting.extend((arrival, received) for arrival in arrivals)
        self._bytes += sum(map(_weight, arrivals))
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
        return len(self._waiting) >= self._count or self._bytes >= _BATCH_BYTES

    def _taken(self) -> Gathered:
        taken: list[tuple[Arrival, int]] = []
        size = 0
        while self._waiting and len(taken) < self._count and size < _BATCH_BYTES:
            item = self._waiting.popleft()
            size += _weight(item[0])
            taken.append(item)
        self._bytes -= size
        self._since = asyncio.get_running_loop().time()
        self._regulate()
        return Gathered(taken, self.door)

    def _regulate(self) -> None:
        held = max(len(self._waiting) / self._count, self._bytes / _BATCH_BYTES)
        if not self._paused and held >= _HELD_BATCHES:
            self._paused = True
            self._pause()
        elif self._paused and held <= _HELD_BATCHES / 2:
            self._paused = False
            self._resume()


def _weight(arrival: Arrival) -> int:
    """Give its bytes; a sender may put as much into properties as into a payload."""
    said = len(arrival.topic) + len(arrival.payload)
    properties = arrival.properties
    return said if properties is NO_PROPERTIES else said + properties.weight
