"""What durability costs an outbox: rates of recording, as ratios to the outbox in memory.

    python -m benchmarks.outbox [FOLDER]

Twenty machines' outboxes in FOLDER (default: here); every row does the same signing. The
best of several rounds, since a shared machine only ever makes a round slower.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulator.offline import test_key
from simulator.outbox import Outbox
from simulator.plant import build_plant

MACHINES = 20
MESSAGES = 2_000  # in all, a round
ROUNDS = 7
READINGS = {f"metric_{number}": 10.125 * number for number in range(8)}

Sync = Callable[[Sequence[Outbox]], object]


def rate(directory: Path | None, each: int, sync: Sync) -> float:
    """Messages a second, syncing after every `each` messages of every machine."""
    boxes = [
        Outbox(machine.name, test_key(1, machine.name), machine.topic, directory)
        for machine in build_plant(MACHINES, 1)
    ]
    rounds = max(1, MESSAGES // (each * MACHINES))
    begun = time.perf_counter()
    for _ in range(rounds):
        for box in boxes:
            for _ in range(each):
                box.record("telemetry", time=1, readings=READINGS)
        sync(boxes)
    spent = time.perf_counter() - begun
    for box in boxes:
        box.close()
    return rounds * each * MACHINES / spent


def best(place: Path | None, each: int, sync: Sync) -> float:
    """The highest rate of several rounds, each in a fresh folder under `place`."""
    rates = []
    for _ in range(ROUNDS):
        folder = None if place is None else Path(tempfile.mkdtemp(prefix="outbox-", dir=place))
        try:
            rates.append(rate(folder, each, sync))
        finally:
            if folder is not None:
                shutil.rmtree(folder)
    return max(rates)


def in_turn(boxes: Sequence[Outbox]) -> None:
    """Sync one after the other."""
    for box in boxes:
        box.sync()


def in_threads(count: int) -> Sync:
    """Sync in this many threads."""
    pool = ThreadPoolExecutor(count)
    return lambda boxes: list(pool.map(Outbox.sync, boxes))


ROWS: list[tuple[str, int, Sync]] = [
    ("file, never synced", 1, lambda _: None),
    ("a sync for every message, one thread", 1, in_turn),
    ("the same, four threads", 1, in_threads(4)),
    ("the same, eight threads", 1, in_threads(8)),
    ("a sync for every ten messages, one thread", 10, in_turn),
    ("a sync for every hundred, one thread", 100, in_turn),
]


def main() -> None:
    """Print a table of ratios."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    memory = best(None, 1, in_turn)
    print(f"{'in memory':45} 1.00  ({memory:.0f} messages/s)")
    for name, each, sync in ROWS:
        print(f"{name:45} {best(place, each, sync) / memory:.2f}")


if __name__ == "__main__":
    main()
