"""Numbers counted into buckets, for whoever wants to know how long things take.

Pure, and cheap for many at once: a batch costs one sort and one search a bound, whatever its size.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence


class Histogram:
    """How many observations were at most each of `bounds` (ascending), and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.total = 0.0
        self.count = 0
        self._upto = [0] * len(self.bounds)

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.observe_all((value,))

    def observe_all(self, values: Iterable[float]) -> None:
        """Count many at once."""
        ordered = sorted(values)
        self.total += sum(ordered)
        self.count += len(ordered)
        for place, bound in enumerate(self.bounds):
            self._upto[place] += bisect_right(ordered, bound)

    @property
    def upto(self) -> tuple[int, ...]:
        """For each bound the observations that were at most that."""
        return tuple(self._upto)
