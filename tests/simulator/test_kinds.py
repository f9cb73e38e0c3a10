"""Sanity of each newer kind: numbers worked by hand, closed forms, balances, what wears."""

import math
from itertools import pairwise
from statistics import correlation, fmean

import pytest

from simulator.chance import Chance
from simulator.machines import (
    KINDS,
    agv,
    cold_store,
    conveyor,
    energy_meter,
    lathe,
    packaging,
    press,
    robot,
)
from simulator.machines.kind import Drive, Mode, Surroundings

FULL = Drive(Mode.RUN, 1.0)
IDLE = Drive(Mode.STANDBY, 0.0)
OFF = Drive(Mode.OFF, 0.0)


def run(kind, state, drive, seconds, dt=1.0, seed=3):
    """The state after so many seconds, and the scans."""
    rng, scans = Chance(seed), []
    for _ in range(round(seconds / dt)):
        state, scan = kind.step(state, drive, dt, rng)
        scans.append(scan)
    return state, scans


def begun(kind, seed=1, **changes):
    return kind.begin(Chance(seed))._replace(**changes)


def follows(value, start, end, seconds, tau):
    """Whether a value is where Newton's law says, exactly."""
    assert value == pytest.approx(end + (start - end) * math.exp(-seconds / tau), abs=1e-6)


# Lathe


def test_turning_against_numbers_worked_by_hand():
    # h = 0.3 mm, b = 3 mm: 2220 · 3 · 0.3^0.86 = 6660 · 0.35508 = 2364.8 N
    force = lathe.cutting_force(1.0, 0.0)
    assert force == pytest.approx(2364.8, abs=0.5)
    # 2364.8 · 200/60000/0.8 + 1.1 = 10.95 kW
    assert lathe.power_of(Mode.RUN, force) == pytest.approx(10.953, abs=0.003)
    # Cook: U = 2364.8/0.9/1000 = 2.6276 J/mm³; v·h/K = 3333.3·0.3/13 = 76.92, its cube root
    # 4.2529; 0.6 · 0.4 · 2.6276/0.0038 · 4.2529 = 705.8 K
    assert lathe.edge_rise(1.0, force) == pytest.approx(705.8, abs=0.5)


def test_the_lathe_keeps_its_cutting_speed_as_the_bar_gets_thinner():
    _, scans = run(lathe, begun(lathe, diameter=80.0, tool=0.1), FULL, 170)
    for scan in scans[20:]:
        speed = math.pi * scan["workpiece_diameter"] * scan["spindle_speed"] / 1000.0
        assert speed == pytest.approx(lathe.CUTTING_SPEED, rel=0.03)
    diameters = [scan["workpiece_diameter"] for scan in scans]
    assert correlation(diameters[20:], [s["spindle_speed"] for s in scans[20:]]) < -0.95


def test_a_finished_bar_is_changed():
    _, scans = run(lathe, begun(lathe, diameter=41.0), FULL, 600)
    diameters = [scan["workpiece_diameter"] for scan in scans]
    assert min(diameters) >= lathe.FINISHED
    assert max(diameters) <= lathe.BAR
    changes = sum(b > a for a, b in pairwise(diameters))
    assert changes == 4  # about 190 s a bar, the first has 5 s left


def test_a_worn_edge_turns_rougher():
    means = []
    for tool in (0.0, 0.9):
        _, scans = run(lathe, begun(lathe, tool=tool), FULL, 30)
        means.append(fmean(scan["roughness"] for scan in scans))
    # f²/(32·r) = 0.09/25.6 mm = 3.52 um with a new edge
    assert means[0] == pytest.approx(3.55, abs=0.15)
    assert means[1] > 1.6 * means[0]


def test_the_lathe_spindle_warms_with_its_time_constant():
    state = begun(lathe, tool=1.0)
    power = lathe.power_of(Mode.RUN, lathe.cutting_force(1.0, 1.0))
    after, _ = run(lathe, state, FULL, 300)
    end = state.ambient + lathe.RESISTANCE * lathe.HEAT_SHARE * power
    follows(after.temperature, state.ambient, end, 300, lathe.TAU)


# Robot


def test_the_move_covers_its_angle():
    move = robot.motion(1.0)
    assert move.speed == pytest.approx(robot.FASTEST)
    # a third of the time at full speed, two at half of it in the mean
    assert move.speed * move.seconds * 2 / 3 == pytest.approx(robot.SWING)
    assert move.acceleration * move.seconds / 3 == pytest.approx(move.speed)


def test_the_angle_is_the_integral_of_the_speed():
    load, count = 0.7, 20_000
    seconds = 2 * (robot.motion(load).seconds + robot.GRIP)
    angle = 0.0
    for number in range(count):
        phase = number / count
        assert robot.place(phase, load)[0] == pytest.approx(angle, abs=0.05)
        angle += robot.place((number + 0.5) / count, load)[1] * seconds / count
    assert angle == pytest.approx(0.0, abs=0.01)


def test_torque_and_current_against_numbers_worked_by_hand():
    # t = 0.9 s: a = 4.5·1.6/0.81 = 8.889, J·a = 1066.7; 0.9 of 2.1 s in motion:
    # sqrt(400² + 0.42857·(2/3·1066.7² + 250²)) = sqrt(160000 + 325080 + 26786) = 715.5 N·m
    assert robot.torque(1.0, 0.0) == pytest.approx(715.5, abs=0.5)
    assert robot.current(1.0, 0.0) == pytest.approx(715.5 / (120 * 0.85 * 0.9), abs=0.01)


def test_the_windings_warm_with_the_square_of_the_current():
    state = begun(robot, wear=0.0)
    after, _ = run(robot, state, FULL, 900)
    heat = robot.WINDING * robot.current(1.0, 0.0) ** 2
    end = state.ambient + robot.RESISTANCE * heat
    # wear grows while it works, by 45 millionths in 900 s
    expected = end + (state.windings - end) * math.exp(-900 / robot.TAU)
    assert after.windings == pytest.approx(expected, abs=0.01)


def test_a_worn_gear_costs_current_and_precision():
    (_, new), (_, old) = (run(robot, begun(robot, wear=w), FULL, 60) for w in (0.0, 0.9))
    for metric in ("motor_current", "position_error", "power"):
        assert fmean(s[metric] for s in old) > 1.005 * fmean(s[metric] for s in new)


# Conveyor


def test_resistance_against_numbers_worked_by_hand():
    # 1.92·0.022·80·(14 + 24 + 45) = 280.5 kg; 9.81·(280.5 + 3·45) = 4075.8 N
    assert conveyor.resistance(45.0, 0.0) == pytest.approx(4075.8, abs=1)
    assert pytest.approx(1 / (math.exp(1.09956) - 1), rel=1e-4) == conveyor.GRIP


def test_what_comes_on_the_belt_spreads_over_the_time_of_passage():
    state = begun(conveyor, goods=0.0, speed=conveyor.SPEED)
    after, _ = run(conveyor, state, Drive(Mode.RUN, 0.8), 50)
    follows(after.goods, 0.0, 0.8 * conveyor.FULL_GOODS, 50, conveyor.PASSAGE_TAU)
    stopped, _ = run(conveyor, after, IDLE, 500)
    assert stopped.goods == after.goods
    assert stopped.speed == pytest.approx(0.0, abs=1e-6)


def test_what_lies_on_the_belt_sets_power_tension_and_throughput():
    rng, state, scans = Chance(1), begun(conveyor), []
    for number in range(3000):
        drive = Drive(Mode.RUN, 0.4 + 0.6 * (number // 150 % 2))
        state, scan = conveyor.step(state, drive, 1.0, rng)
        scans.append(scan)
    loads = [scan["belt_load"] for scan in scans[50:]]
    for metric in ("power", "belt_tension", "throughput", "motor_current"):
        assert correlation(loads, [scan[metric] for scan in scans[50:]]) > 0.95
    last = scans[-1]
    assert last["throughput"] == pytest.approx(
        3.6 * last["belt_speed"] * last["belt_load"], rel=0.06
    )


# Press


def test_blanking_against_numbers_worked_by_hand():
    assert press.force(0.0) == pytest.approx(2048.0)  # 1600 · 4 · 320 N
    assert press.stroke_work(0.0) == pytest.approx(4096 + 1500)  # 0.5 · 2048 kN · 4 mm
    # 60 a minute: 5.596 kW + windage 0.9, through 0.85, and 0.5
    assert press.power_of(Mode.RUN, 1.0, 0.0, 0.0) == pytest.approx(8.142, abs=0.001)


def test_the_flywheel_gives_the_work_of_a_stroke():
    """½·J·(w1² - w2²) = W, shown at half of it."""
    full = press.rotational_energy(press.FULL_SPEED)
    mean = press.rotational_energy(press.mean_speed(press.FULL_SPEED, 0.5))
    assert 2 * (full - mean) == pytest.approx(press.stroke_work(0.5))


def test_spinning_up_takes_the_flywheels_energy():
    rng, state, spent = Chance(2), begun(press), 0.0
    base = press.power_of(Mode.STANDBY, 0.0, 0.0, 0.0)
    for _ in range(600):
        before = state
        state, _ = press.step(state, IDLE, 0.1, rng)
        gained = press.rotational_energy(state.speed) - press.rotational_energy(before.speed)
        spun = press.power_of(Mode.STANDBY, 0.0, 0.0, gained / 0.1 / 1e3)
        spent += (spun - base) * 0.1 * press.EFFICIENCY * 1e3
    assert state.speed == pytest.approx(press.FULL_SPEED, abs=0.1)
    assert spent == pytest.approx(press.rotational_energy(state.speed), rel=1e-6)


def test_the_ram_goes_down_and_up_between_its_dead_centres():
    assert press.ram_position(0.0) == 0.0
    assert press.ram_position(0.5) == pytest.approx(2 * press.CRANK)
    ways = [press.ram_position(n / 200) for n in range(101)]
    assert ways == sorted(ways)


def test_a_die_wears_by_its_strokes_and_is_ground_when_the_press_waits():
    state, scans = run(press, begun(press, die=0.5), FULL, 30_100)
    assert scans[-1]["strokes"] == 30_100
    assert state.die == 1.0
    fresh, worn = (
        fmean(scan["burr_height"] for scan in part) for part in (scans[:50], scans[-50:])
    )
    assert worn == pytest.approx(fresh * 135.0 / 80.0, rel=0.05)
    waiting, _ = run(press, state, IDLE, 1)
    assert waiting.die == 0.0


# Packaging


@pytest.mark.parametrize("dt", [0.2, 1.0, 5.0])
def test_jaws_warm_in_closed_form_however_time_is_cut(dt):
    """Against a fine integration of C·dT/dt, with the heater at its limit at first."""
    state = begun(packaging, jaws=60.0)
    fine, h = 60.0, 0.01
    for _ in range(round(900 / h)):
        gain = packaging.heater(fine, on=True) - packaging.WALLS * (fine - state.ambient)
        fine += gain * h / packaging.CAPACITY
    after, _ = run(packaging, state, IDLE, 900, dt)
    assert after.jaws == pytest.approx(fine, abs=0.3)


def test_the_jaws_balance_in_the_end():
    state, _ = run(packaging, begun(packaging), FULL, 3000)
    lost = packaging.WALLS + packaging.PACK * state.rate / 60.0
    heating = packaging.heater(state.jaws, on=True)
    assert heating == pytest.approx(lost * (state.jaws - state.ambient), rel=1e-3)
    assert state.jaws < packaging.SETPOINT


def test_faster_packing_seals_colder():
    # 80 a minute: 0.1875 s; pi²·0.09·0.1875/(4·0.0144) = 2.8915; 4/pi·e^-2.8915 = 0.07066
    assert packaging.seal_temperature(165.0, 20.0, 80.0) == pytest.approx(154.75, abs=0.05)
    seals = [packaging.seal_temperature(165.0, 20.0, rate) for rate in (30, 50, 70, 80)]
    assert seals == sorted(seals, reverse=True)


def test_film_is_drawn_off_the_reel_until_it_is_changed():
    state = begun(packaging, rate=packaging.FULL_RATE, reel=packaging.REEL, packs=0.0)
    after, scans = run(packaging, state, FULL, 600)
    drawn = after.packs * packaging.PACK_LENGTH * packaging.FILM  # mm² of film, edge on
    assert math.pi * (state.reel - after.reel) == pytest.approx(drawn, rel=1e-6)
    assert fmean(s["film_tension"] for s in scans[-50:]) > fmean(
        s["film_tension"] for s in scans[:50]
    )
    empty, _ = run(packaging, after._replace(reel=packaging.CORE + 1), FULL, 2)
    assert empty.reel > 0.9 * packaging.REEL


# AGV


def test_the_batterys_current_gives_its_power():
    for power in (0.4, 0.05, -2.2):
        amperes = agv.current(0.7, power)
        volts = agv.open_circuit(0.7) - agv.SERIES * amperes
        assert volts * amperes == pytest.approx(power * 1e3)


def test_traction_against_numbers_worked_by_hand():
    # 0.02 · 650 · 9.81 · 1.6/0.75 = 272 W
    assert agv.traction(650.0, 1.6, 0.0, 0.0) == pytest.approx(0.2721, abs=1e-4)


def test_charge_taken_is_current_times_time():
    state = begun(agv, charge=0.8)
    after, scans = run(agv, state, Drive(Mode.RUN, 0.8), 1800)
    taken = sum(scan["battery_current"] for scan in scans) / agv.CHARGE
    assert state.charge - after.charge == pytest.approx(taken, rel=0.005)


def test_it_charges_standing_by_and_tapers_off():
    state, scans = run(agv, begun(agv, charge=0.5), IDLE, 3600)
    assert scans[0]["charger_power"] == pytest.approx(
        agv.CHARGER / agv.CHARGER_EFFICIENCY, rel=0.03
    )
    assert scans[-1]["charger_power"] < 0.3
    assert 0.95 < state.charge <= 1.0
    driving, _ = run(agv, state._replace(position=0.0), FULL, 60)
    assert driving.charge < state.charge


def test_it_charges_over_the_strip_at_the_end_of_its_route():
    _, scans = run(agv, begun(agv, charge=0.5, position=0.0), FULL, 900)
    for before, scan in pairwise(scans):
        assert (scan["charger_power"] > 0) == (before["position"] >= agv.STRIP)


def test_a_day_of_full_work_does_not_strand_it():
    state, _ = run(agv, begun(agv, charge=0.5), Drive(Mode.RUN, 0.85), 86_400, 2.0)
    assert state.charge > 0.3


def test_an_empty_battery_stops_it():
    state, scans = run(agv, begun(agv, charge=0.02, position=0.0), FULL, 1200)
    assert scans[-1]["position"] < agv.STRIP
    assert scans[-1]["speed"] < 0.1 < scans[1]["speed"]
    assert 0.0 <= state.charge < 0.02


def test_it_carries_its_payload_half_the_way():
    _, scans = run(agv, begun(agv, charge=1.0, wear=0.0), FULL, 900)
    loaded = [s["power"] for s in scans[30:] if s["payload"] > 0]
    empty = [s["power"] for s in scans[30:] if s["payload"] == 0]
    assert fmean(loaded) > 1.1 * fmean(empty)


# Cold store


def test_the_doorway_against_numbers_worked_by_hand():
    # 22 °C over -20 °C: densities 1.19617 and 1.39463 kg/m³; 43.23 + 20.12 - 1.5 = 61.85
    # kJ/kg; F_m = (2/2.0525)^1.5 = 0.96188;
    # 0.221·7.5·61.85·1.39463·sqrt(0.1423)·sqrt(29.43)·0.96188 = 281.4 kW
    assert cold_store.door_heat(22.0, -20.0) == pytest.approx(281.4e3, rel=1e-3)
    assert cold_store.door_heat(-20.0, -20.0) == 0.0


def test_the_store_balances_its_heat_in_the_end():
    """What the coil draws is what comes through walls, door and fans."""
    state = begun(cold_store, frost=0.0)
    drive = Drive(Mode.RUN, 0.3)
    for _ in range(60):
        state = cold_store.passed(state, drive, 3600.0)._replace(frost=0.0)
    door = cold_store.CURTAIN * cold_store.opening(0.3)
    door *= cold_store.door_heat(state.ambient, state.air) * (1 - cold_store.MOISTURE_SHARE)
    coming = cold_store.WALLS * (state.ambient - state.air) + door + cold_store.FANS
    assert cold_store.cooling(state, Mode.RUN) == pytest.approx(coming, rel=0.01)
    assert state.goods == pytest.approx(state.air, abs=0.1)


def test_the_air_answers_with_its_time_constant():
    """Closed door, goods as cold as they were: C·dT/dt is linear in T."""
    state = begun(cold_store, ambient=20.0, air=-21.0, goods=-20.0, frost=0.0)
    conductance = cold_store.GAIN + cold_store.EXCHANGE + cold_store.WALLS
    driven = cold_store.GAIN * cold_store.SETPOINT + cold_store.EXCHANGE * -20.0
    end = (driven + cold_store.WALLS * 20.0 + cold_store.FANS) / conductance
    for _ in range(200):
        state = cold_store.passed(state, IDLE, 0.5)
    tau = cold_store.AIR / conductance
    assert state.air == pytest.approx(end + (-21.0 - end) * math.exp(-100 / tau), abs=0.01)


def test_a_full_coil_is_thawed_by_its_heaters():
    # 12 kg · 0.4 MJ/kg / (0.5 · 9 kW) = 1067 s
    state, drive = begun(cold_store, frost=1.0, defrosting=1.0), IDLE
    seconds = 0
    while state.defrosting:
        state = cold_store.passed(state, drive, 1.0)
        seconds += 1
    assert seconds == pytest.approx(1067, abs=3)
    warm = state.air
    state, _ = run(cold_store, state, drive, 1800)
    assert state.air < warm


def test_frost_costs_efficiency():
    clean, full = (begun(cold_store, frost=frost) for frost in (0.0, 0.9))
    drawn = 10_000.0
    assert cold_store.power_of(full, Mode.RUN, drawn) > 1.04 * cold_store.power_of(
        clean, Mode.RUN, drawn
    )


def test_a_store_that_is_switched_off_warms():
    state = begun(cold_store)
    after, scans = run(cold_store, state, OFF, 7200, 10.0)
    assert after.air > state.air + 1
    assert max(scan["power"] for scan in scans) < 0.2


# Energy meter


def metered(power, seconds, **changes):
    drive = Drive(Mode.RUN, 0.5, Surroundings(power, 400.0))
    return run(energy_meter, begun(energy_meter, **changes), drive, seconds)


def test_the_power_triangle():
    _, scans = metered(120.0, 300)
    for scan in scans:
        apparent = math.hypot(scan["power"], scan["reactive_power"])
        assert apparent == pytest.approx(scan["apparent_power"], rel=0.01)
        assert scan["power_factor"] == pytest.approx(scan["power"] / apparent, abs=0.01)
        current = scan["apparent_power"] * 1e3 / 3 / scan["voltage"]
        assert scan["current"] == pytest.approx(current, rel=0.015)


def test_energy_is_the_integral_of_power():
    state, _ = metered(90.0, 3600, energy=1000.0)
    assert state.energy == pytest.approx(1090.0, abs=1e-6)


def test_the_demand_has_nine_tenths_after_fifteen_minutes():
    state, _ = metered(200.0, 900, demand=0.0)
    assert state.demand == pytest.approx(180.0, abs=1e-4)


def test_the_power_factor_falls_with_the_load():
    state, high = metered(300.0, 60)
    low = run(energy_meter, state, Drive(Mode.RUN, 0.5, Surroundings(60.0, 400.0)), 60)[1]
    assert low[-1]["power_factor"] < 0.6
    assert high[-1]["power_factor"] > 0.8


def test_a_meter_within_its_class():
    _, scans = metered(150.0, 3000)
    assert all(abs(scan["power"] - 150.0) <= 0.005 * 150.0 * 1.06 for scan in scans)


def test_a_meter_that_sees_nobody_reads_its_feeders_own_demand():
    _, scans = run(energy_meter, begun(energy_meter), Drive(Mode.RUN, 0.5), 30)
    mean = fmean(scan["power"] for scan in scans)
    assert mean == pytest.approx(0.4 * energy_meter.ALONE, rel=0.01)


def test_the_grid_wanders_within_its_standard():
    _, scans = metered(150.0, 20_000)
    assert all(207.0 <= scan["voltage"] <= 253.0 for scan in scans)
    assert all(49.5 <= scan["frequency"] <= 50.5 for scan in scans)
    assert max(s["frequency"] for s in scans) - min(s["frequency"] for s in scans) > 0.05


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_step_of_no_particular_length_keeps_the_physics_sane(kind):
    """Steps from a tenth of a second to a minute stay within the ranges that birth declares."""
    rng, state = Chance(8), kind.begin(Chance(8))
    for number in range(400):
        dt = (0.1, 1.0, 7.3, 60.0)[number % 4]
        mode = (Mode.RUN, Mode.RUN, Mode.STANDBY, Mode.RUN, Mode.OFF)[number // 40 % 5]
        state, scan = kind.step(state, Drive(mode, number % 11 / 10.0), dt, rng)
        for name, value in scan.items():
            metric = kind.metrics[name]
            assert metric.low <= value <= metric.high, (name, value, dt)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_week_end_off_and_a_start_stay_within_the_ranges(kind):
    """Cold machines, then hard work at once."""
    rng, state = Chance(8), kind.begin(Chance(8))
    for drive, count, dt in ((OFF, 250, 900.0), (IDLE, 60, 1.0), (FULL, 3600, 1.0)):
        for _ in range(count):
            state, scan = kind.step(state, drive, dt, rng)
            for name, value in scan.items():
                metric = kind.metrics[name]
                assert metric.low <= value <= metric.high, (name, value, drive)
