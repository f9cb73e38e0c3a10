"""Water chiller: heat load and the refrigeration cycle's COP make its power.

COP = g · T_e/(T_c - T_e), the Carnot value between evaporator and condenser (in kelvin)
times the cycle's grade g = 0.5 (e.g. ASHRAE Fundamentals, thermodynamics and refrigeration
cycles). Power = heat/COP and pumps. Water returns warmer by Q/(ṁ·c). The condenser warms
with the heat it rejects and with fouling, first order; the supply water follows its
setpoint, first order. The compressor's speed follows the load; it shakes by its bearing
(`bearing`). As refrigerant is missing it draws less heat for the same power, and the supply
water gets too warm.
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

GRADE: Final = 0.5
FULL_HEAT: Final = 120.0  # kW drawn from the water
WATER: Final = 23.9  # kW/K: 5.7 kg/s of water
PUMPS: Final = {Mode.OFF: 0.1, Mode.STANDBY: 1.5, Mode.RUN: 2.2}  # kW
SETPOINT: Final = 6.0  # °C
SHORTFALL: Final = 12.0  # K that the supply water would be too warm without refrigerant
SMALLEST_LIFT: Final = 13.0  # K that the expansion valve holds
PINCH: Final = 4.0  # K between supply water and evaporating refrigerant
CONDENSER_TAU: Final = 60.0  # s
LIFE: Final = 2e7  # s of full work that the compressor's bearing has
CLEAN: Final = 1e7  # s of full work after which the condenser is fouled
# A deep groove ball bearing 6205: 9 balls of 7.94 mm on 39.04 mm.
COMPRESSOR: Final = Mounted(Bearing(9, 7.94, 39.04), speed=2950.0, severity=2.2)
WATER_TAU: Final = {Mode.OFF: 1800.0, Mode.STANDBY: 300.0, Mode.RUN: 90.0}

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "power": Metric("kW", 0.0, 80.0),
    "cooling": Metric("kW", 0.0, 160.0),
    "cop": Metric("1", 0.0, 12.0),
    "supply_temperature": Metric("Cel", -10.0, 40.0),
    "return_temperature": Metric("Cel", -10.0, 50.0),
    "condenser_temperature": Metric("Cel", 0.0, 80.0),
    **VIBRATION,
}


class ChillerState(NamedTuple):
    """Room, supply water, condenser in °C; fouling, bearing wear, refrigerant from 0 to 1."""

    ambient: float
    supply: float
    condenser: float
    fouling: float
    wear: float
    coolant: float = 1.0


def begin(rng: Chance) -> ChillerState:
    """A chiller that has stood for a while."""
    ambient = between(rng, 18.0, 28.0)
    return ChillerState(ambient, 9.0, ambient, between(rng, 0.0, 0.5), between(rng, 0.02, 0.35))


def coefficient(supply: float, condenser: float) -> float:
    """Coefficient of performance at supply water and condenser temperatures in °C."""
    cold = supply - PINCH + 273.15
    lift = max(SMALLEST_LIFT, condenser + 273.15 - cold)
    return GRADE * cold / lift


def power_of(state: ChillerState, drive: Drive) -> float:
    """Electrical power in kW."""
    return PUMPS[drive.mode] + FULL_HEAT * drive.work / coefficient(state.supply, state.condenser)


def step(
    state: ChillerState, drive: Drive, dt: float, rng: Chance
) -> tuple[ChillerState, Readings]:
    """Let `dt` seconds pass."""
    work, off = drive.work, drive.mode is Mode.OFF
    power, heat = power_of(state, drive), FULL_HEAT * work * state.coolant
    rejected = (heat + power) / (FULL_HEAT * 1.25)
    hot = state.ambient + (8.0 + 8.0 * state.fouling) * min(1.0, work * 4) + 10.0 * rejected
    warmer = SHORTFALL * work * (1.0 - state.coolant)
    water = state.ambient if off else SETPOINT + 1.5 * work + warmer
    after = ChillerState(
        state.ambient,
        settle(state.supply, water, dt, WATER_TAU[drive.mode]),
        settle(state.condenser, hot, dt, CONDENSER_TAU),
        grown(state.fouling, work, dt, CLEAN),
        grown(state.wear, work, dt, LIFE),
        state.coolant,
    )
    turning = 0.4 + 0.6 * work if work > 0.0 else 0.0
    cop = coefficient(after.supply, after.condenser) * after.coolant if work > 0.0 else 0.0
    return after, {
        "load": shown(100.0 * work, 1),
        "power": measured(power, 3, rng, 0.01),
        "cooling": measured(heat, 2, rng, 0.01),
        "cop": measured(cop, 3, rng, 0.005),
        "supply_temperature": measured(after.supply, 2, rng, 0.002),
        "return_temperature": measured(after.supply + heat / WATER, 2, rng, 0.002),
        "condenser_temperature": measured(after.condenser, 2, rng, 0.001),
        **COMPRESSOR.readings(turning, 0.0 if off else 0.3 + 0.7 * turning, after.wear, rng),
    }


KIND: Final = Kind("chiller", METRICS, begin, step)
