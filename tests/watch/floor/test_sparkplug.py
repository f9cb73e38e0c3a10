"""Sparkplug on the floor: what a simulated line says, by births, data and deaths."""

import pytest

from factoryledger.cli import run
from telemetry.header import NAME
from telemetry.recording import read
from watch.floor.floor import Floor

PLANT = """
enterprise: works
site: north
language: sparkplug
lines:
  - {name: packing, area: hall, machines: [{kind: robot}, {kind: conveyor}]}
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sparkplug")
    (folder / "plant.yaml").write_text(PLANT)
    made = ["--scenario", folder / "plant.yaml", "--duration", 30, "--out", folder / "r.jsonl"]
    assert int(run(["simulate", *map(str, made)])) == 0
    with (folder / "r.jsonl").open("rb") as file:
        return [line for _, line in read(file, "r.jsonl")]


def heard(floor, lines):
    for line in lines:
        header = dict(line.properties.user_properties).get(NAME, "").encode()
        floor.hear(line.topic, line.payload, line.received, header=header)


def test_devices_are_machines_with_places_ranges_states_and_readings(lines):
    floor = Floor()
    heard(floor, lines)
    robot = floor.machines["robot-01"]

    assert (robot.topic.enterprise, robot.topic.site) == ("works", "north")
    assert (robot.topic.area, robot.topic.line) == ("hall", "packing")
    assert robot.signature == "signed"
    assert robot.session
    assert robot.seq > 5
    assert robot.metrics["power"].unit == "kW"
    assert robot.state == "Execute"
    assert {name for scan in robot.scans for name in scan.names} >= {"power"}
    assert "State/Number" not in {name for scan in robot.scans for name in scan.names}
    assert [alarm.kind for alarm in robot.board.lasting] == []


def test_a_nodes_death_is_its_devices(lines):
    floor = Floor()
    heard(floor, lines)
    floor.hear("spBv1.0/works/NDEATH/north_hall_packing", b"\x08\x01", 5)
    assert {machine.state for machine in floor.machines.values()} == {"Offline"}


def test_data_before_a_birth_show_a_machine_and_nothing_more(lines):
    floor = Floor()
    heard(floor, [line for line in lines if "/DDATA/" in line.topic])
    robot = floor.machines["robot-01"]
    assert (robot.signature, robot.state, len(robot.scans)) == ("signed", None, 0)


@pytest.mark.parametrize("payload", [b"\xff" * 40, b"\x12\xff", b"\x08", b"x" * 300_000])
def test_nonsense_never_fails(payload):
    floor = Floor()
    for kind in ("DBIRTH", "DDATA", "DDEATH", "NDEATH", "NBIRTH", "NCMD"):
        floor.hear(f"spBv1.0/works/{kind}/node/robot-01", payload, 5, header=b"{nonsense")
        floor.hear(f"spBv1.0/works/{kind}/node", payload, 5)
    floor.hear("spBv1.0/", payload, 5)
    assert set(floor.machines) == {"robot-01"}
