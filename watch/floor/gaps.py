"""Which of a machine's numbers were not heard, though a later one was. Pure, bounded.

By live messages alone: they come at QoS 0, and what is stored is for the store to say.
"""

from typing import Final

_MOST: Final = 16


class Missing:
    """Numbers of one session that are missing, as ranges; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._session = ""
        self._highest: int | None = None
        self.ranges: list[tuple[int, int]] = []

    def hear(self, session: str, seq: int) -> None:
        """Take note of a number; what an earlier session sends again says nothing here."""
        if self._highest is None or (session != self._session and seq == 0):
            self._session, self._highest, self.ranges = session, seq, []
        elif session != self._session:
            return
        elif seq > self._highest:
            if seq > self._highest + 1:
                self.ranges = [*self.ranges, (self._highest + 1, seq - 1)][-_MOST:]
            self._highest = seq
        elif self.ranges:
            self.ranges = [part for one in self.ranges for part in _without(one, seq)]

    def forget(self) -> None:
        """Begin anew: what was said while we did not listen is not missing."""
        self._session, self._highest, self.ranges = "", None, []


def _without(range_: tuple[int, int], seq: int) -> list[tuple[int, int]]:
    first, last = range_
    if not first <= seq <= last:
        return [range_]
    return [(a, b) for a, b in ((first, seq - 1), (seq + 1, last)) if a <= b]
