"""Electric heat-treatment furnace: a heat balance with radiation, convection, throughput.

C·dT/dt = P - e·s·A·(T⁴ - T_a⁴) - U·(T - T_a) - ṁ·c·(T - T_a): the door opening radiates
(Stefan and Boltzmann, s = 5.670374419e-8 W/(m²·K⁴), CODATA 2018), the walls lose in
proportion, the charge carries heat away. The controller feeds most of it forward and
corrects in proportion to the error. Integrated by explicit Euler steps of at most one
second against a time constant of some hundred. The fan shakes by its bearing (`bearing`).
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
    shown,
)

STEFAN_BOLTZMANN: Final = 5.670374419e-8  # W/(m²·K⁴)
OPENING: Final = 0.045  # m², emissivity included
WALLS: Final = 10.0  # W/K
CHARGE: Final = 36.0  # W/K at full load: 200 kg/h of steel
CAPACITY: Final = 2.0e5  # J/K
GAIN: Final = 2000.0  # W/K
FORWARD: Final = 0.75  # of the charge's heat that the controller foresees
FULL_POWER: Final = 70_000.0  # W
SETPOINT: Final = 850.0  # °C
LIFE: Final = 2e7  # s of full work that the fan's bearing has
# A deep groove ball bearing 6205: 9 balls of 7.94 mm on 39.04 mm.
FAN: Final = Mounted(Bearing(9, 7.94, 39.04), speed=1450.0, severity=2.2)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "power": Metric("kW", 0.0, 90.0),
    "chamber_temperature": Metric("Cel", 0.0, 1100.0),
    "shell_temperature": Metric("Cel", 0.0, 150.0),
    "heat_loss": Metric("kW", 0.0, 40.0),
    "throughput": Metric("kg/h", 0.0, 300.0),
    **VIBRATION,
}


class FurnaceState(NamedTuple):
    """Room and chamber temperature in °C, fan bearing wear from 0 to 1."""

    ambient: float
    chamber: float
    wear: float


def begin(rng: Chance) -> FurnaceState:
    """A furnace that was kept hot."""
    return FurnaceState(
        between(rng, 18.0, 28.0), between(rng, 838.0, 849.0), between(rng, 0.02, 0.35)
    )


def heat_loss(chamber: float, ambient: float) -> float:
    """Loss in W by radiation through the opening and through the walls; °C in."""
    hot, cold = chamber + 273.15, ambient + 273.15
    return OPENING * STEFAN_BOLTZMANN * (hot**4 - cold**4) + WALLS * (hot - cold)


def charge_heat(chamber: float, ambient: float, work: float) -> float:
    """Heat in W that the charge carries away."""
    return CHARGE * work * max(0.0, chamber - ambient)


def heater_power(state: FurnaceState, drive: Drive) -> float:
    """Heating power in W that the controller asks for."""
    if drive.mode is Mode.OFF:
        return 0.0
    forward = heat_loss(SETPOINT, state.ambient)
    forward += FORWARD * charge_heat(SETPOINT, state.ambient, drive.work)
    return min(FULL_POWER, max(0.0, forward + GAIN * (SETPOINT - state.chamber)))


def heated(state: FurnaceState, drive: Drive, dt: float) -> tuple[float, float]:
    """Chamber temperature after `dt` seconds, and the mean heating power in W meanwhile."""
    steps = max(1, math.ceil(dt))
    at, spent = state, 0.0
    for _ in range(steps):
        power = heater_power(at, drive)
        net = power - heat_loss(at.chamber, at.ambient)
        net -= charge_heat(at.chamber, at.ambient, drive.work)
        warmer = kept(at.chamber + net * dt / steps / CAPACITY)
        at, spent = FurnaceState(at.ambient, warmer, at.wear), spent + power
    return at.chamber, spent / steps


def step(
    state: FurnaceState, drive: Drive, dt: float, rng: Chance
) -> tuple[FurnaceState, Readings]:
    """Let `dt` seconds pass."""
    work, turning = drive.work, 0.0 if drive.mode is Mode.OFF else 1.0
    chamber, power = heated(state, drive, dt)
    wear = grown(state.wear, work, dt, LIFE)
    loss = heat_loss(chamber, state.ambient)
    return FurnaceState(state.ambient, chamber, wear), {
        "load": shown(100.0 * work, 1),
        "power": measured(power / 1e3 + 1.8 * turning + 0.2, 3, rng, 0.01),
        "chamber_temperature": measured(chamber, 2, rng, 0.0001),
        "shell_temperature": measured(state.ambient + 0.0022 * loss, 2, rng, 0.0005),
        "heat_loss": shown(loss / 1e3, 3),
        "throughput": measured(200.0 * work, 1, rng, 0.01),
        **FAN.readings(turning, turning * (0.5 + 0.2 * work), wear, rng),
    }


KIND: Final = Kind("furnace", METRICS, begin, step)
