"""Whether the collector's memory stays flat: minutes of traffic, its size every second.

At a steady rate, or with `--full` as fast as the collector takes it: then the broker always has
a queue for it. Half of the messages are signed, each is new, so judges are counted and the store
grows. Linux. By itself, not part of `make bench`, only where --seconds is given.

Run: python benchmarks/soak.py [--seconds S] [--rate N | --full]
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from throughput.collector_side import shared
from throughput.messages import MACHINES, Message, signing, topic, unsigned

from factoryledger.broker import LocalBroker
from telemetry.link import Address, Link

SIDE = Path(__file__).parent / "throughput" / "collector_side.py"
QUEUED = 40_000  # messages at the broker and in the collector, at full rate
READINGS = 8
SOME = 80  # messages published at once


def messages() -> Iterator[Message]:
    """Give signed and foreign ones in turn, without end."""
    topics = [str(topic(machine, "soak")) for machine in range(MACHINES)]
    for pair in zip(unsigned(), signing(READINGS), strict=True):
        for machine, payload in pair:
            yield topics[machine], payload


async def publish(address: Address, seconds: float, may: Callable[[float], int]) -> int:
    """Publish as many as may be out after so many seconds; give how many."""
    endless = messages()
    async with Link(address, client_id="soak") as link:
        begun, sent = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            if sent >= may(passed):
                await asyncio.sleep(0.005)
                continue
            codes = await asyncio.gather(*[link.post(*next(endless)) for _ in range(SOME)])
            assert set(codes) == {0}, codes
            sent += SOME
    return sent


def megabytes(pid: int) -> float:
    """Give the size of a process and its children in memory."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    total = 0
    for one in (str(pid), *children):
        status = Path(f"/proc/{one}/status").read_text("ascii")
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total / 1024


async def watch(pid: int, sizes: list[float]) -> None:
    """Look every second."""
    while True:
        sizes.append(megabytes(pid))
        await asyncio.sleep(1.0)


async def run(broker: LocalBroker, folder: Path, rate: int | None, seconds: float) -> list[float]:
    """Publish, watch, and stop the collector; without a rate as fast as it takes."""
    progress = folder / "progress"
    progress.write_bytes(bytes(8))
    command = [sys.executable, str(SIDE), "collector", str(broker.port), "soak", str(10**12)]
    process = subprocess.Popen(  # noqa: ASYNC220 - its start does not block
        [*command, f"sqlite:///{folder}/ledger.db", "2", str(progress)], stdout=subprocess.PIPE
    )
    taken = shared(progress)

    def may(passed: float) -> int:
        if rate is not None:
            return int(passed * rate)
        return int.from_bytes(taken[:], "little") + QUEUED

    sizes: list[float] = []
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
        watching = asyncio.create_task(watch(process.pid, sizes))
        sent = await publish(broker.address, seconds, may)
        watching.cancel()
    finally:
        process.kill()
        process.communicate()
    stored = int.from_bytes(taken[:], "little")
    print(f"{sent:,} messages in {seconds:.0f} s, {stored:,} of them acknowledged by then")
    return sizes


def main() -> None:
    """Print the size in the first tenth of the time, in the last, and the largest."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=0.0)
    pace = arguments.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=int, default=4000)
    pace.add_argument("--full", action="store_true", help="as fast as the collector takes it")
    chosen = arguments.parse_args()
    if not chosen.seconds:
        print("a soak takes minutes: make soak")
        return
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker,
    ):
        rate = None if chosen.full else chosen.rate
        sizes = asyncio.run(run(broker, Path(scratch), rate, chosen.seconds))
    early = max(sizes[: max(1, len(sizes) // 10)])
    late = max(sizes[-max(1, len(sizes) // 10) :])
    print(f"collector and judges: {early:.0f} MB in the first tenth, {late:.0f} MB in the last,")
    print(f"{max(sizes):.0f} MB at most; wanted: flat, under 300 MB")


if __name__ == "__main__":
    main()
