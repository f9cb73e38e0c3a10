"""Ground truth: what is told, labelled and scheduled are the same intervals, byte for byte."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.chance import Chance
from simulator.export import export, labels_file
from simulator.export_sinks import COLUMNS
from simulator.export_sinks import LABELS as LABELS_COLUMNS
from simulator.faults.fault import Moment, Reading, SensorFault
from simulator.faults.grammar import read_fault
from simulator.faults.schedule import schedule
from simulator.faults.spec import SPECS
from simulator.machine import Machine
from simulator.machines.kind import Metric
from simulator.offline import START, write_recording
from telemetry.canonical import time_us
from telemetry.message import parse
from telemetry.topic import MachineTopic

ROOT = Path(__file__).parents[2]
# One of every fault there is, some on every machine of the plant.
FAULTS = [
    "stuck:mill-01/power@5+10",
    "drift:*/vibration@10+30",
    "bias:mill-01/spindle_temperature@20+5,by=-3",
    "spikes:furnace-01/power@1+40,share=0.3",
    "dropout:chiller-01/c*@15+10,share=0.5",
    "noise:moulding-01/*_temperature@15+10",
    "bearing-wear:*-01@20+25",
    "coolant-leak:*@12+30",
    "tool-breakage:mill-01@30+5",
    "power-sag:*@40+5",
    "offline:mill-01@11+4",
    "flapping:furnace-01@20+15,every=6",
    "slow:chiller-01@5+10",
    "duplicates:compressor-01@5+30",
    "reordering:moulding-01@5+30",
    "reconnect-storm:*@50+6,every=3",
    "clock-skew:chiller-01@25+20",
    "clock-jump:furnace-01@45+3,by=-5",
    "cloned-machine:mill-01@20+6",
    "cloned-machine:moulding-01@20+6,session=same",
    "replayed-message:compressor-01@20+20",
    "stolen-key:chiller-01@30+4",
    "forged-sender:mill-01@33+4",
    "forged-sender:mill-01@37+4,key=machine",
    "withheld-message:furnace-01@10+40",
    "bias:mill-01/power@100+9",
]
SECONDS = 60
# Of the labels of the plant of 5 machines, and of what faulty sensors make of a fixed series:
# a change of these bytes is a change that users see.
LABELS = "0300d5b579e2855d13eb3710e89cbd37a95ee9124ca1903a459e5a57f570e305"
SENSORS = "33cd38901b8e944f6995de6f15d94c6c9ba47aab7fc2e2eab453a009c58eeec7"


def plant():
    kinds = ("mill", "moulding", "compressor", "chiller", "furnace")
    place = MachineTopic("", "works", "north", "hall", "line-1", "-", "telemetry")
    return [Machine(replace(place, machine=f"{kind}-01"), kind, 7) for kind in kinds]


def occurrences():
    return schedule(map(read_fault, FAULTS), plant())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def period(tmp_path_factory):
    """A recording and a data set of the same plant, seed and faults."""
    folder = tmp_path_factory.mktemp("faults")
    machines, faults = plant(), occurrences()
    write_recording(
        machines=machines, seed=7, duration=SECONDS, out=folder / "a.jsonl", faults=faults
    )
    export(machines=machines, duration=SECONDS, out=folder / "a.csv", faults=faults)
    return folder


def test_one_of_every_fault_is_there():
    assert {one.kind for one in occurrences()} == set(SPECS)
    assert len({one.id for one in occurrences()}) == len(occurrences())


def test_every_fault_is_told_at_its_begin_and_its_end(period):
    began, ended = {}, {}
    for line in (period / "a.jsonl").read_text().splitlines()[1:-1]:
        said = json.loads(line)
        if not said["topic"].endswith("/event"):
            continue
        payload = json.dumps(said["json"], separators=(",", ":"), ensure_ascii=False).encode()
        message = parse(payload, "event")
        told = {"fault-began": began, "fault-ended": ended}[message.content["name"]]
        told.setdefault(message.content["id"], []).append((message.device, message.content))
    for one in occurrences():
        if one.start >= SECONDS * 1000:
            assert one.id not in began
            continue
        for told in (began, ended):
            if told is ended and one.end >= SECONDS * 1000:
                continue
            device, content = told[one.id][0]
            assert device == one.device
            assert content["fault"] == one.kind
            assert content["metric"] == one.metric
            assert content["group"] == one.spec.group
            assert content["lasts"] == (one.end - one.start) / 1000
            assert content["parameters"] == one.spec.parameters()
            assert (
                not one.metric
                or "by" not in type(one.spec).model_fields
                or content["parameters"]["by"]
            )


def labels_of(folder):
    with labels_file(folder / "a.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def rows_of(folder):
    with (folder / "a.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_are_the_intervals(period):
    wanted = [
        (one.id, one.kind, one.device, one.metric or "", one.start, min(one.end, SECONDS * 1000))
        for one in occurrences()
        if one.start < SECONDS * 1000
    ]
    found = [
        (
            row["id"], row["fault"], row["device"], row["metric"],
            (time_us(row["start"]) - START) // 1000, (time_us(row["end"]) - START) // 1000,
        )
        for row in labels_of(period)
    ]  # fmt: skip
    assert found == wanted
    assert all(json.loads(row["parameters"]) is not None for row in labels_of(period))


def test_a_row_is_labelled_by_the_faults_that_touch_it(period):
    wrong_clocks = {"chiller-01", "furnace-01"}
    checked = 0
    for row in rows_of(period):
        if row["device"] in wrong_clocks:
            continue
        at = (time_us(row["time"]) - START) // 1000
        touching = [
            one
            for one in sorted(occurrences(), key=lambda one: (one.start, one.id))
            if one.device == row["device"]
            and one.start <= at < one.end
            and (one.spec.group == "process" or one.metric == row["metric"])
        ]
        assert row["fault"] == "+".join(one.kind for one in touching)
        checked += bool(touching)
    assert checked > 1000


def test_rows_without_a_label_are_those_of_a_plant_without_faults_until_physics_are_touched(
    period, tmp_path
):
    export(machines=plant(), duration=SECONDS, out=tmp_path / "a.csv")
    well = {(row["time"], row["device"], row["metric"]): row["value"] for row in rows_of(tmp_path)}
    first = {one.device: SECONDS * 1000 for one in occurrences()}
    for one in occurrences():
        if one.spec.touches == "machine":
            first[one.device] = min(first[one.device], one.start)
    compared = 0
    for row in rows_of(period):
        at = (time_us(row["time"]) - START) // 1000
        if at < first[row["device"]] and not row["fault"]:
            assert well[row["time"], row["device"], row["metric"]] == row["value"]
            compared += 1
    assert compared > 500


def test_the_same_bytes_again_and_under_another_hash_seed(period, tmp_path):
    code = f"""
import sys; from pathlib import Path
from simulator.chance import Chance
from simulator.export import export; from simulator.faults.fault import Moment, Reading, SensorFault
from simulator.faults.grammar import read_fault
from simulator.faults.schedule import schedule; from simulator.machine import Machine
from simulator.machines.kind import Metric
from simulator.offline import write_recording
from simulator.machine import Machine; from telemetry.topic import MachineTopic
kinds = ("mill", "moulding", "compressor", "chiller", "furnace")
machines = [
    Machine(MachineTopic.parse(f"works/north/hall/line-1/{{kind}}-01/telemetry"), kind, 7)
    for kind in kinds
]
faults = schedule(map(read_fault, {FAULTS!r}), machines)
folder = Path({str(tmp_path)!r})
write_recording(machines=machines, seed=7, duration=60, out=folder / "a.jsonl", faults=faults)
export(machines=machines, duration=60, out=folder / "a.csv", faults=faults)
"""
    environment = os.environ | {"PYTHONHASHSEED": "4242", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    for name in ("a.jsonl", "a.csv", "a.labels.csv"):
        assert (tmp_path / name).read_bytes() == (period / name).read_bytes()


def test_the_labels_are_those_of_the_golden_period(period):
    assert digest(period / "a.labels.csv") == LABELS


def test_faulty_sensors_give_what_they_gave_when_this_was_written():
    metric, read = Metric("Cel", 0.0, 120.0), []
    for text in FAULTS:
        spec = read_fault(text)
        if isinstance(spec, SensorFault):
            rng, sized = Chance(11), spec.sized(metric)
            for second in range(500):
                reading = Reading(20 + second / 10, 21.5, metric)
                read.append(sized.sense(reading, Moment(second * 1000, 500_000, rng)))
    assert hashlib.sha256(repr(read).encode()).hexdigest() == SENSORS


def test_parquet_holds_what_csv_holds(period):
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    machines, out = plant(), period / "b.parquet"
    exported = export(machines=machines, duration=SECONDS, out=out, faults=occurrences())
    rows = pyarrow.read_table(out).to_pylist()
    text = rows_of(period)
    assert exported.readings == len(rows) == len(text)
    assert exported.labels == len(labels_of(period))
    for one, other in zip(rows, text, strict=True):
        assert (one["device"], one["metric"], one["unit"], one["fault"]) == (
            other["device"], other["metric"], other["unit"], other["fault"],
        )  # fmt: skip
        assert repr(one["value"]) == other["value"]
        assert round(one["time"].timestamp() * 1e6) == time_us(other["time"])
    labels = pyarrow.read_table(labels_file(out)).to_pylist()
    assert [row["id"] for row in labels] == [row["id"] for row in labels_of(period)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_period_without_readings_is_a_data_set_all_the_same(tmp_path, suffix):
    out = tmp_path / f"none{suffix}"
    if suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    exported = export(machines=plant(), duration=0, out=out, faults=occurrences())
    assert (exported.readings, exported.labels) == (0, 0)
    for path, columns in ((out, COLUMNS), (labels_file(out), LABELS_COLUMNS)):
        if suffix == ".parquet":
            table = pyarrow.read_table(path)
            assert (table.num_rows, tuple(table.column_names)) == (0, columns)
        else:
            assert path.read_text() == ",".join(columns) + "\n"


def test_without_pyarrow_the_error_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from factoryledger.cli import run\n"
        "sys.exit(run(['simulate', '--machines', '1', '--duration', '2', '--out', 'a.parquet']))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: PLW1510 - its exit code is what is tested
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "pip install 'factoryledger[parquet]', or write .csv" in done.stderr
    assert not list(tmp_path.glob("*.parquet"))
