"""A day of each kind of machine, gathered for pictures: bins of the day, scans of a window.

Pure: the first machine of each kind in a plant runs on a simulated clock with those that
it depends on. Nothing is kept scan by scan but the window: a day fits in little memory.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from simulator.machine import Machine, RunningMachine, start_plant
from simulator.machines import KINDS
from simulator.machines.kind import Readings
from simulator.packml import State

DAY: Final = 86_400.0  # s
BINS: Final = 288  # five minutes each, in a day
WINDOW: Final = 1200.0  # s
WINDOW_STARTS: Final = 0.4  # of the time that is simulated


class Span(NamedTuple):
    """The values of a metric in a bin."""

    low: float
    mean: float
    high: float


class Stretch(NamedTuple):
    """A state, from and to; seconds since the start."""

    state: State
    begin: float
    end: float


class Day:
    """What a machine said in a day; times are seconds since the start."""

    def __init__(self, machine: Machine, seconds: float, interval: float) -> None:
        """`interval` is the time from scan to scan."""
        self.machine = machine
        self.kind = KINDS[machine.kind]
        self.seconds = seconds
        self.width = max(seconds / BINS, interval)
        start = seconds * WINDOW_STARTS
        self.window = (start, min(seconds, start + WINDOW))
        self.times: list[float] = []
        self.scans: list[Readings] = []
        self.bins: list[dict[str, Span]] = []
        self.shares: list[Counter[State]] = []
        self.stretches: list[Stretch] = []
        self._filling: dict[str, list[float]] = {}

    def add(self, time: float, state: State, readings: Readings) -> None:
        """Take one scan; the state is the one that it found."""
        if time >= (len(self.bins) + 1) * self.width:
            self.close()
        for name in self.kind.metrics:
            self._filling.setdefault(name, []).append(readings[name])
        if len(self.shares) == len(self.bins):
            self.shares.append(Counter())
        self.shares[-1][state] += 1
        begin, end = self.window
        if begin <= time <= end:
            self.times.append(time)
            self.scans.append(readings)
            self._stretch(state, time)

    def close(self) -> None:
        """Finish the bin that is being filled."""
        if self._filling:
            self.bins.append(
                {
                    name: Span(min(values), sum(values) / len(values), max(values))
                    for name, values in self._filling.items()
                }
            )
            self._filling = {}

    def _stretch(self, state: State, time: float) -> None:
        last = self.stretches[-1] if self.stretches else None
        if last is None:
            self.stretches.append(Stretch(state, time, time))
            return
        self.stretches[-1] = last._replace(end=time)
        if last.state is not state:
            self.stretches.append(Stretch(state, time, time))


def days(
    plant: Sequence[Machine],
    *,
    seconds: float,
    interval: float = 1.0,
    begin: int = 0,
) -> list[Day]:
    """A day, or as many seconds, of the first machine of each kind in the plant.

    From `begin`, in µs since the epoch. Of the others only those run that they depend on.
    """
    firsts = _first_of_each_kind(plant)
    running = _needed(start_plant(plant, begin), {machine.name for machine in firsts})
    gathered = {machine.name: Day(machine, seconds, interval) for machine in firsts}
    for number in range(round(seconds / interval)):
        now = begin + round((number + 1) * interval * 1e6)
        for one in running:
            scan, day = one.step(interval, now), gathered.get(one.machine.name)
            if day is not None:
                day.add(number * interval, one.state, scan.readings)
    for day in gathered.values():
        day.close()
    return list(gathered.values())


def _first_of_each_kind(plant: Sequence[Machine]) -> list[Machine]:
    def firsts() -> Iterator[Machine]:
        seen = set()
        for machine in plant:
            if machine.kind not in seen:
                seen.add(machine.kind)
                yield machine

    return list(firsts())


def _needed(running: Sequence[RunningMachine], names: AbstractSet[str]) -> list[RunningMachine]:
    """Those of these names, those whom they observe, and those of all their lines of work."""
    wanted = [one for one in running if one.machine.name in names]
    wanted += [other for one in wanted for other in one.observed]
    needed = {one.machine.name for one in wanted}
    lines = {one.machine.job.line for one in wanted if one.machine.job is not None}
    return [
        one
        for one in running
        if one.machine.name in needed
        or (one.machine.job is not None and one.machine.job.line in lines)
    ]
