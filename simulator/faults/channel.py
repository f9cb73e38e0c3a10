"""A machine's way out under network faults: when what is given to it comes out, and how often.

Things go in with a time in seconds, and come out in order of the time at which each is due;
those of one time in the order in which they went in. Without a fault that is at once. Nothing
is lost but what is withheld, and that for good, however often it is given again. Pure.
"""

import heapq
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from simulator.chance import Chance
from simulator.faults.fault import FAIR, Weather

T = TypeVar("T")

COPY_WITHIN = 2.0  # s


class Channel(Generic[T]):
    """One machine's channel; `weather` is set from beat to beat."""

    def __init__(self, rng: Chance) -> None:
        self.weather: Weather = FAIR
        self.withheld = 0
        self._rng = rng
        self._number = 0
        self._waiting: list[tuple[float, int, T]] = []
        self._judged: dict[Hashable, bool] = {}

    def offer(self, items: Iterable[tuple[Hashable, bool, T]], now: float) -> None:
        """Take things with their names, and whether they may be withheld."""
        for name, exposed, item in items:
            if exposed and self._kept_back(name):
                continue
            weather = self.weather
            due = now + weather.delay + weather.scatter * self._chance(weather.scatter)
            self._put(due, item)
            if weather.doubled and self._rng.random() < weather.doubled:
                self._put(due + COPY_WITHIN * self._rng.random(), item)

    def due(self, now: float) -> list[T]:
        """What comes out now."""
        found = []
        while not self.weather.closed and self._waiting and self._waiting[0][0] <= now:
            found.append(heapq.heappop(self._waiting)[2])
        return found

    def clear(self) -> None:
        """Forget what waits: it will be given again."""
        self._waiting.clear()

    @property
    def next_due(self) -> float | None:
        """When something comes out next; None where nothing will without a change."""
        return self._waiting[0][0] if self._waiting and not self.weather.closed else None

    def __len__(self) -> int:
        """How many things wait in it."""
        return len(self._waiting)

    def _put(self, due: float, item: T) -> None:
        heapq.heappush(self._waiting, (due, self._number, item))
        self._number += 1

    def _chance(self, wanted: float) -> float:
        return self._rng.random() if wanted else 0.0

    def _kept_back(self, name: Hashable) -> bool:
        """Whether this one is withheld: judged once, when it is first given."""
        if name in self._judged:
            return self._judged[name]
        share = self.weather.withheld
        if not share:
            return False
        self._judged[name] = self._rng.random() < share
        self.withheld += self._judged[name]
        return self._judged[name]
