"""Belt conveyor: what lies on the belt makes its resistance, that makes tension and power.

Resistance after ISO 5048:1989 (and DIN 22101): F = C·f·L·g·(q_R + 2·q_B + q_G) + H·g·q_G,
with q_R, q_B, q_G the mass of rollers, belt and goods per metre, L the length, H the lift,
f the rollers' friction (more as they wear) and C = 1.92 for side resistances at 80 m. Power
P = F·v/η. What comes on spreads over the belt, first order with half the time of passage.
Tension at the drum by Euler and Eytelwein: T = F·(1 + 1/(e^(μ·pi) - 1)). The motor's current
adds its active and magnetising part; it warms with its losses (Newton) and shakes by its
bearing (`bearing`).
"""

import math
from typing import Final, NamedTuple

from simulator.chance import Chance
from simulator.machines.bearing import METRICS as VIBRATION
from simulator.machines.bearing import Bearing, Mounted
from simulator.machines.kind import (
    Drive,
    Kind,
    Metric,
    Mode,
    Readings,
    between,
    grown,
    measured,
    settle,
    shown,
)

LENGTH, LIFT = 80.0, 3.0  # m
SPEED: Final = 1.2  # m/s
SIDE: Final = 1.92
FRICTION: Final = 0.022
RUB: Final = 0.35  # more of it with worn rollers
ROLLERS, BELT, FULL_GOODS = 14.0, 12.0, 45.0  # kg/m
GRAVITY: Final = 9.81  # m/s²
GRIP: Final = 1.0 / (math.exp(0.35 * math.pi) - 1.0)  # μ = 0.35, half a turn
EFFICIENCY: Final = 0.85
LINE_VOLTAGE: Final = 400.0  # V
MAGNETISING: Final = 6.0  # A
RESISTANCE: Final = 55.0  # K/kW of loss
PASSAGE_TAU: Final = LENGTH / SPEED / 2.0  # s
SPEED_TAU, TAU = 2.0, 900.0  # s
BASE_POWER: Final = {Mode.OFF: 0.03, Mode.STANDBY: 0.1, Mode.RUN: 0.2}  # kW
LIFE: Final = 2e7  # s of full work that the motor's bearing has
# A deep groove ball bearing 6205: 9 balls of 7.94 mm on 39.04 mm.
MOTOR: Final = Mounted(Bearing(9, 7.94, 39.04), speed=1455.0, severity=2.0)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "belt_speed": Metric("m/s", 0.0, 2.5),
    "throughput": Metric("t/h", 0.0, 300.0),
    "belt_load": Metric("kg/m", 0.0, 80.0),
    "belt_tension": Metric("kN", 0.0, 15.0),
    "power": Metric("kW", 0.0, 12.0),
    "motor_current": Metric("A", 0.0, 40.0),
    "motor_temperature": Metric("Cel", 0.0, 155.0),
    **VIBRATION,
}


class ConveyorState(NamedTuple):
    """Room and motor in °C, belt in m/s, goods on it in kg/m, wear from 0 to 1."""

    ambient: float
    motor: float
    speed: float
    goods: float
    wear: float


def begin(rng: Chance) -> ConveyorState:
    """A belt that stands, half empty."""
    ambient = between(rng, 16.0, 28.0)
    goods = between(rng, 0.0, FULL_GOODS / 2.0)
    return ConveyorState(ambient, ambient, 0.0, goods, between(rng, 0.02, 0.35))


def resistance(goods: float, wear: float) -> float:
    """What the drum has to pull, in N, with so many kg/m on the belt."""
    rolling = SIDE * FRICTION * (1 + RUB * wear) * LENGTH * (ROLLERS + 2 * BELT + goods)
    return GRAVITY * (rolling + LIFT * goods)


def power_of(mode: Mode, force: float, speed: float) -> float:
    """Electrical power in kW."""
    return BASE_POWER[mode] + (force * speed / EFFICIENCY / 1e3 if mode is Mode.RUN else 0.0)


def step(
    state: ConveyorState, drive: Drive, dt: float, rng: Chance
) -> tuple[ConveyorState, Readings]:
    """Let `dt` seconds pass."""
    work, mode = drive.work, drive.mode
    speed = settle(state.speed, SPEED if mode is Mode.RUN else 0.0, dt, SPEED_TAU)
    goods = state.goods
    if mode is Mode.RUN:
        goods = settle(goods, FULL_GOODS * work, dt, PASSAGE_TAU)
    force = resistance(goods, state.wear)
    power = power_of(mode, force, speed)
    warm = state.ambient + RESISTANCE * (1.0 - EFFICIENCY) * power
    motor = settle(state.motor, warm, dt, TAU)
    after = ConveyorState(state.ambient, motor, speed, goods, grown(state.wear, work, dt, LIFE))
    return after, _readings(after, mode, work, force, power, rng)


def _readings(  # noqa: PLR0913, PLR0917 - what a step has worked out
    state: ConveyorState, mode: Mode, work: float, force: float, power: float, rng: Chance
) -> Readings:
    turning, running = state.speed / SPEED, mode is Mode.RUN
    active = power * 1e3 / (math.sqrt(3.0) * LINE_VOLTAGE)
    amperes = math.sqrt(active**2 + MAGNETISING**2) if running else 0.0
    return {
        "load": shown(100.0 * work, 1),
        "belt_speed": measured(state.speed, 3, rng, 0.002),
        "throughput": measured(3.6 * state.speed * state.goods, 1, rng, 0.01),
        "belt_load": measured(state.goods, 2, rng, 0.01),
        "belt_tension": measured(force * (1.0 + GRIP) / 1e3 if running else 0.0, 3, rng, 0.01),
        "power": measured(power, 3, rng, 0.01),
        "motor_current": measured(amperes, 2, rng, 0.01),
        "motor_temperature": measured(state.motor, 1, rng, 0.001),
        **MOTOR.readings(
            turning, turning * (0.4 + 0.5 * state.goods / FULL_GOODS), state.wear, rng
        ),
    }


KIND: Final = Kind("conveyor", METRICS, begin, step)
