"""CNC milling machine: cutting force drives power, power drives the spindle's temperature.

Cutting force after Kienzle: F = k_c1.1 · b · h^(1 - m_c), with the specific cutting force
and exponent of C45 steel (k_c1.1 = 2220 N/mm², m_c = 0.14; Kienzle and Victor 1957), b the
depth of cut and h the feed per tooth; a blunt tool adds up to 30 %. Power P = F·v_c/η.
Tool life after Taylor (1907): v_c · T^n = C, n = 0.25. The spindle warms by its share of
the losses through a thermal resistance R, with time constant R·C (Newton's cooling).
The spindle shakes with force and a blunt tool, and by its bearing (`bearing`). R grows as
coolant is missing; a broken tool cuts nothing, and its stub shakes.
"""

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

SPECIFIC_FORCE: Final = 2220.0  # N/mm²
EXPONENT: Final = 0.14
DEPTH: Final = 4.0  # mm
CUTTING_SPEED: Final = 180.0  # m/min
NOMINAL_SPEED: Final = 2865.0  # 1/min: 180 m/min on a 20 mm cutter
TEETH: Final = 4
EFFICIENCY: Final = 0.85
TOOL_LIFE: Final = 60.0 * (400.0 / CUTTING_SPEED) ** (1 / 0.25)  # s at full load, Taylor
BLUNT: Final = 0.3
STUB: Final = 2.2  # mm/s: how a broken tool shakes the spindle
RESISTANCE: Final = 38.0  # K/kW from spindle to room
HEAT_SHARE: Final = 0.15  # of the power stays in the spindle
TAU: Final = 120.0  # s
LIFE: Final = 2e7  # s of full work that the spindle's bearing has
# 19 balls in angular contact, of the size of a 7010.
SPINDLE: Final = Mounted(Bearing(19, 8.7, 65.0, 15.0), speed=NOMINAL_SPEED, severity=2.2)
BASE_POWER: Final = {Mode.OFF: 0.08, Mode.STANDBY: 0.5, Mode.RUN: 0.9}  # kW

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "spindle_speed": Metric("{rev}/min", 0.0, 4000.0),
    "feed_rate": Metric("mm/min", 0.0, 3000.0),
    "cutting_force": Metric("N", 0.0, 4000.0),
    "power": Metric("kW", 0.0, 15.0),
    "spindle_temperature": Metric("Cel", 0.0, 120.0),
    "tool_wear": Metric("%", 0.0, 100.0),
    **VIBRATION,
}


class MillState(NamedTuple):
    """Temperatures in °C, speed in 1/min, tool and bearing wear and coolant from 0 to 1."""

    ambient: float
    temperature: float
    speed: float
    tool: float
    wear: float
    coolant: float = 1.0
    broken: bool = False


def begin(rng: Chance) -> MillState:
    """A cold machine with a tool in some state of use."""
    ambient = between(rng, 18.0, 26.0)
    return MillState(ambient, ambient, 0.0, between(rng, 0.05, 0.6), between(rng, 0.02, 0.35))


def cutting_force(load: float, tool: float) -> float:
    """Kienzle's force in N at a demand from 0 to 1; without demand the tool is in the air."""
    if load <= 0.0:
        return 0.0
    thickness = 0.02 + 0.13 * load
    return float(SPECIFIC_FORCE * DEPTH * thickness ** (1 - EXPONENT) * (1 + BLUNT * tool))


def power_of(mode: Mode, force: float) -> float:
    """Electrical power in kW: base, and the cutting power through the drive's efficiency."""
    return BASE_POWER[mode] + force * CUTTING_SPEED / 60_000.0 / EFFICIENCY


def step(state: MillState, drive: Drive, dt: float, rng: Chance) -> tuple[MillState, Readings]:
    """Let `dt` seconds pass."""
    work, running = drive.work, drive.mode is Mode.RUN
    force = 0.0 if state.broken else cutting_force(work, state.tool)
    power = power_of(drive.mode, force)
    speed = settle(state.speed, NOMINAL_SPEED - 40.0 * work if running else 0.0, dt, 1.5)
    warm = state.ambient + RESISTANCE / state.coolant * HEAT_SHARE * power
    after = MillState(
        state.ambient,
        settle(state.temperature, warm, dt, TAU),
        speed,
        _worn(state.tool, drive, dt),
        grown(state.wear, work, dt, LIFE),
        state.coolant,
        state.broken,
    )
    turning = speed / NOMINAL_SPEED
    cutting = turning * (0.4 + 1.2 * after.tool + 0.8 * force / 2000.0 + STUB * after.broken)
    feed = (0.02 + 0.13 * work) * TEETH * speed if running else 0.0
    return after, {
        "load": shown(100.0 * work, 1),
        "spindle_speed": measured(speed, 1, rng, 0.001),
        "feed_rate": shown(feed, 1),
        "cutting_force": measured(force, 1, rng, 0.02),
        "power": measured(power, 3, rng, 0.01),
        "spindle_temperature": measured(after.temperature, 2, rng, 0.001),
        "tool_wear": shown(100.0 * after.tool, 2),
        **SPINDLE.readings(turning, cutting, after.wear, rng),
    }


def _worn(tool: float, drive: Drive, dt: float) -> float:
    """Wear after `dt`; a tool at its end is changed as soon as the spindle stands."""
    if tool >= 1.0 and drive.mode is not Mode.RUN:
        return 0.0
    return grown(tool, drive.work, dt, TOOL_LIFE)


KIND: Final = Kind("mill", METRICS, begin, step)
