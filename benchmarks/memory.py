"""How much memory the parts hold: collector and judges, anchor, page, and each simulated machine.

The program's own commands on one data folder, for a while: a thousand machines, a message a
second each. Memory is the resident one of a process and its children, the most of a look each
second. Beside them a Python that does nothing. Linux.

Run: python benchmarks/memory.py [--machines N] [--seconds S] [--rounds R]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from figure import Figure, measured, tell
from soak import megabytes
from watching import init, running

from factoryledger.broker import LocalBroker, free_port

WANTED = 300.0  # MB
WANTED_MACHINE = 25.0  # kB
FEW = 20  # machines, to be taken off
PARTS = ("collect", "anchor", "web", "simulate")
Found = dict[str, float]


def look(pids: dict[str, int], seconds: float) -> Found:
    """Give the most that each process holds with its children, in MB."""
    most = dict.fromkeys(pids, 0.0)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for name, pid in pids.items():
            most[name] = max(most[name], megabytes(pid))
        time.sleep(1.0)
    return most


def line(folder: Path, machines: int, seconds: float) -> Found:
    """Run all of it."""
    folder.mkdir()
    data = folder / "data"
    init(data)
    with LocalBroker(0, folder / "broker", embedded=False) as broker, ExitStack() as stack:
        at = ("--data", data, "--broker", broker.address)
        more: dict[str, tuple[object, ...]] = {
            "web": ("--port", free_port()),
            "simulate": ("--machines", machines, "--outbox", folder / "outbox"),
        }
        pids = {
            name: stack.enter_context(running(name, *at, *more.get(name, ()))) for name in PARTS
        }
        return look({**pids, "broker": broker.pid}, seconds)


def nothing() -> float:
    """What a Python holds that does nothing."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = megabytes(process.pid)
        process.communicate()
    return found


def figures(rounds: list[tuple[Found, Found, float]], given: argparse.Namespace) -> list[Figure]:
    """Make the rows."""
    how = f"`{{}}`, {given.machines:,} machines, a message a second each, {given.seconds:g} s"

    def part(name: str) -> list[float]:
        return [many[name] for many, _, _ in rounds]

    bare = [python for _, _, python in rounds]
    each = [
        (many["simulate"] - few["simulate"]) * 1024 / (given.machines - FEW)
        for many, few, _ in rounds
    ]
    python = "a Python that does nothing"
    return [
        measured("memory.collector", "memory, collector with its judges", part("collect"), WANTED,
                 unit="MB", of="300 MB, wanted", how=how.format("collect"), most=1.0),
        measured("memory.machine", "memory, a simulated machine with its outbox", each,
                 WANTED_MACHINE, unit="kB", of="25 kB, wanted", most=1.0,
                 how=f"`simulate`, {given.machines:,} machines less {FEW}"),
        measured("memory.anchor", "memory, anchor", part("anchor"), bare, unit="MB", of=python,
                 how=how.format("anchor")),
        measured("memory.web", "memory, page's server", part("web"), bare, unit="MB", of=python,
                 how=how.format("web")),
        measured("memory.simulate", "memory, simulator, whole", part("simulate"), bare, unit="MB",
                 of=python, how=how.format("simulate")),
        measured("memory.broker", "memory, Mosquitto beside them", part("broker"), bare,
                 unit="MB", of=python, how="the same"),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(given.rounds):
            many = line(Path(scratch) / f"many{number}", given.machines, given.seconds)
            few = line(Path(scratch) / f"few{number}", FEW, given.seconds / 3)
            rounds.append((many, few, nothing()))
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr, flush=True)
    tell(figures(rounds, given))


if __name__ == "__main__":
    main()
