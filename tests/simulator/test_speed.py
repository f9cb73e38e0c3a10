"""The same work and the same bytes, whatever the speed, the hash seed and the Python."""

import asyncio
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.fleet import simulate
from simulator.offline import test_key, write_recording
from simulator.outbox import Outbox
from simulator.scenario_file import load_scenario, read_scenario
from simulator.scenario_plant import plant_of
from simulator.work.metrics import metrics_of
from telemetry.errors import MalformedMessage
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import parse
from telemetry.recording import read

ROOT = Path(__file__).parents[2]
WORKSHOP = load_scenario("workshop")
BRISK = """
start: 2026-01-05T06:00:00Z
seed: 4
shifts: [{name: day, start: 06:00, end: 06:01}]
lines:
  - name: cell
    area: hall
    buffer: 3
    machines:
      - {kind: press, rate: 3600}
      - {kind: packaging, rate: 1800, between_stops: 20s, stop: 2s}
    orders: [{id: po, product: p, quantity: 4, repeat: 100}]
machines: [{kind: energy-meter, area: hall, line: grid}]
"""
# What the workshop's work came to in its first hour: a change of this is one that users see.
# Physics have a golden recording of their own, in test_offline.
GOLDEN = "7f1143cf23aa7b8966e220208bdddacbaa73dbe99964edf1d14523883eea6c41"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recorded(path, scenario=WORKSHOP, duration=120.0, **how):
    machines = plant_of(scenario)
    write_recording(
        machines=machines, seed=machines[0].seed, begin=scenario.begin, duration=duration,
        out=path, **how,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def first_hour(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("speed") / "max.jsonl", duration=3600)


def told(path):
    """Kind, time and content of every message, by device."""
    with path.open("rb") as file:
        found = {}
        for _, line in read(file, str(path)):
            message = parse(line.payload, line.topic.rsplit("/", 1)[1])
            found.setdefault(message.device, []).append(essence(message))
    return found


def essence(message):
    if message.kind == "birth":
        return message.kind, message.time, message.content["metrics"]
    scans = tuple((scan.time, tuple(scan.readings.items())) for scan in message.scans)
    return message.kind, message.time, scans or message.content


def test_the_work_is_that_of_the_golden_hour(first_hour):
    work = {"unit_mode", *metrics_of(plant_of(WORKSHOP)[1].job)}
    found = hashlib.sha256()
    for device, messages in sorted(told(first_hour).items()):
        for kind, time, content in messages:
            told_of = content
            if kind == "telemetry":
                ((_, readings),) = content
                told_of = [(name, value) for name, value in readings if name in work]
            if kind != "birth":
                found.update(json.dumps([device, kind, time, told_of]).encode())
    assert found.hexdigest() == GOLDEN


def test_the_same_bytes_at_a_speed_and_under_another_hash_seed(tmp_path):
    brisk = read_scenario(BRISK, "brisk.yaml")
    fast = recorded(tmp_path / "fast.jsonl", brisk, 60)
    assert digest(recorded(tmp_path / "slow.jsonl", brisk, 60, speed=120.0)) == digest(fast)
    (tmp_path / "brisk.yaml").write_text(BRISK)
    command = [sys.executable, "-m", "factoryledger", "simulate", "--scenario", "brisk.yaml"]
    again = ["--out", "again.jsonl", "--duration", "60"]
    environment = os.environ | {"PYTHONHASHSEED": "99", "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *again], check=True, env=environment, cwd=tmp_path)
    assert digest(tmp_path / "again.jsonl") == digest(fast)


def test_a_recording_of_work_tells_orders_shifts_and_modes(first_hour):
    messages = told(first_hour)
    events = {
        content["name"]
        for device in messages.values()
        for kind, _, content in device
        if kind == "event"
    }
    assert {"shift-started", "order-started", "order-finished"} <= events
    assert len(messages) == 5
    first = messages["mill-01"][1]
    assert first[0] == "state"
    assert first[2]["mode"] == "Production"


def test_every_line_is_written_as_a_reader_wants_it(first_hour):
    with first_hour.open("rb") as file:
        reading = read(file, "first hour")
        assert sum(1 for _ in reading) > 5 * 3600
        assert reading.complete is True


@pytest.fixture
def keys():
    def of(machines):
        keyring = Keyring()
        for machine in machines:
            key = test_key(1, machine.name).public_key
            entry = hashlib.sha256(machine.name.encode()).digest()
            keyring.apply(KeyStatement(entry, "enrol", "device", machine.name, 1, key))
        return keyring

    return of


class NoCheckpoint:
    def check(self, note):
        raise MalformedMessage("there are none here")


@pytest.mark.e2e
@pytest.mark.parametrize("speed", [60.0, math.inf])
def test_a_live_fleet_says_what_the_recording_says(
    broker, topic_prefix, receipt_giver, keys, tmp_path, speed
):
    """Readings, states, events and times are the same; sessions and signatures are not."""
    scenario = read_scenario(BRISK, "brisk.yaml")
    machines = plant_of(scenario)
    boxes = {m.name: Outbox(m.name, test_key(1, m.name), m.topic) for m in machines}

    async def main():
        async with (
            asyncio.timeout(60),
            receipt_giver(broker.address, topic_prefix, keys(machines)) as giver,
        ):
            tally = await simulate(
                address=broker.address, machines=machines, outboxes=boxes,
                receipts=giver.verifier(), checkpoints=NoCheckpoint(), prefix=topic_prefix,
                duration=90, speed=speed, begin=scenario.begin,
            )  # fmt: skip
            return giver, tally

    giver, tally = asyncio.run(main())
    assert tally.held == tally.evicted == 0
    live = {}
    for (device, _, _), judged in sorted(giver.stored.items()):
        live.setdefault(device, []).append(essence(judged.message))
    assert live == told(recorded(tmp_path / "offline.jsonl", scenario, 90))


PURE = """
import hashlib, json
from simulator.machine import Machine, start_plant
from simulator.work.job import Job, Line, Order, Pace, Shift, Upkeep
from telemetry.topic import MachineTopic

line = Line("l", ("a", "b", "c"), (5, 9), (Order("po", "p", 40, 3_600_000, 50),))
kinds = {"a": "press", "b": "lathe", "c": "packaging"}
plant = []
for place, (name, kind) in enumerate(kinds.items()):
    topic = MachineTopic("", "w", "s", "a", "l", name, "telemetry")
    job = Job(line, place, Pace(3000 + 300 * place), Upkeep(120_000, 9_000, 0.2, 900_000, 60_000),
              (Shift("day", 0, 7_200_000, (0, 1, 2, 3, 4, 5, 6)),))
    plant.append(Machine(topic, kind, 11, job))
digest, running = hashlib.sha256(), start_plant(plant, 0)
for second in range(2500):
    for machine in running:
        scan = machine.step(1.0, 3_000_000 * second)
        digest.update(json.dumps([scan.told, scan.readings]).encode())
print(digest.hexdigest())
"""


def other_pythons():
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return sorted(versions.glob("3.1[123].*/bin/python3"))


@pytest.mark.skipif(len(other_pythons()) < 2, reason="no other Python 3.11 to 3.13 by pyenv here")
def test_work_is_the_same_under_other_pythons():
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"}
    digests = {
        subprocess.run(
            [python, "-c", PURE], check=True, env=environment, capture_output=True, text=True
        ).stdout
        for python in [sys.executable, *other_pythons()]
    }
    assert len(digests) == 1
