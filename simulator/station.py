"""A machine with its outbox: what it records at a beat, with and without faults.

Nothing is sent here; what becomes of it on its way is for couriers to carry out.
"""

from collections.abc import Callable, Mapping, Sequence

from simulator.faults.afflicted import Afflicted
from simulator.faults.fault import FAIR, Publication, Weather
from simulator.faults.schedule import Occurrence
from simulator.faults.street import Street
from simulator.machine import Machine, RunningMachine, start_plant
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


def stations_of(
    machines: Sequence[Machine],
    outboxes: Mapping[str, Outbox],
    clock: Callable[[], int],
    faults: Sequence[Occurrence],
) -> list[Station]:
    """Start machines that stand together, those of `faults` with what will befall them."""
    begin, befallen = clock(), {fault.device for fault in faults}
    stations: list[Station] = []
    for running in start_plant(machines, begin):
        name = running.machine.name
        if name in befallen:
            own = [fault for fault in faults if fault.device == name]
            afflicted = Afflicted(running, own, begin)
            stations.append(BefallenStation(afflicted, outboxes[name], clock))
        else:
            stations.append(Station(running, outboxes[name], clock))
    return stations
