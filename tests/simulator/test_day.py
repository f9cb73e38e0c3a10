"""A whole day, as it is and with its faults: the same bytes on every Python that runs this.

Scans are far apart, so that a day takes seconds; `make day` writes one a second.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.faults.schedule import schedule
from simulator.machines import KINDS
from simulator.offline import write_recording
from simulator.plant import build_plant
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of
from telemetry.message import parse
from telemetry.recording import read

ROOT = Path(__file__).parents[2]
DAY = 86_400
# A change of these bytes is one that users see: their seeds would give something else.
WORKSHOP = "2013b7227d5f7edf96021cfd6b68d87a463115e3ed198d4b71bba7b56297ce2d"
PLANT = "a7e6639bc577cbe3b3bbec944294ee082d1f77400c2328fd02b1c239cfceb163"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def simulated(folder, *options):
    """Its recording by the command, in a process with another hash seed."""
    out = folder / "again.jsonl"
    command = [sys.executable, "-m", "factoryledger", "simulate", *options]
    environment = os.environ | {"PYTHONHASHSEED": "4242", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*command, "--duration", str(DAY), "--out", str(out)],
        check=True, env=environment, cwd=folder, capture_output=True,
    )  # fmt: skip
    return out


ANOTHER_LIBM = """
import math, sys
from itertools import cycle
from pathlib import Path

def off(function, towards=cycle([math.inf, -math.inf])):
    return lambda *numbers: math.nextafter(function(*numbers), next(towards))

if sys.argv[2] == "off":
    for name in ("exp", "log", "sin", "cos", "hypot"):
        setattr(math, name, off(getattr(math, name)))
from simulator.offline import write_recording
from simulator.plant import build_plant

write_recording(
    machines=build_plant(13, 1), seed=1, duration=7200, interval=10, out=Path(sys.argv[1])
)
"""


def test_a_c_library_with_other_last_digits_gives_the_same_bytes(tmp_path):
    """C libraries differ in the last digit of exp, log, sin, cos: rounding ends it."""
    found = set()
    for how in ("right", "off"):
        out = tmp_path / how
        subprocess.run(
            [sys.executable, "-c", ANOTHER_LIBM, str(out), how],
            check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        )  # fmt: skip
        found.add(digest(out))
    assert len(found) == 1


@pytest.fixture(scope="module")
def workshop():
    scenario = load_scenario("workshop")
    machines = plant_of(scenario)
    return scenario, machines, schedule(scenario.faults, machines)


@pytest.fixture(scope="module")
def day(workshop, tmp_path_factory):
    scenario, machines, faults = workshop
    out = tmp_path_factory.mktemp("day") / "workshop.jsonl"
    write_recording(
        machines=machines, seed=scenario.seed, begin=scenario.begin, duration=DAY, interval=20,
        faults=faults, out=out,
    )  # fmt: skip
    return out


def test_a_day_of_the_workshop_is_the_golden_one(day):
    assert digest(day) == WORKSHOP


def test_by_the_command_and_under_another_hash_seed_too(day, tmp_path):
    again = simulated(tmp_path, "--scenario", "workshop", "--interval", "20")
    assert again.read_bytes() == day.read_bytes()


def test_a_day_of_every_kind_is_the_golden_one(tmp_path):
    assert {machine.kind for machine in build_plant(13, 1)} == set(KINDS)
    out = simulated(tmp_path, "--machines", "13", "--seed", "1", "--interval", "120")
    assert digest(out) == PLANT


def test_the_workshop_has_its_faults_and_still_does_its_work(day, workshop):
    began, ended, finished, made = [], [], [], {}
    with day.open("rb") as file:
        for _, line in read(file, str(day)):
            kind = line.topic.rsplit("/", 1)[1]
            if kind == "death":
                continue  # of the compressor, when it goes offline
            message = parse(line.payload, kind)
            if message.kind == "telemetry":
                made[message.device] = message.scans[0].readings.get("parts_good", 0.0)
            elif message.kind == "event":
                named = {"fault-began": began, "fault-ended": ended, "order-finished": finished}
                named.get(message.content["name"], []).append(message.content)
    assert [one["id"] for one in began] == [one.id for one in workshop[2]]
    assert sorted(one["id"] for one in ended) == sorted(one.id for one in workshop[2])
    assert [one["order"] for one in finished][:2] == ["po-1001", "po-1002"]
    assert made["furnace-01"] > 150
