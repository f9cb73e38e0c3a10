"""What the demo knows of its store and log at a moment, read beside the parts that write them."""

import time
from collections import deque
from dataclasses import dataclass, replace

from anchor.errors import Missing
from anchor.keeping.anchor_db import read_state
from collector.errors import StoreUnavailable
from collector.stats import Stats
from factoryledger.counting import anchored
from factoryledger.installation import Installation

_WINDOW = 11  # looks, half a second apart


@dataclass(frozen=True, slots=True)
class Progress:
    """One look: counts of the store, records anchored, the newest published checkpoint.

    `published` is the anchor log's size under that checkpoint, `published_at` when it came,
    in microseconds; `rate` is messages a second over the last few looks.
    """

    at: float
    stats: Stats
    anchored: int
    published: int
    published_at: int | None
    rate: float = 0.0

    @property
    def all_anchored(self) -> bool:
        """Whether every stored message is under a published checkpoint."""
        return self.anchored == self.stats.stored


class Looks:
    """Looks one after the other, with the rate over the last seconds of them."""

    def __init__(self, place: Installation) -> None:
        self._place = place
        self._last: deque[Progress] = deque(maxlen=_WINDOW)

    def next(self) -> Progress | None:
        """Look again; None while there is no store yet."""
        found = look(self._place)
        if found is None:
            return None
        self._last.append(found)
        first = self._last[0]
        seconds = found.at - first.at
        stored = found.stats.stored - first.stats.stored
        return replace(found, rate=stored / seconds if seconds else 0.0)


def look(place: Installation) -> Progress | None:
    """Look at store and log once; None while there is no store yet."""
    try:
        stats = place.ledger.stats()
    except StoreUnavailable:
        return None
    try:
        state = read_state(place.data.anchor_db)
    except Missing:
        published, published_at = 0, None
    else:
        published, published_at = state.published, state.time
    return Progress(time.monotonic(), stats, anchored(place) or 0, published, published_at)
