"""CNC lathe: turns a bar to size at constant cutting speed, pass by pass.

Cutting force after Kienzle: F = k_c1.1 · b · h^(1 - m_c), C45 steel (k_c1.1 = 2220 N/mm²,
m_c = 0.14; Kienzle and Victor 1957), h the feed per turn; power P = F·v_c/η. The spindle
turns n = v_c/(π·D), faster as the bar gets thinner: a pass of length L takes 2·b off the
diameter. Tool life after Taylor (1907): v_c · T^n = C. Heat at the edge after Cook (1973):
ΔT = 0.4·U/c·(v·h/K)^(1/3), U the specific energy, c heat per volume and
kelvin, less what the coolant takes. Ideal roughness R = f²/(32·r) (Groover, Fundamentals of
Modern Manufacturing, equation 24.1), rougher as the edge wears. The spindle warms with its
losses (Newton), and shakes with the force, a blunt tool and its bearing (`bearing`). Both
get hotter as coolant is missing; a broken tool cuts nothing, and its stub shakes.
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

SPECIFIC_FORCE: Final = 2220.0  # N/mm²
EXPONENT: Final = 0.14
DEPTH: Final = 3.0  # mm
PASS_LENGTH: Final = 150.0  # mm
CUTTING_SPEED: Final = 200.0  # m/min
BAR, FINISHED = 80.0, 40.0  # mm, diameter
EFFICIENCY: Final = 0.8
TOOL_LIFE: Final = 60.0 * (400.0 / CUTTING_SPEED) ** (1 / 0.25)  # s at full load, Taylor
BLUNT: Final = 0.3
STUB: Final = 2.0  # mm/s: how a broken tool shakes the spindle
HEAT_CAPACITY: Final = 3.8e-3  # J/(mm³·K), steel
DIFFUSIVITY: Final = 13.0  # mm²/s, steel
FLOODED: Final = 0.6  # of Cook's rise is left under coolant
HOTTEST: Final = 1150.0  # °C: chip and edge soften, and no more heat is made
NOSE_RADIUS: Final = 0.8  # mm
RESISTANCE: Final = 30.0  # K/kW from spindle to room
HEAT_SHARE: Final = 0.12  # of the power stays in the spindle
TAU, EDGE_TAU, SPEED_TAU = 240.0, 2.0, 1.0  # s
BASE_POWER: Final = {Mode.OFF: 0.08, Mode.STANDBY: 0.6, Mode.RUN: 1.1}  # kW
LIFE: Final = 2e7  # s of full work that the spindle's bearing has
NOMINAL_SPEED: Final = 1000.0  # 1/min
# 19 balls in angular contact, of the size of a 7014.
SPINDLE: Final = Mounted(Bearing(19, 11.9, 90.0, 15.0), speed=NOMINAL_SPEED, severity=2.0)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "spindle_speed": Metric("{rev}/min", 0.0, 2500.0),
    "workpiece_diameter": Metric("mm", 0.0, 100.0),
    "cutting_force": Metric("N", 0.0, 5000.0),
    "power": Metric("kW", 0.0, 20.0),
    "spindle_temperature": Metric("Cel", 0.0, 120.0),
    "tool_temperature": Metric("Cel", 0.0, 1200.0),
    "roughness": Metric("um", 0.0, 20.0),
    "tool_wear": Metric("%", 0.0, 100.0),
    **VIBRATION,
}


class LatheState(NamedTuple):
    """Temperatures in °C, 1/min, diameter in mm; tool and bearing wear, coolant 0 to 1."""

    ambient: float
    temperature: float
    edge: float
    speed: float
    diameter: float
    tool: float
    wear: float
    coolant: float = 1.0
    broken: bool = False


def begin(rng: Chance) -> LatheState:
    """A cold machine with a tool in some state of use and a bar partly turned."""
    ambient = between(rng, 18.0, 26.0)
    diameter, tool = between(rng, FINISHED, BAR), between(rng, 0.05, 0.6)
    return LatheState(ambient, ambient, ambient, 0.0, diameter, tool, between(rng, 0.02, 0.35))


def feed(load: float) -> float:
    """Feed in mm per turn, which the demand asks for."""
    return 0.1 + 0.2 * load


def cutting_force(load: float, tool: float) -> float:
    """Kienzle's force in N; without demand the tool is in the air."""
    if load <= 0.0:
        return 0.0
    return float(SPECIFIC_FORCE * DEPTH * feed(load) ** (1 - EXPONENT) * (1 + BLUNT * tool))


def edge_rise(load: float, force: float) -> float:
    """Cook's temperature rise in K at the cutting edge, under coolant."""
    if load <= 0.0:
        return 0.0
    energy = force / (DEPTH * feed(load)) / 1e3  # J/mm³
    peclet = CUTTING_SPEED * 1e3 / 60.0 * feed(load) / DIFFUSIVITY
    return float(FLOODED * 0.4 * energy / HEAT_CAPACITY * peclet ** (1 / 3))


def power_of(mode: Mode, force: float) -> float:
    """Electrical power in kW: base, and the cutting power through the drive's efficiency."""
    return BASE_POWER[mode] + force * CUTTING_SPEED / 60_000.0 / EFFICIENCY


def turned(diameter: float, speed: float, load: float, dt: float) -> float:
    """The bar's diameter in mm after `dt` seconds of cutting; a finished one is changed."""
    if load <= 0.0:
        return diameter
    passes = feed(load) * speed / 60.0 * dt / PASS_LENGTH
    left = kept(diameter - 2.0 * DEPTH * passes)
    return left if left > FINISHED else BAR


def step(state: LatheState, drive: Drive, dt: float, rng: Chance) -> tuple[LatheState, Readings]:
    """Let `dt` seconds pass."""
    work, ambient = drive.work, state.ambient
    force = 0.0 if state.broken else cutting_force(work, state.tool)
    dry = 1.0 + (1.0 / FLOODED - 1.0) * (1.0 - state.coolant)
    power = power_of(drive.mode, force)
    wanted = CUTTING_SPEED * 1e3 / (math.pi * state.diameter)
    speed = settle(state.speed, wanted if drive.mode is Mode.RUN else 0.0, dt, SPEED_TAU)
    after = LatheState(
        ambient,
        settle(
            state.temperature,
            ambient + RESISTANCE / state.coolant * HEAT_SHARE * power,
            dt,
            TAU,
        ),
        settle(state.edge, min(HOTTEST, ambient + edge_rise(work, force) * dry), dt, EDGE_TAU),
        speed,
        turned(state.diameter, speed, work, dt),
        _worn(state.tool, drive, dt),
        grown(state.wear, work, dt, LIFE),
        state.coolant,
        state.broken,
    )
    return after, _readings(after, work, force, power, rng)


def _readings(state: LatheState, work: float, force: float, power: float, rng: Chance) -> Readings:
    turning = state.speed / NOMINAL_SPEED
    cutting = turning * (0.3 + 0.8 * state.tool + 0.5 * force / 2000.0 + STUB * state.broken)
    rough = feed(work) ** 2 / (32.0 * NOSE_RADIUS) * 1e3 * (1.0 + 0.8 * state.tool)
    return {
        "load": shown(100.0 * work, 1),
        "spindle_speed": measured(state.speed, 1, rng, 0.001),
        "workpiece_diameter": shown(state.diameter, 2),
        "cutting_force": measured(force, 1, rng, 0.02),
        "power": measured(power, 3, rng, 0.01),
        "spindle_temperature": measured(state.temperature, 2, rng, 0.001),
        "tool_temperature": measured(state.edge, 1, rng, 0.005),
        "roughness": measured(rough if work > 0.0 else 0.0, 3, rng, 0.03),
        "tool_wear": shown(100.0 * state.tool, 2),
        **SPINDLE.readings(turning, cutting, state.wear, rng),
    }


def _worn(tool: float, drive: Drive, dt: float) -> float:
    """Wear after `dt`; a tool at its end is changed as soon as the spindle stands."""
    if tool >= 1.0 and drive.mode is not Mode.RUN:
        return 0.0
    return grown(tool, drive.work, dt, TOOL_LIFE)


KIND: Final = Kind("lathe", METRICS, begin, step)
