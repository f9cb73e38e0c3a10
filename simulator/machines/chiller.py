"""Water chiller: heat load and the refrigeration cycle's COP make its power.

COP = g · T_e/(T_c - T_e), the Carnot value between evaporator and condenser (in kelvin)
times the cycle's grade g = 0.5 (e.g. ASHRAE Fundamentals, thermodynamics and refrigeration
cycles). Power = heat/COP and pumps. Water returns warmer by Q/(ṁ·c). The condenser warms
with the heat it rejects and with fouling, first order; the supply water follows its
setpoint, first order. Compressor wear drives vibration.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from simulator.machines.kind import (
    Drive,
    Kind,
    Metric,
    Mode,
    Readings,
    between,
    kept,
    measured,
    settle,
)

GRADE: Final = 0.5
FULL_HEAT: Final = 120.0  # kW drawn from the water
WATER: Final = 23.9  # kW/K: 5.7 kg/s of water
PUMPS: Final = {Mode.OFF: 0.1, Mode.STANDBY: 1.5, Mode.RUN: 2.2}  # kW
SETPOINT: Final = 6.0  # °C
PINCH: Final = 4.0  # K between supply water and evaporating refrigerant
CONDENSER_TAU: Final = 60.0  # s
WATER_TAU: Final = {Mode.OFF: 1800.0, Mode.STANDBY: 300.0, Mode.RUN: 90.0}

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "power": Metric("kW", 0.0, 80.0),
    "cooling": Metric("kW", 0.0, 160.0),
    "cop": Metric("1", 0.0, 12.0),
    "supply_temperature": Metric("Cel", -10.0, 40.0),
    "return_temperature": Metric("Cel", -10.0, 50.0),
    "condenser_temperature": Metric("Cel", 0.0, 80.0),
    "vibration": Metric("mm/s", 0.0, 12.0),
}


@dataclass(frozen=True, slots=True)
class ChillerState:
    """Room, supply water and condenser in °C; fouling and bearing wear from 0 to 1."""

    ambient: float
    supply: float
    condenser: float
    fouling: float
    wear: float


def begin(rng: Random) -> ChillerState:
    """A chiller that has stood for a while."""
    ambient = between(rng, 18.0, 28.0)
    return ChillerState(ambient, 9.0, ambient, between(rng, 0.0, 0.5), between(rng, 0.05, 0.6))


def coefficient(supply: float, condenser: float) -> float:
    """Coefficient of performance at supply water and condenser temperatures in °C."""
    cold = supply - PINCH + 273.15
    lift = max(10.0, condenser + 273.15 - cold)
    return GRADE * cold / lift


def power_of(state: ChillerState, drive: Drive) -> float:
    """Electrical power in kW."""
    return PUMPS[drive.mode] + FULL_HEAT * drive.work / coefficient(state.supply, state.condenser)


def step(
    state: ChillerState, drive: Drive, dt: float, rng: Random
) -> tuple[ChillerState, Readings]:
    """Let `dt` seconds pass."""
    power, heat = power_of(state, drive), FULL_HEAT * drive.work
    rejected = (heat + power) / (FULL_HEAT * 1.25)
    hot = state.ambient + (8.0 + 8.0 * state.fouling) * min(1.0, drive.work * 4) + 10.0 * rejected
    water = state.ambient if drive.mode is Mode.OFF else SETPOINT + 1.5 * drive.work
    after = ChillerState(
        state.ambient,
        settle(state.supply, water, dt, WATER_TAU[drive.mode]),
        settle(state.condenser, hot, dt, CONDENSER_TAU),
        kept(min(1.0, state.fouling + drive.work * dt / 1e7)),
        kept(min(1.0, state.wear + drive.work * dt / 2e7)),
    )
    shaking = 0.4 + 0.9 * drive.work + 3.0 * after.wear
    cop = coefficient(after.supply, after.condenser) if drive.work > 0.0 else 0.0
    return after, {
        "load": round(100.0 * drive.work, 1),
        "power": measured(power, 3, rng, 0.01),
        "cooling": measured(heat, 2, rng, 0.01),
        "cop": measured(cop, 3, rng, 0.005),
        "supply_temperature": measured(after.supply, 2, rng, 0.002),
        "return_temperature": measured(after.supply + heat / WATER, 2, rng, 0.002),
        "condenser_temperature": measured(after.condenser, 2, rng, 0.001),
        "vibration": measured(0.0 if drive.mode is Mode.OFF else shaking, 3, rng, 0.05),
    }


KIND: Final = Kind("chiller", METRICS, begin, step)
