"""What of an outbox is to be sent now: a window, and resends that back off.

Pure: entries, receipts and the time come in; what to publish next comes out. A PUBACK is
not known here, as it changes nothing: an entry stays in the window until its receipt, and
is sent again when that does not come. With every round of resends the wait doubles and the
window halves, so that a collector that is away for hours is not met by all at once, again
and again; a receipt brings the wait back and doubles the window.
"""

from collections.abc import Callable, Iterable
from typing import Final

from simulator.chain import Entry

WINDOW: Final = 4096
SMALLEST_WINDOW: Final = 64
# Longer than a collector may wait with a receipt (docs/decisions/receipts-are-paced.md).
RESEND_AFTER: Final = 30.0  # s
RESEND_LIMIT: Final = 120.0  # s
SHORTEST: Final = 0.75  # of a wait: what chance may leave of it


class Delivery:
    """One machine's messages on their way; times are seconds of a monotonic clock.

    Of ten thousand there is one each, so it keeps nothing about a message that is not sent
    for the first time now. The queue is a list with the number of those that left its front.
    """

    __slots__ = (
        "_again", "_chance", "_first", "_left", "_limit", "_out", "_queue", "_room", "_wait",
        "_whole", "_window", "resent",
    )  # fmt: skip

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
        self._queue: list[Entry] = []
        self._left = 0
        self._out: dict[Entry, float] = {}
        # Of those queued, the ones that were published before.
        self._again: set[Entry] = set()
        self.resent = 0

    def offer(self, entries: Iterable[Entry]) -> None:
        """Queue entries that became durable; one that is queued or out already stays so."""
        queued = set(self._queue[self._left :]) if self._queue else ()
        self._queue += [e for e in dict.fromkeys(entries) if not (e in self._out or e in queued)]

    def restart(self, entries: Iterable[Entry]) -> None:
        """A new connection: all of these are to be sent, oldest first, and nothing is out."""
        held = list(entries)
        self._again = (self._again | self._out.keys()).intersection(held)
        self._queue, self._left = held, 0
        self._out.clear()

    def next(self, now: float) -> Entry | None:
        """What to publish now, counted as out from now on; None where nothing may be."""
        if not self._queue or len(self._out) >= self._room:
            return None
        entry = self._queue[self._left]
        self._left += 1
        if self._left == len(self._queue):
            self._queue, self._left = [], 0
        self._out[entry] = now
        if self._again and entry in self._again:
            self._again.discard(entry)
            self.resent += 1
        return entry

    def sent(self, entry: Entry, now: float) -> None:
        """Count as out what was published without being asked for: no window holds it back."""
        self._out[entry] = now

    def gone(self, entries: Iterable[Entry], *, receipted: bool) -> None:
        """These left the outbox, by a receipt or by eviction."""
        leaving = set(entries)
        for entry in leaving:
            self._out.pop(entry, None)
        self._again -= leaving
        if self._queue and leaving:
            self._queue = [e for e in self._queue[self._left :] if e not in leaving]
            self._left = 0
        if receipted and leaving:
            self._room = min(2 * self._room, self._window)
            if self._whole != self._first:
                self._whole = self._first
                self._wait = self._jittered()

    def resend_at(self) -> float | None:
        """When the oldest that is out will be due again; None where nothing is out."""
        for since in self._out.values():
            return since + self._wait
        return None

    def resend_due(self, now: float) -> None:
        """Queue again, before all others, what is out for too long; then wait longer."""
        first = self.resend_at()
        if first is None or first > now:
            return
        due = [entry for entry, since in self._out.items() if since + self._wait <= now]
        for entry in due:
            del self._out[entry]
        self._again.update(due)
        self._queue, self._left = due + self._queue[self._left :], 0
        self._room = max(self._room // 2, min(SMALLEST_WINDOW, self._window))
        self._whole = min(2 * self._whole, self._limit)
        self._wait = self._jittered()

    def _jittered(self) -> float:
        """Give a part of the present wait, at least `SHORTEST`: no two machines stay in step."""
        return self._whole * (SHORTEST + (1 - SHORTEST) * self._chance())
