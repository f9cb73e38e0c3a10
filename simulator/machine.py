"""A machine of the plant: its place, its kind, its seed; and the machine as it runs.

Pure: the same machine, stepped by the same seconds, gives the same scans, wherever, however
fast and in whatever order among others: each has generators of its own, seeded from the
plant's seed and its name.
"""

import hashlib
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator import routine
from simulator.machines import KINDS
from simulator.machines.kind import Readings
from simulator.packml import State
from telemetry.canonical import b64
from telemetry.topic import MachineTopic


@dataclass(frozen=True, slots=True)
class Scan:
    """One step's outcome: the states entered meanwhile, in order, and the readings."""

    entered: tuple[State, ...]
    readings: Readings


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its topic (of any kind of message), the name of its kind, the plant's seed."""

    topic: MachineTopic
    kind: str
    seed: int

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

    @property
    def state(self) -> State:
        """Its PackML state."""
        return self._routine.state

    def step(self, dt: float) -> Scan:
        """Let `dt` seconds pass and read all metrics."""
        self._routine, entered = routine.advance(self._routine, dt, self._routine_rng)
        self._physics, readings = self._kind.step(
            self._physics, self._routine.drive, dt, self._physics_rng
        )
        return Scan(entered, readings)


def _generator(machine: Machine, purpose: str) -> Random:
    return Random(seed_for(machine.seed, machine.name, purpose))  # noqa: S311 - a simulation


def state_content(state: State) -> dict[str, Any]:
    """The object of a `state` message."""
    return {"name": state.title, "number": int(state)}


def seed_for(seed: int, device: str, purpose: str) -> int:
    """A seed for one generator of one machine; independent of Python's string hashing."""
    digest = hashlib.sha256(f"{purpose}/{seed}/{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
