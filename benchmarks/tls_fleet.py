"""What a fleet's connections cost over mutual TLS, beside the same without: memory, time, CPU.

Every machine has a certificate of its own and a connection of its own, all in one process, as
`simulate` connects them; the broker is the shipped one, its other listener without TLS beside it.
Figures are TLS to plain, of one run; what they stand for in bytes is this machine's. Linux.

Run: python benchmarks/tls_fleet.py [--machines N]
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from shipped_broker import COUNTS, Shipped

from factoryledger.broker import LocalBroker
from factoryledger.broker_files import BrokerFiles
from factoryledger.broker_identity import certified
from factoryledger.running import few_collections, loop_factory
from telemetry.address import NOBODY, Address
from telemetry.bundle import Bundle
from telemetry.mqtt_packets import Arrival, Opening, Subscription


class Silent:
    """An ear for which nothing comes."""

    def ready(self) -> None:
        """Nothing is sent."""

    def take(self, arrivals: list[Arrival]) -> None:
        """Nothing is subscribed that anybody publishes."""

    def settled(self, token: object, code: int) -> None:
        """Nothing was sent."""

    def tick(self, now: float) -> None:
        """Nothing is waited for."""


def memory(pid: int) -> int:
    """A process's resident memory, bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def cpu(pid: int) -> float:
    """A process's CPU time, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def connect(address: Address, folder: Path | None, count: int) -> dict[str, float]:
    """Connect so many; what it took, all standing at the end."""
    few_collections()
    before, began, spent = memory(os.getpid()), time.monotonic(), time.process_time()
    bundle = Bundle(address, connect_timeout=60.0)
    for number in range(count):
        name = f"m{number:05}"
        opening = Opening(
            client_id=name,
            credentials=certified(folder, name) if folder else NOBODY,
            subscriptions=(Subscription(f"works/hall/area/line/{name}/receipt"),),
            clean_start=True,
        )
        bundle.add(opening, Silent())
    ready = time.monotonic()
    async with bundle:
        while bundle.counts.standing < count:  # noqa: ASYNC110 - counted by many
            await asyncio.sleep(0.05)
        stood = time.monotonic()
        found = {
            "bytes": (memory(os.getpid()) - before) / count,
            "prepared": ready - began,
            "connected": stood - ready,
            "cpu": time.process_time() - spent,
            "failed": bundle.counts.failed,
        }
        print(json.dumps(found), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    return found


def side(broker: LocalBroker, address: Address, folder: str, count: int) -> dict[str, float]:
    """Let a process connect them; its figures, and the broker's."""
    before, spent = memory(broker.pid), cpu(broker.pid)
    command = [sys.executable, __file__, "--side", str(address), folder, "--machines", str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found: dict[str, float] = json.loads(process.stdout.readline())
        found["broker_bytes"] = (memory(broker.pid) - before) / count
        found["broker_cpu"] = cpu(broker.pid) - spent
        process.communicate("\n")
    return found


ROWS = (
    ("memory of the fleet, a machine", "bytes", 1e-3, "KB"),
    ("memory of the broker, a machine", "broker_bytes", 1e-3, "KB"),
    ("seconds until all stand", "connected", 1.0, "s"),
    ("CPU of the fleet for it", "cpu", 1.0, "s"),
    ("CPU of the broker for it", "broker_cpu", 1.0, "s"),
)


def main() -> None:
    """Measure both and print them side by side."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--machines", type=int, default=2000)
    arguments.add_argument("--side", nargs=2)
    chosen = arguments.parse_args()
    count = chosen.machines
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 500), hard))
    if chosen.side:
        address, folder = Address.parse(chosen.side[0]), chosen.side[1]
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(connect(address, Path(folder) if folder else None, count))
        return
    with tempfile.TemporaryDirectory(prefix="factoryledger-tls-") as scratch:
        files = BrokerFiles(Path(scratch) / "broker")
        files.prepare("example.org/bench", ["127.0.0.1"], COUNTS)
        files.machines(f"m{number:05}" for number in range(count))
        with Shipped(Path(scratch) / "secure", files.server) as broker:
            secure = side(broker, broker.secure, str(files.path / "machine"), count)
        with LocalBroker(0, Path(scratch) / "plain", embedded=False) as plain_broker:
            plain = side(plain_broker, plain_broker.address, "", count)
    print(f"| {count:,} machines | over mutual TLS | plain | ratio |")
    print("|---|---|---|---|")
    for what, name, scale, unit in ROWS:
        over, without = secure[name], plain[name]
        ratio = over / without if without else float("nan")
        print(
            f"| {what} | {over * scale:.1f} {unit} | {without * scale:.1f} {unit} | {ratio:.1f} |"
        )


if __name__ == "__main__":
    main()
