"""How soon the program is there: its help, each part ready, and the first proof of a demo.

Each a command, started again and again in turn beside a Python that does nothing; seconds of the
clock, and their ratio to that Python's.

Run: python benchmarks/start.py [--rounds R]
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figure import Figure, measured, tell
from watching import init, running

from factoryledger.broker import LocalBroker

PROGRAM = [sys.executable, "-m", "factoryledger"]
MINUTE = 60_000.0  # ms, to the first proof
WORDS = re.compile(r"first reading proved and verified after (\S+) s")


def timed(work: Callable[[], object]) -> float:
    """Give the milliseconds that it takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def command(*words: object) -> float:
    """Give the milliseconds that a command takes."""
    return timed(lambda: subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL))


def ready(*words: object) -> float:
    """Give the milliseconds until a part is ready."""
    begun = time.perf_counter()
    with running(*words):
        return (time.perf_counter() - begun) * 1000


def demo(folder: Path) -> tuple[float, float]:
    """Milliseconds of a demo from its start until a reading is proved, and by its own word."""
    words = [*PROGRAM, "demo", "--data", str(folder), "--duration", "12"]
    begun, found = time.perf_counter(), (0.0, 0.0)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if said := WORDS.search(line):
                found = ((time.perf_counter() - begun) * 1000, float(said[1]) * 1000)
    assert found[0], "no reading was proved"
    return found


def one(folder: Path, broker: LocalBroker) -> dict[str, float]:
    """One round of all."""
    data = folder / "data"
    at = ("--data", data, "--broker", broker.address)
    bare = command(sys.executable, "-c", "pass")
    init(data)
    return {
        "bare": bare,
        "help": command(*PROGRAM, "--help"),
        "init": command(*PROGRAM, "init", "--data", folder / "other"),
        "collect": ready("collect", *at),
        "anchor": ready("anchor", *at),
        "proof": demo(folder / "demo")[0],
    }


def figures(rounds: list[dict[str, float]]) -> list[Figure]:
    """Make the rows."""
    bare = [one["bare"] for one in rounds]

    def row(name: str, what: str, how: str) -> Figure:
        return measured(f"start.{name}", what, [each[name] for each in rounds], bare, unit="ms",
                        of="a start of Python that does nothing", how=how)  # fmt: skip

    return [
        measured("start.proof", "start to the first proof, verified",
                 [each["proof"] for each in rounds], MINUTE, unit="ms", of="a minute, wanted",
                 how="`demo` in an empty folder: broker, 20 machines, collector, anchor, witness",
                 most=1.0),
        row("help", "`factoryledger --help`", "as a command"),
        row("init", "`factoryledger init`", "as a command: keys, policy, folder"),
        row("collect", "`collect`, until it is ready", "store made, subscribed"),
        row("anchor", "`anchor`, until it is ready", "of an empty log"),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rounds = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker,
    ):
        for number in range(given.rounds):
            folder = Path(scratch) / f"{number}"
            folder.mkdir()
            rounds.append(one(folder, broker))
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr, flush=True)
    tell(figures(rounds))


if __name__ == "__main__":
    main()
