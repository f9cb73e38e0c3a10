"""Mechanical press that blanks sheet: a flywheel gives the work of each stroke.

Blanking force F = l·s·k_S (cut length, sheet thickness, shear strength) and work W = x·F·s
with x = 0.5 (Schuler, Metal Forming Handbook, 1998, section 4.5); a blunt die asks for more
and leaves a higher burr. Slider and crank: y = r·(1 - cos p) + r²/(2·l)·sin² p. The flywheel
loses speed by ½·J·(w1² - w2²) = W; shown is its mean over a stroke. Power: work and
friction of the strokes a minute through the drive's efficiency, windage, and what spins the
flywheel up. The oil warms with the friction (Newton); the crankshaft shakes with the
strokes, and by its bearing (`bearing`).
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
    settle,
    shown,
)

CUT_LENGTH: Final = 1600.0  # mm
THICKNESS: Final = 4.0  # mm
SHEAR_STRENGTH: Final = 320.0  # N/mm²
WORK_FACTOR: Final = 0.5
BLUNT: Final = 0.15
DIE_LIFE: Final = 60_000.0  # strokes
STROKE_FRICTION: Final = 1500.0  # J
CRANK, ROD = 80.0, 600.0  # mm
FLYWHEEL: Final = 60.0  # kg·m²
FULL_SPEED: Final = 350.0  # 1/min
WINDAGE: Final = 0.9  # kW at full speed
EFFICIENCY: Final = 0.85
RESISTANCE: Final = 14.0  # K/kW of friction and windage
TAU, SPIN_TAU, COAST_TAU = 600.0, 6.0, 60.0  # s
BASE_POWER: Final = {Mode.OFF: 0.08, Mode.STANDBY: 0.4, Mode.RUN: 0.5}  # kW
LIFE: Final = 2e7  # s of full work that the crankshaft's bearing has
# A spherical roller bearing of the size of a 22220, one row: 19 rollers.
CRANKSHAFT: Final = Mounted(Bearing(19, 20.0, 142.0, 12.0), speed=FULL_SPEED, severity=2.0)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "stroke_rate": Metric("{stroke}/min", 0.0, 120.0),
    "strokes": Metric("{stroke}", 0.0, 1e9),
    "ram_position": Metric("mm", 0.0, 170.0),
    "press_force": Metric("kN", 0.0, 3000.0),
    "flywheel_speed": Metric("{rev}/min", 0.0, 500.0),
    "power": Metric("kW", 0.0, 40.0),
    "oil_temperature": Metric("Cel", 0.0, 100.0),
    "burr_height": Metric("um", 0.0, 300.0),
    "die_wear": Metric("%", 0.0, 100.0),
    **VIBRATION,
}


class PressState(NamedTuple):
    """Room and oil in °C, flywheel in 1/min, place in the stroke, strokes; wear 0 to 1."""

    ambient: float
    oil: float
    speed: float
    phase: float
    strokes: int
    die: float
    wear: float


def begin(rng: Chance) -> PressState:
    """A press that stands at top dead centre, with a die in some state of use."""
    ambient = between(rng, 16.0, 26.0)
    die, wear = between(rng, 0.05, 0.7), between(rng, 0.02, 0.35)
    return PressState(ambient, kept(ambient + 3.0), 0.0, 0.0, 0, die, wear)


def force(die: float) -> float:
    """Blanking force in kN."""
    return CUT_LENGTH * THICKNESS * SHEAR_STRENGTH / 1e3 * (1.0 + BLUNT * die)


def stroke_work(die: float) -> float:
    """Work of a stroke in J: blanking and friction."""
    return WORK_FACTOR * force(die) * THICKNESS + STROKE_FRICTION


def rate(load: float) -> float:
    """Strokes a minute that the demand asks for."""
    return 60.0 * load


def rotational_energy(speed: float) -> float:
    """Energy in J of the flywheel at a speed in 1/min."""
    return 0.5 * FLYWHEEL * (speed * math.pi / 30.0) ** 2


def mean_speed(speed: float, die: float) -> float:
    """The flywheel's speed in 1/min half way down its droop by a stroke."""
    rest = 1.0 - stroke_work(die) / 2.0 / rotational_energy(FULL_SPEED)
    return speed * math.sqrt(rest)


def ram_position(phase: float) -> float:
    """Way of the ram below top dead centre in mm, at a place in the stroke from 0 to 1."""
    angle = 2.0 * math.pi * phase
    return CRANK * (1.0 - math.cos(angle)) + CRANK**2 / (2.0 * ROD) * math.sin(angle) ** 2


def power_of(mode: Mode, load: float, die: float, spun: float) -> float:
    """Electrical power in kW; `spun` is the power in kW that goes into the flywheel."""
    if mode is Mode.OFF:
        return BASE_POWER[mode]
    strokes = rate(load) / 60.0 * stroke_work(die) / 1e3
    return BASE_POWER[mode] + (WINDAGE + strokes + max(0.0, spun)) / EFFICIENCY


def step(state: PressState, drive: Drive, dt: float, rng: Chance) -> tuple[PressState, Readings]:
    """Let `dt` seconds pass."""
    work, on = drive.work, drive.mode is not Mode.OFF
    speed = settle(state.speed, FULL_SPEED * on, dt, SPIN_TAU if on else COAST_TAU)
    spun = (rotational_energy(speed) - rotational_energy(state.speed)) / dt / 1e3
    power = power_of(drive.mode, work, state.die, spun)
    rubbed = (WINDAGE + rate(work) / 60.0 * STROKE_FRICTION / 1e3) * speed / FULL_SPEED
    turned = state.phase + rate(work) / 60.0 * dt
    after = PressState(
        state.ambient,
        settle(state.oil, state.ambient + RESISTANCE * rubbed, dt, TAU),
        speed,
        kept(turned % 1.0) % 1.0,
        state.strokes + int(turned),
        _worn(state.die, work, dt),
        grown(state.wear, work, dt, LIFE),
    )
    return after, _readings(after, work, power, rng)


def _worn(die: float, work: float, dt: float) -> float:
    """Wear after `dt`; a die at its end is ground again when the press makes no strokes."""
    if die >= 1.0 and work <= 0.0:
        return 0.0
    return grown(die, rate(work) / 60.0, dt, DIE_LIFE)


def _readings(state: PressState, work: float, power: float, rng: Chance) -> Readings:
    turning, working = state.speed / FULL_SPEED, work > 0.0
    speed = mean_speed(state.speed, state.die) if working else state.speed
    burr = 25.0 + 110.0 * state.die
    return {
        "load": shown(100.0 * work, 1),
        "stroke_rate": measured(rate(work), 2, rng, 0.002),
        "strokes": float(state.strokes),
        "ram_position": shown(ram_position(state.phase), 1),
        "press_force": measured(force(state.die) if working else 0.0, 1, rng, 0.01),
        "flywheel_speed": measured(speed, 1, rng, 0.002),
        "power": measured(power, 3, rng, 0.01),
        "oil_temperature": measured(state.oil, 2, rng, 0.001),
        "burr_height": measured(burr if working else 0.0, 1, rng, 0.05),
        "die_wear": shown(100.0 * state.die, 2),
        **CRANKSHAFT.readings(turning, turning * (0.3 + 1.1 * work), state.wear, rng),
    }


KIND: Final = Kind("press", METRICS, begin, step)
