"""Cold store: warm air through the door, walls, goods, frost on the coil, a compressor.

Air: C·dT/dt = U·(T_o - T) + Q_door + h·(T_g - T) - Q; the goods follow the air with h. Door
after Gosney and Olama (ASHRAE Handbook - Refrigeration, chapter on refrigerated-facility
loads): q = 0.221·A·(h_o - h_r)·r_r·(1 - r_o/r_r)^½·(g·H)^½·F_m, F_m = (2/(1 +
(r_r/r_o)^⅓))^1.5, times the part of the time that it is open and what the curtain lets
through. A third of it is moisture that freezes on the coil; frost lowers the evaporating
temperature, a full coil is defrosted by heaters. COP = 0.5·T_e/(T_c - T_e) as in a chiller;
the compressor's speed follows the air in proportion. Integrated by explicit Euler steps of
at most five seconds against a time constant of some hundred. The compressor shakes by its
bearing (`bearing`).
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
    shown,
)

SETPOINT: Final = -22.0  # °C
AIR, GOODS = 0.84e6, 38e6  # J/K: 600 m³ of air; 20 t of goods
EXCHANGE, WALLS = 1500.0, 60.0  # W/K: goods to air; walls
GAIN: Final = 6000.0  # W/K
FULL_COOLING: Final = 16_000.0  # W
DOOR, HEIGHT = 7.5, 3.0  # m², m
OPEN: Final = 0.2  # of the time at full traffic
CURTAIN: Final = 0.2  # of the exchange passes it
MOISTURE: Final = 0.0083  # kg/kg in the air outside
MOISTURE_SHARE: Final = 0.3
FULL_COIL: Final = 12.0  # kg of frost
FREEZING, THAWING = 2.83e6, 0.4e6  # J/kg: vapour to ice; ice at the coil's cold to water
DEFROST: Final = 9000.0  # W
MELTING: Final = 0.5  # of it melts frost, the rest warms the air
FANS: Final = 500.0  # W
STEP: Final = 5.0  # s
BASE_POWER: Final = {Mode.OFF: 0.1, Mode.STANDBY: 0.2, Mode.RUN: 0.4}  # kW
LIFE: Final = 2e7  # s of full work that the compressor's bearing has
# A deep groove ball bearing 6205: 9 balls of 7.94 mm on 39.04 mm.
COMPRESSOR: Final = Mounted(Bearing(9, 7.94, 39.04), speed=2900.0, severity=2.0)

METRICS: Final = {
    "load": Metric("%", 0.0, 100.0),
    "door_open": Metric("%", 0.0, 100.0),
    "air_temperature": Metric("Cel", -40.0, 40.0),
    "goods_temperature": Metric("Cel", -40.0, 40.0),
    "evaporator_temperature": Metric("Cel", -60.0, 40.0),
    "frost": Metric("%", 0.0, 100.0),
    "cooling": Metric("kW", 0.0, 20.0),
    "cop": Metric("1", 0.0, 6.0),
    "power": Metric("kW", 0.0, 25.0),
    **VIBRATION,
}


class ColdStoreState(NamedTuple):
    """Outside, air and goods in °C; frost and wear from 0 to 1; 1.0 while it defrosts."""

    ambient: float
    air: float
    goods: float
    frost: float
    defrosting: float
    wear: float


def begin(rng: Chance) -> ColdStoreState:
    """A store that was kept cold."""
    ambient = between(rng, 16.0, 26.0)
    air, frost = between(rng, -22.0, -20.0), between(rng, 0.0, 0.5)
    return ColdStoreState(ambient, air, kept(air + 0.3), frost, 0.0, between(rng, 0.02, 0.35))


def door_heat(ambient: float, air: float) -> float:
    """Heat in W through the fully open doorway, after Gosney and Olama."""
    outside, inside = 353.05 / (ambient + 273.15), 353.05 / (air + 273.15)  # kg/m³
    if inside <= outside:
        return 0.0
    warmth = 1.006 * ambient + MOISTURE * (2501.0 + 1.86 * ambient) - 1.006 * air - 1.5  # kJ/kg
    density = (2.0 / (1.0 + (inside / outside) ** (1.0 / 3.0))) ** 1.5
    flow = 0.221 * DOOR * inside * math.sqrt(1.0 - outside / inside) * math.sqrt(9.81 * HEIGHT)
    return float(1e3 * flow * warmth * density)


def opening(work: float) -> float:
    """Which part of the time the door stands open."""
    return OPEN * work


def cooling(state: ColdStoreState, mode: Mode) -> float:
    """Heat in W that the coil draws from the air."""
    if mode is Mode.OFF or state.defrosting:
        return 0.0
    return min(FULL_COOLING, max(0.0, GAIN * (state.air - SETPOINT)))


def evaporator(state: ColdStoreState, drawn: float) -> float:
    """Evaporating temperature in °C; frost insulates the coil."""
    return state.air - (2.0 + 6.0 * (1.0 + state.frost)) * drawn / FULL_COOLING


def coefficient(evaporating: float, ambient: float) -> float:
    """Coefficient of performance; the condenser is 14 K warmer than what is outside."""
    cold = evaporating + 273.15
    return 0.5 * cold / (ambient + 14.0 + 273.15 - cold)


def power_of(state: ColdStoreState, mode: Mode, drawn: float) -> float:
    """Electrical power in kW at so many W of cooling."""
    if mode is Mode.OFF:
        return BASE_POWER[mode]
    if state.defrosting:
        return BASE_POWER[mode] + DEFROST / 1e3
    compressor = drawn / coefficient(evaporator(state, drawn), state.ambient)
    return BASE_POWER[mode] + (FANS + compressor) / 1e3


def passed(state: ColdStoreState, drive: Drive, dt: float) -> ColdStoreState:
    """The store after `dt` seconds."""
    count = max(1, math.ceil(dt / STEP))
    for _ in range(count):
        state = _moved(state, drive, dt / count)
    return state._replace(wear=grown(state.wear, drive.work, dt, LIFE))


def _moved(state: ColdStoreState, drive: Drive, dt: float) -> ColdStoreState:
    """One Euler step."""
    ambient, air, goods, frost, defrosting, wear = state
    door = 0.0
    if drive.work > 0.0:
        door = CURTAIN * opening(drive.work) * door_heat(ambient, air)
    between_them = EXCHANGE * (goods - air)
    heat = WALLS * (ambient - air) + (1.0 - MOISTURE_SHARE) * door + between_them
    if drive.mode is not Mode.OFF:
        heat += (1.0 - MELTING) * DEFROST if defrosting else FANS - cooling(state, drive.mode)
    melted = MELTING * DEFROST if defrosting and drive.mode is not Mode.OFF else 0.0
    gained = (MOISTURE_SHARE * door / FREEZING - melted / THAWING) / FULL_COIL  # a second
    frost = min(1.0, max(0.0, kept(frost + gained * dt)))
    return ColdStoreState(
        ambient,
        kept(air + heat * dt / AIR),
        kept(goods - between_them * dt / GOODS),
        frost,
        1.0 if frost >= 1.0 or (defrosting and frost > 0.0) else 0.0,
        wear,
    )


def step(
    state: ColdStoreState, drive: Drive, dt: float, rng: Chance
) -> tuple[ColdStoreState, Readings]:
    """Let `dt` seconds pass."""
    work, after = drive.work, passed(state, drive, dt)
    drawn = cooling(after, drive.mode)
    coil = evaporator(after, drawn)
    turning = 0.3 + 0.7 * drawn / FULL_COOLING if drawn > 0.0 else 0.0
    other = 0.0 if drive.mode is Mode.OFF else 0.2 + 0.8 * turning
    return after, {
        "load": shown(100.0 * work, 1),
        "door_open": shown(100.0 * opening(work), 1),
        "air_temperature": sensed(after.air, 2, rng, 0.03),
        "goods_temperature": sensed(after.goods, 2, rng, 0.02),
        "evaporator_temperature": sensed(coil, 2, rng, 0.05),
        "frost": shown(100.0 * after.frost, 1),
        "cooling": measured(drawn / 1e3, 3, rng, 0.01),
        "cop": measured(coefficient(coil, after.ambient) if drawn > 0.0 else 0.0, 3, rng, 0.005),
        "power": measured(power_of(after, drive.mode, drawn), 3, rng, 0.01),
        **COMPRESSOR.readings(turning, other, after.wear, rng),
    }


KIND: Final = Kind("cold-store", METRICS, begin, step)
