"""What a kind of machine is: metrics, a first state, a step.

Pure: a kind's `step` takes the state, what drives the machine, the seconds that pass and a
seeded generator, and gives the next state and the readings. Nothing here knows time, MQTT
or signatures. Only `Random.random` is drawn from (the one method whose sequence Python
promises to keep), and what is fed back into a state is rounded, because `exp` and `**`
differ in the last digit between C libraries.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S")

Readings = dict[str, float]


class Mode(Enum):
    """What the PackML state means for the drives: current off, energised, at work."""

    OFF = "off"
    STANDBY = "standby"
    RUN = "run"


class Drive(NamedTuple):
    """What drives a machine now: its mode, and the demand on it from 0 to 1."""

    mode: Mode
    load: float

    @property
    def work(self) -> float:
        """The demand where the machine works, else 0."""
        return self.load if self.mode is Mode.RUN else 0.0


class Metric(NamedTuple):
    """One measured quantity: UCUM unit and the range its sensor can give."""

    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Kind(Generic[S]):
    """A kind of machine; `step(state, drive, dt, rng)` gives the next state and readings."""

    name: str
    metrics: Mapping[str, Metric]
    begin: Callable[[Random], S]
    step: Callable[[S, Drive, float, Random], tuple[S, Readings]]


def kept(value: float) -> float:
    """A quantity as it is fed back into a state: rounded to 1e-9."""
    return round(value, 9)


def settle(value: float, target: float, dt: float, tau: float) -> float:
    """First-order response: where `value` is after `dt` on its way to `target`.

    The exact solution of tau·dx/dt = target - x (Newton's law of cooling, where x is a
    temperature), so that it does not depend on how finely time is cut.
    """
    return kept(target + (value - target) * math.exp(-dt / tau))


def noise(rng: Random, deviation: float) -> float:
    """Sensor noise of this standard deviation, within ±3.5 of them.

    The sum of four uniforms (Irwin-Hall): bell-shaped, bounded, and made of additions
    only, so the same on every platform; `Random.gauss` goes through the C library.
    """
    total = rng.random() + rng.random() + rng.random() + rng.random()
    return (total - 2.0) * deviation * 1.7320508075688772


def measured(value: float, digits: int, rng: Random, relative: float = 0.0) -> float:
    """A reading: the value with proportional noise, at the sensor's resolution.

    Noise in proportion keeps a zero zero and a physical range a range.
    """
    return round(value * (1.0 + noise(rng, relative)), digits) + 0.0


def between(rng: Random, low: float, high: float) -> float:
    """A uniform draw from low to high."""
    return kept(low + (high - low) * rng.random())
