"""How long to wait before the next try. Pure but for chance, which is an argument."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with jitter: a broker that comes back is not met by all clients at once.

    Seconds; the n-th delay lies between a half and the whole of `first` times `factor` to
    the n, at most `limit`. `chance` gives a number from 0 to 1. A connection that lived for
    `steady` seconds starts the row anew: one that is ended at once does not.
    """

    first: float = 0.1
    limit: float = 5.0
    factor: float = 2.0
    steady: float = 1.0
    chance: Callable[[], float] = random.random

    def delays(self) -> Iterator[float]:
        """Give the delays, without end."""
        whole = self.first
        while True:
            whole = min(whole, self.limit)
            yield whole * (0.5 + 0.5 * self.chance())
            whole *= self.factor
