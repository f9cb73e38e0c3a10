"""What the collector does beside a C client, beside its own parts, and beside others' programs.

Everything in one run against one Mosquitto, sides in turn, medians of the rounds; each side is
a process of its own and takes what was queued for it. Ratios are the figures; the rates are
this machine's. `--write FILE` puts the table into a page, between its two marks.

Run: python benchmarks/collect.py [--messages N] [--rounds R] [--write docs/performance.md]
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from throughput.messages import foreign, placed, signed
from throughput.pace import foreign_now, publish_at, signed_now
from throughput.parts import parts

from factoryledger.broker import LocalBroker
from factoryledger.running import few_collections
from telemetry.link import Address, Link

HERE = Path(__file__).parent / "throughput"
PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
CORES = os.cpu_count() or 1
LEAST = 9_000  # messages
SLOW = 3_000  # messages for a program that commits each
MARK = "<!-- benchmarks/collect.py -->"

Figures = dict[str, float]
Payloads = list[tuple[int, bytes]]


class Bench:
    """One broker, and sides that take messages from it."""

    def __init__(self, broker: LocalBroker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self._runs = 0

    def ours(self, side: str, payloads: Payloads, *, processes: int = 0) -> Figures:
        """Let the collector or the link take a backlog."""
        prefix, folder = self._place()
        command = [sys.executable, str(HERE / "collector_side.py"), side, str(self.broker.port)]
        store = f"sqlite:///{folder}/ledger.db"
        opened = [*command, prefix, "0", store, "0"]
        subprocess.run(opened, check=True, stdout=subprocess.DEVNULL)
        self._fill(payloads, prefix)
        with self._broker_cost(len(payloads)) as cost:
            done = subprocess.run(
                [*command, prefix, str(len(payloads)), store, str(processes)],
                check=True,
                stdout=subprocess.PIPE,
            )
        shutil.rmtree(folder)
        return {**json.loads(done.stdout.splitlines()[-1]), **cost}

    def mosquitto_sub(self, payloads: Payloads) -> Figures:
        """Let the C client take a backlog."""
        prefix, _ = self._place()
        command = ["mosquitto_sub", "-p", str(self.broker.port), "-V", "5", "-q", "1", "-c"]
        command += ["-i", prefix, "-x", "600", "-t", f"{prefix}/#", "-F", "%t %p"]
        command += ["-D", "CONNECT", "receive-maximum", "8000"]
        subprocess.run([*command, "-E"], check=True)
        self._fill(payloads, prefix)
        before, begun = os.times(), time.perf_counter()
        with self._broker_cost(len(payloads)) as cost:
            subprocess.run(
                [*command, "-C", str(len(payloads))], check=True, stdout=subprocess.DEVNULL
            )
        seconds, after = time.perf_counter() - begun, os.times()
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        count = len(payloads)
        return {"rate": count / seconds, "cpu_us": spent / count * 1e6, **cost}

    def peer(self, name: str, payloads: Payloads) -> Figures:
        """Let another program take what is published while it listens."""
        prefix, folder = self._place()
        python = sys.executable if name == "paho-sqlalchemy" else str(PEERS)
        command = [python, str(HERE / "peer_side.py"), name, str(self.broker.port), prefix]
        with subprocess.Popen(
            [*command, str(len(payloads)), str(folder)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            self._fill(payloads, prefix)
            return dict(json.loads(process.stdout.readline()))

    def delays(self, rate: float, seconds: float, *, signed: bool) -> Figures:
        """Let the collector take messages as they come, at this rate, and time each."""
        prefix, folder = self._place()
        count = int(rate * seconds)
        side, processes = ("signed-delays", CORES) if signed else ("foreign-delays", 0)
        command = [sys.executable, str(HERE / "collector_side.py"), side]
        command += [str(self.broker.port), prefix, str(count), f"sqlite:///{folder}/ledger.db"]
        messages = signed_now(prefix, 3) if signed else foreign_now(prefix)
        with subprocess.Popen([*command, str(processes)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            asyncio.run(publish_at(self.broker.address, messages, rate, count))
            return dict(json.loads(process.stdout.readline()))

    def _place(self) -> tuple[str, Path]:
        self._runs += 1
        folder = self.folder / f"run{self._runs}"
        folder.mkdir()
        return f"bench{self._runs}", folder

    def _fill(self, payloads: Payloads, prefix: str) -> None:
        asyncio.run(_publish(self.broker.address, placed(payloads, prefix)))

    @contextmanager
    def _broker_cost(self, count: int) -> Iterator[Figures]:
        cost: Figures = {}
        before = _cpu_of(self.broker.pid)
        yield cost
        cost["broker_us"] = (_cpu_of(self.broker.pid) - before) / count * 1e6


async def _publish(address: Address, messages: list[tuple[str, bytes]]) -> None:
    async with Link(address, client_id="bench-fill") as link:
        codes = set(await asyncio.gather(*[link.post(*message) for message in messages]))
    assert codes == {0}, codes


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(rounds: list[Figures]) -> Figures:
    """Give each figure's median over the rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def measure(bench: Bench, count: int, rounds: int) -> dict[str, Figures]:
    """Run every side, in turn, as often as said."""
    plain, sealed = foreign(count), signed(count, 3)
    wide = signed(count // 3, 50)
    sides: dict[str, Callable[[], Figures]] = {
        "mosquitto_sub": lambda: bench.mosquitto_sub(plain),
        "link": lambda: bench.ours("link", plain),
        "foreign": lambda: bench.ours("collector", plain),
        "signed": lambda: bench.ours("collector", sealed, processes=CORES),
        "signed, one process": lambda: bench.ours("collector", sealed[: count // 3]),
        "50 readings": lambda: bench.ours("collector", wide, processes=CORES),
        "broker, signed": lambda: bench.mosquitto_sub(sealed),
        "parts, signed": lambda: parts(placed(sealed[:20_000], "p"), _fresh(bench.folder)),
        "parts, foreign": lambda: parts(placed(plain[:20_000], "p"), _fresh(bench.folder)),
        "paho-sqlalchemy": lambda: bench.peer("paho-sqlalchemy", plain[:SLOW]),
    }
    if PEERS.exists():
        sides["mqtt-logger"] = lambda: bench.peer("mqtt-logger", plain[:SLOW])
        sides["mqtt-recorder"] = lambda: bench.peer("mqtt-recorder", plain[: 5 * SLOW])
    found: dict[str, list[Figures]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, run in sides.items():
            found[name].append(run())
            print(f"round {number + 1}: {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    figures = {name: median(some) for name, some in found.items()}
    for name in ("foreign", "signed"):
        half = figures[name]["rate"] / 2
        figures[f"half, {name}"] = bench.delays(half, 8.0, signed=name == "signed")
    return figures


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def table(found: dict[str, Figures]) -> list[str]:
    """Write the figures down as ratios, each with what it is measured against."""
    drain, foreign_, signed_ = found["mosquitto_sub"], found["foreign"], found["signed"]
    cost = found["parts, signed"]
    needed = cost["verify"] + cost["link"] + cost["store"] + cost["hash"]
    needed += found["broker, signed"]["broker_us"]
    cores = min(CORES, 2)
    bound = cores * 1e6 / needed
    plain = found["parts, foreign"]
    others = foreign_["cpu_us"] - plain["hash"]
    way = others + foreign_["broker_us"]
    lines = ["| | ratio | wanted | CPU of both, µs a message |", "|---|---|---|---|"]

    def row(name: str, ratio: str, wanted: str, cpu: str) -> None:
        lines.append(f"| {name} | {ratio} | {wanted} | {cpu} |")

    row(
        "foreign, 200 bytes, SQLite FULL, acknowledged after commit; to `mosquitto_sub`",
        f"{foreign_['rate'] / drain['rate']:.2f}",
        "0.70",
        f"{foreign_['cpu_us']:.1f} to {drain['cpu_us']:.1f}",
    )
    row(
        "the bare link; to `mosquitto_sub`",
        f"{found['link']['rate'] / drain['rate']:.2f}",
        "",
        f"{found['link']['cpu_us']:.1f} to {drain['cpu_us']:.1f}",
    )
    row(
        f"signed, every signature checked; to what {cores} cores give to verify + broker + link"
        " + store + hash",
        f"{signed_['rate'] / bound:.2f}",
        "0.80",
        f"{signed_['cpu_us'] + signed_['broker_us']:.1f} to {needed:.1f} ("
        + " + ".join(f"{cost[name]:.1f}" for name in ("verify", "link", "store", "hash"))
        + f" + broker {found['broker, signed']['broker_us']:.1f})",
    )
    one = found["signed, one process"]
    row(
        f"signed, {CORES} judges; to the same without judges",
        f"{signed_['rate'] / one['rate']:.2f}",
        "",
        f"{signed_['cpu_us']:.1f} to {one['cpu_us']:.1f}",
    )
    row(
        "50 readings a message, signed; to 500,000 readings/s",
        f"{found['50 readings']['rate'] * 50 / 500_000:.2f}",
        "1.00",
        f"{found['50 readings']['cpu_us']:.1f}",
    )
    for name, rest in (("in the collector", others), ("the broker's part included", way)):
        row(
            f"hashing, records and log; to all else of a foreign message, {name}",
            f"{plain['hash'] / rest:.2f}",
            "at most 0.25",
            f"{plain['hash']:.1f} to {rest:.1f}",
        )
    for name, whence in (("foreign", "publisher"), ("signed", "machine")):
        half = found[f"half, {name}"]
        row(
            f"{whence} to committed at half of the peak, {name}, 99 %; to 500 ms",
            f"{half['p99'] / 0.5:.2f}",
            "at most 1",
            f"{half['cpu_us']:.1f}",
        )
    for name in ("mqtt-logger", "mqtt-recorder", "paho-sqlalchemy"):
        if name in found:
            row(
                f"foreign; to {name}",
                f"{foreign_['rate'] / found[name]['rate']:.1f}",
                "5",
                f"{foreign_['cpu_us']:.1f} to {found[name]['cpu_us']:.1f}",
            )
    return lines


def main() -> None:
    """Measure, print the table, put it where it was asked for."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--messages", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--write", type=Path)
    chosen = arguments.parse_args()
    if chosen.messages < LEAST:
        arguments.error(f"a third of --messages must be more than a batch: at least {LEAST}")
    if shutil.which("mosquitto_sub") is None:
        sys.exit("mosquitto_sub is not there: apt-get install mosquitto-clients")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    few_collections()  # as the collector has it: parts are measured in this process
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker,
    ):
        found = measure(Bench(broker, Path(scratch)), chosen.messages, chosen.rounds)
    lines = table(found)
    print("\n".join(lines))
    print(
        json.dumps({name: {k: round(v, 3) for k, v in one.items()} for name, one in found.items()})
    )
    if chosen.write:
        before, _, after = chosen.write.read_text("utf-8").split(MARK, 2)
        page = (before, f"{MARK}\n", "\n".join(lines), f"\n{MARK}", after)
        chosen.write.write_text("".join(page), "utf-8")


if __name__ == "__main__":
    main()
