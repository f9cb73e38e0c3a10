"""Process faults: in the machine's state, so that the physics bring the rest."""

import pytest

from simulator.faults.grammar import read_fault
from simulator.faults.schedule import schedule
from simulator.machines import KINDS

BEFORE, START, END = 99, 100, 250


def working(found, metric="load"):
    """The beats within the interval at which the machine works."""
    return [(well, ill) for s, well, ill in found if START + 1 <= s < END and well[metric] > 30]


@pytest.fixture(scope="module")
def befallen(twins, machine):
    """The beats of a mill with a fault, equal up to its start."""

    def run(fault, kind="mill", seconds=400):
        text, _, fields = fault.partition(",")
        line = f"{text}:{kind}-01@{START}+{END - START}" + (f",{fields}" if fields else "")
        found = twins(machine(kind), line, seconds=seconds)
        assert all(well == ill for s, well, ill in found if s < START)
        assert any(well != ill for s, well, ill in found if START <= s < END)
        return found

    return run


VIBRATION = {"vibration", "vibration_bpfo", "vibration_bpfi", "vibration_bsf", "vibration_ftf"}


def test_bearing_wear_grows_at_the_bearing_frequencies_and_ends(befallen):
    found = befallen("bearing-wear")
    for second, well, ill in found:
        changed = {name for name in well if well[name] != ill[name]}
        assert changed <= VIBRATION
        assert START <= second < END or not changed
    ratio = [
        (second, ill["vibration_bpfo"] / well["vibration_bpfo"])
        for second, well, ill in found
        if START <= second < END and well["vibration_bpfo"] > 0.1
    ]
    first = [value for second, value in ratio if second < START + 30]
    last = [value for second, value in ratio if second >= END - 30]
    assert sum(last) / len(last) > 1.5 * sum(first) / len(first)
    # Inner race and cage grow with higher powers of wear (Randall and Antoni).
    well, ill = working(found)[-1]
    growth = {name: ill[name] / well[name] for name in VIBRATION if well[name]}
    assert growth["vibration_ftf"] > growth["vibration_bpfi"] > growth["vibration_bpfo"] > 1.2


def test_more_wear_than_worn_out_there_is_not(scans, machine):
    faults = ["bearing-wear:mill-01@0+10,by=1,ramp=1"] * 2
    assert max(readings["vibration_bpfo"] for *_, readings in scans(machine("mill"), *faults)) < 3.0


def test_a_coolant_leak_heats_with_the_time_constant_and_goes_as_it_came(befallen):
    found = befallen("coolant-leak,by=0.6", seconds=1200)
    excess = {s: ill["spindle_temperature"] - well["spindle_temperature"] for s, well, ill in found}
    assert excess[START + 20] < excess[START + 80] < excess[END - 1]
    assert excess[END - 1] > 8
    assert excess[END + 120] < 0.6 * excess[END - 1]
    assert abs(excess[1199]) < 0.1
    for _, well, ill in found:
        assert {name for name in well if well[name] != ill[name]} <= {"spindle_temperature"}


@pytest.mark.parametrize(
    ("kind", "metric", "sign"),
    [
        ("lathe", "tool_temperature", 1),
        ("moulding", "mould_temperature", 1),
        ("compressor", "oil_temperature", 1),
        ("chiller", "supply_temperature", 1),
        ("chiller", "cooling", -1),
    ],
)
def test_every_kind_with_coolant_suffers_and_stays_within_its_ranges(befallen, kind, metric, sign):
    found = befallen("coolant-leak,by=0.9", kind)
    late = [(well, ill) for s, well, ill in found if END - 60 <= s < END and well["load"] > 30]
    assert late
    assert all(sign * (ill[metric] - well[metric]) > 0 for well, ill in late)
    for _, _, ill in found:
        for name, value in ill.items():
            assert KINDS[kind].metrics[name].low <= value <= KINDS[kind].metrics[name].high, name


@pytest.mark.parametrize("kind", ["mill", "lathe"])
def test_a_broken_tool_cuts_nothing_and_shakes(befallen, kind):
    found = befallen("tool-breakage", kind)
    for well, ill in working(found):
        assert ill["cutting_force"] == 0 < well["cutting_force"]
        assert ill["power"] < 0.5 * well["power"]
        assert ill["vibration"] > 1.3 * well["vibration"]
    again = [(well, ill) for s, well, ill in found if s > END and well["load"] > 30]
    assert all(ill["cutting_force"] > 0 for _, ill in again)


def test_parts_made_with_a_broken_tool_are_scrap():
    from simulator.faults.afflicted import Afflicted
    from simulator.offline import START as BEGIN
    from simulator.scenario_file import read_scenario
    from simulator.scenario_plant import plant_of

    text = """
machines: [{kind: mill, area: a, line: b, rate: 1200, between_stops: 0, scrap: 0, worn_scrap: 0}]
"""
    (machine,) = plant_of(read_scenario(text, "plant.yaml"), 1)
    occurrences = schedule([read_fault("tool-breakage:mill-01@100+100")], [machine])
    running = Afflicted(machine.start(BEGIN), occurrences, BEGIN)
    counts = [running.step(1.0, BEGIN + s * 1_000_000).readings for s in range(300)]
    made = {s: (counts[s]["parts_good"], counts[s]["parts_scrap"]) for s in (99, 199, 299)}
    assert made[99][0] > 0 == made[99][1]
    assert made[199][0] == made[99][0]
    assert made[199][1] > 10
    assert made[299][0] > made[199][0]
    assert made[299][1] == made[199][1]


def test_a_power_sag_takes_the_square_of_the_voltage(befallen):
    found = befallen("power-sag,by=0.3")
    for well, ill in working(found):
        assert ill["load"] == pytest.approx(0.49 * well["load"], abs=0.11)
        assert ill["power"] < well["power"]
    assert all(well["load"] == ill["load"] for s, well, ill in found if s >= END)


def test_what_a_fault_needs_is_in_the_state_of_some_kinds_alone(machine):
    from simulator.errors import BadScenario

    with pytest.raises(BadScenario, match=r"agv cannot have this fault; allowed: lathe, mill$"):
        schedule([read_fault("tool-breakage:agv-01@0+1")], [machine("agv")])
    everyone = [machine(kind) for kind in ("mill", "moulding", "compressor", "chiller", "agv")]
    found = schedule([read_fault("coolant-leak:*@0+1")], everyone)
    assert [one.device for one in found] == [
        "mill-01", "moulding-01", "compressor-01", "chiller-01",
    ]  # fmt: skip


def test_faults_of_one_part_end_each_for_itself(twins, machine):
    faults = ["bearing-wear:mill-01@50+100,by=0.3", "bearing-wear:mill-01@100+100,by=0.3"]
    found = twins(machine("mill"), *faults, seconds=260)
    band = {s: (well["vibration_bpfo"], ill["vibration_bpfo"]) for s, well, ill in found}
    assert all(band[s][0] == band[s][1] for s in band if not 50 <= s < 200)
    assert band[149][1] > band[149][0] + 0.5
    for second in range(150, 200):
        well, ill = band[second]
        assert well == 0 or 1.2 * well < ill < well + 2.2 * 0.31
