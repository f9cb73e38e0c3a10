"""Whether the collector's memory stays flat: minutes of steady traffic, its size every second.

Run: python benchmarks/soak.py [--seconds S] [--rate N]; by itself, not part of `make bench`,
only where --seconds is given. Linux. Half of the messages are signed, so judges are counted.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from throughput.messages import foreign, placed, signed

from factoryledger.broker import LocalBroker
from telemetry.link import Address, Link

SIDE = Path(__file__).parent / "throughput" / "collector_side.py"
ROUND = 20_000  # signed messages; then they come again, as duplicates


async def publish(address: Address, rate: int, seconds: float) -> int:
    """Publish at a rate; give how many."""
    mixed = [one for pair in zip(foreign(ROUND), signed(ROUND, 8), strict=True) for one in pair]
    messages: Iterator[tuple[str, bytes]] = cycle(placed(mixed, "soak"))
    async with Link(address, client_id="soak") as link:
        begun, sent = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            while sent < passed * rate:
                await asyncio.gather(*[link.post(*next(messages)) for _ in range(rate // 50)])
                sent += rate // 50
            await asyncio.sleep(0.005)
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


async def run(broker: LocalBroker, folder: Path, rate: int, seconds: float) -> list[float]:
    """Publish, watch, and stop the collector."""
    count = str(10**12)
    command = [sys.executable, str(SIDE), "collector", str(broker.port), "soak", count]
    process = subprocess.Popen(  # noqa: ASYNC220 - its start does not block
        [*command, f"sqlite:///{folder}/ledger.db", "2"], stdout=subprocess.PIPE
    )
    sizes: list[float] = []
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
        watching = asyncio.create_task(watch(process.pid, sizes))
        sent = await publish(broker.address, rate, seconds)
        watching.cancel()
    finally:
        process.kill()
        process.communicate()
    print(f"{sent:,} messages in {seconds:.0f} s")
    return sizes


def main() -> None:
    """Print the size after the first minute, at the end, and the largest."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=0.0)
    arguments.add_argument("--rate", type=int, default=4000)
    chosen = arguments.parse_args()
    if not chosen.seconds:
        print("a soak takes minutes: make soak")
        return
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker,
    ):
        sizes = asyncio.run(run(broker, Path(scratch), chosen.rate, chosen.seconds))
    early = max(sizes[: max(1, len(sizes) // 10)])
    late = max(sizes[-max(1, len(sizes) // 10) :])
    print(f"collector and judges: {early:.0f} MB in the first tenth, {late:.0f} MB in the last,")
    print(f"{max(sizes):.0f} MB at most; wanted: flat, under 300 MB")


if __name__ == "__main__":
    main()
