"""A machine with its faults: what it tells, reads and suffers, beat by beat.

Stands for the running machine wherever one is stepped. At each beat faults that are over
end, those that are due begin, each told by an `event` before the readings that it changes; a
beat at time t after the start is within a fault if `start <= t < end`. Each fault draws from
a generator of its own, so one changes nothing of another, and none of the physics'. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.chance import Chance
from simulator.faults.fault import (
    FAIR,
    Moment,
    NetworkFault,
    ProcessFault,
    Reading,
    SecurityFault,
    SensorFault,
    Weather,
)
from simulator.faults.schedule import Occurrence
from simulator.machine import RunningMachine, Scan, seed_for
from simulator.machines.kind import Readings, kept, shown
from simulator.work.making import UNDISTURBED, Influence
from simulator.work.worker import Told


@dataclass(slots=True)
class Active:
    """A fault while it lasts; `before` is what a sensor last gave before it."""

    occurrence: Occurrence
    rng: Chance
    before: float | None = None

    def moment(self, at: int) -> Moment:
        """This time, `at` ms after the scenario's start, as the fault sees it."""
        occurrence = self.occurrence
        return Moment(at - occurrence.start, occurrence.end - occurrence.start, self.rng)


class Afflicted:
    """A running machine and all faults that come over it."""

    def __init__(
        self, running: RunningMachine, occurrences: Iterable[Occurrence], begin: int
    ) -> None:
        """`begin` is the scenario's start, µs since the epoch."""
        self.running = running
        self.machine = running.machine
        self._begin = begin
        self._pending: list[Occurrence] = []
        self._active: list[Active] = []
        self._shown: Readings = {}
        self._at = 0
        # Parts of the state that faults change: what each would be without, and what it was
        # set to; where the physics change what is, they change what would be.
        self._parts: dict[str, tuple[Any, Any]] = {}
        self.add(occurrences)

    @property
    def at(self) -> int:
        """The last beat, ms since the scenario's start."""
        return self._at

    def add(self, occurrences: Iterable[Occurrence]) -> None:
        """Have more faults to come; one whose start is past begins with the next beat."""
        self._pending = sorted([*self._pending, *occurrences], key=lambda one: (one.start, one.id))

    def state_content(self) -> dict[str, Any]:
        """As the machine's."""
        return self.running.state_content()

    @property
    def intrusions(self) -> Sequence[Active]:
        """Security faults that last, for who publishes what comes of them."""
        return [one for one in self._active if isinstance(one.occurrence.spec, SecurityFault)]

    @property
    def weather(self) -> Weather:
        """What becomes now of its messages, and of its clock."""
        weather = FAIR
        for one in self._active:
            spec = one.occurrence.spec
            if isinstance(spec, NetworkFault):
                weather = weather.and_also(spec.weather(one.moment(self._at)))
        return weather

    @property
    def active(self) -> Sequence[Occurrence]:
        """The faults that last, in the order in which they began."""
        return [one.occurrence for one in self._active]

    def step(self, dt: float, now: int = 0) -> Scan:
        """Let `dt` seconds pass until `now` (µs since the epoch), and read all metrics."""
        self._at = at = (now - self._begin) // 1000
        if not self._active and (not self._pending or self._pending[0].start > at):
            scan = self.running.step(dt, now)
            self._shown = scan.readings
            return scan
        told = [*self._ended(at), *self._begun(at)]
        self._suffer(at)
        scan = self.running.step(dt, now)
        self._shown = self._sensed(scan.readings, at)
        return Scan((*told, *scan.told), self._shown)

    def _ended(self, at: int) -> list[Told]:
        over = [one for one in self._active if one.occurrence.end <= at]
        self._active = [one for one in self._active if one.occurrence.end > at]
        return [("event", one.occurrence.content("fault-ended")) for one in over]

    def _begun(self, at: int) -> list[Told]:
        due = [one for one in self._pending if one.start <= at]
        self._pending = self._pending[len(due) :]
        told: list[Told] = []
        for occurrence in due:
            told.append(("event", occurrence.content("fault-began")))
            if occurrence.end <= at:
                # Between two beats: it was, and touched nothing.
                told.append(("event", occurrence.content("fault-ended")))
            else:
                self._active.append(self._activated(occurrence))
        return told

    def _activated(self, occurrence: Occurrence) -> Active:
        spec, machine = occurrence.spec, self.machine
        purpose = f"fault/{occurrence.kind}/{occurrence.metric}/{occurrence.start}"
        active = Active(occurrence, Chance(seed_for(machine.seed, machine.name, purpose)))
        if isinstance(spec, SensorFault):
            active.before = self._shown.get(occurrence.metric or "")
        return active

    def _suffer(self, at: int) -> None:
        """Bring what process faults do into the machine's state, before it steps."""
        influence, parts = UNDISTURBED, self._healthy()
        for one in self._active:
            spec = one.occurrence.spec
            if not isinstance(spec, ProcessFault):
                continue
            moment = one.moment(at)
            if spec.field is not None:
                worse = parts.get(spec.field, getattr(self.running.physics, spec.field))
                parts[spec.field] = spec.worsen(worse, moment)
            influence = _both(influence, spec.influence(moment))
        self.running.disturb(influence)
        self._set(parts)

    def _healthy(self) -> dict[str, Any]:
        """What the parts that faults changed would be without them."""
        found = {}
        for part, (well, ill) in self._parts.items():
            now = getattr(self.running.physics, part)
            found[part] = well if now == ill else kept(max(0.0, well + now - ill))
        return found

    def _set(self, parts: dict[str, Any]) -> None:
        healthy = self._healthy()
        physics = self.running.physics
        self.running.physics = physics._replace(**parts)
        befallen = {
            one.occurrence.spec.field
            for one in self._active
            if isinstance(one.occurrence.spec, ProcessFault)
        }
        self._parts = {
            part: (healthy.get(part, getattr(physics, part)), value)
            for part, value in parts.items()
            if part in befallen
        }

    def _sensed(self, readings: Readings, at: int) -> Readings:
        """The readings as sensors with faults give them; those of the machine stay as they are."""
        seen = dict(readings)
        for one in self._active:
            spec, metric = one.occurrence.spec, one.occurrence.metric
            if not isinstance(spec, SensorFault) or metric is None or metric not in seen:
                continue
            given = seen[metric]
            if one.before is None:
                one.before = given
            ranged = self.machine.metrics[metric]
            value = spec.sense(Reading(given, one.before, ranged), one.moment(at))
            if value is None:
                del seen[metric]
            elif value != given:
                seen[metric] = shown(min(ranged.high, max(ranged.low, value)), 4)
        return seen


def _both(one: Influence, other: Influence) -> Influence:
    """Two influences at once."""
    return Influence(
        one.speed * other.speed, min(1.0, one.scrap + other.scrap), one.halt or other.halt
    )
