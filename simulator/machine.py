"""A machine of the plant: its place, its kind, its seed; and the machine as it runs.

Pure: the same machine, stepped by the same seconds, gives the same scans, wherever, however
fast and in whatever order among others: each has generators of its own, seeded from the
plant's seed and its name. Only a kind that observes others says what depends on them
(`look_around`).
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator import routine
from simulator.machines import KINDS
from simulator.machines.kind import Readings, Surroundings
from simulator.packml import State
from simulator.work.job import Job
from telemetry.canonical import b64
from telemetry.topic import MachineTopic


@dataclass(frozen=True, slots=True)
class Scan:
    """One step's outcome: the states entered meanwhile, in order, and the readings."""

    entered: tuple[State, ...]
    readings: Readings


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its topic (of any kind of message), the name of its kind, the plant's seed.

    Without a job it passes its days as `simulator.routine` has it.
    """

    topic: MachineTopic
    kind: str
    seed: int
    job: Job | None = None

    @property
    def name(self) -> str:
        """The device name, the topic's machine level."""
        return self.topic.machine

    def birth(self, public_key: bytes) -> dict[str, Any]:
        """The object of its `birth` message (docs/formats.md, Message)."""
        metrics = {
            name: {"unit": metric.unit, "low": metric.low, "high": metric.high}
            for name, metric in KINDS[self.kind].metrics.items()
        }
        return {"metrics": metrics, "kind": self.kind, "public_key": b64(public_key)}

    def start(self) -> "RunningMachine":
        """The machine at the start of its day."""
        return RunningMachine(self)


class RunningMachine:
    """A machine as it runs: physics, routine and their generators."""

    def __init__(self, machine: Machine) -> None:
        self._kind = KINDS[machine.kind]
        self._physics_rng = _generator(machine, "physics")
        self._routine_rng = _generator(machine, "routine")
        self._physics = self._kind.begin(self._physics_rng)
        self._routine = routine.begin(self._routine_rng)
        self.machine = machine
        self.observes = self._kind.observes
        self._observed: Sequence[RunningMachine] = ()
        self.drawn = 0.0  # kW from the mains, when it was last read

    def observe(self, machines: "Sequence[RunningMachine]") -> None:
        """Be told from now on what these draw, as they were last read."""
        self._observed = machines

    @property
    def state(self) -> State:
        """Its PackML state."""
        return self._routine.state

    def step(self, dt: float) -> Scan:
        """Let `dt` seconds pass and read all metrics."""
        self._routine, entered = routine.advance(self._routine, dt, self._routine_rng)
        drive = self._routine.drive
        if self._observed:
            # Exact, so in any order: `sum` rounds otherwise from Python 3.12 on.
            power = math.fsum(machine.drawn for machine in self._observed)
            drive = drive._replace(surroundings=Surroundings(power))
        self._physics, readings = self._kind.step(self._physics, drive, dt, self._physics_rng)
        if self._kind.draws is not None:
            self.drawn = readings[self._kind.draws]
        return Scan(entered, readings)


def look_around(machines: Iterable[RunningMachine]) -> None:
    """Let each machine whose kind observes others see those of its line.

    Where none but observers stand on its line, those of its area; where that is so too,
    those of its site. Observers see no observers. They see what the others last drew: those
    that stand before them in the plant have made the same step already.
    """
    around: dict[tuple[str, ...], list[RunningMachine]] = {}
    observers = []
    for running in machines:
        if running.observes:
            observers.append(running)
            continue
        for place in _places(running.machine.topic):
            around.setdefault(place, []).append(running)
    for observer in observers:
        places = _places(observer.machine.topic)
        observer.observe(next((around[place] for place in places if place in around), []))


def _places(topic: MachineTopic) -> tuple[tuple[str, ...], ...]:
    """Line, area and site of a machine, from the narrowest."""
    site = (topic.enterprise, topic.site)
    return (*site, topic.area, topic.line), (*site, topic.area), site


def _generator(machine: Machine, purpose: str) -> Random:
    return Random(seed_for(machine.seed, machine.name, purpose))  # noqa: S311 - a simulation


def state_content(state: State) -> dict[str, Any]:
    """The object of a `state` message."""
    return {"name": state.title, "number": int(state)}


def seed_for(seed: int, device: str, purpose: str) -> int:
    """A seed for one generator of one machine; independent of Python's string hashing."""
    digest = hashlib.sha256(f"{purpose}/{seed}/{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
