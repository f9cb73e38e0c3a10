"""A machine of the plant: its place, its kind, its seed; and the machine as it runs.

Pure: the same machine, stepped by the same seconds, gives the same scans, wherever, however
fast and in whatever order among others: each has generators of its own, seeded from the
plant's seed and its name. Only a kind that observes others says what depends on them
(`look_around`).
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from simulator import routine
from simulator.chance import Chance
from simulator.machines import KINDS
from simulator.machines.kind import Metric, Readings, Surroundings
from simulator.packml import State
from simulator.work.flow import Flow
from simulator.work.job import Job, Line
from simulator.work.making import UNDISTURBED, Influence
from simulator.work.metrics import metrics_of
from simulator.work.worker import Told, Worker
from telemetry.canonical import b64
from telemetry.topic import MachineTopic

Language = Literal["json", "sparkplug"]

# What of a kind's state wears, from 0 to 1: what is worn makes scrap, service renews it.
WEARING: Final = ("tool", "die", "wear")


class Scan(NamedTuple):
    """One step's outcome: the messages told meanwhile, in order, and the readings after it.

    A message is its kind, `state` or `event`, and the object that it carries.
    """

    told: tuple[Told, ...]
    readings: Readings

    @property
    def entered(self) -> tuple[State, ...]:
        """The PackML states told, in order."""
        return tuple(State(content["number"]) for kind, content in self.told if kind == "state")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its topic (of any kind of message), the name of its kind, the plant's seed.

    Without a job it passes its days as `simulator.routine` has it. Its language is how it
    says what it measures; one that speaks Sparkplug does so behind its line's edge node.
    """

    topic: MachineTopic
    kind: str
    seed: int
    job: Job | None = None
    language: Language = "json"

    @property
    def name(self) -> str:
        """The device name, the topic's machine level."""
        return self.topic.machine

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What it measures: its kind's metrics, then its job's."""
        own = KINDS[self.kind].metrics
        return own if self.job is None else {**own, **metrics_of(self.job)}

    def birth(self, public_key: bytes) -> dict[str, Any]:
        """The object of its `birth` message (docs/formats.md, Message)."""
        metrics = {
            name: {"unit": metric.unit, "low": metric.low, "high": metric.high}
            for name, metric in self.metrics.items()
        }
        return {"metrics": metrics, "kind": self.kind, "public_key": b64(public_key)}

    def start(self, begin: int = 0) -> "RunningMachine":
        """The machine alone at the start of its day, `begin` µs since the epoch."""
        flow = None if self.job is None else Flow(self.job.line, begin // 1000)
        return RunningMachine(self, flow)


class RunningMachine:
    """A machine as it runs: physics, its work or else its routine, and their generators."""

    __slots__ = (
        "_capacity", "_kind", "_observed", "_physics", "_physics_rng", "_routine",
        "_routine_rng", "_slowed", "_wearing", "drawn", "machine", "observes", "work",
    )  # fmt: skip

    def __init__(self, machine: Machine, flow: Flow | None) -> None:
        """`flow` is that of its line, where it has a job; its machines share one."""
        self._kind = KINDS[machine.kind]
        self._physics_rng = _generator(machine, "physics")
        self._physics = self._kind.begin(self._physics_rng)
        self._wearing = tuple(part for part in WEARING if hasattr(self._physics, part))
        self.work: Worker | None = None
        if machine.job is None or flow is None:
            self._routine_rng = _generator(machine, "routine")
            self._routine = routine.begin(self._routine_rng)
        else:
            self.work = Worker(machine.job, flow, _generator(machine, "work"))
        self.machine = machine
        self.observes = self._kind.observes
        self._observed: Sequence[RunningMachine] = ()
        self._capacity = 0.0  # kW that those could draw at most
        self.drawn = 0.0  # kW from the mains, when it was last read
        self._slowed = 1.0

    @property
    def physics(self) -> Any:
        """The state of its physics, a kind's own named tuple; faults set it between steps."""
        return self._physics

    @physics.setter
    def physics(self, state: Any) -> None:
        self._physics = state

    def disturb(self, influence: Influence = UNDISTURBED) -> None:
        """Work under this influence from now on; without a job only its speed matters."""
        self._slowed = influence.speed
        if self.work is not None:
            self.work.influence = influence

    @property
    def observed(self) -> "Sequence[RunningMachine]":
        """Those whose draw it is told."""
        return self._observed

    def observe(self, machines: "Sequence[RunningMachine]") -> None:
        """Be told from now on what these draw, as they were last read."""
        self._observed = machines
        kinds = (KINDS[machine.machine.kind] for machine in machines)
        self._capacity = math.fsum(kind.metrics[kind.draws].high for kind in kinds if kind.draws)

    @property
    def state(self) -> State:
        """Its PackML state."""
        return self._routine.state if self.work is None else self.work.state

    def state_content(self) -> dict[str, Any]:
        """The object of a `state` message that tells what it is in now."""
        return state_content(self.state) if self.work is None else self.work.state_content()

    def step(self, dt: float, now: int = 0) -> Scan:
        """Let `dt` seconds pass until `now` (µs since the epoch), and read all metrics."""
        work = self.work
        told: tuple[Told, ...] = ()
        if work is None:
            self._routine, entered = routine.advance(self._routine, dt, self._routine_rng)
            if entered:
                told = tuple(("state", state_content(state)) for state in entered)
            drive = self._routine.drive
            if self._slowed != 1.0:
                drive = drive._replace(load=drive.load * self._slowed)
        else:
            worn = max((getattr(self._physics, part) for part in self._wearing), default=0.0)
            told = work.step(dt, now // 1000, worn)
            drive = work.drive
            if work.serviced:
                self._physics = self._physics._replace(**dict.fromkeys(self._wearing, 0.0))
        if self._observed:
            # Exact, so in any order: `sum` rounds otherwise from Python 3.12 on.
            power = math.fsum(machine.drawn for machine in self._observed)
            drive = drive._replace(surroundings=Surroundings(power, self._capacity))
        self._physics, readings = self._kind.step(self._physics, drive, dt, self._physics_rng)
        if self._kind.draws is not None:
            self.drawn = readings[self._kind.draws]
        if work is not None:
            readings.update(work.readings())
        return Scan(told, readings)


def start_plant(machines: Iterable[Machine], begin: int = 0) -> list[RunningMachine]:
    """Start machines that stand together, `begin` µs since the epoch.

    Those of a line share its flow of parts, observers see whom they observe. From then on
    all are stepped, once each, before any is stepped again.
    """
    flows: dict[Line, Flow] = {}
    running = []
    for machine in machines:
        flow = None
        if machine.job is not None:
            line = machine.job.line
            flow = flows.get(line) or flows.setdefault(line, Flow(line, begin // 1000))
        running.append(RunningMachine(machine, flow))
    look_around(running)
    return running


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


def _generator(machine: Machine, purpose: str) -> Chance:
    return Chance(seed_for(machine.seed, machine.name, purpose))


def state_content(state: State) -> dict[str, Any]:
    """The object of a `state` message."""
    return {"name": state.title, "number": int(state)}


def seed_for(seed: int, device: str, purpose: str) -> int:
    """A seed for one generator of one machine; independent of Python's string hashing."""
    digest = hashlib.sha256(f"{purpose}/{seed}/{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
