"""A machine with its faults: what it tells, reads and suffers, beat by beat.

Stands for the running machine wherever one is stepped. At each beat faults that are over
end, those that are due begin, each told by an `event` before the readings that it changes; a
beat at time t after the start is within a fault if `start <= t < end`. Each fault draws from
a generator of its own, so one changes nothing of another, and none of the physics'. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

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
from simulator.machines.kind import Readings, shown
from simulator.work.making import UNDISTURBED, Influence
from simulator.work.worker import Told


@dataclass(slots=True)
class Active:
    """A fault while it lasts; `before` is what was before it: a reading, a part of the state."""

    occurrence: Occurrence
    rng: Random
    before: Any = None

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
        self.add(occurrences)

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
        for one in over:
            spec = one.occurrence.spec
            if isinstance(spec, ProcessFault) and spec.field is not None:
                self._set(spec.field, one.before)
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
        active = Active(occurrence, Random(seed_for(machine.seed, machine.name, purpose)))  # noqa: S311 - a simulation
        if isinstance(spec, SensorFault):
            active.before = self._shown.get(occurrence.metric or "")
        if isinstance(spec, ProcessFault) and spec.field is not None:
            active.before = getattr(self.running.physics, spec.field)
        return active

    def _suffer(self, at: int) -> None:
        """Bring what process faults do into the machine's state, before it steps."""
        influence = UNDISTURBED
        for one in self._active:
            spec = one.occurrence.spec
            if not isinstance(spec, ProcessFault):
                continue
            moment = one.moment(at)
            if spec.field is not None:
                value = getattr(self.running.physics, spec.field)
                self._set(spec.field, spec.worsen(value, one.before, moment))
            other = spec.influence(moment)
            influence = Influence(
                influence.speed * other.speed,
                min(1.0, influence.scrap + other.scrap),
                influence.halt or other.halt,
            )
        self.running.disturb(influence)

    def _set(self, part: str, value: Any) -> None:
        self.running.physics = self.running.physics._replace(**{part: value})

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
