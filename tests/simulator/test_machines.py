"""The physics of every kind: ranges, correlations, time constants, balances, determinism."""

import math
from statistics import correlation, fmean, stdev

import pytest

from simulator.chance import Chance
from simulator.machine import Machine
from simulator.machines import KINDS, chiller, compressor, furnace, mill, moulding
from simulator.machines.kind import Drive, Kind, Mode, measured, sensed, settle
from simulator.work.job import Job, Line, Pace, Upkeep
from telemetry.topic import MachineTopic


def machine(kind, seed=1):
    topic = MachineTopic("", "works", "site", "area", "line", f"{kind}-01", "telemetry")
    return Machine(topic, kind, seed)


def readings(kind, seconds, seed=1):
    running = machine(kind, seed).start()
    return [running.step(1.0).readings for _ in range(seconds)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_stays_within_the_ranges_that_birth_declares(kind):
    for seed in range(3):
        for scan in readings(kind, 6_000, seed):
            assert list(scan) == list(KINDS[kind].metrics)
            for name, value in scan.items():
                metric = KINDS[kind].metrics[name]
                assert metric.low <= value <= metric.high, (name, value)
                assert math.isfinite(value)


# What lies on the belt, payload and gathering speed, and the store's air come between
# load and power: there power follows in the mean only.
SLOW = {"conveyor", "agv", "cold-store"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SLOW])
def test_load_drives_power(kind):
    for seed in range(4):
        scans = readings(kind, 3_000, seed)
        loads, powers = [s["load"] for s in scans], [s["power"] for s in scans]
        assert correlation(loads, powers) > 0.8
        working = [(load, power) for load, power in zip(loads, powers, strict=True) if load > 30]
        assert correlation(*zip(*working, strict=True)) > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_more_load_takes_more_power_in_the_long_run(kind):
    rng, model = Chance(5), KINDS[kind]
    state, means = model.begin(rng), []
    for load in (0.4, 0.6, 0.8, 1.0):
        powers = []
        for _ in range(900):
            state, scan = model.step(state, Drive(Mode.RUN, load), 1.0, rng)
            powers.append(scan["power"])
        means.append(fmean(powers[300:]))
    assert means == sorted(means)
    assert means[-1] > 1.1 * means[0]


SHAKING = [name for name, kind in KINDS.items() if "vibration" in kind.metrics]


def test_all_but_meters_shake():
    assert set(KINDS) - set(SHAKING) == {"energy-meter"}


@pytest.mark.parametrize("kind", SHAKING)
def test_wear_drives_vibration(kind):
    def vibration(wear):
        rng, model = Chance(5), KINDS[kind]
        state = model.begin(rng)._replace(wear=wear)
        scans = []
        for _ in range(200):
            state, scan = model.step(state, Drive(Mode.RUN, 0.7), 1.0, rng)
            scans.append(scan["vibration"])
        return fmean(scans[50:])

    levels = [vibration(wear) for wear in (0.1, 0.4, 0.9)]
    assert levels == sorted(levels)
    assert levels[2] > 1.5 * levels[0]


@pytest.mark.parametrize("kind", SHAKING)
def test_wear_only_grows_while_working(kind):
    rng, model = Chance(5), KINDS[kind]
    state = model.begin(rng)
    idle, _ = model.step(state, Drive(Mode.STANDBY, 0.0), 100.0, rng)
    busy, _ = model.step(state, Drive(Mode.RUN, 1.0), 100.0, rng)
    assert idle.wear == state.wear < busy.wear


@pytest.mark.parametrize("kind", SHAKING)
def test_a_stopped_machine_takes_little_power_and_stands_still(kind):
    rng, model = Chance(5), KINDS[kind]
    state = model.begin(rng)
    for _ in range(60):
        state, scan = model.step(state, Drive(Mode.OFF, 0.9), 1.0, rng)
    assert scan["power"] < 0.3
    assert scan["load"] == 0.0
    assert scan["vibration"] < 0.01


def warmed(kind, state, drive, seconds, dt):
    rng, model = Chance(0), KINDS[kind]
    for _ in range(round(seconds / dt)):
        state, _ = model.step(state, drive, dt, rng)
    return state


@pytest.mark.parametrize("dt", [0.1, 1.0, 5.0])
def test_the_spindle_warms_with_its_time_constant(dt):
    """T(t) = T_end + (T_0 - T_end)·exp(-t/tau), with power held still: the tool is at its end."""
    start = mill.MillState(20.0, 20.0, mill.NOMINAL_SPEED, 1.0, 0.1)
    power = mill.power_of(Mode.RUN, mill.cutting_force(0.8, 1.0))
    end = 20.0 + mill.RESISTANCE * mill.HEAT_SHARE * power
    for seconds in (60, 120, 360):
        closed = end + (20.0 - end) * math.exp(-seconds / mill.TAU)
        after = warmed("mill", start, Drive(Mode.RUN, 0.8), seconds, dt)
        assert after.temperature == pytest.approx(closed, abs=1e-6)
    cooled = warmed("mill", start._replace(temperature=70.0), Drive(Mode.OFF, 0.0), 240, dt)
    rest = 20.0 + mill.RESISTANCE * mill.HEAT_SHARE * mill.BASE_POWER[Mode.OFF]
    assert cooled.temperature == pytest.approx(rest + (70.0 - rest) * math.exp(-2), abs=1e-6)


def test_temperature_lags_power_by_its_time_constant():
    """A step of load: power is there at once, 63 % of the warming after one tau."""
    state = compressor.CompressorState(20.0, 20.0, 7.4, 0.0)
    rng, temperatures, powers = Chance(1), [], []
    for _ in range(1500):
        state, scan = KINDS["compressor"].step(state, Drive(Mode.RUN, 0.75), 1.0, rng)
        temperatures.append(state.oil)
        powers.append(scan["power"])
    assert fmean(powers[:5]) == pytest.approx(fmean(powers[-5:]), rel=0.03)
    rise = (temperatures[round(compressor.TAU) - 1] - 20.0) / (temperatures[-1] - 20.0)
    assert rise == pytest.approx(1 - math.exp(-1), abs=0.01)


def test_kienzle_against_numbers_worked_by_hand():
    # h = 0.02 + 0.13·1 = 0.15 mm, b = 4 mm: 2220 · 4 · 0.15^0.86 = 8880 · 0.19564 = 1737.2 N
    assert mill.cutting_force(1.0, 0.0) == pytest.approx(1737.2, abs=0.5)
    assert mill.cutting_force(1.0, 1.0) == pytest.approx(1.3 * 1737.2, abs=0.7)
    assert mill.cutting_force(0.0, 1.0) == 0.0
    # P = F·v_c/60000/eta + base = 1737.2 · 180/60000/0.85 + 0.9 = 7.03 kW
    assert mill.power_of(Mode.RUN, 1737.2) == pytest.approx(7.031, abs=0.001)


def test_a_worn_tool_is_changed_once_the_spindle_stands():
    worn = mill.MillState(20.0, 40.0, mill.NOMINAL_SPEED, 1.0, 0.1)
    running, _ = mill.step(worn, Drive(Mode.RUN, 1.0), 1.0, Chance(0))
    standing, _ = mill.step(worn, Drive(Mode.STANDBY, 0.0), 1.0, Chance(0))
    assert (running.tool, standing.tool) == (1.0, 0.0)


def test_isentropic_work_against_numbers_worked_by_hand():
    # 8 to 1 from 20 °C: 1.4/0.4 · 287 · 293.15 · (8^(2/7) - 1) = 294469 · 0.81145 = 238946 J/kg
    gauge = 7 * compressor.ATMOSPHERE
    assert compressor.isentropic_work(gauge, 20.0) == pytest.approx(238_946, rel=1e-4)
    assert compressor.isentropic_work(0.0, 20.0) == pytest.approx(0.0, abs=1e-6)


def test_an_unloaded_screw_takes_a_quarter():
    state = compressor.CompressorState(20.0, 60.0, 7.5, 0.0)
    full = compressor.power_of(state, Drive(Mode.RUN, 1.0))
    assert compressor.power_of(state, Drive(Mode.STANDBY, 1.0)) == pytest.approx(full / 4)


def test_cop_against_carnot():
    # evaporator 6 - 4 = 2 °C, condenser 42 °C: 0.5 · 275.15/40 = 3.439
    assert chiller.coefficient(6.0, 42.0) == pytest.approx(3.4394, abs=1e-4)
    assert chiller.coefficient(6.0, 30.0) > chiller.coefficient(6.0, 45.0)


def test_water_returns_warmer_by_the_heat_it_carries():
    rng = Chance(2)
    state = chiller.begin(rng)
    for _ in range(600):
        state, scan = chiller.step(state, Drive(Mode.RUN, 0.6), 1.0, rng)
    rise = scan["return_temperature"] - scan["supply_temperature"]
    assert rise == pytest.approx(0.6 * chiller.FULL_HEAT / chiller.WATER, abs=0.15)
    assert scan["power"] * scan["cop"] == pytest.approx(scan["cooling"], rel=0.2)


def test_cooling_time_against_numbers_worked_by_hand():
    # 2.5²/(pi²·0.09) · ln(8/pi² · (230-50)/(90-50)) = 7.0362 · ln 3.6476 = 9.105 s
    assert moulding.cooling_time(50.0) == pytest.approx(9.105, abs=0.002)


def test_colder_melt_needs_more_pressure():
    assert moulding.peak_pressure(0.8, 215.0) > 1.2 * moulding.peak_pressure(0.8, 232.0)


def test_shots_are_counted_a_cycle_each():
    rng = Chance(4)
    state = moulding.begin(rng)
    for _ in range(1200):
        state, scan = moulding.step(state, Drive(Mode.RUN, 0.6), 1.0, rng)
    assert state.shots == pytest.approx(1200 / scan["cycle_time"], rel=0.05)


def test_radiation_against_numbers_worked_by_hand():
    # 0.045 · 5.670374419e-8 · (1123.15⁴ - 293.15⁴) + 10 · 830 = 4041 + 8300 W
    assert furnace.heat_loss(850.0, 20.0) == pytest.approx(12_341, abs=5)
    assert furnace.heat_loss(20.0, 20.0) == 0.0


def test_the_furnace_balances_its_losses_in_the_end():
    state, drive = furnace.FurnaceState(20.0, 800.0, 0.1), Drive(Mode.RUN, 0.5)
    for _ in range(3000):
        chamber, power = furnace.heated(state, drive, 1.0)
        state = state._replace(chamber=chamber)
    outgoing = furnace.heat_loss(chamber, 20.0) + furnace.charge_heat(chamber, 20.0, 0.5)
    assert power == pytest.approx(outgoing, rel=1e-4)
    # what is not fed forward of 36·0.5·830 W, over 2000 W/K
    droop = (1 - furnace.FORWARD) * furnace.charge_heat(chamber, 20.0, 0.5) / furnace.GAIN
    assert furnace.SETPOINT - chamber == pytest.approx(droop, rel=0.03)


def test_the_furnace_against_a_fine_fourth_order_integration():
    def slope(temperature):
        net = furnace.heat_loss(temperature, 20.0)
        return -net / furnace.CAPACITY

    fine, h = 850.0, 0.05
    for _ in range(round(600 / h)):
        k1 = slope(fine)
        k2 = slope(fine + h / 2 * k1)
        k3 = slope(fine + h / 2 * k2)
        k4 = slope(fine + h * k3)
        fine += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    cooled = warmed("furnace", furnace.FurnaceState(20.0, 850.0, 0.1), Drive(Mode.OFF, 0), 600, 10)
    assert cooled.chamber == pytest.approx(fine, abs=0.02)


def test_settle_is_exact_however_time_is_cut():
    once = settle(20.0, 80.0, 60.0, 45.0)
    cut = 20.0
    for _ in range(600):
        cut = settle(cut, 80.0, 0.1, 45.0)
    assert once == pytest.approx(80.0 - 60.0 * math.exp(-60 / 45), abs=1e-8)
    assert cut == pytest.approx(once, abs=1e-5)


def test_noise_has_its_deviation_and_its_bounds():
    rng = Chance(7)
    for drawn in (
        [measured(20.0, 6, rng, 0.1) - 20.0 for _ in range(20_000)],
        [sensed(-20.0, 6, rng, 2.0) + 20.0 for _ in range(20_000)],
    ):
        assert fmean(drawn) == pytest.approx(0.0, abs=0.05)
        assert stdev(drawn) == pytest.approx(2.0, rel=0.03)
        assert max(map(abs, drawn)) <= 7.0


def test_a_zero_is_read_as_a_positive_zero():
    assert all(str(measured(0.0, 3, Chance(s), 0.5)) == "0.0" for s in range(50))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_fed_back_is_rounded(kind):
    """Otherwise the last digit of a C library's exp would grow into other bytes."""
    rng, model = Chance(9), KINDS[kind]
    state = model.begin(rng)
    for _ in range(200):
        state, _ = model.step(state, Drive(Mode.RUN, 0.777), 0.37, rng)
        for name in state._fields:
            assert round(getattr(state, name), 9) == getattr(state, name)


@pytest.mark.parametrize("kind", KINDS)
def test_machines_of_one_kind_differ_and_one_machine_repeats(kind):
    assert readings(kind, 50, seed=1) == readings(kind, 50, seed=1)
    assert readings(kind, 50, seed=1) != readings(kind, 50, seed=2)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_kind_names_units_and_ranges(kind):
    assert isinstance(kind, Kind)
    for metric in kind.metrics.values():
        assert metric.unit
        assert metric.low < metric.high
    assert {"load", "power"} <= set(kind.metrics)
    assert kind.draws is None or kind.metrics[kind.draws].unit == "kW"


def test_birth_tells_metrics_kind_and_key():
    birth = machine("mill").birth(bytes(range(32)))
    assert birth["kind"] == "mill"
    assert birth["metrics"]["power"] == {"unit": "kW", "low": 0.0, "high": 15.0}
    assert birth["public_key"] == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize("kind", SHAKING)
def test_a_service_puts_in_a_new_bearing(kind):
    """The work beside the physics: after it the same demand shakes the machine less."""
    topic = machine(kind).topic
    upkeep = Upkeep(between_stops=0, service_after=600_000, service=60_000)
    job = Job(Line("line", (topic.machine,)), 0, Pace(0, demand=(0.8, 0.8)), upkeep)
    running = Machine(topic, kind, 1, job).start()
    running.physics = running.physics._replace(wear=0.8)
    wears = []
    for second in range(1_500):
        running.step(1.0, (second + 1) * 1_000_000)
        wears.append(running.physics.wear)
    assert wears[0] >= 0.8
    assert wears[-1] < 0.01
