"""What an audit costs a message, beside hashing and verifying alone, and what memory it takes.

Stores are made by the commands themselves: simulated machines, ingested, anchored. The bare
cost is two SHA-256 of each row and, where it is signed, one Ed25519 verification, in the same
run. "A core" counts the time of every process that took part.

Run: python benchmarks/audit.py [messages]
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from anchor.reading.row_record import record_of
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.installation import installation
from simulator.offline import test_key as key_of_recording
from telemetry.canonical import unb64
from telemetry.signature import signed_bytes, split, verify
from telemetry.topic import MachineTopic

ROOT = Path(__file__).parents[1]
MACHINES = 20
SEED = 1


def run(*arguments: str) -> None:
    """Run a command of ours."""
    command = [sys.executable, "-m", "factoryledger", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)


def make(folder: Path, count: int, *, signed: bool) -> Path:
    """A data folder with about so many messages in its store, anchored."""
    recording, data = folder / "recording.jsonl", folder / f"{count}-{signed}"
    seconds = str(count // MACHINES)
    run("simulate", "--out", str(recording), "--machines", str(MACHINES), "--duration", seconds,
        "--seed", str(SEED), "--data", str(folder / "none"))  # fmt: skip
    run("init", "--data", str(data))
    if signed:
        enrol(data, recording)
    else:
        unsign(recording)
    run("ingest", str(recording), "--data", str(data))
    run("anchor", "--once", "--data", str(data))
    return data


def enrol(data: Path, recording: Path) -> None:
    """Let the store know the simulated machines' keys."""
    folder = DataDir(data)
    lines = map(json.loads, recording.read_text().splitlines()[1:-1])
    for device in sorted({line["topic"].split("/")[4] for line in lines}):
        folder.replace_device(device, key_of_recording(SEED, device))
        Enrolments(folder).ensure_device(device)


def unsign(recording: Path) -> None:
    """Take the signatures out of a recording."""
    lines = []
    for line in map(json.loads, recording.read_text().splitlines()[1:-1]):
        line["json"].pop("sig")
        payload = json.dumps(line["json"], separators=(",", ":"))
        said = {"topic": line["topic"], "payload": payload, "timestamp": line["received"]}
        lines.append(json.dumps({**said, "qos": 1, "retain": False}))
    recording.write_text("\n".join(lines) + "\n")


@dataclass
class Measured:
    """Messages, seconds of all cores, seconds on the wall, MiB of the largest process."""

    messages: int
    cpu: float
    wall: float
    memory: float


def audited(data: Path, processes: int) -> Measured:
    """Audit in a process of its own, and ask it what it took."""
    command = [sys.executable, __file__, "--one", str(data), str(processes)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Measured(**json.loads(done.stdout))


def one(data: Path, processes: int) -> None:
    """What that process does."""
    from factoryledger.auditing import run_audit  # noqa: PLC0415 - not the parent's cost

    with installation(data=data, processes=processes) as place:
        assert place.ledger
        begun, before = time.perf_counter(), os.times()
        found = run_audit(place)
        wall, after = time.perf_counter() - begun, os.times()
    assert found.clean, found.findings
    spent = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(after[:4]) - sum(before[:4])
    memory = max(usage.ru_maxrss for usage in spent) / 1024
    print(json.dumps(Measured(found.counts.messages, cpu, wall, memory).__dict__))


def bare(data: Path) -> float:
    """Seconds of hashing and verifying alone, for every row of a store."""
    work = []
    with installation(data=data) as place:
        rows = [row for c in place.ledger.collectors() for row in place.ledger.messages(c.id)]
        keys = {key_of_recording(SEED, d).key_id: key_of_recording(SEED, d).public_key
                for d in {row.device for row in rows if row.device}}  # fmt: skip
        for row in rows:
            parts, topic = split(row.payload or b""), MachineTopic.parse(row.topic)
            signed = None
            if parts is not None and topic is not None and row.key is not None:
                signature = unb64(parts[1].decode())
                signed = keys[row.key], signed_bytes(topic, parts[0]), signature
            work.append((row.payload or b"", record_of(row), signed))
    begun = time.process_time()
    for payload, record, signed in work:
        sha256(payload).digest()
        sha256(record).digest()
        assert signed is None or verify(*signed)
    return time.process_time() - begun


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 24_000
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'':34}{'messages/s':>12}{'a core':>10}{'to bare':>9}{'MiB':>7}")
        for signed, size in ((True, count // 4), (True, count), (False, count)):
            data = make(folder, size, signed=signed)
            floor = bare(data)
            for processes in (0, cores):
                got = audited(data, processes)
                what = f"{got.messages:,} {'signed' if signed else 'unsigned'}, {processes} helpers"
                core = got.messages / got.cpu
                print(
                    f"{what:34}{got.messages / got.wall:>12,.0f}{core:>10,.0f}"
                    f"{got.cpu / floor:>9.2f}{got.memory:>7.0f}"
                )
            print(f"{'  bare hash and verification':34}{'':12}{got.messages / floor:>10,.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
