"""The intake of `--clock recording`: receive times come with the messages, batches by them.

Edge of the event loop. As `Intake`, but that time here is the recording's: what comes without
a time of its own counts as received when the newest that had one was, before the first one
when that was.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from collector.counting import Door
from collector.intake import Gathered
from collector.recorded_batches import COUNT, begins_anew
from telemetry.link import Arrival
from telemetry.recorded_time import unstamped

_log = structlog.get_logger(__name__)

_HELD_BATCHES: Final = 4  # closed ones, before the link is asked to stop reading
_PATIENCE: Final = 30.0  # seconds for the message that ends a batch


class RecordedIntake:
    """Takes what the link delivers; gives the batches that `ingest` would make of it.

    A batch waits for the message that ends it, or for the recording's last; when none comes
    for `patience` seconds it is given all the same, and a warning says that roots may differ.
    """

    def __init__(
        self,
        *,
        now: Callable[[], int],
        pause: Callable[[], None],
        resume: Callable[[], None],
        patience: float = _PATIENCE,
    ) -> None:
        self._now = now
        self._pause = pause
        self._resume = resume
        self._patience = patience
        self._newest: int | None = None
        self._early: list[Arrival] = []  # came before any that had a time
        self._open: list[tuple[Arrival, int]] = []
        self._full: deque[list[tuple[Arrival, int]]] = deque()
        self._received = 0
        self._waiting = 0
        self._bytes = 0
        self._since = 0.0  # when the newest came, by the loop's clock
        self._changed = asyncio.Event()
        self._closed = False
        self._paused = False

    @property
    def door(self) -> Door:
        """What has come in since the start, and what of it waits."""
        return Door(self._received, self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """What waits, in bytes of topics and payloads."""
        return self._bytes

    @property
    def paused(self) -> bool:
        """Whether the reading is stopped."""
        return self._paused

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Take what came in one read. After `close` it is left to the broker, unacknowledged."""
        if self._closed or not arrivals:
            return
        for one in arrivals:
            self._take(one)
        self._received += len(arrivals)
        self._waiting += len(arrivals)
        self._since = asyncio.get_running_loop().time()
        self._changed.set()
        self._regulate()

    def close(self) -> None:
        """Take no more; what waits still comes out of `gather`, at once."""
        self._closed = True
        self._date_early(self._now())
        self._end()
        self._changed.set()

    async def gather(self) -> Gathered | None:
        """Wait for the next batch; None when closed and empty."""
        loop = asyncio.get_running_loop()
        while not self._full:
            if self._closed:
                return None
            self._changed.clear()
            left = self._since + self._patience - loop.time() if self._open or self._early else None
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                self._give_up()
        batch = self._full.popleft()
        self._waiting -= len(batch)
        self._bytes -= sum(_weight(one) for one, _ in batch)
        self._regulate()
        return Gathered([one for one, _ in batch], [at for _, at in batch], self.door)

    def _take(self, arrival: Arrival) -> None:
        arrival.properties, stamp = unstamped(arrival.properties)
        self._bytes += _weight(arrival)
        if stamp is not None:
            self._newest = stamp.received
        if self._newest is None:
            # By this computer's clock it would be later than all that the recording has.
            self._early.append(arrival)
            return
        self._date_early(self._newest)
        self._put(arrival, self._newest)
        if stamp is not None and stamp.last:
            self._end()

    def _put(self, arrival: Arrival, received: int) -> None:
        if self._open and begins_anew(self._open[0][1], received):
            self._end()
        self._open.append((arrival, received))
        if len(self._open) >= COUNT:
            self._end()

    def _date_early(self, received: int) -> None:
        early, self._early = self._early, []
        for arrival in early:
            self._put(arrival, received)

    def _end(self) -> None:
        if self._open:
            self._full.append(self._open)
            self._open = []

    def _give_up(self) -> None:
        """End a batch that nothing has ended."""
        if asyncio.get_running_loop().time() < self._since + self._patience:
            return
        if self._open:
            _log.warning("recording went silent: roots may differ", messages=len(self._open))
        self._date_early(self._now())
        self._end()

    def _regulate(self) -> None:
        if not self._paused and len(self._full) >= _HELD_BATCHES:
            self._paused = True
            self._pause()
        elif self._paused and len(self._full) <= _HELD_BATCHES // 2:
            self._paused = False
            self._resume()


def _weight(arrival: Arrival) -> int:
    return len(arrival.topic) + len(arrival.payload)
