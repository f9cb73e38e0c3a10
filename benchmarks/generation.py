"""What a machine costs before the network: time to make a message unsigned, and memory.

    python benchmarks/generation.py

One process, one core, CPU time. A message is a step of a machine's physics and of its
routine (the default plant) or its work (shipped scenarios), and its body, composed. Medians
of several rounds; the figure that the documents name is scaled to ten readings a message.
Memory is what `tracemalloc` counts for machines that run: their place, their state and their
generators, without outbox and connection.
"""

import gc
import time
import tracemalloc
from collections.abc import Sequence
from statistics import median

from figure import Figure, measured, tell

from simulator.machine import Machine, RunningMachine, start_plant
from simulator.plant import build_plant
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of
from telemetry.compose import Author

START = 1_767_600_000_000_000  # a Monday, 08:00 UTC
ROUNDS = 7
BEATS = 200
WARM_UP = 120  # beats, after which most machines are at work
TEN = 10.0  # readings a message
SECOND = 1_000_000
WANTED = 200_000.0  # readings a second


class Source:
    """A machine that runs, and the author of its messages."""

    def __init__(self, running: RunningMachine) -> None:
        self.running = running
        name = running.machine.name
        self.author = Author(device=name, session="0123456789abcdef", key="0123456789abcdef")
        self.seq = 0

    def message(self, now: int) -> int:
        """Make one; how many readings it has."""
        scan = self.running.step(1.0, now)
        self.author.compose(
            kind="telemetry", seq=self.seq, prev=bytes(32), anchor=None, time=now,
            readings=scan.readings,
        )  # fmt: skip
        self.seq += 1
        return len(scan.readings)


def timed(machines: Sequence[Machine]) -> tuple[list[float], float]:
    """CPU seconds a message in each round, and readings a message."""
    begin = START
    sources = [Source(running) for running in start_plant(machines, begin)]
    for beat in range(WARM_UP):
        for source in sources:
            source.running.step(1.0, begin + beat * SECOND)
    begin += WARM_UP * SECOND
    spent, readings = [], 0
    for number in range(ROUNDS):
        begun, readings = time.process_time(), 0
        for beat in range(BEATS):
            now = begin + (number * BEATS + beat) * SECOND
            for source in sources:
                readings += source.message(now)
        spent.append((time.process_time() - begun) / (BEATS * len(sources)))
    return spent, readings / (BEATS * len(sources))


def held(machines: Sequence[Machine]) -> float:
    """Bytes a running machine holds, after a few beats."""
    start_plant(machines)  # what all share is there now
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    running = start_plant(machines, START)
    for beat in range(3):
        for machine in running:
            machine.step(1.0, START + beat * SECOND)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(running)


def declared(count: int) -> float:
    """Bytes that a machine of the default plant takes before it runs: topic, kind, seed."""
    gc.collect()
    tracemalloc.start()
    machines = build_plant(count)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / len(machines)


def main() -> None:
    """Print both tables."""
    plants = {
        "default plant, routines": build_plant(20),
        "workshop, work": plant_of(load_scenario("workshop")),
        "moulding-shop, work": plant_of(load_scenario("moulding-shop")),
        "machining-hall, work": plant_of(load_scenario("machining-hall")),
    }
    rows = list[Figure]()
    print(f"{'CPU time of a message, unsigned':32}  us  readings  readings/s  at 10 a message")
    for name, machines in plants.items():
        rounds, readings = timed(machines)
        seconds = median(rounds)
        rows.append(
            measured(f"generation.{name.split(',')[0].split()[0]}", f"readings made, {name}",
                     [TEN / one for one in rounds], WANTED, unit="/s a core", least=1.0,
                     of="200,000 a second, wanted", how="no network, unsigned, ten a message")
        )  # fmt: skip
        print(
            f"{name:30} {seconds * 1e6:5.1f} {readings:9.1f} {readings / seconds:11,.0f}"
            f" {TEN / seconds:16,.0f}"
        )
    tell(rows)
    print(f"\n{'bytes a running machine':32} routine  work")
    of_kind: dict[str, list[list[Machine]]] = {}
    for place, plant in enumerate((build_plant(2000), plant_of(load_scenario("works")))):
        for machine in plant:
            of_kind.setdefault(machine.kind, [[], []])[place].append(machine)
    for kind, groups in of_kind.items():
        print(f"{kind:32}", *(f"{held(group):7.0f}" if group else "      -" for group in groups))
    print(f"before it runs: {declared(2000):.0f} bytes a machine")


if __name__ == "__main__":
    main()
