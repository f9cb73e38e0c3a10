"""Screw air compressor: compression work drives power, its losses the oil's temperature.

Isentropic work per kilogram of air: w = κ/(κ - 1) · R · T_1 · ((p_2/p_1)^((κ-1)/κ) - 1),
with κ = 1.4 and R = 287 J/(kg·K) (any text on thermodynamics, e.g. Baehr and Kabelac);
shaft power is w·ṁ through the isentropic and the motor's efficiency, and an unloaded screw
still takes a quarter. The oil carries the heat away: first order with time constant TAU.
Receiver pressure droops with the flow drawn. Bearing wear drives vibration (ISO 20816-3).
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

KAPPA: Final = 1.4
GAS_CONSTANT: Final = 287.0  # J/(kg·K)
ATMOSPHERE: Final = 1.013  # bar
DENSITY: Final = 1.2  # kg/m³ of the air drawn in
FULL_FLOW: Final = 6.0  # m³/min, free air delivery
ISENTROPIC, MOTOR = 0.75, 0.94  # efficiencies
UNLOADED: Final = 0.25  # of the full power
RESISTANCE: Final = 1.25  # K/kW from oil to room
TAU: Final = 150.0  # s
PRESSURE_TAU: Final = {Mode.OFF: 600.0, Mode.STANDBY: 20.0, Mode.RUN: 8.0}

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "power": Metric("kW", 0.0, 90.0),
    "flow": Metric("m3/min", 0.0, 10.0),
    "discharge_pressure": Metric("bar", 0.0, 13.0),
    "oil_temperature": Metric("Cel", 0.0, 130.0),
    "specific_power": Metric("kW/(m3/min)", 0.0, 50.0),
    "vibration": Metric("mm/s", 0.0, 12.0),
    "bearing_wear": Metric("%", 0.0, 100.0),
}


@dataclass(frozen=True, slots=True)
class CompressorState:
    """Room and oil temperature in °C, gauge pressure in bar, bearing wear from 0 to 1."""

    ambient: float
    oil: float
    pressure: float
    wear: float


def begin(rng: Random) -> CompressorState:
    """A cold machine on a network that still holds its pressure."""
    ambient = between(rng, 18.0, 28.0)
    return CompressorState(ambient, ambient, 7.0, between(rng, 0.05, 0.6))


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
    state: CompressorState, drive: Drive, dt: float, rng: Random
) -> tuple[CompressorState, Readings]:
    """Let `dt` seconds pass."""
    power = power_of(state, drive)
    flow = FULL_FLOW * drive.work
    held = 0.0 if drive.mode is Mode.OFF else 8.0 - 0.8 * drive.work
    after = CompressorState(
        state.ambient,
        settle(state.oil, state.ambient + RESISTANCE * power, dt, TAU),
        settle(state.pressure, held, dt, PRESSURE_TAU[drive.mode]),
        kept(min(1.0, state.wear + drive.work * dt / 2e7)),
    )
    vibration = 0.0 if drive.mode is Mode.OFF else 0.6 + 0.8 * drive.work + 3.5 * after.wear
    return after, {
        "load": round(100.0 * drive.work, 1),
        "power": measured(power, 3, rng, 0.01),
        "flow": measured(flow, 3, rng, 0.01),
        "discharge_pressure": measured(after.pressure, 3, rng, 0.003),
        "oil_temperature": measured(after.oil, 2, rng, 0.001),
        "specific_power": round(power / flow, 3) if flow > FULL_FLOW / 8 else 0.0,
        "vibration": measured(vibration, 3, rng, 0.05),
        "bearing_wear": round(100.0 * after.wear, 2),
    }


KIND: Final = Kind("compressor", METRICS, begin, step)
