"""Screw air compressor: compression work drives power, its losses the oil's temperature.

Isentropic work per kilogram of air: w = κ/(κ - 1) · R · T_1 · ((p_2/p_1)^((κ-1)/κ) - 1),
with κ = 1.4 and R = 287 J/(kg·K) (any text on thermodynamics, e.g. Baehr and Kabelac);
shaft power is w·ṁ through the isentropic and the motor's efficiency, and an unloaded screw
still takes a quarter. The oil carries the heat away: first order with time constant TAU.
Receiver pressure droops with the flow drawn. The screws shake with the load, and by their
bearing (`bearing`). R grows as coolant is missing.
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

KAPPA: Final = 1.4
GAS_CONSTANT: Final = 287.0  # J/(kg·K)
ATMOSPHERE: Final = 1.013  # bar
DENSITY: Final = 1.2  # kg/m³ of the air drawn in
FULL_FLOW: Final = 6.0  # m³/min, free air delivery
ISENTROPIC, MOTOR = 0.75, 0.94  # efficiencies
UNLOADED: Final = 0.25  # of the full power
RESISTANCE: Final = 1.25  # K/kW from oil to room, with all its coolant
HOTTEST: Final = 120.0  # °C: its thermostat holds the oil there
TAU: Final = 150.0  # s
LIFE: Final = 2e7  # s of full work that the bearing has
# Roller bearing of 16 rollers, 8.407 mm on 71.501 mm at 15.17°: Rexnord ZA-2115.
SCREW: Final = Mounted(Bearing(16, 8.407, 71.501, 15.17), speed=2950.0, severity=2.4)
PRESSURE_TAU: Final = {Mode.OFF: 600.0, Mode.STANDBY: 20.0, Mode.RUN: 8.0}

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "power": Metric("kW", 0.0, 90.0),
    "flow": Metric("m3/min", 0.0, 10.0),
    "discharge_pressure": Metric("bar", 0.0, 13.0),
    "oil_temperature": Metric("Cel", 0.0, 130.0),
    "specific_power": Metric("kW/(m3/min)", 0.0, 50.0),
    **VIBRATION,
}


class CompressorState(NamedTuple):
    """Room and oil in °C, gauge pressure in bar; bearing wear and coolant from 0 to 1."""

    ambient: float
    oil: float
    pressure: float
    wear: float
    coolant: float = 1.0


def begin(rng: Chance) -> CompressorState:
    """A cold machine on a network that still holds its pressure."""
    ambient = between(rng, 18.0, 28.0)
    return CompressorState(ambient, ambient, 7.0, between(rng, 0.02, 0.35))


def isentropic_work(pressure: float, inlet: float) -> float:
    """Work in J/kg to a gauge pressure in bar, from air at `inlet` °C."""
    ratio = (pressure + ATMOSPHERE) / ATMOSPHERE
    exponent = (KAPPA - 1) / KAPPA
    return float(GAS_CONSTANT * (inlet + 273.15) / exponent * (ratio**exponent - 1))


def power_of(state: CompressorState, drive: Drive) -> float:
    """Electrical power in kW."""
    if drive.mode is Mode.OFF:
        return 0.15
    full = FULL_FLOW / 60.0 * DENSITY * isentropic_work(state.pressure, state.ambient) / 1e3
    share = UNLOADED + (1 - UNLOADED) * drive.work
    return share * full / (ISENTROPIC * MOTOR) * (1 + 0.08 * state.wear)


def step(
    state: CompressorState, drive: Drive, dt: float, rng: Chance
) -> tuple[CompressorState, Readings]:
    """Let `dt` seconds pass."""
    power, work, energised = power_of(state, drive), drive.work, drive.mode is not Mode.OFF
    flow = FULL_FLOW * work
    after = CompressorState(
        state.ambient,
        settle(
            state.oil,
            min(HOTTEST, state.ambient + RESISTANCE / state.coolant * power),
            dt,
            TAU,
        ),
        settle(
            state.pressure, 8.0 - 0.8 * work if energised else 0.0, dt, PRESSURE_TAU[drive.mode]
        ),
        grown(state.wear, work, dt, LIFE),
        state.coolant,
    )
    return after, {
        "load": shown(100.0 * work, 1),
        "power": measured(power, 3, rng, 0.01),
        "flow": measured(flow, 3, rng, 0.01),
        "discharge_pressure": measured(after.pressure, 3, rng, 0.003),
        "oil_temperature": measured(after.oil, 2, rng, 0.001),
        "specific_power": shown(power / flow, 3) if flow > FULL_FLOW / 8 else 0.0,
        **SCREW.readings(energised * 1.0, energised * (0.6 + 0.7 * work), after.wear, rng),
    }


KIND: Final = Kind("compressor", METRICS, begin, step)
