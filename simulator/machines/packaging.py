"""Packaging line, form-fill-seal: packs a minute, sealing jaws, a reel of film, air.

Jaws: C·dT/dt = P - U·(T - T_a) - n·q·(T - T_a): walls, and the heat that n packs a second
carry away; a proportional controller limits itself to the heater's power. Solved in closed
form within a step. The film's inner face after the jaws' dwell t: T_i = T_j - (T_j - T_a)·
(4/π)·e^(-π²·a·t/(4·s²)), the first term for a slab heated from both sides (Carslaw and
Jaeger, Conduction of Heat in Solids, 1959, section 3.4), so faster packing seals colder.
The reel is braked by a constant torque: tension F = M/r rises as r falls with
d(r²)/dt = -v·s/π. Air goes with the strokes and leaks. The main drive shakes with the rate,
and by its bearing (`bearing`), which also costs power.
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

FULL_RATE: Final = 80.0  # packs a minute
SETPOINT: Final = 165.0  # °C
CAPACITY: Final = 6000.0  # J/K
WALLS: Final = 2.2  # W/K
PACK: Final = 1.4  # J/K that a pack carries away
GAIN: Final = 60.0  # W/K
IDLE_HEAT: Final = 315.0  # W that the controller gives at its setpoint
FULL_HEATER: Final = 1500.0  # W
FILM: Final = 0.12  # mm
DIFFUSIVITY: Final = 0.09  # mm²/s
DWELL: Final = 0.25  # of the time of a pack, between the jaws
PACK_LENGTH: Final = 220.0  # mm of film
REEL, CORE = 200.0**2, 55.0**2  # mm², radius squared
BRAKE: Final = 4.5  # N·m
DRIVE_TAU: Final = 1.5  # s
BASE_POWER: Final = {Mode.OFF: 0.05, Mode.STANDBY: 0.35, Mode.RUN: 0.45}  # kW
LIFE: Final = 2e7  # s of full work that the main drive's bearing has
# A deep groove ball bearing 6203: 8 balls of 6.75 mm on 28.5 mm.
MAIN_DRIVE: Final = Mounted(Bearing(8, 6.75, 28.5), speed=1400.0, severity=1.8)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "rate": Metric("{pack}/min", 0.0, 120.0),
    "packs": Metric("{pack}", 0.0, 1e9),
    "jaw_temperature": Metric("Cel", 0.0, 250.0),
    "seal_temperature": Metric("Cel", 0.0, 250.0),
    "heater_power": Metric("kW", 0.0, 2.0),
    "film_tension": Metric("N", 0.0, 150.0),
    "air_flow": Metric("m3/h", 0.0, 40.0),
    "power": Metric("kW", 0.0, 6.0),
    **VIBRATION,
}


class PackagingState(NamedTuple):
    """Room and jaws in °C, packs a minute, reel radius squared in mm², packs, wear 0 to 1."""

    ambient: float
    jaws: float
    rate: float
    reel: float
    packs: float
    wear: float


def begin(rng: Chance) -> PackagingState:
    """A line with warm jaws and a reel in use."""
    ambient = between(rng, 18.0, 26.0)
    reel, wear = between(rng, 2.0 * CORE, REEL), between(rng, 0.02, 0.35)
    return PackagingState(ambient, 150.0, 0.0, reel, 0.0, wear)


def heater(jaws: float, *, on: bool) -> float:
    """Heating power in W that the controller gives."""
    return min(FULL_HEATER, max(0.0, IDLE_HEAT + GAIN * (SETPOINT - jaws))) if on else 0.0


def heated(state: PackagingState, dt: float, *, on: bool) -> float:
    """The jaws' temperature after `dt` seconds.

    Within its limits the controller's gain is one more conductance, to the setpoint.
    """
    losses = WALLS + PACK * state.rate / 60.0
    given = heater(state.jaws, on=on)
    if 0.0 < given < FULL_HEATER:
        end = (IDLE_HEAT + GAIN * SETPOINT + losses * state.ambient) / (GAIN + losses)
        return settle(state.jaws, end, dt, CAPACITY / (GAIN + losses))
    return settle(state.jaws, state.ambient + given / losses, dt, CAPACITY / losses)


def seal_temperature(jaws: float, ambient: float, rate: float) -> float:
    """Temperature in °C between the films at the end of the dwell."""
    if rate < 1.0:
        return ambient
    dwell = DWELL * 60.0 / rate
    left = 4.0 / math.pi * math.exp(-(math.pi**2) * DIFFUSIVITY * dwell / (4.0 * FILM**2))
    return jaws - (jaws - ambient) * min(1.0, left)


def power_of(mode: Mode, rate: float, wear: float, heating: float) -> float:
    """Electrical power in kW: base, drives, heater."""
    drives = 1.6 * rate / FULL_RATE * (1.0 + 0.2 * wear)
    return BASE_POWER[mode] + drives + heating / 1e3


def step(
    state: PackagingState, drive: Drive, dt: float, rng: Chance
) -> tuple[PackagingState, Readings]:
    """Let `dt` seconds pass."""
    work, on = drive.work, drive.mode is not Mode.OFF
    rate = settle(state.rate, FULL_RATE * work, dt, DRIVE_TAU)
    made = rate / 60.0 * dt
    reel = kept(state.reel - PACK_LENGTH * made * FILM / math.pi)
    after = PackagingState(
        state.ambient,
        heated(state, dt, on=on),
        rate,
        reel if reel > CORE else REEL,
        kept(state.packs + made),
        grown(state.wear, work, dt, LIFE),
    )
    heating = heater(after.jaws, on=on)
    power = power_of(drive.mode, rate, after.wear, heating)
    return after, _readings(after, work, power, heating, rng)


def _readings(
    state: PackagingState, work: float, power: float, heating: float, rng: Chance
) -> Readings:
    turning = state.rate / FULL_RATE
    tension = BRAKE / math.sqrt(state.reel) * 1e3 if work > 0.0 else 0.0
    seal = seal_temperature(state.jaws, state.ambient, state.rate)
    return {
        "load": shown(100.0 * work, 1),
        "rate": measured(state.rate, 1, rng, 0.002),
        "packs": float(int(state.packs)),
        "jaw_temperature": measured(state.jaws, 1, rng, 0.001),
        "seal_temperature": measured(seal, 1, rng, 0.002),
        "heater_power": measured(heating / 1e3, 3, rng, 0.01),
        "film_tension": measured(tension, 2, rng, 0.02),
        "air_flow": measured(0.0 if power < 0.1 else 0.8 + 14.0 * turning, 2, rng, 0.02),  # noqa: PLR2004 - kW: switched off
        "power": measured(power, 3, rng, 0.01),
        **MAIN_DRIVE.readings(turning, turning * (0.3 + 0.8 * turning), state.wear, rng),
    }


KIND: Final = Kind("packaging", METRICS, begin, step)
