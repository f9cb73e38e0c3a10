"""docs/scenarios.md: every example is a good scenario, every name there is one of ours."""

import re
from pathlib import Path

import pytest

from simulator.scenario_file import load_scenario, read_scenario, shipped
from simulator.scenario_plant import plant_of

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=[text.split(":")[0] for text in EXAMPLES])
def test_an_example_is_a_good_scenario(text):
    assert plant_of(read_scenario(text, "example.yaml"))


def test_there_is_an_example_of_every_field_of_a_scenario():
    fields = {"lines", "machines", "shifts", "faults", "start", "seed", "orders", "breaks"}
    assert fields <= set(re.findall(r"(\w+):", "".join(EXAMPLES)))


def test_the_shipped_scenarios_are_listed_with_their_sizes():
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| ([0-9,]+) \|", PAGE, re.MULTILINE))
    assert listed == {name: f"{load_scenario(name).size:,}" for name in shipped()}


def test_the_events_and_readings_of_work_are_listed():
    from simulator.machine import start_plant

    machines = plant_of(load_scenario("workshop"))
    begin = load_scenario("workshop").begin
    running = start_plant(machines, begin)
    told = set()
    for second in range(0, 40_000, 20):
        for machine in running:
            scan = machine.step(20.0, begin + second * 1_000_000)
            told |= {content["name"] for kind, content in scan.told if kind == "event"}
    added = {name for m in machines for name in m.metrics} - {
        name for m in machines for name in type(m)(m.topic, m.kind, 1).metrics
    }
    assert told >= {"order-started", "order-finished", "shift-ended", "break-started"}
    for name in told | added:
        assert f"`{name}`" in PAGE, name
