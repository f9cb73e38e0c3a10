"""The default plant."""

import pytest

from simulator.errors import BadScenario
from simulator.machines import KINDS
from simulator.plant import build_plant
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
