"""Injection moulding machine: shots in a cycle, melt viscosity, hydraulic and melt power.

Cooling time after Ballman and Shusman (1959): t = s²/(π²·a) · ln(8/π² · (T_m - T_w)/(T_e -
T_w)) for a wall of thickness s and thermal diffusivity a. Injection pressure follows the
melt's viscosity, η = η_0 · exp(E/R · (1/T - 1/T_0)) (Arrhenius), and the filling rate.
Mean power over a cycle: the work p·V of a shot, the heat m·c·ΔT of its melt, both through
efficiencies, the barrel's losses, and what warms it. Oil and mould are first-order (Newton), the
mould hotter as coolant is missing. The pump shakes with the load, and by its bearing
(`bearing`).
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

WALL: Final = 2.5  # mm
DIFFUSIVITY: Final = 0.09  # mm²/s, ABS
MELT, EJECT = 230.0, 90.0  # °C
ACTIVATION: Final = 40_000.0 / 8.314  # K
HOTTEST: Final = 75.0  # °C: the mould, whatever its cooling does
SHOT_VOLUME: Final = 1.5e-4  # m³
SHOT_MASS: Final = 0.15  # kg
HEAT_CAPACITY: Final = 2.0  # kJ/(kg·K), melt
BARREL_LOSS: Final = 0.006  # kW/K
CLAMP: Final = 1600.0  # kN
FILL_END, PACK_END, COOL_END = 0.12, 0.35, 0.88  # parts of a cycle
BARREL_CAPACITY: Final = 40.0  # kJ/K
RELIEF: Final = 185.0  # MPa at which the hydraulics give way
BARREL_TAU: Final = {Mode.OFF: 2400.0, Mode.STANDBY: 600.0, Mode.RUN: 600.0}  # s
MOULD_TAU, OIL_TAU = 90.0, 400.0  # s
LIFE: Final = 2e7  # s of full work that the pump's bearing has
# 13 balls in angular contact, of the size of a 7309.
PUMP: Final = Mounted(Bearing(13, 17.5, 72.5, 40.0), speed=1475.0, severity=2.3)
BARREL_SETPOINT: Final = {Mode.OFF: 0.0, Mode.STANDBY: 225.0, Mode.RUN: 232.0}
BASE_POWER: Final = {Mode.OFF: 0.1, Mode.STANDBY: 1.2, Mode.RUN: 2.0}  # kW

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "power": Metric("kW", 0.0, 40.0),
    "barrel_temperature": Metric("Cel", 0.0, 300.0),
    "mould_temperature": Metric("Cel", 0.0, 120.0),
    "oil_temperature": Metric("Cel", 0.0, 90.0),
    "injection_pressure": Metric("MPa", 0.0, 200.0),
    "clamp_force": Metric("kN", 0.0, 2000.0),
    "cycle_time": Metric("s", 0.0, 60.0),
    "shots": Metric("{shot}", 0.0, 1e9),
    **VIBRATION,
}


class MouldingState(NamedTuple):
    """Temperatures in °C, place in the cycle from 0 to 1, shots made; wear, coolant 0 to 1."""

    ambient: float
    barrel: float
    mould: float
    oil: float
    phase: float
    shots: int
    wear: float
    coolant: float = 1.0


def begin(rng: Chance) -> MouldingState:
    """A pre-heated machine at the start of a cycle."""
    ambient = between(rng, 18.0, 26.0)
    return MouldingState(ambient, 215.0, 42.0, ambient + 8.0, 0.0, 0, between(rng, 0.02, 0.35))


def cooling_time(mould: float) -> float:
    """Seconds until the part's middle can be ejected, at a mould temperature in °C."""
    ratio = (MELT - mould) / (EJECT - mould)
    return WALL**2 / (math.pi**2 * DIFFUSIVITY) * math.log(8 / math.pi**2 * ratio)


def peak_pressure(load: float, barrel: float) -> float:
    """Injection pressure in MPa; colder melt is more viscous, faster filling costs more."""
    kelvin = max(barrel, 180.0) + 273.15
    viscosity = math.exp(ACTIVATION * (1 / kelvin - 1 / (MELT + 273.15)))
    return min(RELIEF, 95.0 * (0.5 + 0.5 * load) * viscosity)


def cycle_time(load: float, mould: float) -> float:
    """Seconds a cycle takes: cooling, and moves that get quicker with the demand."""
    return cooling_time(mould) + 9.0 - 5.0 * load


def power_of(state: MouldingState, drive: Drive) -> float:
    """Mean electrical power over a cycle, kW."""
    idle = BASE_POWER[drive.mode]
    if drive.mode is not Mode.OFF:
        idle += BARREL_LOSS * max(0.0, state.barrel - state.ambient)
        heated = max(0.0, _barrel_target(state, drive) - state.barrel)
        idle += BARREL_CAPACITY * heated / BARREL_TAU[drive.mode]
    if drive.work <= 0.0:
        return idle
    seconds = cycle_time(drive.work, state.mould)
    shot = peak_pressure(drive.work, state.barrel) * 1e3 * SHOT_VOLUME / 0.6
    melt = SHOT_MASS * HEAT_CAPACITY * max(0.0, state.barrel - state.ambient) / 0.8
    return idle + (shot + melt) / seconds


def pressure_at(phase: float, peak: float) -> float:
    """Pressure in MPa at a place in the cycle: filling ramps, packing holds, then none."""
    if phase < FILL_END:
        return peak * phase / FILL_END
    return 0.6 * peak if phase < PACK_END else 0.0


def step(
    state: MouldingState, drive: Drive, dt: float, rng: Chance
) -> tuple[MouldingState, Readings]:
    """Let `dt` seconds pass."""
    power, work = power_of(state, drive), drive.work
    turned = state.phase + (dt / cycle_time(work, state.mould) if work > 0.0 else 0.0)
    after = MouldingState(
        state.ambient,
        settle(state.barrel, _barrel_target(state, drive), dt, BARREL_TAU[drive.mode]),
        settle(state.mould, min(HOTTEST, 40.0 + 14.0 * work / state.coolant), dt, MOULD_TAU),
        settle(state.oil, state.ambient + 2.2 * power, dt, OIL_TAU),
        kept(turned % 1.0),
        state.shots + int(turned),
        grown(state.wear, work, dt, LIFE),
        state.coolant,
    )
    return after, _readings(after, drive, power, rng)


def _barrel_target(state: MouldingState, drive: Drive) -> float:
    """Where the barrel's controller settles; throughput pulls it down by its droop."""
    return max(state.ambient, BARREL_SETPOINT[drive.mode] - 5.0 * drive.work)


def _readings(state: MouldingState, drive: Drive, power: float, rng: Chance) -> Readings:
    work, working = drive.work, drive.work > 0.0
    peak = peak_pressure(work, state.barrel) if working else 0.0
    closed = working and state.phase < COOL_END
    turning = 0.0 if drive.mode is Mode.OFF else 1.0
    return {
        "load": shown(100.0 * work, 1),
        "power": measured(power, 3, rng, 0.01),
        "barrel_temperature": measured(state.barrel, 2, rng, 0.001),
        "mould_temperature": measured(state.mould, 2, rng, 0.002),
        "oil_temperature": measured(state.oil, 2, rng, 0.002),
        "injection_pressure": measured(pressure_at(state.phase, peak), 2, rng, 0.01),
        "clamp_force": measured(CLAMP if closed else 0.0, 1, rng, 0.005),
        "cycle_time": shown(cycle_time(work, state.mould), 2) if working else 0.0,
        "shots": float(state.shots),
        **PUMP.readings(turning, turning * (0.4 + 0.9 * work), state.wear, rng),
    }


KIND: Final = Kind("moulding", METRICS, begin, step)
