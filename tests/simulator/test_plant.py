"""The default plant and scenario files."""

import pytest

from simulator.errors import BadScenario
from simulator.machines import KINDS
from simulator.plant import build_plant, load_scenario
from telemetry.topic import MachineTopic


def test_twenty_machines_of_every_kind_under_isa_95_names():
    plant = build_plant(20, 1)
    assert len({machine.name for machine in plant}) == 20
    assert {machine.kind for machine in plant} == set(KINDS)
    for machine in plant:
        assert machine.name.startswith(machine.kind + "-")
        assert MachineTopic.parse(machine.topic.unprefixed) == machine.topic
        assert machine.topic.enterprise == "example-works"


def test_a_machine_keeps_name_and_place_whatever_the_count():
    assert build_plant(7, 3) == build_plant(300, 3)[:7]
    assert len({machine.name for machine in build_plant(300, 3)}) == 300


def test_three_machines_are_of_three_kinds():
    assert len({machine.kind for machine in build_plant(3, 0)}) == 3


def test_no_plant_without_machines():
    with pytest.raises(BadScenario, match="at least 1"):
        build_plant(0, 1)


TOML = """
enterprise = "acme"
[[machines]]
name = "press-a"
kind = "moulding"
area = "hall-2"
line = "line-9"
[[machines]]
name = "oven"
kind = "furnace"
site = "south"
area = "hall-1"
line = "line-1"
"""


def test_a_toml_scenario(tmp_path):
    path = tmp_path / "plant.toml"
    path.write_text(TOML)
    press, oven = load_scenario(path).plant(seed=5)
    assert str(press.topic) == "acme/north/hall-2/line-9/press-a/telemetry"
    assert str(oven.topic) == "acme/south/hall-1/line-1/oven/telemetry"
    assert (press.kind, press.seed, oven.kind) == ("moulding", 5, "furnace")
    assert press.start().step(1.0).readings.keys() == KINDS["moulding"].metrics.keys()


def test_a_json_scenario_with_a_seed_of_its_own(tmp_path):
    path = tmp_path / "plant.json"
    path.write_text('{"seed": 9, "machines": [{"name":"m","kind":"mill","area":"a","line":"l"}]}')
    (machine,) = load_scenario(path).plant(seed=5)
    assert machine.seed == 9


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("machines = []", "machines"),
        (TOML.replace("furnace", "kettle"), "no kind 'kettle'"),
        (TOML.replace("oven", "press-a"), "named twice: press-a"),
        (TOML.replace("press-a", "Press A"), r"machines\.0\.name"),
        (TOML.replace("hall-2", "a/b"), r"machines\.0\.area"),
        (TOML + "colour = 1", "colour"),
        ("machines = [", "TOML or JSON"),
    ],
)
def test_a_bad_scenario_is_named_with_its_reason(tmp_path, text, reason):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(BadScenario, match=reason) as caught:
        load_scenario(path)
    assert str(path) in str(caught.value)


def test_a_scenario_that_is_not_there(tmp_path):
    with pytest.raises(BadScenario, match="nowhere"):
        load_scenario(tmp_path / "nowhere.toml")
