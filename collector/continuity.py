"""Each session's messages as runs without a gap: what goes on steadily, and what must be looked at.

Pure. A message that follows the last one of its session, by number and by `prev`, costs a
comparison here. Whatever else comes begins a run, and the survey (`collector.survey`) then looks
once into the store at what stands beside that run: numbers that are missing, links that do not
fit, another message with the same `prev`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

Place = tuple[str, str]
"""Device and session."""

DELAY: Final = 2.0  # seconds: what is merely out of order, or with another collector, is no gap
MOST_LOOSE: Final = 50_000  # runs; then they are looked at without delay
_MOST_STEADY: Final = 200_000  # sessions, some 60 MB; forgetting costs one look each


@dataclass(slots=True)
class Run:
    """Messages `first` to `last` of a session, each naming the one before it.

    `prev` is what the first of them names, `body` the body hash of the last; `position` is the
    first one's in the collector's log, `since` when it came, by the monotonic clock.
    """

    first: int
    last: int
    prev: bytes | None
    body: bytes
    position: int
    since: float


class Link(NamedTuple):
    """An accepted message: its number, its place in the log, and whom it names."""

    device: str
    session: str
    seq: int
    prev: bytes | None
    body: bytes
    position: int


@dataclass(slots=True)
class Continuity:
    """The runs of all sessions; `note` what is committed, `take` what is to be looked at."""

    _steady: dict[Place, Run] = field(default_factory=dict)
    _loose: dict[Place, list[Run]] = field(default_factory=dict)
    _count: int = 0

    def note(self, links: Iterable[Link], now: float) -> None:
        """Take messages that are committed, in the order of their positions."""
        steady = self._steady
        for device, session, seq, prev, body, position in links:
            place = (device, session)
            run = steady.get(place)
            if run is not None and seq == run.last + 1 and prev == run.body:
                run.last, run.body = seq, body
                continue
            begun = Run(seq, seq, prev, body, position, now)
            if len(steady) >= _MOST_STEADY:
                steady.clear()
            steady[place] = begun
            self._loose.setdefault(place, []).append(begun)
            self._count += 1

    def due(self, now: float) -> bool:
        """Whether something has waited long enough."""
        return any(
            self._count > MOST_LOOSE or now - runs[0].since >= DELAY
            for runs in islice(self._loose.values(), 1)
        )

    def unseen(self, size: int) -> int:
        """Give the position from which on a restart has to look again; `size` where nowhere.

        Places stand in the order of their first run, and those in the order of the log.
        """
        for runs in self._loose.values():
            return min(size, runs[0].position)
        return size

    def take(self, now: float, *, everything: bool = False, most: int) -> dict[Place, list[Run]]:
        """Give the runs of at most so many sessions that have waited long enough, by number."""
        taken: dict[Place, list[Run]] = {}
        pressing = everything or self._count > MOST_LOOSE
        for place, runs in self._loose.items():
            if len(taken) >= most or not (pressing or now - runs[0].since >= DELAY):
                break
            taken[place] = runs
        for place, runs in taken.items():
            self._count -= len(runs)
            del self._loose[place]
            # What comes next in this session is looked at too, until `settle`.
            self._steady.pop(place, None)
        return {place: joined(runs) for place, runs in taken.items()}

    def put_back(self, taken: Mapping[Place, list[Run]], now: float) -> None:
        """These could not be looked at: they wait once more, before all others."""
        for runs in taken.values():
            self._count += len(runs)
            for run in runs:
                run.since = now
        self._loose = {**taken, **self._loose}

    def settle(self, tops: Iterable[tuple[Place, Run]], doubted: Iterable[Place]) -> None:
        """Take the survey's word for what follows: steady after the ends of sessions, `tops`.

        What comes next in a doubted session is looked at, however well it follows.
        """
        self._steady.update(tops)
        for place in doubted:
            self._steady.pop(place, None)


def joined(runs: Iterable[Run]) -> list[Run]:
    """Give runs in order of number, those that follow one another as one."""
    found: list[Run] = []
    for run in sorted(runs, key=lambda one: one.first):
        before = found[-1] if found else None
        if before is not None and before.last + 1 == run.first and before.body == run.prev:
            before.last, before.body = run.last, run.body
        else:
            found.append(run)
    return found
