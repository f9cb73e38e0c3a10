"""Robot arm that picks and places: motion profile, joint torque, motor current and heat.

Each move of the main axis has a trapezoidal speed, a third each of acceleration, cruise
and braking: w = 1.5·S/t and a = 4.5·S/t² for an angle S in a time t (Siciliano et al.,
Robotics: Modelling, Planning and Control, 2009, section 4.2). Torque: J·a, friction and the
weight held; its root mean square over the cycle sets the current I = T/(N·η·k_t) and the
windings' loss R·I². Energy of a move: ½·J·w² (burnt when braking) and friction. The
windings warm with their loss, first order (Newton). A worn gear rubs more and has play,
warmth adds to the error, and its bearing shakes (`bearing`).
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
    kept,
    measured,
    sensed,
    settle,
    shown,
)

SWING: Final = 1.6  # rad
INERTIA: Final = 120.0  # kg·m² about the main axis, with 60 kg in the gripper
WEIGHT: Final = 400.0  # N·m that the arm holds
FRICTION: Final = 250.0  # N·m
RUB: Final = 0.4  # more of it in a worn gear
GRIP: Final = 1.2  # s at each end
GEAR: Final = 120.0
GEAR_EFFICIENCY: Final = 0.85
TORQUE_CONSTANT: Final = 0.9  # N·m/A
WINDING: Final = 0.9  # Ω
OTHER_AXES: Final = 1.5  # as much again as the main axis takes
DRIVES: Final = 0.85  # efficiency
RESISTANCE: Final = 0.8  # K/W from windings to room
TAU: Final = 600.0  # s
FASTEST: Final = 1.5 * SWING / 0.9  # rad/s, at full demand
BASE_POWER: Final = {Mode.OFF: 0.06, Mode.STANDBY: 0.3, Mode.RUN: 0.45}  # kW
LIFE: Final = 2e7  # s of full work that the gear's bearing has
# A deep groove ball bearing 6203: 8 balls of 6.75 mm on 28.5 mm.
JOINT: Final = Mounted(
    Bearing(8, 6.75, 28.5), speed=FASTEST * GEAR * 60.0 / (2.0 * math.pi), severity=1.6
)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "cycle_time": Metric("s", 0.0, 30.0),
    "cycles": Metric("{cycle}", 0.0, 1e9),
    "joint_angle": Metric("deg", -10.0, 110.0),
    "joint_speed": Metric("deg/s", -220.0, 220.0),
    "joint_torque": Metric("N.m", 0.0, 2500.0),
    "motor_current": Metric("A", 0.0, 40.0),
    "motor_temperature": Metric("Cel", 0.0, 155.0),
    "power": Metric("kW", 0.0, 6.0),
    "position_error": Metric("mm", 0.0, 2.0),
    **VIBRATION,
}


class RobotState(NamedTuple):
    """Room and windings in °C, place in the cycle from 0 to 1, cycles made, wear 0 to 1."""

    ambient: float
    windings: float
    phase: float
    cycles: int
    wear: float


class Motion(NamedTuple):
    """One move of the main axis: s, rad/s at its fastest, rad/s²."""

    seconds: float
    speed: float
    acceleration: float


def begin(rng: Chance) -> RobotState:
    """An arm at rest over the place where it picks."""
    ambient = between(rng, 18.0, 26.0)
    return RobotState(ambient, kept(ambient + 5.0), 0.0, 0, between(rng, 0.02, 0.35))


def motion(load: float) -> Motion:
    """The move that the demand asks for: the more, the quicker."""
    seconds = 1.8 - 0.9 * load
    return Motion(seconds, 1.5 * SWING / seconds, 4.5 * SWING / seconds**2)


def torque(load: float, wear: float) -> float:
    """Root mean square of the main joint's torque over a cycle, N·m."""
    if load <= 0.0:
        return 0.0
    move = motion(load)
    moving = move.seconds / (move.seconds + GRIP)
    pushing = 2.0 / 3.0 * (INERTIA * move.acceleration) ** 2
    return math.sqrt(WEIGHT**2 + moving * (pushing + (FRICTION * (1 + RUB * wear)) ** 2))


def current(load: float, wear: float) -> float:
    """Root mean square of the motor's current, A."""
    return torque(load, wear) / (GEAR * GEAR_EFFICIENCY * TORQUE_CONSTANT)


def power_of(mode: Mode, load: float, wear: float, amperes: float) -> float:
    """Mean electrical power over a cycle, kW."""
    if load <= 0.0:
        return BASE_POWER[mode]
    move = motion(load)
    energy = 0.5 * INERTIA * move.speed**2 + FRICTION * (1 + RUB * wear) * SWING  # J a move
    axes = (1.0 + OTHER_AXES) * energy / (move.seconds + GRIP)
    return BASE_POWER[mode] + (axes + WINDING * amperes**2) / DRIVES / 1e3


def place(phase: float, load: float) -> tuple[float, float]:
    """Angle in degrees and speed in degrees/s at a place in the cycle: there, grip, back, grip."""
    move = motion(load)
    half = 2.0 * phase if phase < 0.5 else 2.0 * phase - 1.0  # noqa: PLR2004 - there, and back
    part = min(1.0, half * (move.seconds + GRIP) / move.seconds)
    if part < 1.0 / 3.0:
        done, rate = 2.25 * part * part, 4.5 * part
    elif part < 2.0 / 3.0:
        done, rate = 1.5 * part - 0.25, 1.5
    else:
        done, rate = 1.0 - 2.25 * (1.0 - part) ** 2, 4.5 * (1.0 - part)
    swing = SWING * 180.0 / math.pi
    if phase < 0.5:  # noqa: PLR2004 - as above
        return swing * done, swing * rate / move.seconds
    return swing * (1.0 - done), -swing * rate / move.seconds


def step(state: RobotState, drive: Drive, dt: float, rng: Chance) -> tuple[RobotState, Readings]:
    """Let `dt` seconds pass."""
    work = drive.work
    amperes = current(work, state.wear)
    warm = state.ambient + RESISTANCE * WINDING * amperes * amperes
    seconds = 2.0 * (motion(work).seconds + GRIP)
    turned = state.phase + (dt / seconds if work > 0.0 else 0.0)
    after = RobotState(
        state.ambient,
        settle(state.windings, warm, dt, TAU),
        kept(turned % 1.0) % 1.0,
        state.cycles + int(turned),
        grown(state.wear, work, dt, LIFE),
    )
    return after, _readings(after, drive.mode, work, amperes, rng)


def _readings(state: RobotState, mode: Mode, work: float, amperes: float, rng: Chance) -> Readings:
    working = work > 0.0
    angle, speed = place(state.phase, work)
    move, wear = motion(work), state.wear
    turning = move.speed / FASTEST if working else 0.0
    error = 0.04 + 0.3 * wear + 0.002 * (state.windings - state.ambient) + 0.03 * turning
    return {
        "load": shown(100.0 * work, 1),
        "cycle_time": shown(2.0 * (move.seconds + GRIP), 2) if working else 0.0,
        "cycles": float(state.cycles),
        "joint_angle": sensed(angle, 2, rng, 0.01),
        "joint_speed": measured(speed if working else 0.0, 1, rng, 0.002),
        "joint_torque": measured(torque(work, wear), 1, rng, 0.01),
        "motor_current": measured(amperes, 2, rng, 0.01),
        "motor_temperature": measured(state.windings, 1, rng, 0.001),
        "power": measured(power_of(mode, work, wear, amperes), 3, rng, 0.01),
        "position_error": measured(error if working else 0.0, 3, rng, 0.05),
        **JOINT.readings(turning, turning * (0.3 + 0.5 * turning), wear, rng),
    }


KIND: Final = Kind("robot", METRICS, begin, step)
