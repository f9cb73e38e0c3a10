"""Automated guided vehicle: a loop with a payload on half of it, a battery, a charger.

Traction: F = c_r·m·g + m·dv/dt (Wong, Theory of Ground Vehicles, 2008, chapter 3; air drag
is nothing at 1.6 m/s), power F·v/η and electronics. Battery as an open-circuit voltage
that falls with charge and a series resistance (Plett, Battery Management Systems, volume 1,
2015, section 2.3): V = U - R·I, so P = V·I gives I = (U - sqrt(U² - 4·R·P))/(2·R), and
charge falls by I·dt/Q. It warms with R·I², first order (Newton). It charges over a strip at
the end of its route and standing by, with less current near full; an empty battery slows
it down. The wheels shake with the speed, and by their bearing (`bearing`), which also rolls
harder.
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
    sensed,
    settle,
    shown,
)

MASS, PAYLOAD = 500.0, 150.0  # kg
# m: the whole loop; where it sets its payload down; where the charging strip begins
ROUTE, UNLOADING, STRIP = 240.0, 120.0, 205.0
FULL_SPEED: Final = 1.6  # m/s
ROLLING: Final = 0.02
RUB: Final = 0.3  # more of it with worn bearings
GRAVITY: Final = 9.81  # m/s²
EFFICIENCY: Final = 0.75
ELECTRONICS: Final = {Mode.OFF: 0.02, Mode.STANDBY: 0.06, Mode.RUN: 0.12}  # kW
EMPTY_VOLTAGE, FULL_VOLTAGE = 46.0, 54.0  # V
SERIES: Final = 0.03  # Ω
CHARGE: Final = 20.0 * 3600.0  # A·s
CHARGER: Final = 3.0  # kW
CHARGER_EFFICIENCY: Final = 0.92
TAPER: Final = 0.15  # charge that is missing when the current begins to fall
LIMP: Final = 0.1  # charge below which it slows down
RESISTANCE: Final = 0.5  # K/W from battery to hall
TAU, SPEED_TAU = 1200.0, 1.2  # s
LIFE: Final = 2e7  # s of full work that the wheels' bearing has
# A deep groove ball bearing 6205: 9 balls of 7.94 mm on 39.04 mm; 0.2 m wheels.
WHEEL: Final = Mounted(Bearing(9, 7.94, 39.04), speed=153.0, severity=1.6)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "speed": Metric("m/s", 0.0, 2.0),
    "position": Metric("m", 0.0, 240.0),
    "payload": Metric("kg", 0.0, 300.0),
    "power": Metric("kW", 0.0, 5.0),
    "charger_power": Metric("kW", 0.0, 4.0),
    "battery_charge": Metric("%", 0.0, 100.0),
    "battery_voltage": Metric("V", 30.0, 70.0),
    "battery_current": Metric("A", -100.0, 150.0),
    "battery_temperature": Metric("Cel", 0.0, 70.0),
    **VIBRATION,
}


class AgvState(NamedTuple):
    """Hall and battery in °C, m/s, metres along the route, charge and wear from 0 to 1."""

    ambient: float
    battery: float
    speed: float
    position: float
    charge: float
    wear: float


def begin(rng: Chance) -> AgvState:
    """A vehicle that stands somewhere on its way."""
    ambient = between(rng, 16.0, 26.0)
    position, charge = between(rng, 0.0, ROUTE), between(rng, 0.6, 0.95)
    return AgvState(ambient, kept(ambient + 4.0), 0.0, position, charge, between(rng, 0.02, 0.35))


def payload(position: float) -> float:
    """What it carries, in kg, at a place of its route."""
    return PAYLOAD if position < UNLOADING else 0.0


def traction(mass: float, speed: float, gained: float, wear: float) -> float:
    """Power in kW that the motors take: rolling, and `gained` m/s² of acceleration."""
    force = ROLLING * (1.0 + RUB * wear) * mass * GRAVITY + mass * gained
    return max(0.0, force * speed / EFFICIENCY / 1e3)


def charging(charge: float) -> float:
    """Power in kW into the battery at the station."""
    return CHARGER * min(1.0, (1.0 - charge) / TAPER)


def current(charge: float, power: float) -> float:
    """The battery's current in A at a power in kW; both are negative while it charges."""
    voltage = open_circuit(charge)
    root = math.sqrt(max(0.0, voltage**2 - 4.0 * SERIES * power * 1e3))
    return (voltage - root) / (2.0 * SERIES)


def open_circuit(charge: float) -> float:
    """The battery's voltage in V without a current."""
    return EMPTY_VOLTAGE + (FULL_VOLTAGE - EMPTY_VOLTAGE) * charge


def step(state: AgvState, drive: Drive, dt: float, rng: Chance) -> tuple[AgvState, Readings]:
    """Let `dt` seconds pass."""
    work, mode = drive.work, drive.mode
    wanted = FULL_SPEED * work * min(1.0, state.charge / LIMP)
    speed = settle(state.speed, wanted, dt, SPEED_TAU)
    mass = MASS + payload(state.position)
    power = ELECTRONICS[mode]
    if mode is Mode.RUN:
        power += traction(mass, speed, (speed - state.speed) / dt, state.wear)
    fed = mode is Mode.STANDBY or (mode is Mode.RUN and state.position >= STRIP)
    charged = charging(state.charge) if fed else 0.0
    amperes = current(state.charge, power - charged)
    after = AgvState(
        state.ambient,
        settle(state.battery, state.ambient + RESISTANCE * SERIES * amperes**2, dt, TAU),
        speed,
        kept((state.position + speed * dt) % ROUTE) % ROUTE,
        min(1.0, max(0.0, kept(state.charge - amperes * dt / CHARGE))),
        grown(state.wear, work, dt, LIFE),
    )
    return after, _readings(after, work, power, charged, amperes, rng)


def _readings(  # noqa: PLR0913, PLR0917 - what a step has worked out
    state: AgvState, work: float, power: float, charged: float, amperes: float, rng: Chance
) -> Readings:
    turning = state.speed / FULL_SPEED
    return {
        "load": shown(100.0 * work, 1),
        "speed": measured(state.speed, 3, rng, 0.005),
        "position": shown(state.position, 1) % ROUTE,
        "payload": measured(payload(state.position), 1, rng, 0.005),
        "power": measured(power, 3, rng, 0.01),
        "charger_power": measured(charged / CHARGER_EFFICIENCY, 3, rng, 0.005),
        "battery_charge": shown(100.0 * state.charge, 2),
        "battery_voltage": sensed(open_circuit(state.charge) - SERIES * amperes, 2, rng, 0.01),
        "battery_current": measured(amperes, 2, rng, 0.005),
        "battery_temperature": sensed(state.battery, 2, rng, 0.03),
        **WHEEL.readings(turning, turning * (0.3 + 0.6 * turning), state.wear, rng),
    }


KIND: Final = Kind("agv", METRICS, begin, step, draws="charger_power")
