"""Scenario files: what they may say, what comes of it, and every way to be wrong."""

import importlib.util
from pathlib import Path

import pytest

from simulator.errors import BadScenario
from simulator.faults.schedule import schedule
from simulator.machines import KINDS
from simulator.scenario_file import load_scenario, read_scenario, shipped
from simulator.scenario_plant import plant_of

GOOD = """
seed: 9
enterprise: acme
shifts:
  - {name: early, start: 06:00, end: 14:00, breaks: [{start: 09:00, lasts: 15m}]}
  - {name: night, start: 22:00, end: 06:00, days: [mon, tue]}
lines:
  - name: cell
    area: hall-1
    count: 2
    buffer: 5
    machines:
      - {kind: mill, rate: 60, count: 2}
      - {kind: furnace, name: oven, buffer: 7}
    orders:
      - {id: po, product: bracket, quantity: 10, due: 1h30m, repeat: 3}
machines:
  - {kind: moulding, name: press-a, area: hall-2, line: line-9, shifts: [early]}
  - {kind: chiller, area: utilities, line: water, site: south, count: 3, shifts: []}
faults:
  - {fault: bias, machine: mill-*, start: 10m, lasts: 90, metric: power, by: 2.5}
"""


def plant(text=GOOD, seed=1):
    return plant_of(read_scenario(text, "plant.yaml"), seed)


def test_machines_stand_where_the_scenario_says():
    topics = [str(machine.topic) for machine in plant()]
    assert topics == [
        "acme/north/hall-1/cell-01/mill-01/telemetry",
        "acme/north/hall-1/cell-01/mill-02/telemetry",
        "acme/north/hall-1/cell-01/oven-01/telemetry",
        "acme/north/hall-1/cell-02/mill-03/telemetry",
        "acme/north/hall-1/cell-02/mill-04/telemetry",
        "acme/north/hall-1/cell-02/oven-02/telemetry",
        "acme/north/hall-2/line-9/press-a/telemetry",
        "acme/south/utilities/water/chiller-01/telemetry",
        "acme/south/utilities/water/chiller-02/telemetry",
        "acme/south/utilities/water/chiller-03/telemetry",
    ]


def test_jobs_carry_line_place_pace_and_shifts():
    machines = {machine.name: machine for machine in plant()}
    first, oven = machines["mill-01"].job, machines["oven-01"].job
    assert first.line is oven.line
    assert first.line.machines == ("mill-01", "mill-02", "oven-01")
    assert first.line.buffers == (5, 5)
    assert (first.position, oven.position) == (0, 2)
    assert first.pace.cycle == 60_000
    (order,) = first.line.orders
    assert (order.quantity, order.due, order.repeat) == (10, 5_400_000, 3)
    assert [shift.name for shift in first.shifts] == ["early", "night"]
    assert [shift.name for shift in machines["press-a"].job.shifts] == ["early"]
    assert machines["chiller-01"].job.shifts == ()
    assert machines["chiller-01"].job.pace.cycle == 0


def test_a_seed_that_is_given_wins_over_the_scenarios():
    assert {machine.seed for machine in plant(seed=5)} == {5}
    assert {machine.seed for machine in plant(seed=None)} == {9}
    assert {machine.seed for machine in plant(GOOD.replace("seed: 9\n", ""), seed=None)} == {1}


WRONG = [
    ("kind: moulding", "kind: kettle", r":18: machines\.0\.kind: .*allowed: .*chiller, .*'kettle'"),
    ("name: press-a", "name: Press A", r":18: machines\.0\.name: allowed: .*'Press A'"),
    ("area: hall-2", "area: a/b", r":18: machines\.0\.area: .*'a/b'"),
    ("line: line-9, ", "", r":18: machines\.0\.line: is not there"),
    ("seed: 9", "seed: nine", r":2: seed: .*'nine'"),
    ("seed: 9", "seed: -1", r":2: seed: .*greater than or equal to 0, not -1"),
    ("enterprise: acme", "enterprize: acme", r":3: enterprize: .*did you mean enterprise\?\); all"),
    ("count: 2\n", "count: 0\n", r":10: lines\.0\.count: .*equal to 1, not 0"),
    ("count: 2\n", "count: 60000\n", r"scenario: \d+ machines; allowed: at most 100000"),
    ("rate: 60", "rate: 0", r":13: lines\.0\.machines\.0\.rate: .*greater than 0, not 0"),
    ("rate: 60", "demand: [0.9, 0.2]", r":13: lines\.0\.machines\.0\.demand: .*allowed: the small"),
    ("rate: 60", "scrap: 1.5", r":13: .*scrap: .*less than or equal to 1, not 1\.5"),
    ("buffer: 7", "bufer: 7", r":14: .*bufer: .*did you mean buffer\?"),
    ("quantity: 10", "quantity: 2.5", r":16: lines\.0\.orders\.0\.quantity: .*integer.* not 2\.5"),
    ("due: 1h30m", "due: soon", r":16: .*due: .*'90s', '15m'.* not 'soon'"),
    ("start: 06:00", "start: 6:00", r":5: shifts\.0\.start: .*'00:00' to '24:00'.*'6:00'"),
    ("days: [mon, tue]", "days: [mon, tues]", r":6: shifts\.1\.days\.1: allowed: 'mon', 'tue',"),
    ("end: 14:00", "end: 22:30", r":6: shifts\.1: night begins before early ends; allowed: one"),
    ("start: 09:00", "start: 13:50", r":5: shifts\.0\.breaks\.0: a break outside .* allowed: "),
    ("shifts: [early]", "shifts: [late]", r":18: machines\.0\.shifts\.0: .*allowed: early, night"),
    ("name: night", "name: early", r":6: shifts\.1\.name: shift 'early' is there twice"),
    ("name: press-a", "name: mill-03", r":18: machines\.0: machine 'mill-03' is there twice"),
    (
        "fault: bias",
        "fault: gremlin",
        r":21: faults\.0\.fault: allowed: .*'bias'.*'gr",
    ),
    ("fault: bias, ", "", r":21: faults\.0\.fault: "),
    ("by: 2.5", "by: high", r":21: faults\.0\.by: .*valid number.*'high'"),
    (
        "metric: power",
        "metric: pover",
        r":21: faults\.0\.metric: no metric 'pover'; allowed: .*cutting_force, .*",
    ),
    ("lasts: 90, ", "lasts: 0, ", r":21: faults\.0\.lasts: "),
    ("kind: furnace", "kind: chiller", r":14: .*kind: a chiller makes no parts; allowed: .*lathe"),
    ("machine: mill-*", "machine: lathe-1", r":21: faults\.0\.machine: .*allowed: chiller-01, .*"),
    ("seed: 9", "seed: 9\nseed: 8", r":3: found duplicate key"),
    ("seed: 9", "seed: [9", r":\d+: "),
    ("seed: 9", "seed: !!python/object:os.system {}", r":2: could not determine a constructor"),
    ("seed: 9", "seed: \x07", r"plant\.yaml:2: the character #x0007; allowed: YAML"),
    ("seed: 9", "start: 2026-02-30T06:00:00Z", r"plant\.yaml:2: day is out of range"),
    ("seed: 9", "seed: " + "9" * 5000, r"plant\.yaml:2: Exceeds the limit"),
    ("seed: 9", "start: 1969-12-31T23:59:59Z", r":2: start: .*allowed: 1970 to 8999, not 1969-"),
    ("seed: 9", "start: 9999-12-31T23:59:59-05:00", r":2: start: .*allowed: 1970 to 8999"),
    ("seed: 9", "start: 2026-01-05T06:00:00", r":2: start: .*timezone.*, not 2026-01-05T06:00:00$"),
    ("rate: 60", "demand: [0.5]", r":13: lines\.0\.machines\.0\.demand: has too few values$"),
    (
        "machines:\n  - {kind: moulding",
        "  - {name: cell, area: hall-1, machines: [{kind: mill}]}\nmachines:\n  - {kind: moulding",
        r":17: lines\.1\.name: line 'cell' of area 'hall-1' is there twice; allowed: .*count",
    ),
    ("seed: 9", "--- 3", r"plant.yaml:\d+: "),
]


@pytest.mark.parametrize(("good", "bad", "said"), WRONG, ids=[bad for _, bad, _ in WRONG])
def test_what_is_wrong_is_named_with_file_line_field_and_what_is_allowed(good, bad, said):
    assert GOOD.count(good) >= 1
    with pytest.raises(BadScenario, match=r"^plant\.yaml") as caught:
        plant(GOOD.replace(good, bad, 1))
    assert caught.match(said)


@pytest.mark.parametrize("text", ["", "3", "[]", "machines: []", "faults: &a [*a]"])
def test_a_file_that_is_no_plant(text):
    with pytest.raises(BadScenario, match=r"^plant\.yaml:1: "):
        plant(text)


def test_all_problems_are_told_at_once():
    wrong = GOOD.replace("seed: 9", "seed: x").replace("kind: moulding", "kind: y")
    with pytest.raises(BadScenario, match=r":2: seed: .*; plant\.yaml:18: machines\.0\.kind: "):
        plant(wrong)


def test_what_follows_from_a_problem_is_not_told_too():
    """A list whose only member is wrong is not also empty; three overlaps are one."""
    alone = "machines:\n  - {kind: mill, area: a, line: b, scrap: 2}\n"
    with pytest.raises(BadScenario, match=r"^[^;]*machines\.0\.scrap: [^;]*$"):
        plant(alone)
    shifts = ["{name: a, start: 06:00, end: 14:00}", "{name: b, start: 13:00, end: 20:00}"]
    week = "shifts:\n" + "".join(f"  - {shift}\n" for shift in shifts)
    with pytest.raises(BadScenario, match=r"^plant\.yaml:3: shifts\.1: [^;]*; allowed: [^;]*$"):
        plant(week + alone.replace("scrap: 2", "scrap: 0"))


def test_a_scenario_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(BadScenario, match=r"nowhere.*allowed: .*workshop"):
        load_scenario(tmp_path / "nowhere.yaml")


def test_a_scenario_that_is_no_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadScenario, match=r"a\.yaml: .*UTF-8"):
        load_scenario(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_scenario_is_good_and_its_machines_run(name):
    machines = plant_of(load_scenario(name), 1)
    assert len({machine.name for machine in machines}) == len(machines)
    for kind in {machine.kind for machine in machines}:
        first = next(machine for machine in machines if machine.kind == kind)
        assert first.start().step(1.0).readings.keys() >= KINDS[kind].metrics.keys()


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_scenario_has_faults_of_all_sorts_but_not_at_once(name):
    """The first ten minutes are good, to learn from; all begin on the first day's early shift."""
    scenario = load_scenario(name)
    found = schedule(scenario.faults, plant_of(scenario))
    assert {one.spec.group for one in found} >= {"sensor", "process", "network"}
    assert all(600_000 <= one.start < 8 * 3_600_000 for one in found)
    labelled = sum(one.end - one.start for one in found)
    assert labelled < 0.05 * scenario.size * 86_400_000


def test_the_schema_for_editors_is_that_of_the_models():
    spec = importlib.util.spec_from_file_location(
        "scenario_schema", Path(__file__).with_name("scenario_schema.py")
    )
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.PAGE.read_text() == page.render(), "run `make docs`"
