"""A collector's counters, and the sum that they must keep.

    received = stored + duplicates + refused + in flight          (own is counted apart)

`received` is counted at the door and the rest where each message ends, so that the sum is a
check and not a definition. Pure.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Door:
    """What has come in since the process started, and what of it still waits."""

    received: int
    in_flight: int = 0


class Counts:
    """The counters as committed last, and what they become with a batch more."""

    def __init__(self, stored: Mapping[str, int]) -> None:
        self.stored = Counter(stored)
        # What was in flight when the process before ended comes again, to be counted again.
        self._received_before = self.stored["received"] - self.stored["in_flight"]
        self._own_before = self.stored["own"]

    def with_batch(
        self, *, door: Door, statuses: Mapping[str, int], duplicates: int, own: int, refused: int
    ) -> dict[str, int]:
        """Give every counter as it stands with this batch; `commit` it once that is committed."""
        counters = Counter(self.stored)
        counters.update(statuses)
        counters["duplicates"] += duplicates
        counters["own"] += own
        counters["refused"] += refused
        own_now = counters["own"] - self._own_before
        counters["received"] = self._received_before + door.received - own_now
        counters["in_flight"] = door.in_flight
        return dict(counters)

    def surveyed(self, position: int) -> None:
        """Take note that the store holds this."""
        self.stored["surveyed"] = position

    def committed(self, counters: Mapping[str, int]) -> None:
        """Take note that these are in the store."""
        self.stored = Counter(counters)
