"""Energy meter, three-phase: what the machines around it draw, or, alone, a feeder's demand.

Power terms as IEEE 1459-2010 defines them: S² = P² + Q², power factor P/S; current
I = S/(3·V). Motors take reactive power whether they work or not: Q grows with the most that
was ever drawn and with P. Voltage and frequency wander within EN 50160 (230 V ± 10 %, 50 Hz
± 1 %), first order towards random targets; the feeder's impedance lowers the voltage with
S. The demand is that of a thermal demand meter: first order, 90 % after 15 minutes. Its
terminals warm with I² (Newton). The feeder is rated for all that stands on it. Accuracy
class 0.5 (IEC 62053-22).
"""

import math
from typing import Final, NamedTuple

from simulator.chance import Chance
from simulator.machines.kind import (
    Drive,
    Kind,
    Metric,
    Readings,
    between,
    kept,
    measured,
    sensed,
    settle,
    shown,
)

ALONE: Final = 250.0  # kV·A, the rating of a feeder of which nobody is seen
UTILISATION: Final = 0.8  # kW for each kV·A of the rating
NOMINAL_VOLTAGE, NOMINAL_FREQUENCY = 230.0, 50.0  # V from line to neutral, Hz
VOLTAGE_SPREAD, FREQUENCY_SPREAD = 12.0, 0.3  # how far their targets are scattered
DROP: Final = 7.0  # V at the rated load
CONNECTED, WORKING = 0.35, 0.35  # kvar for each kW: of the highest draw; of the present
DEMAND_TAU: Final = 900.0 / math.log(10.0)  # s
TERMINAL_RISE, TERMINAL_TAU = 35.0, 1200.0  # K at the rated current, s
FREQUENCY_TAU, VOLTAGE_TAU = 60.0, 300.0  # s
CLASS: Final = 0.0015  # deviation; 3.5 of them are 0.5 %

METRICS: Final = {
    "load": Metric("%", 0.0, 120.0),
    "power": Metric("kW", 0.0, 1e5),
    "reactive_power": Metric("kV.A", 0.0, 1e5),
    "apparent_power": Metric("kV.A", 0.0, 1.5e5),
    "power_factor": Metric("1", 0.0, 1.0),
    "voltage": Metric("V", 207.0, 253.0),
    "current": Metric("A", 0.0, 2.5e5),
    "frequency": Metric("Hz", 49.5, 50.5),
    "energy": Metric("kW.h", 0.0, 1e9),
    "demand": Metric("kW", 0.0, 1e5),
    "terminal_temperature": Metric("Cel", 0.0, 120.0),
}


class EnergyMeterState(NamedTuple):
    """Room and terminals in °C; highest power and demand in kW, kW·h, the grid's V and Hz."""

    ambient: float
    terminals: float
    highest: float
    demand: float
    energy: float
    voltage: float
    frequency: float


def begin(rng: Chance) -> EnergyMeterState:
    """A meter that was in use for years."""
    ambient, energy = between(rng, 18.0, 28.0), float(int(between(rng, 1e4, 1e6)))
    return EnergyMeterState(ambient, ambient, 0.0, 0.0, energy, NOMINAL_VOLTAGE, NOMINAL_FREQUENCY)


def power_of(drive: Drive) -> float:
    """Active power in kW: what is seen of the others, else the feeder's own demand."""
    seen = drive.surroundings.power
    return ALONE * UTILISATION * drive.work if seen is None else seen


def rating(drive: Drive) -> float:
    """The feeder's rating in kV·A."""
    seen = drive.surroundings
    return ALONE if seen.power is None else max(1.0, seen.capacity / UTILISATION)


def reactive(power: float, highest: float) -> float:
    """Reactive power in kvar."""
    return CONNECTED * highest + WORKING * power


def step(
    state: EnergyMeterState, drive: Drive, dt: float, rng: Chance
) -> tuple[EnergyMeterState, Readings]:
    """Let `dt` seconds pass."""
    power = power_of(drive)
    highest = max(state.highest, kept(power))
    apparent = math.hypot(power, reactive(power, highest))
    share = apparent / rating(drive)
    grid = NOMINAL_VOLTAGE + VOLTAGE_SPREAD * (2.0 * rng.random() - 1.0)
    hertz = NOMINAL_FREQUENCY + FREQUENCY_SPREAD * (2.0 * rng.random() - 1.0)
    after = EnergyMeterState(
        state.ambient,
        settle(state.terminals, state.ambient + TERMINAL_RISE * share**2, dt, TERMINAL_TAU),
        highest,
        settle(state.demand, power, dt, DEMAND_TAU),
        kept(state.energy + power * dt / 3600.0),
        settle(state.voltage, grid, dt, VOLTAGE_TAU),
        settle(state.frequency, hertz, dt, FREQUENCY_TAU),
    )
    return after, _readings(after, power, apparent, share, rng)


def _readings(
    state: EnergyMeterState, power: float, apparent: float, share: float, rng: Chance
) -> Readings:
    voltage = state.voltage - DROP * share
    return {
        "load": shown(100.0 * share, 1),
        "power": measured(power, 3, rng, CLASS),
        "reactive_power": measured(reactive(power, state.highest), 3, rng, CLASS),
        "apparent_power": measured(apparent, 3, rng, CLASS),
        "power_factor": shown(power / apparent, 3) if apparent > 0.0 else 0.0,
        "voltage": measured(voltage, 1, rng, 0.0005),
        "current": measured(apparent * 1e3 / (3.0 * voltage), 2, rng, CLASS),
        "frequency": sensed(state.frequency, 3, rng, 0.001),
        "energy": shown(state.energy, 2),
        "demand": shown(state.demand, 2),
        "terminal_temperature": measured(state.terminals, 2, rng, 0.001),
    }


KIND: Final = Kind("energy-meter", METRICS, begin, step, draws=None, observes=True)
