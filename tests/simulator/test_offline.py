"""Recordings without a broker: the same bytes from the same seed, whoever runs it."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.faults.grammar import read_fault
from simulator.faults.schedule import schedule
from simulator.offline import START, test_key, write_recording
from simulator.packml import State
from simulator.plant import build_plant
from simulator.signing import BATCH
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import parse
from telemetry.recording import read

ROOT = Path(__file__).parents[2]
# Of 5 machines, seed 7, 90 s: a change of these bytes is a change that users see.
FAULTS = (
    "drift:mill-01/power@10+60,by=2.5", "coolant-leak:mill-01@100+60", "offline:chiller-01@50+20",
    "replayed-message:furnace-01@200+50", "forged-sender:compressor-01@200+20",
)  # fmt: skip
GOLDEN = "9982bf63c6e6e662da2f9797766d408684198a3cc036d58a47af651394e8d6bf"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("offline") / "plant.jsonl"
    tally = write_recording(machines=build_plant(5, 7), seed=7, duration=90, out=path)
    return path, tally


def lines(path):
    with path.open("rb") as file:
        reading = read(file, str(path))
        found = [line for _, line in reading]
    assert reading.complete is True
    return reading.header, found


def test_it_is_a_whole_recording_that_says_its_keys_are_for_tests(recording):
    path, tally = recording
    header, found = lines(path)
    assert header.origin == "simulated, test keys, seed 7"
    assert (header.clock, header.started) == ("simulated", START)
    assert tally.recorded == tally.delivered == len(found)
    assert sum(line.topic.endswith("/telemetry") for line in found) == 5 * 90


def test_every_message_is_accepted_with_the_test_keys_and_chained_without_gap(recording):
    _, found = lines(recording[0])
    keyring = Keyring()
    for machine in build_plant(5, 7):
        key = test_key(7, machine.name).public_key
        entry = hashlib.sha256(machine.name.encode()).digest()
        keyring.apply(KeyStatement(entry, "enrol", "device", machine.name, START, key))
    ends, last = {}, START
    for line in found:
        judged = judge(line.topic, line.payload, keyring)
        assert judged.status == "accepted"
        message = parse(line.payload, line.topic.rsplit("/", 1)[1])
        seq, prev = ends.get(judged.device, (-1, None))
        assert (message.seq, message.prev) == (seq + 1, prev)
        assert message.time == line.received >= last
        assert line.retain == (message.kind in {"birth", "state"})
        ends[judged.device], last = (message.seq, judged.body_hash), line.received
    assert len(ends) == 5


def test_states_are_told_by_name_and_number_before_what_they_bring(recording):
    _, found = lines(recording[0])
    told, names = {}, set()
    for line in found:
        message = parse(line.payload, line.topic.rsplit("/", 1)[1])
        if message.kind == "state":
            state = State(message.content["number"])
            assert message.content == {"name": state.title, "number": int(state)}
            told[message.device] = state
            names.add(state)
        elif message.kind == "telemetry":
            load = message.scans[0].readings["load"]
            assert load == 0.0 or told[message.device] not in {State.STOPPED, State.IDLE}
    assert State.EXECUTE in names


def test_the_bytes_are_those_of_the_golden_recording(recording):
    assert hashlib.sha256(recording[0].read_bytes()).hexdigest() == GOLDEN


def test_the_same_bytes_under_another_hash_seed(recording, tmp_path):
    out = tmp_path / "again.jsonl"
    code = (
        "from pathlib import Path; from simulator.offline import write_recording;"
        "from simulator.plant import build_plant;"
        f"write_recording(machines=build_plant(5, 7), seed=7, duration=90, out=Path({str(out)!r}))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "4242", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    assert out.read_bytes() == recording[0].read_bytes()


def test_the_same_bytes_whoever_signs_them(recording, tmp_path):
    """In other processes too, more than one, over more than one batch."""
    out = tmp_path / "signed.jsonl"
    machines = build_plant(5, 7)
    write_recording(machines=machines, seed=7, duration=90, out=out, processes=2)
    assert out.read_bytes() == recording[0].read_bytes()
    for together in (0, 1):
        write_recording(
            machines=machines, seed=7, duration=400, out=tmp_path / f"{together}",
            faults=schedule(map(read_fault, FAULTS), machines), processes=together,
        )  # fmt: skip
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    assert (tmp_path / "1").read_bytes().count(b"\n") > BATCH


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full: Linux's")
def test_a_full_disk_ends_it_and_those_who_sign():
    with pytest.raises(OSError, match="No space left"):
        write_recording(
            machines=build_plant(5, 7), seed=7, duration=1000, out=Path("/dev/full"), processes=1
        )
    assert not multiprocessing.active_children()


ENDLESS = """
import sys
from pathlib import Path
from simulator.offline import write_recording
from simulator.plant import build_plant

if __name__ == "__main__":
    write_recording(
        machines=build_plant(5, 7), seed=7, duration=1e6, out=Path("endless"), processes=1
    )
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes: Linux's way")
def test_who_signs_ends_with_who_drafts_even_if_that_is_killed(tmp_path):
    script, out = tmp_path / "endless.py", tmp_path / "endless"
    script.write_text(ENDLESS)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], env=environment, cwd=tmp_path) as process:
        while not (out.exists() and out.stat().st_size > 100_000):
            assert process.poll() is None
            time.sleep(0.05)
        signers = children(process.pid)
        process.kill()
    assert signers
    until = time.monotonic() + 60
    while any(map(runs, signers)):
        assert time.monotonic() < until, "they are left behind"
        time.sleep(0.05)


def runs(pid):
    """Whether it is there, and not only still to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def test_another_seed_gives_other_readings_keys_and_sessions(recording, tmp_path):
    out = tmp_path / "other.jsonl"
    write_recording(machines=build_plant(5, 8), seed=8, duration=3, out=out)
    _, one = lines(recording[0])
    _, other = lines(out)
    first, second = parse(one[0].payload, "birth"), parse(other[0].payload, "birth")
    assert first.device == second.device
    assert first.session != second.session
    assert first.key != second.key


def test_a_machine_says_the_same_whoever_stands_beside_it(recording, tmp_path):
    out = tmp_path / "alone.jsonl"
    plant = [machine for machine in build_plant(5, 7) if machine.kind == "furnace"]
    write_recording(machines=plant, seed=7, duration=90, out=out)
    _, alone = lines(out)
    _, among = lines(recording[0])
    assert [line for line in among if "/furnace-01/" in line.topic] == alone


def test_a_finer_interval_makes_more_scans(tmp_path):
    out = tmp_path / "fine.jsonl"
    write_recording(machines=build_plant(1, 1), seed=1, duration=2, interval=0.25, out=out)
    _, found = lines(out)
    times = [line.received - START for line in found if line.topic.endswith("/telemetry")]
    assert times == [250_000 * n for n in range(8)]


PURE = """
import hashlib, json, sys
from simulator.machine import Machine, start_plant
from simulator.machines import KINDS
from simulator.plant import build_plant
from telemetry.topic import MachineTopic

digest = hashlib.sha256()
for kind in KINDS:
    topic = MachineTopic("", "w", "s", "a", "l", kind + "-01", "telemetry")
    running = Machine(topic, kind, 11).start()
    for _ in range(2000):
        scan = running.step(0.7)
        digest.update(json.dumps([list(map(int, scan.entered)), scan.readings]).encode())
running = start_plant(build_plant(20, 11))
for _ in range(300):
    digest.update(json.dumps([one.step(1.0).readings for one in running]).encode())
print(digest.hexdigest())
"""


def other_pythons():
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return sorted(versions.glob("3.1[123].*/bin/python3"))


def pure_digest(python):
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-c", PURE], check=True, env=environment, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(len(other_pythons()) < 2, reason="no other Python 3.11 to 3.13 by pyenv here")
def test_physics_and_routine_are_the_same_under_other_pythons():
    digests = {str(python): pure_digest(python) for python in other_pythons()}
    digests["this"] = pure_digest(sys.executable)
    assert len(set(digests.values())) == 1, json.dumps(digests, indent=1)
