"""A machine with its outbox: what it records at a beat, with and without faults.

Nothing is sent here; what becomes of it on its way is for couriers to carry out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from simulator.faults.afflicted import Afflicted
from simulator.faults.fault import FAIR, Publication, Weather
from simulator.faults.schedule import Occurrence, by_device
from simulator.faults.street import Street
from simulator.machine import Machine, RunningMachine, Scan, start_plant
from simulator.outbox import Outbox
from simulator.trust import Trust


class Station:
    """A running machine with its outbox: what it does at a beat."""

    def __init__(self, running: RunningMachine, outbox: Outbox, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds since the epoch."""
        self.machine = running.machine
        self.outbox = outbox
        self.running = running
        self._clock = clock
        self._last = 0

    def open(self, trust: Trust) -> None:
        """Record what a session begins with: birth, and the state it is in."""
        birth = self.machine.birth(self.outbox.public_key)
        now = self._now()
        self.outbox.record("birth", time=now, content=birth, anchor=trust.cited)
        state = self.running.state_content()
        self.outbox.record("state", time=now, content=state, anchor=trust.cited)
        self.outbox.give_up(now, trust.cited)

    def beat(self, dt: float, trust: Trust) -> None:
        """Let `dt` seconds pass in the machine, and record what came of it."""
        now, cited = self._now(), trust.cited
        scan = self.running.step(dt, now)
        for kind, content in scan.told:
            self.outbox.record(kind, time=now, content=content, anchor=cited)
        self.outbox.record("telemetry", time=now, readings=scan.readings, anchor=cited)

    def _now(self) -> int:
        """The time, never back within a session."""
        self._last = max(self._last, self._clock())
        return self._last


class BefallenStation(Station):
    """One whose machine has faults: what they do to its time, its messages and its name."""

    def __init__(self, afflicted: Afflicted, outbox: Outbox, clock: Callable[[], int]) -> None:
        super().__init__(afflicted.running, outbox, clock)
        self.afflicted = afflicted
        self.street = Street(afflicted)
        self.weather: Weather = FAIR
        self.intruded: Sequence[Publication] = ()

    def beat(self, dt: float, trust: Trust) -> None:
        """As any machine's, then look what others made of it."""
        now, cited = self._now(), trust.cited
        scan = self.afflicted.step(dt, now)
        self.weather = self.street.beat()
        stamp = now + self.weather.clock
        for kind, content in scan.told:
            self.outbox.record(kind, time=stamp, content=content, anchor=cited)
        self.outbox.record("telemetry", time=stamp, readings=scan.readings, anchor=cited)
        self.intruded = self.street.intrude(self.outbox.chain, stamp, scan.readings, cited)


class Scribe(Protocol):
    """Who records for a machine that does not do so itself."""

    def tell(self, device: str, scan: Scan) -> None:
        """Take what the machine of this name said in its beat."""


class Member(Station):
    """A machine behind an edge node, which records what it says; told to it by `scribe`."""

    scribe: Scribe

    def __init__(
        self, stepped: RunningMachine | Afflicted, outbox: Outbox, clock: Callable[[], int]
    ) -> None:
        super().__init__(
            stepped.running if isinstance(stepped, Afflicted) else stepped, outbox, clock
        )
        self._stepped = stepped
        self.afflicted = stepped if isinstance(stepped, Afflicted) else None

    def open(self, trust: Trust) -> None:
        """Leave it to the edge node, whose births are first."""

    def beat(self, dt: float, trust: Trust) -> None:  # noqa: ARG002 - the scribe has its own
        """Let `dt` seconds pass in the machine, and tell what came of it."""
        self.scribe.tell(self.machine.name, self._stepped.step(dt, self._now()))


def stations_of(
    machines: Sequence[Machine],
    outboxes: Mapping[str, Outbox],
    clock: Callable[[], int],
    faults: Sequence[Occurrence],
    *,
    open_to_more: bool = False,
) -> list[Station]:
    """Start machines that stand together, those of `faults` with what will befall them.

    `open_to_more`: any of them may be befallen later.
    """
    begin, befallen = clock(), by_device(faults)
    stations: list[Station] = []
    for running in start_plant(machines, begin):
        name = running.machine.name
        if open_to_more or name in befallen:
            afflicted = Afflicted(running, befallen.get(name, ()), begin)
            make = Member if running.machine.language == "sparkplug" else BefallenStation
            stations.append(make(afflicted, outboxes[name], clock))
        elif running.machine.language == "sparkplug":
            stations.append(Member(running, outboxes[name], clock))
        else:
            stations.append(Station(running, outboxes[name], clock))
    return stations


def befall(stations: Iterable[Station], device: str, occurrences: Iterable[Occurrence]) -> None:
    """Let a machine that is open to it be befallen, each start counted from its last beat."""
    for station in stations:
        if station.machine.name == device and isinstance(station, BefallenStation | Member):
            assert station.afflicted is not None, "stations are open to more"
            at = station.afflicted.at
            station.afflicted.add(
                replace(one, start=one.start + at, end=one.end + at) for one in occurrences
            )
