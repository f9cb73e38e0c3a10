"""Who observes whom: an energy meter reads what the machines around it draw."""

import math
from dataclasses import replace

import pytest

from simulator.machine import Machine, look_around
from simulator.machines import KINDS, energy_meter
from simulator.plant import build_plant
from telemetry.topic import MachineTopic


def machine(kind, number, area="hall", line="line-1", site="north"):
    name = f"{kind}-{number:02d}"
    return Machine(MachineTopic("", "works", site, area, line, name, "telemetry"), kind, 5)


METER = machine("energy-meter", 1)
MILLS = [machine("mill", 1), machine("lathe", 1)]


def round_of(running):
    """Step each once; readings by name."""
    return {one.machine.name: one.step(1.0).readings for one in running}


def read(machines, rounds=60):
    """What each says in the last round, observers looking around."""
    running = [one.start() for one in machines]
    look_around(running)
    for _ in range(rounds):
        scans = round_of(running)
    return scans


def drawn(scans, *names):
    return math.fsum(scans[name]["power"] for name in names)


def test_a_meter_reads_the_sum_of_its_line():
    elsewhere = [machine("press", 1, line="line-2"), machine("press", 2, area="yard")]
    scans = read([*MILLS, *elsewhere, METER])
    meter = scans["energy-meter-01"]["power"]
    assert meter == pytest.approx(drawn(scans, "mill-01", "lathe-01"), rel=0.006)


def test_its_feeder_is_rated_for_all_that_stands_on_it():
    scans = read([*MILLS, METER])
    capacity = KINDS["mill"].metrics["power"].high + KINDS["lathe"].metrics["power"].high
    rated = capacity / energy_meter.UTILISATION
    meter = scans["energy-meter-01"]
    assert meter["load"] == pytest.approx(100 * meter["apparent_power"] / rated, rel=0.01)


def test_alone_on_its_line_it_reads_its_area_and_else_its_site():
    area = [machine("mill", 1, line="a"), machine("press", 1, line="b")]
    scans = read([*area, machine("chiller", 1, area="roof"), METER])
    meter = scans["energy-meter-01"]["power"]
    assert meter == pytest.approx(drawn(scans, "mill-01", "press-01"), rel=0.006)
    far = [machine("mill", 1, area="a"), machine("press", 1, area="b")]
    scans = read([*far, machine("chiller", 1, area="a", site="south"), METER])
    meter = scans["energy-meter-01"]["power"]
    assert meter == pytest.approx(drawn(scans, "mill-01", "press-01"), rel=0.006)


def test_meters_do_not_count_each_other():
    scans = read([*MILLS, METER, machine("energy-meter", 2)])
    first, second = scans["energy-meter-01"]["power"], scans["energy-meter-02"]["power"]
    assert first == pytest.approx(second, rel=0.011)


def test_a_vehicle_counts_with_what_its_charger_takes():
    running = [one.start() for one in (machine("agv", 1), METER)]
    look_around(running)
    seen = set()
    for _ in range(900):
        scans = round_of(running)
        charger = scans["agv-01"]["charger_power"]
        assert scans["energy-meter-01"]["power"] == pytest.approx(charger, rel=0.006, abs=1e-3)
        seen.add(charger > 0)
    assert seen == {True, False}


def test_a_meter_that_stands_first_reads_what_the_others_last_drew():
    running = [one.start() for one in (METER, *MILLS)]
    look_around(running)
    assert round_of(running)["energy-meter-01"]["power"] == 0.0
    before = round_of(running)
    after = round_of(running)["energy-meter-01"]["power"]
    assert after == pytest.approx(drawn(before, "mill-01", "lathe-01"), rel=0.006)


def test_the_others_say_the_same_with_and_without_a_meter():
    with_meter, without = read([*MILLS, METER]), read(MILLS)
    assert {name: with_meter[name] for name in without} == without


def test_the_order_of_what_is_summed_does_not_matter():
    several = [machine("mill", n) for n in range(1, 8)]
    forward, backward = read([*several, METER]), read([*reversed(several), METER])
    assert forward["energy-meter-01"] == backward["energy-meter-01"]


def test_the_default_plants_meters_have_something_to_measure():
    plant = build_plant(100, 1)
    meters = [one for one in plant if one.kind == "energy-meter"]
    lines = {replace(one.topic, machine="") for one in plant if one.kind != "energy-meter"}
    assert len(meters) == 5
    assert all(replace(meter.topic, machine="") in lines for meter in meters)
