"""Who of many clients may connect to one broker now, and who waits how long. Pure.

A broker that comes back is met by as many at a time as it takes: each that comes through
widens the door by one, each that does not halves it. Who failed waits, longer each time and
with jitter; where nobody comes through, all wait. Times are seconds of one monotonic clock.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final, Generic, TypeVar

from telemetry.backoff import Backoff

T = TypeVar("T")

# Mosquitto listens with a backlog of 100: beyond it, a connection waits for a whole second.
AT_ONCE: Final = 64
_IN_VAIN: Final = 8  # tries that failed in a row


class Admission(Generic[T]):
    """The clients that want to connect; whoever gets one from `next` says what became of it."""

    def __init__(self, backoff: Backoff, at_once: int = AT_ONCE) -> None:
        """At most `at_once` try at a time."""
        self._backoff = backoff
        self._most = self._limit = at_once
        self._queue: deque[T] = deque()
        self._later: list[tuple[float, int, T]] = []
        self._order = count()
        self._trying = 0
        self._in_vain = 0
        self._pause_until = 0.0

    def add(self, clients: Iterable[T]) -> None:
        """Let these connect as soon as there is room."""
        self._queue.extend(clients)

    def add_later(self, client: T, tries: int, now: float, seldom: float = 0.0) -> None:
        """Let one connect after its wait, which grows with the `tries` that it made.

        With `seldom` after so many seconds, or up to twice as many.
        """
        wait = seldom * (1 + self._backoff.chance()) if seldom else self._wait(tries)
        heapq.heappush(self._later, (now + wait, next(self._order), client))

    def next(self, now: float) -> T | None:
        """Who may try now, counted as trying; None where nobody may."""
        while self._later and self._later[0][0] <= now:
            self._queue.append(heapq.heappop(self._later)[2])
        if not self._queue or self._trying >= self._limit or now < self._pause_until:
            return None
        self._trying += 1
        return self._queue.popleft()

    def due(self, now: float) -> float | None:
        """When `next` is worth another call, if nothing happens; None where it is not."""
        if self._queue and self._trying < self._limit:
            # Even where that is past by now: whoever asked `next` a moment before was told no.
            return max(now, self._pause_until)
        return self._later[0][0] if self._later else None

    def passed(self) -> None:
        """Take note that one came to nothing, neither good nor bad: it was not wanted."""
        self._trying -= 1

    def succeeded(self) -> None:
        """Take note that one came through: the broker takes one more."""
        self._trying -= 1
        self._limit = min(self._most, self._limit + 1)
        self._in_vain = 0

    def failed(self, now: float) -> None:
        """Take note that one did not."""
        self._trying -= 1
        self._limit = max(1, self._limit // 2)
        self._in_vain += 1
        if self._in_vain > _IN_VAIN:
            # Nobody comes through: it is not this one's fault.
            self._pause_until = now + self._wait(self._in_vain - _IN_VAIN)

    def _wait(self, tries: int) -> float:
        """Seconds, between a half and the whole of the backoff after so many tries in a row."""
        whole = self._backoff.first * self._backoff.factor ** min(tries, 32)
        return min(self._backoff.limit, whole) * (0.5 + 0.5 * self._backoff.chance())


class Hush(Generic[T]):
    """Says the first of many troubles at once, then one a second with how many there were."""

    def __init__(self, say: Callable[[T, int], None], every: float = 1.0) -> None:
        """`say` gets a trouble, and how many were not said before it."""
        self._say, self._every = say, every
        self._unsaid = 0
        self._quiet_until = float("-inf")

    def tell(self, trouble: T, now: float) -> None:
        """Say it now, or count it."""
        if now < self._quiet_until:
            self._unsaid += 1
            return
        self._quiet_until = now + self._every
        unsaid, self._unsaid = self._unsaid, 0
        self._say(trouble, unsaid)
