"""What a kind of machine is: metrics, a first state, a step.

Pure: a kind's `step` takes the state, what drives the machine, the seconds that pass and a
seeded generator, and gives the next state and the readings. Nothing here knows time, MQTT
or signatures. What is fed back into a state is rounded, because `exp` and `**` differ in
the last digit between C libraries.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from simulator.chance import Chance

S = TypeVar("S")

Readings = dict[str, float]

# n / 10^digits is the float nearest to that decimal, which `round(value, digits)` finds
# too, at four times the cost.
_STEPS: Final = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)


class Mode(StrEnum):
    """What the PackML state means for the drives: current off, energised, at work."""

    OFF = "off"
    STANDBY = "standby"
    RUN = "run"


class Surroundings(NamedTuple):
    """What a machine can see of those it observes: the kW that they draw, and could draw.

    None where it observes nobody.
    """

    power: float | None = None
    capacity: float = 0.0


ALONE: Final = Surroundings()


class Drive(NamedTuple):
    """What drives a machine now: its mode, the demand on it from 0 to 1, and who is around."""

    mode: Mode
    load: float
    surroundings: Surroundings = ALONE

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
    """A kind of machine; `step(state, drive, dt, rng)` gives the next state and readings.

    `draws` names the metric that says how many kW it takes from the mains (None: it takes
    none), and a kind that `observes` is told the sum of those of the machines around it.
    """

    name: str
    metrics: Mapping[str, Metric]
    begin: Callable[[Chance], S]
    step: Callable[[S, Drive, float, Chance], tuple[S, Readings]]
    draws: str | None = "power"
    observes: bool = False


def kept(value: float) -> float:
    """A quantity as it is fed back into a state: rounded to 1e-9."""
    return round(value * 1e9) / 1e9


def settle(value: float, target: float, dt: float, tau: float) -> float:
    """First-order response: where `value` is after `dt` on its way to `target`.

    The exact solution of tau·dx/dt = target - x (Newton's law of cooling, where x is a
    temperature), so that it does not depend on how finely time is cut.
    """
    return round((target + (value - target) * math.exp(-dt / tau)) * 1e9) / 1e9


def grown(wear: float, work: float, dt: float, life: float) -> float:
    """Wear from 0 to 1 after `dt` seconds at this work; `life` is the seconds it has at full."""
    return min(1.0, round((wear + work * dt / life) * 1e9) / 1e9)


def measured(value: float, digits: int, rng: Chance, relative: float = 0.0) -> float:
    """A reading: the value with proportional noise, at the sensor's resolution.

    Noise in proportion keeps a zero zero and a physical range a range. It is bell-shaped,
    its deviation is `relative` and it stays within ±3.5 of them.
    """
    step = _STEPS[digits]
    return round(value * (1.0 + rng.bell() * relative) * step) / step


def sensed(value: float, digits: int, rng: Chance, deviation: float) -> float:
    """A reading whose noise does not depend on the value: a temperature around 0 °C."""
    step = _STEPS[digits]
    return round((value + rng.bell() * deviation) * step) / step


def shown(value: float, digits: int) -> float:
    """A value that the machine's controller knows: rounded, without noise."""
    step = _STEPS[digits]
    return round(value * step) / step


def between(rng: Chance, low: float, high: float) -> float:
    """A uniform draw from low to high."""
    return kept(low + (high - low) * rng.random())
