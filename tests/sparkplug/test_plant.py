"""Where Sparkplug comes into a plant: scenarios, edge nodes, recordings, a change of language."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from spec_host import SpecHost
from works import LogKey, Receiver, eventually, keyring_of, machines, outboxes_of

from simulator.edge import edges_of
from simulator.errors import BadScenario
from simulator.faults.grammar import read_fault
from simulator.faults.schedule import schedule
from simulator.fleet import simulate
from simulator.offline import write_recording
from simulator.scenario_file import read_scenario
from simulator.scenario_plant import plant_of
from telemetry.judgement import judge
from telemetry.recording import read
from telemetry.sparkplug_topic import SparkplugTopic

SCENARIO = """\
enterprise: works
site: north
language: sparkplug
primary_host: scada
lines:
  - name: packing
    area: hall
    count: 2
    machines: [{kind: robot}, {kind: conveyor, language: json}]
  - {name: old, area: hall, language: json, machines: [{kind: press}]}
machines:
  - {kind: mill, area: hall, line: milling}
"""


def test_a_scenario_says_who_speaks_what():
    scenario = read_scenario(SCENARIO, "x.yaml")
    assert scenario.primary_host == "scada"
    spoken = {machine.name: machine.language for machine in plant_of(scenario)}
    assert spoken == {
        "robot-01": "sparkplug",
        "conveyor-01": "json",
        "robot-02": "sparkplug",
        "conveyor-02": "json",
        "press-01": "json",
        "mill-01": "sparkplug",
    }


def test_a_line_is_an_edge_node_and_its_machines_are_devices():
    plant = plant_of(read_scenario(SCENARIO, "x.yaml"))
    edges = edges_of(plant)
    assert [(edge.name, [machine.name for machine in edge.machines]) for edge in edges] == [
        ("north_hall_packing-01", ["robot-01"]),
        ("north_hall_packing-02", ["robot-02"]),
        ("north_hall_milling", ["mill-01"]),
    ]
    topic = edges[0].sparkplug("p").of("DDATA", "robot-01")
    assert str(topic) == "p/spBv1.0/works/DDATA/north_hall_packing-01/robot-01"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("language: sparkplug", "language: opcua"), r"x.yaml:3: language: allowed: 'json' or"),
        (("host: scada", "host: a/b"), r"x.yaml:4: primary_host: allowed: "),
        (("area: hall, line: milling", f"area: {'a' * 60}, line: milling"), "at most 64"),
        (("{kind: mill,", "{kind: mill, name: north_hall_milling,"), "there twice"),
    ],
)
def test_what_cannot_be_is_said_with_what_is_allowed(change, said):
    with pytest.raises(BadScenario, match=said):
        read_scenario(SCENARIO.replace(*change), "x.yaml")


def test_two_lines_that_would_be_one_edge_node_are_refused():
    one, other = machines(2)
    clash = replace(other, topic=replace(other.topic, area="hall_line-1", line="x"))
    first = replace(one, topic=replace(one.topic, line="line-1_x"))
    with pytest.raises(BadScenario, match="there twice"):
        edges_of([first, clash])


def test_faults_on_the_way_befall_json_alone():
    plant = [*machines(2), *machines(1, "line-2", "json")]
    fault = read_fault("offline:*@1+1")
    assert {one.device for one in schedule([fault], plant)} == {"mill-2"}
    with pytest.raises(BadScenario, match="speaks sparkplug"):
        schedule([fault], plant[:2])


def recording(path, **how):
    settings = {"machines": machines(3), "seed": 5, "duration": 200, "out": path, **how}
    tally = write_recording(**settings)
    return tally, path.read_bytes()


def test_a_recording_keeps_the_rules_and_every_message_is_accepted(tmp_path):
    plant = [*machines(3), *machines(1, "line-2", "json")]
    tally, _ = recording(tmp_path / "a", machines=plant)
    ring, host, statuses = keyring_of(plant), SpecHost(), Counter()
    with (tmp_path / "a").open("rb") as file:
        for _, line in read(file, "a"):
            found = judge(line.topic, line.payload, ring, line.properties.to_text())
            statuses[found.status] += 1
            if SparkplugTopic.parse(line.topic) is not None:
                host.hear(line.topic, line.payload, qos=line.qos, retain=line.retain)
    assert statuses == {"accepted": tally.recorded}
    assert (host.births, host.bd_seq) == (1, 0)
    assert host.data > 512  # so the number has wrapped, twice
    assert isinstance(host.values["mill-1", "spindle_temperature"], float)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    _, first = recording(tmp_path / "a")
    _, again = recording(tmp_path / "b")
    assert hashlib.sha256(first).digest() == hashlib.sha256(again).digest()
    _, other = recording(tmp_path / "c", seed=6)
    assert other != first


def test_readings_are_the_same_in_either_language(tmp_path):
    """What a machine measures does not depend on how it says it."""
    import json

    def readings(language):
        plant = [replace(machine, language=language) for machine in machines(2)]
        recording(tmp_path / language, machines=plant, duration=30)
        found, host = [], SpecHost()
        with (tmp_path / language).open("rb") as file:
            for _, line in read(file, language):
                if language == "sparkplug":
                    host.hear(line.topic, line.payload)
                    if "DDATA" in line.topic and line.topic.endswith("mill-1"):
                        found.append(host.values["mill-1", "spindle_temperature"])
                elif line.topic.endswith("mill-1/telemetry"):
                    found.append(json.loads(line.payload)["readings"]["spindle_temperature"])
        return found

    assert readings("json")[-1] == readings("sparkplug")[-1]
    assert set(readings("sparkplug")) <= set(readings("json"))


@pytest.mark.e2e
def test_after_a_change_of_language_what_was_held_still_goes_out(broker, topic_prefix, tmp_path):
    plant = machines(2)
    changed = [replace(machine, language="json") for machine in plant]
    receiver = Receiver(broker, topic_prefix, plant, answers=False)

    def fleet(machines_, boxes):
        return simulate(
            address=broker.address,
            machines=machines_,
            outboxes=boxes,
            receipts=receiver.verifier,
            checkpoints=LogKey(),
            prefix=topic_prefix,
            interval=0.05,
            duration=0.5,
            drain=0.1 if machines_ is plant else 15.0,
            resend_after=0.3,
        )

    async def main():
        async with receiver.link:
            with outboxes_of(plant, tmp_path) as boxes:
                before = await fleet(plant, boxes)
                assert before.held == before.recorded
            receiver.answers = True
            with outboxes_of(plant, tmp_path) as boxes:
                await fleet(changed, boxes)
                await eventually(lambda: boxes["mill-1"].held == boxes["robot-1"].held == 0)
                assert boxes["north_hall_line-1"].held  # nobody carries the edge node's own
            with outboxes_of(plant, tmp_path) as boxes:
                after = await fleet(plant, boxes)
                assert after.held == 0
        return after

    after = asyncio.run(asyncio.wait_for(main(), 60))
    assert after.recorded == len(receiver.stored)
    assert set(receiver.statuses) == {"accepted", "unsigned"}
