"""How long a message takes: to another subscriber, into the store, to its machine's receipt.

The program's own `collect` as a command with its default settings, a Mosquitto with the shipped
ones, and light machines that sign as enrolled ones do, each a message a second, spread evenly.
A message says when it was made; it is stored when another reader of the database sees its row,
looking every few milliseconds. All clocks are this machine's.

Run: python benchmarks/latency.py [--machines N] [--seconds S] [--rounds R]
"""

import argparse
import asyncio
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from figure import Figure, measured, tell
from watching import Machine, enrolled, init, quantile, running

from factoryledger.broker import LocalBroker
from telemetry.address import Address
from telemetry.link import Arrival, Link, Subscription
from telemetry.receipt import Receipt, ReceiptLeaf

LOOK = 0.004  # s between two looks at the database
LAST = 25.0  # s that a receipt may take to come
WANTED_STORED, WANTED_RECEIPT = 500.0, 20_000.0  # ms


@dataclass
class Seen:
    """When each message was made, and what came of it: milliseconds later."""

    made: dict[tuple[str, int], float] = field(default_factory=dict)
    forwarded: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    receipted: list[float] = field(default_factory=list)

    def heard(self, arrivals: list[Arrival]) -> None:
        """Another subscriber has a message, or a receipt has come."""
        now = time.perf_counter()
        for one in arrivals:
            base, _, kind = one.topic.rpartition("/")
            device = base.rpartition("/")[2]
            if kind == "receipt":
                leaf = ReceiptLeaf.from_bytes(Receipt.from_bytes(one.payload).leaf)
                numbers = (n for first, last in leaf.ranges for n in range(first, last + 1))
                self.receipted += self._since(now, device, numbers)
            else:
                number = int(one.payload.partition(b'"seq":')[2].partition(b",")[0])
                self.forwarded += self._since(now, device, iter((number,)))

    def rows(self, rows: list[tuple[str, int]]) -> None:
        """Rows are in the store."""
        now = time.perf_counter()
        for device, number in rows:
            self.stored += self._since(now, device, iter((number,)))

    def _since(self, now: float, device: str, numbers: Iterator[int]) -> Iterator[float]:
        for number in numbers:
            if (made := self.made.get((device, number))) is not None:
                yield (now - made) * 1000


async def publish(
    link: Link, machines: list[Machine], seen: Seen, seconds: float, turn: int
) -> int:
    """Each machine once a second, evenly; gives the turn that comes next."""
    begun, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        for number in range(sent, int(passed * len(machines))):
            past, place = divmod(number, len(machines))
            topic, payload = machines[place].readings(turn + past)
            seen.made[topic.split("/")[4], turn + past] = time.perf_counter()
            link.post(topic, payload)
            sent = number + 1
        await asyncio.sleep(0.001)
    return turn + int(seconds) + 1


@contextmanager
def looking(database: Path, seen: Seen) -> Iterator[None]:
    """Look into the store meanwhile."""
    stop = threading.Event()
    query = "SELECT position, device, seq FROM messages WHERE position > ? ORDER BY position"

    def look() -> None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
            last = store.execute("SELECT coalesce(max(position), -1) FROM messages").fetchone()[0]
            while not stop.wait(LOOK):
                if rows := store.execute(query, (last,)).fetchall():
                    last = rows[-1][0]
                    seen.rows([row[1:] for row in rows if row[1] is not None])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def run(address: Address, data: Path, given: argparse.Namespace) -> list[Seen]:
    """Publish in rounds; gives what was seen in each."""
    machines = enrolled(data, given.machines)
    rounds: list[Seen] = []
    listener = Link(
        address,
        client_id="bench-listener",
        clean_start=True,
        subscriptions=[Subscription("works/#", qos=0)],
        on_arrivals=lambda arrivals: rounds and rounds[-1].heard(arrivals),
    )
    async with listener, Link(address, client_id="bench-machines") as link:
        for one in machines:
            await link.publish(*one.birth(), retain=True)
        turn = 1
        for _ in range(given.rounds):
            await asyncio.sleep(1.0)
            rounds.append(seen := Seen())
            with looking(data / "ledger.db", seen):
                turn = await publish(link, machines, seen, given.seconds, turn)
                ends = time.monotonic() + LAST
                while len(seen.receipted) < len(seen.made) and time.monotonic() < ends:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert len(seen.stored) == len(seen.made), (len(seen.stored), len(seen.made))
    return rounds


def figures(rounds: list[Seen], machines: int) -> list[Figure]:
    """Make the rows."""
    how = f"`collect`, {machines} machines, a signed message a second each"
    wanted = f"{WANTED_STORED:g} ms, wanted"

    def part(of: str, share: float) -> list[float]:
        return [quantile(getattr(one, of), share) for one in rounds]

    return [
        measured("latency.stored", "machine to stored, 99 %", part("stored", 0.99),
                 WANTED_STORED, unit="ms", of=wanted, most=1.0,
                 how=f"{how}; until another reader sees the row"),
        measured("latency.stored-median", "the same, median", part("stored", 0.5), WANTED_STORED,
                 unit="ms", of=wanted, how="as above"),
        measured("latency.receipt", "machine to its signed receipt, 99 %",
                 part("receipted", 0.99), WANTED_RECEIPT, unit="ms", most=1.0,
                 of="20 s, the longest that a receipt may wait",
                 how=f"{how}; receipts are paced"),
        measured("latency.receipt-median", "the same, median", part("receipted", 0.5),
                 WANTED_RECEIPT, unit="ms", of="20 s, the longest", how="as above"),
        measured("latency.forwarded", "machine to stored, median", part("stored", 0.5),
                 part("forwarded", 0.5), unit="ms", of="to a plain subscriber, median",
                 how="the same messages; most of it is the batch's quarter of a second"),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        init(data)
        with LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker:
            enrolled(data, given.machines)  # before the collector starts
            with running("collect", "--data", data, "--broker", broker.address):
                rounds = asyncio.run(run(broker.address, data, given))
    tell(figures(rounds, given.machines))


if __name__ == "__main__":
    main()
