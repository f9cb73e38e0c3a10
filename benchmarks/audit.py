"""What an audit costs a message, beside hashing and verifying alone, and what memory it takes.

Stores are made by the commands themselves: simulated machines, ingested, anchored. The bare
cost is two SHA-256 of each row and, where it is signed, one Ed25519 verification, taken before
each audit. "A core" counts the time of every process that took part, memory is that of the
largest. With `--new` an audit goes on from one of the same store; its state is a file.

Run: python benchmarks/audit.py [--messages N] [--rounds R] [--stores DIR]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from multiprocessing import forkserver
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from figure import Figure, measured, tell

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


def make(folder: Path, count: int, *, signed: bool, machines: int) -> Path:
    """A data folder with about so many messages in its store, anchored; a batch a second."""
    data = folder / f"{count}-{signed}-{machines}"
    if data.is_dir():
        return data
    recording = folder / "recording.jsonl"
    seconds = str(count // machines)
    run("simulate", "--out", str(recording), "--machines", str(machines), "--duration", seconds,
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


def audited(data: Path, processes: int, state: Path | None = None) -> Measured:
    """Audit in a process of its own, and ask it what it took."""
    command = [sys.executable, __file__, "--one", str(data), str(processes)]
    done = subprocess.run(
        command + ([] if state is None else [str(state)]), check=True, stdout=subprocess.PIPE
    )
    return Measured(**json.loads(done.stdout))


def one(data: Path, processes: int, state: Path | None) -> None:
    """What that process does."""
    from factoryledger.auditing import run_audit  # noqa: PLC0415 - not the parent's cost
    from factoryledger.kept_audit import KeptAudit  # noqa: PLC0415 - as above
    from factoryledger.running import few_collections  # noqa: PLC0415 - as above

    few_collections()  # as the command does
    kept = None if state is None else KeptAudit(state, only_new=True)
    with installation(data=data, processes=processes) as place:
        assert place.ledger
        begun, before = time.perf_counter(), os.times()
        found = run_audit(place, kept)
        wall = time.perf_counter() - begun
        # Helpers are children of a server of ours: they count once it has ended.
        forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001 - no other way
        after = os.times()
    assert found.clean, found.findings
    cpu = sum(after[:4]) - sum(before[:4])
    memory = max(peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    print(json.dumps(Measured(found.counts.messages + found.skipped, cpu, wall, memory).__dict__))


def peak() -> int:
    """KiB that this process had at most; `ru_maxrss` would count its parent's in."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


def bare(data: Path, most: int = 20_000) -> float:
    """Seconds a message of hashing and verifying alone, over the first rows of a store."""
    work = []
    with installation(data=data) as place:
        rows = [
            row
            for c in place.ledger.collectors()
            for row in islice(place.ledger.messages(c.id), most)
        ]
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
    return (time.process_time() - begun) / len(work)


@dataclass
class Audits:
    """Rounds of one store's audit, and of hashing and verifying its rows alone."""

    found: list[Measured]
    floors: list[float]

    def row(self, name: str, what: str, how: str) -> Figure:
        """Messages a second of a core, to what bare hashing and verification would give."""
        return measured(
            f"audit.{name}",
            what,
            [each.messages / each.cpu for each in self.found],
            [1 / floor for floor in self.floors],
            unit="/s a core",
            of="hashing and checking signatures alone",
            how=how,
        )


def measure(data: Path, rounds: int, processes: int = 0) -> Audits:
    """Audit a store in rounds, each with the bare cost beside it."""
    found, floors = [], []
    for number in range(rounds):
        floors.append(bare(data))
        found.append(audited(data, processes))
        print(f"{data.name}, round {number + 1}: {found[-1]}, {floors[-1]}", file=sys.stderr)
    return Audits(found, floors)


def measure_new(data: Path, folder: Path, rounds: int) -> Audits:
    """Go on from an audit of the same store: what is left to do of what is old."""
    state = folder / "audit.json"
    audited(data, 0, state)
    found = [audited(data, 0, state) for _ in range(rounds)]
    print(f"state: {state.stat().st_size:,} bytes", file=sys.stderr)
    return Audits(found, [bare(data) for _ in range(rounds)])


def figures(folder: Path, scratch: Path, count: int, rounds: int) -> list[Figure]:
    """Measure the stores, make the rows."""
    few, many = MACHINES, 10 * MACHINES
    rows, audits = list[Figure](), dict[str, Audits]()
    stores = [
        ("signed", "audit, signed messages", True, count, few),
        ("unsigned", "audit, unsigned messages", False, count, few),
        ("signed-200", "audit, signed messages", True, count, many),
        ("unsigned-200", "audit, unsigned messages", False, count, many),
        ("quarter", "audit, signed messages", True, count // 4, few),
    ]
    for name, what, signed, size, machines in stores:
        data = make(folder, size, signed=signed, machines=machines)
        audits[name] = measure(data, rounds)
        messages = audits[name].found[0].messages
        how = f"`audit` of {messages:,}, {machines} a batch, no helper process; CPU time"
        rows.append(audits[name].row(name, what, how))
    data = make(folder, count, signed=True, machines=few)
    whole = audits["signed"]
    helped = measure(data, rounds, os.cpu_count() or 1)
    new = measure_new(data, scratch, rounds)
    alone = [each.messages / each.wall for each in whole.found]
    return [
        *rows,
        new.row("new", "audit `--new`, none of them new", "the first store once more"),
        measured("audit.helped", "audit, signed, with a helper for each core",
                 [each.messages / each.wall for each in helped.found], alone, unit="/s",
                 of="without helpers", how="the first store, by the clock"),
        measured("audit.memory", "memory of an audit", [each.memory for each in whole.found],
                 [each.memory for each in audits["quarter"].found], unit="MiB",
                 of="a store of a quarter's", how="the first store; 1: it does not grow"),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stores", type=Path, help="a folder that is kept, with the stores")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.stores or Path(name)
        tell(figures(folder, Path(name), given.messages, given.rounds))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4:] else None)
    else:
        main()
