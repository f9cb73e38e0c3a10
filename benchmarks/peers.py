"""What others store of the same messages from the same broker, beside the collector.

Each program is a process of its own, set as well as it can be set without changing what it is:

mosquitto_sub    into a file; a backlog, at QoS 1. It writes and acknowledges, without fsync
batched          what a careful script does: paho with `manual_ack`, a session, SQLite with WAL
                 and FULL, a transaction for a thousand messages, acknowledged after it
mq-bridge        PyPI's Rust bridge, MQTT to SQLite (WAL, FULL), a thousand a batch,
                 acknowledged after it
mqtt-recorder    PyPI's; in memory, a CSV file when it is stopped, which counts
mqtt-logger      PyPI's; SQLite, a commit a message
paho-sqlalchemy  what is written first: a session and a commit a message

Those without a session listen while the messages are published. The slow ones get fewer.

Run: python benchmarks/peers.py [--messages N] [--rounds R] (after `make peers rivals`)
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from figure import Figure, measured, tell
from throughput.messages import foreign
from throughput.sides import PYTHON_OF, Figures, Sides

from factoryledger.broker import LocalBroker

LEAST = 9_000  # messages
SLOW = 60  # times fewer messages
PROGRAMS = {
    "mosquitto_sub": ("`mosquitto_sub` into a file", "no fsync, no hash; a crash loses it", 1),
    "batched": (
        "a careful paho script into SQLite",
        "a transaction for 1,000, then acknowledged; no hash",
        1,
    ),
    "mq-bridge": (
        "mq-bridge (Rust) into SQLite",
        "a transaction for 1,000, then acknowledged; no hash",
        1,
    ),
    "mqtt-recorder": ("mqtt-recorder", "in memory, a CSV when stopped", 4),
    "mqtt-logger": ("mqtt-logger into SQLite", "a commit a message", SLOW),
    "paho-sqlalchemy": ("paho and SQLAlchemy", "a session and a commit a message", SLOW),
}


def measure(sides: Sides, count: int, rounds: int) -> dict[str, list[Figures]]:
    """Run every side, in turn, as often as said."""
    plain = foreign(count)
    runs: dict[str, Callable[[], Figures]] = {
        "ours": lambda: sides.ours("collector", plain),
        "mosquitto_sub": lambda: sides.mosquitto_sub(plain, keep=True),
    }
    for name, (python, _) in PYTHON_OF.items():
        if python.exists():
            some = plain[: count // PROGRAMS[name][2]]
            runs[name] = lambda name=name, some=some: sides.peer(name, some)  # type: ignore[misc]
    found: dict[str, list[Figures]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            try:
                found[name].append(run())
            except RuntimeError as error:  # once more: a part of a backlog is no figure
                print(f"round {number + 1}: {error}", file=sys.stderr, flush=True)
                found[name].append(run())
            print(f"round {number + 1}: {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    return found


def figures(found: dict[str, list[Figures]]) -> list[Figure]:
    """Make a row of each program: the collector's rate to its."""
    ours, cpu = ([one[key] for one in found["ours"]] for key in ("rate", "cpu_us"))
    there = {name: row for name, row in PROGRAMS.items() if name in found}
    rates = [
        measured(f"peers.{name}", "stored, unsigned messages", ours,
                 [one["rate"] for one in found[name]], unit="/s", of=what, how=how)
        for name, (what, how, _) in there.items()
    ]  # fmt: skip
    costs = [
        measured(f"peers.{name}-cpu", "CPU of an unsigned message, the collector", cpu,
                 [one["cpu_us"] for one in found[name]], unit="µs of CPU", of=what, how=how)
        for name, (what, how, _) in there.items()
    ]  # fmt: skip
    return rates + costs


def main() -> None:
    """Measure, tell the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--messages", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    if chosen.messages < LEAST:
        arguments.error(f"--messages: at least {LEAST}")
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker,
    ):
        tell(figures(measure(Sides(broker, Path(scratch)), chosen.messages, chosen.rounds)))


if __name__ == "__main__":
    main()
