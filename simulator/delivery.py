"""What of an outbox is to be sent now: a window, and resends that back off.

Pure: entries, receipts and the time come in; what to publish next comes out. A PUBACK is
not known here, as it changes nothing: an entry stays in the window until its receipt, and
is sent again when that does not come. With every round of resends the wait doubles and the
window halves, so that a collector that is away for hours is not met by all at once, again
and again; a receipt brings the wait back and doubles the window.
"""

import math
from collections.abc import Callable, Iterable
from typing import Final

from simulator.chain import Entry

WINDOW: Final = 4096
SMALLEST_WINDOW: Final = 64
# Longer than a receipt waits (20 s, docs/decisions/receipts-are-paced.md), and less than the
# machines do at their end (30 s).
RESEND_AFTER: Final = 25.0  # s
RESEND_LIMIT: Final = 120.0  # s
BOUNCE_AFTER: Final = 1.0  # s
SHORTEST: Final = 0.9  # of a wait: what chance may leave of it


class Delivery:
    """One machine's messages on their way; times are seconds of a monotonic clock.

    Of ten thousand there is one each, so it keeps nothing about a message that is not sent
    for the first time now. The queue is a list with the number of those that left its front.
    """

    __slots__ = (
        "_again", "_bounced", "_bounced_due", "_chance", "_first", "_left", "_limit", "_out",
        "_pause", "_queue", "_room", "_wait", "_whole", "_window", "resent",
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
        # Came to nobody, as the broker said; all are due again at once.
        self._bounced: list[Entry] = []
        self._bounced_due = math.inf
        self._pause = BOUNCE_AFTER
        self.resent = 0

    def offer(self, entries: Iterable[Entry]) -> None:
        """Queue entries that became durable; one that is queued or out already stays so."""
        queued = {*self._queue[self._left :], *self._bounced} if self._queue else self._bounced
        self._queue += [e for e in dict.fromkeys(entries) if not (e in self._out or e in queued)]

    def restart(self, entries: Iterable[Entry]) -> None:
        """A new connection: all of these are to be sent, oldest first, and nothing is out."""
        held = list(entries)
        self._again = self._again.union(self._out, self._bounced).intersection(held)
        self._queue, self._left = held, 0
        self._out.clear()
        self._bounced, self._bounced_due = [], math.inf

    def next(self, now: float) -> Entry | None:
        """What to publish now, counted as out from now on; None where nothing may be."""
        if not self._queue or len(self._out) + len(self._bounced) >= self._room:
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

    def bounced(self, entry: Entry, now: float) -> None:
        """The broker said that it came to nobody: no receipt has to be waited for.

        A collector that starts again is there in a moment, or not for long: soon, then ever
        later.
        """
        if self._out.pop(entry, None) is None:
            return
        if not self._bounced:
            self._bounced_due = now + self._pause * (SHORTEST + (1 - SHORTEST) * self._chance())
        self._bounced.append(entry)

    def gone(self, entries: Iterable[Entry], *, receipted: bool) -> None:
        """These left the outbox, by a receipt or by eviction."""
        leaving = set(entries)
        for entry in leaving:
            self._out.pop(entry, None)
        self._again -= leaving
        if self._bounced:
            self._bounced = [entry for entry in self._bounced if entry not in leaving]
        if self._queue and leaving:
            self._queue = [e for e in self._queue[self._left :] if e not in leaving]
            self._left = 0
        if receipted and leaving:
            self._room = min(2 * self._room, self._window)
            self._pause = BOUNCE_AFTER
            if self._whole != self._first:
                self._whole = self._first
                self._wait = self._jittered()

    def resend_at(self) -> float | None:
        """When the first that is out, or came to nobody, will be due again; None for neither."""
        due = self._bounced_due if self._bounced else math.inf
        for since in self._out.values():
            due = min(due, since + self._wait)
            break
        return None if due == math.inf else due

    def resend_due(self, now: float) -> None:
        """Queue again, before all others, what is out for too long; then wait longer."""
        first = self.resend_at()
        if first is None or first > now:
            return
        if self._bounced and self._bounced_due <= now:
            self._queue_first(self._bounced)
            self._bounced, self._bounced_due = [], math.inf
            self._pause = min(2 * self._pause, self._limit)
        due = [entry for entry, since in self._out.items() if since + self._wait <= now]
        if not due:
            return
        for entry in due:
            del self._out[entry]
        self._queue_first(due)
        self._room = max(self._room // 2, min(SMALLEST_WINDOW, self._window))
        self._whole = min(2 * self._whole, self._limit)
        self._wait = self._jittered()

    def _queue_first(self, entries: list[Entry]) -> None:
        """Queue what was sent before, before all others."""
        self._again.update(entries)
        self._queue, self._left = entries + self._queue[self._left :], 0

    def _jittered(self) -> float:
        """Give a part of the present wait, at least `SHORTEST`: no two machines stay in step."""
        return self._whole * (SHORTEST + (1 - SHORTEST) * self._chance())
