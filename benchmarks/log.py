"""How fast the anchor log takes batches, message leaves are anchored, and a batch is cosigned.

Ratios to bare fsync and bare SHA-256 of the same run are the figures; a rate is a machine's.
Everything is real: signatures, fsync, three witnesses over HTTP.

Run: python benchmarks/log.py [--entries N] [--leaves N] [--batches N] [--rounds R] | --many N
"""

import argparse
import asyncio
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/anchor_writer"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from anchor_plant import T0, Plant, witness_key
from figure import Figure, measured, tell

from anchor.growing import GrowingLog
from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.service import run_anchor, run_witness
from anchor.keeping.writer import Writer
from anchor.policy import Policy, Witness, write_policy

ROOT = Path(__file__).parents[1]
SCRATCH = ROOT / "build"  # on the disk that the checkout is on, not in memory
RIVALS = ROOT / ".venv-rivals/bin/python"
PYMERKLE = """
import sys, time
from pymerkle import SqliteTree
name, count, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
records = [b'{"record":1,"position":%d,' % i + b"x" * 360 + b"}" for i in range(batch)]
with SqliteTree(name) as tree:
    start = time.process_time()
    for _ in range(count // batch):
        tree.append_entries(records)
    tree.get_state()
    print(count / (time.process_time() - start))
"""
GROUP = 4096
BATCH = 2000
WANTED_BATCHES, WANTED_LEAVES, WANTED_SECONDS = 2_000, 400_000, 2.0


def fsyncs(folder: Path, count: int = 200) -> float:
    """Seconds of one small write with fsync: the median of many."""
    taken = list[float]()
    with (folder / "floor").open("wb", buffering=0) as file:
        for _ in range(count):
            start = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def checkpoints(plant: Plant, count: int) -> list[bytes]:
    """A collector's signed checkpoints: what the anchor log's entries are."""
    collector = plant.collector()
    return [collector.entry, *(collector.commit() for _ in range(count - 1))]


def append(folder: Path, plant: Plant, entries: Sequence[bytes]) -> float:
    """Seconds to append them all in groups, then sign and publish."""
    log = LogFolder(folder / "log")
    with log.lock():
        db = AnchorDb(folder / "anchor.db", plant.key.name)
        writer = Writer(log, db, plant.key)
        writer.recover(plant.authority, T0)
        start = time.perf_counter()
        for first in range(0, len(entries), GROUP):
            writer.append(entries[first : first + GROUP])
        writer.publish(writer.sign(), plant.policy(), T0)
        taken = time.perf_counter() - start
        db.close()
    return taken


def appending(count: int, rounds: int, piece: str = "log") -> list[Figure]:
    """Batches a second into the anchor log, every group durable."""
    plant = Plant()
    entries = checkpoints(plant, count)
    floors, taken = list[float](), list[float]()
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
            floors.append(fsyncs(Path(folder)))
            taken.append(append(Path(folder), plant, entries))
    how = f"{count:,} signed checkpoints, groups of {GROUP:,}, each durable; signed at the end"
    return [
        measured(f"{piece}.entries", f"anchor log, {count:,} batches",
                 [count / one for one in taken], WANTED_BATCHES, unit="/s", how=how, least=1.0,
                 of=f"{WANTED_BATCHES:,} a second, wanted"),
        measured(f"{piece}.fsync", "the same, an entry", [1e6 * one / count for one in taken],
                 [1e6 * one for one in floors], unit="µs", of="one small write with fsync",
                 how="in the same round"),
    ]  # fmt: skip


def anchoring(count: int, rounds: int) -> list[Figure]:
    """Message leaves a second of one core: records hashed into tiles, batches signed, anchored."""
    records = [b'{"record":1,"position":%d,' % i + b"x" * 360 + b"}" for i in range(BATCH)]
    batches = -(-count // BATCH)
    leaves = batches * BATCH
    floors, rates = list[float](), list[float]()
    for _ in range(rounds):
        plant = Plant()
        collector = plant.collector()
        start = time.process_time()
        for _ in range(batches):
            for record in records:
                sha256(b"\0" + record).digest()
        floors.append(leaves / (time.process_time() - start))
        log, entries = GrowingLog(collector.key.name, collector.key), [collector.entry]
        start = time.process_time()
        for _ in range(batches):
            grown = log.extend(records)
            log = grown.log
            entries.append(grown.checkpoint)
        with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
            append(Path(name), plant, entries)
        rates.append(leaves / (time.process_time() - start))
    how = f"{leaves:,} leaves of 390 bytes, batches of {BATCH:,}, signed and appended; CPU time"
    return [
        measured("log.leaves", "messages hashed, logged and anchored", rates, floors,
                 unit="/s a core", of="SHA-256 of the same records alone", how=how),
        measured("log.leaves-wanted", "the same", rates, WANTED_LEAVES, unit="/s a core",
                 of=f"{WANTED_LEAVES:,} a second, wanted", how="as above", least=1.0),
    ]  # fmt: skip


def peer(count: int, rounds: int) -> list[Figure]:
    """Our log beside PyPI's pymerkle, which keeps entries and hashes in SQLite; no signature."""
    if not RIVALS.exists():
        return []
    records = [b'{"record":1,"position":%d,' % i + b"x" * 360 + b"}" for i in range(BATCH)]
    ours, theirs = list[float](), list[float]()
    for _ in range(rounds):
        key = Plant().collector().key
        log, start = GrowingLog(key.name, key), time.process_time()
        for _ in range(count // BATCH):
            log = log.extend(records).log
        ours.append(count / (time.process_time() - start))
        with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
            command = [str(RIVALS), "-c", PYMERKLE, f"{name}/tree.db", str(count), str(BATCH)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        theirs.append(float(done.stdout))
    return [
        measured("log.pymerkle", "tree and tiles, a signed checkpoint a batch", ours, theirs,
                 unit="/s a core", of="pymerkle into SQLite",
                 how=f"{count:,} records, {BATCH:,} at once, then the root; ours without a store")
    ]  # fmt: skip


async def cosigning(count: int) -> list[Figure]:
    """From a batch's commit to the published checkpoint, three witnesses, the default interval."""
    plant, names, stop = Plant(), ("w1", "w2", "w3"), asyncio.Event()
    plant.collector()
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
        folder, tasks, witnesses = Path(name), list[asyncio.Task[None]](), list[Witness]()
        for witness in names:
            listener = socket.create_server(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            witnesses.append(Witness(witness, witness_key(witness).verifier, url))
            serving = run_witness(
                db=folder / f"{witness}.db",
                key=witness_key(witness),
                logs=[plant.key.verifier],
                host="",
                port=0,
                stop=stop,
                sockets=[listener],
            )
            tasks.append(asyncio.create_task(serving))
        operator = plant.operator.verifier
        policy = Policy.from_bytes(write_policy(plant.key.verifier, operator, witnesses, "all"))
        published = asyncio.Queue[bytes]()
        ready = asyncio.Event()
        anchor = run_anchor(
            batches=plant,
            requests=plant,
            folder=folder / "log",
            db=folder / "anchor.db",
            key=plant.key,
            policy=policy,
            stop=stop,
            publish=published.put,
            on_ready=ready.set,
        )
        tasks.append(asyncio.create_task(anchor))
        await ready.wait()
        taken = list[float]()
        for number in range(count):
            # Not in step with the anchor's interval: each commit meets it at another moment.
            await asyncio.sleep(0.05 + 0.25 * (number % 4))
            start = time.perf_counter()
            plant.collector().commit(BATCH)
            await asyncio.wait_for(published.get(), 60)
            taken.append(time.perf_counter() - start)
        stop.set()
        await asyncio.gather(*tasks)
    how = f"{count} batches spread over a second; three witnesses over HTTP, `--every` of 1 s"
    millis = [1000 * one for one in taken]
    wanted = f"{WANTED_SECONDS:g} s, wanted"
    return [
        measured("log.cosigned", "commit to a checkpoint that three witnesses cosigned", millis,
                 1000 * WANTED_SECONDS, unit="ms", of=wanted, how=how, most=1.0),
        measured("log.cosigned-longest", "the same, the longest", [max(millis)],
                 1000 * WANTED_SECONDS, unit="ms", of=wanted, how=how, most=1.0),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, metavar="N", help="only this: one log of N entries")
    asked = parser.parse_args()
    SCRATCH.mkdir(exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if asked.many:
        tell(appending(asked.many, 1, "million"))
        return
    tell(appending(asked.entries, asked.rounds))
    tell(anchoring(asked.leaves, asked.rounds))
    tell(peer(asked.leaves // 10, asked.rounds))
    tell(asyncio.run(cosigning(asked.batches)))


if __name__ == "__main__":
    main()
