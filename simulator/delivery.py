"""What of an outbox is to be sent now: a window, and resends that back off.

Pure: entries, receipts and the time come in; what to publish next comes out. A PUBACK is
not known here, as it changes nothing: an entry stays in the window until its receipt, and
is sent again when that does not come. With every round of resends the wait doubles and the
window halves, so that a collector that is away for hours is not met by all at once, again
and again; a receipt brings the wait back and doubles the window.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final

from simulator.chain import Entry

WINDOW: Final = 4096
SMALLEST_WINDOW: Final = 64
# Longer than a collector may wait with a receipt (docs/decisions/receipts-are-paced.md).
RESEND_AFTER: Final = 30.0  # s
RESEND_LIMIT: Final = 120.0  # s
SHORTEST: Final = 0.75  # of a wait: what chance may leave of it

Place = tuple[str, int]


class Delivery:
    """One machine's messages on their way; times are seconds of a monotonic clock."""

    def __init__(
        self,
        *,
        chance: Callable[[], float],
        window: int = WINDOW,
        resend_after: float = RESEND_AFTER,
        resend_limit: float = RESEND_LIMIT,
    ) -> None:
        """`chance` gives a number from 0 to 1, for the jitter; at most `window` are out."""
        self._chance = chance
        self._window = self._room = window
        self._first, self._limit = resend_after, resend_limit
        self._whole = resend_after
        self._wait = self._jittered()
        self._queue: deque[Entry] = deque()
        self._queued: set[Place] = set()
        self._out: OrderedDict[Place, tuple[float, Entry]] = OrderedDict()
        self._published: set[Place] = set()
        self.resent = 0

    def offer(self, entries: Iterable[Entry]) -> None:
        """Queue entries that became durable; one that is queued or out already stays so."""
        for entry in entries:
            if entry.place not in self._queued and entry.place not in self._out:
                self._queued.add(entry.place)
                self._queue.append(entry)

    def restart(self, entries: Iterable[Entry]) -> None:
        """A new connection: all of these are to be sent, oldest first, and nothing is out."""
        self._queue.clear()
        self._queued.clear()
        self._out.clear()
        self.offer(entries)

    def next(self, now: float) -> Entry | None:
        """What to publish now, counted as out from now on; None where nothing may be."""
        if not self._queue or len(self._out) >= self._room:
            return None
        entry = self._queue.popleft()
        self._queued.discard(entry.place)
        self._out[entry.place] = (now, entry)
        self.resent += entry.place in self._published
        self._published.add(entry.place)
        return entry

    def sent(self, entry: Entry, now: float) -> None:
        """Count as out what was published without being asked for: no window holds it back."""
        self._out[entry.place] = (now, entry)
        self._published.add(entry.place)

    def gone(self, entries: Iterable[Entry], *, receipted: bool) -> None:
        """These left the outbox, by a receipt or by eviction."""
        places = {entry.place for entry in entries}
        for place in places:
            self._out.pop(place, None)
        self._published -= places
        if places & self._queued:
            self._queue = deque(entry for entry in self._queue if entry.place not in places)
            self._queued -= places
        if receipted and places:
            self._room = min(2 * self._room, self._window)
            self._whole = self._first
            self._wait = self._jittered()

    def resend_at(self) -> float | None:
        """When the oldest that is out will be due again; None where nothing is out."""
        for since, _ in self._out.values():
            return since + self._wait
        return None

    def resend_due(self, now: float) -> None:
        """Queue again, before all others, what is out for too long; then wait longer."""
        due = [entry for since, entry in self._out.values() if since + self._wait <= now]
        if not due:
            return
        for entry in reversed(due):
            del self._out[entry.place]
            self._queue.appendleft(entry)
            self._queued.add(entry.place)
        self._room = max(self._room // 2, min(SMALLEST_WINDOW, self._window))
        self._whole = min(2 * self._whole, self._limit)
        self._wait = self._jittered()

    def _jittered(self) -> float:
        """Give a part of the present wait, at least `SHORTEST`: no two machines stay in step."""
        return self._whole * (SHORTEST + (1 - SHORTEST) * self._chance())
