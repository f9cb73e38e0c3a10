"""What a collector's rules cost beside the commit: numbers taken, runs noted, receipts owed.

Usage: python benchmarks/beside_the_commit.py [sessions]. One core, SQLite with half a million
claims in a temporary folder. Batches of 2,000 messages, one of each session in turn; the marks
against the same look-up that must ask the store, in the same run.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from collector.batch import Receipted
from collector.claims import StoredClaims
from collector.continuity import Continuity, Link
from collector.pending import Pending
from collector.store import open_store

CLAIMS = 500_000
BATCH = 2000
BATCHES = 40

Number = tuple[str, str, int]


def main() -> None:
    """Print microseconds a message of each, and what the marks save."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    places = [(f"press-{n:05d}", f"{n:016x}") for n in range(sessions)]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/ledger.db", create=True) as store,
    ):
        each = CLAIMS // sessions
        rows = [(*p, seq, "c", 0, bytes(32)) for p in places for seq in range(each)]
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", rows)
        new = ((*p, each + turn) for turn in range(1000) for p in places)
        batches = [list(islice(new, BATCH)) for _ in range(BATCHES)]
        claims = StoredClaims(store)
        for batch in batches[: sessions // BATCH + 1]:
            claims.numbers(batch)  # the marks are learned once
        marked = timed(claims.numbers, batches)
        asked = timed(lambda batch: asking(claims, batch), batches)
    print(f"{sessions:,} sessions, {CLAIMS:,} claims; microseconds a message")
    print(f"numbers taken, by the marks   {marked:8.2f}")
    print(f"numbers taken, by the store   {asked:8.2f}   {asked / marked:5.1f} times")
    print(f"gaps and forks, runs noted    {timed(noting(), batches):8.2f}")
    print(f"receipts, owed and paced      {timed(owing(), batches):8.2f}")


def asking(claims: StoredClaims, batch: Sequence[Number]) -> None:
    """Without marks: each session's highest number is the store's to say."""
    claims.forget()
    claims.numbers(batch)


def noting() -> Callable[[Sequence[Number]], None]:
    """Each message follows on from the last of its session."""
    continuity, bodies = Continuity(), [f"{n}".encode().ljust(32) for n in range(CLAIMS)]

    def note(batch: Sequence[Number]) -> None:
        links = [Link(d, s, n, bodies[n - 1], bodies[n], 0) for d, s, n in batch]
        continuity.note(links, 0.0)
        for place, runs in continuity.take(0.0, everything=True, most=BATCH).items():
            continuity.settle([(place, runs[-1])], ())

    return note


def owing() -> Callable[[Sequence[Number]], None]:
    """A second passes with each batch, and what is due is taken out."""
    pending, body, clock = Pending(), bytes(32), iter(range(10**9))

    def owe(batch: Sequence[Number]) -> None:
        now = float(next(clock))
        pending.stored(len(batch))
        items = [Receipted(f"a/b/c/d/{n[0]}/telemetry", n, body, "c") for n in batch]
        pending.add(items, now=now, anchored_by=0)
        pending.due(now, room=10_000)

    return owe


def timed(work: Callable[[Sequence[Number]], object], batches: Sequence[Sequence[Number]]) -> float:
    """Microseconds a message."""
    begun = time.perf_counter()
    for batch in batches:
        work(batch)
    return (time.perf_counter() - begun) / (len(batches) * BATCH) * 1_000_000


main()
