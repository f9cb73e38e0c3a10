"""How fast the anchor log takes batches, message leaves are anchored, and a batch is cosigned.

Usage: python benchmarks/log.py [--entries N] [--leaves N] [--batches N]. Ratios to bare fsync
and bare SHA-256 of the same run are the figures; a rate is a machine's. Everything is real:
signatures, fsync, three witnesses over HTTP.
"""

import argparse
import asyncio
import logging
import os
import socket
import statistics
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

from anchor.growing import GrowingLog
from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.service import run_anchor, run_witness
from anchor.keeping.writer import Writer
from anchor.policy import Policy, Witness, write_policy

ROOT = Path(__file__).parents[1]
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


def appending(count: int) -> None:
    """Batches a second into the anchor log, every group durable."""
    plant = Plant()
    entries = checkpoints(plant, count)
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        floor = fsyncs(Path(name))
        taken = append(Path(name), plant, entries)
    rate, groups = count / taken, -(-count // GROUP)
    print(f"one write with fsync           {floor * 1e3:>12.2f} ms")
    print(
        f"{count:,} entries in {groups} groups {rate:>12,.0f} batches/s, "
        f"{rate / WANTED_BATCHES:.2f} of the {WANTED_BATCHES:,} wanted"
    )
    print(f"a group, in fsyncs             {taken / groups / floor:>12.0f}")
    print(f"an entry, in fsyncs            {taken / count / floor:>12.3f}")


def anchoring(count: int) -> None:
    """Message leaves a second of one core: records hashed into tiles, batches signed, anchored."""
    records = [b'{"record":1,"position":%d,' % i + b"x" * 360 + b"}" for i in range(BATCH)]
    plant = Plant()
    collector = plant.collector()
    batches = -(-count // BATCH)
    start = time.process_time()
    for _ in range(batches):
        for record in records:
            sha256(b"\0" + record).digest()
    floor = time.process_time() - start
    log, entries = GrowingLog(collector.key.name, collector.key), [collector.entry]
    start = time.process_time()
    for _ in range(batches):
        grown = log.extend(records)
        log = grown.log
        entries.append(grown.checkpoint)
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        append(Path(name), plant, entries)
    taken = time.process_time() - start
    leaves = batches * BATCH
    print(f"bare SHA-256                   {leaves / floor:>12,.0f} leaves/s of CPU")
    print(
        f"{leaves:,} leaves, anchored {leaves / taken:>12,.0f} leaves/s of CPU, "
        f"{leaves / taken / WANTED_LEAVES:.2f} of the {WANTED_LEAVES:,} wanted"
    )
    print(f"to bare SHA-256                {floor / taken:>12.2f}")


async def cosigning(count: int) -> None:
    """From a batch's commit to the published checkpoint, three witnesses, the default interval."""
    plant, names, stop = Plant(), ("w1", "w2", "w3"), asyncio.Event()
    plant.collector()
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
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
    middle, worst = statistics.median(taken), max(taken)
    print(f"commit to cosigned, {count} batches: median {middle:.2f} s, most {worst:.2f} s")
    print(f"most, to the {WANTED_SECONDS:g} s wanted        {worst / WANTED_SECONDS:>12.2f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=20)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    appending(asked.entries)
    anchoring(asked.leaves)
    asyncio.run(cosigning(asked.batches))


if __name__ == "__main__":
    main()
