"""What a proof costs: made from a store of ten million messages, verified, and by its size.

Usage: python benchmarks/prove.py [messages]. The store's tiles are made without messages or
signatures: hashes of numbers, in SQLite as a store has them, in a folder that goes at the end.
One core. Prints ratios to one Ed25519 check in the same run, since machines differ.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "anchor_verify"))

from verify_logs import MemorySource
from verify_world import START, US, MemoryLedger, World, machines

from anchor.merkle import check_inclusion, parents
from anchor.proving.prove import ProvingLog, prove
from anchor.proving.range_prove import prove_range
from anchor.proving.range_verify import verify_range
from anchor.proving.verify import verify
from anchor.reading.log_reader import LogReader
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.tree_head import Checkpoint
from telemetry.rows import MessageRow
from telemetry.signature import SigningKey
from telemetry.signature import verify as check_signature

ROUNDS = 21
TILE = 256
INSERT = "INSERT INTO tiles VALUES ('c0', ?, ?, ?)"


class Ranged(MemoryLedger):
    """A store in memory that is asked for a time."""

    def between(self, device: str, start: int, stop: int) -> Iterator[MessageRow]:
        """What `LedgerReader` answers."""
        for row in self.message_rows:
            if row.device == device and start <= (row.time or 0) < stop:
                yield row


class TilesAlone:
    """A store of which only the tiles are asked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tile(self, collector: str, level: int, number: int) -> bytes | None:
        """The stored tile's hashes."""
        found = self._connection.execute(
            "SELECT hashes FROM tiles WHERE collector = ? AND level = ? AND number = ?",
            (collector, level, number),
        ).fetchone()
        return None if found is None else found[0]


def middle(work: Callable[[], object]) -> float:
    """Seconds of the middle one of several rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[ROUNDS // 2]


def fill(connection: sqlite3.Connection, count: int) -> bytes:
    """Put the tiles of a tree over `count` numbers into the store; its root."""
    connection.execute(
        "CREATE TABLE tiles (collector TEXT, level INTEGER, number INTEGER, hashes BLOB, "
        "PRIMARY KEY (collector, level, number)) WITHOUT ROWID"
    )
    row = [sha256(b"\0" + n.to_bytes(8, "big")).digest() for n in range(count)]
    level = 0
    peaks = list[bytes]()
    while row:
        tiles = ((level, n // TILE, b"".join(row[n : n + TILE])) for n in range(0, len(row), TILE))
        connection.executemany(INSERT, tiles)
        for _ in range(8):
            if len(row) % 2:
                peaks.append(row[-1])
            row = parents(row)
        level += 1
    connection.commit()
    root = peaks[0]
    for peak in peaks[1:]:
        root = sha256(b"\x01" + peak + root).digest()
    return root


def from_a_large_store(count: int, unit: float) -> None:
    """An inclusion proof, every hash of it checked against the checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiles.db"
        with closing(sqlite3.connect(path)) as connection:
            head = Checkpoint("bench.example/log/collector/c0", count, fill(connection, count))
            ledger = TilesAlone(connection)
            places = iter([(n * 7919 * 65_537 + 11) % count for n in range(ROUNDS + 1)])

            def one() -> None:
                view = TileView(StoredTiles(ledger, "c0"), head)  # type: ignore[arg-type]
                place = next(places)
                check_inclusion(
                    leaf=view.leaf(place),
                    index=place,
                    size=count,
                    path=view.inclusion(place),
                    root=head.root,
                )

            tell(f"inclusion proof from {count:,} messages, nothing kept", middle(one), unit)


def of_a_world(unit: float) -> None:
    """Whole proof files, three witnesses (one of them ML-DSA-44), one machine of four."""
    world = World(witnesses=3)
    fleet = machines(4)
    for machine in fleet:
        world.enrol_device(machine)
    world.add_collector("c0")
    for first in range(0, 5200, 200):
        sent = [m.message((START + s) * US) for s in range(first, first + 200) for m in fleet]
        world.collect("c0", sent)
    world.anchor_now()
    reader = LogReader(MemorySource(world.published), world.anchor.verifier)
    known = ProvingLog.scan(reader, world.policy)
    ledger = Ranged(**{name: getattr(world.ledger, name) for name in vars(world.ledger)})
    row = ledger.message_rows[9000]
    single = prove(ledger=ledger, log=reader, policy=world.policy, row=row, proving=known)
    data = single.to_bytes()
    tell("verify one proof file, in the process", middle(lambda: verify(data, world.policy)), unit)
    print(f"one proof file: {len(data):,} bytes")
    for count in (1, 100, 5000):
        start, stop = (START + 50) * US, (START + 50 + count) * US
        found = prove_range(
            ledger=ledger, known=known, device=fleet[0].name, start=start, stop=stop
        ).to_bytes()
        each = len(found) / count
        print(
            f"range file of {count:>5} messages: {each:>6,.0f} bytes each, {each / len(data):.2f}"
        )
        if count > 1:
            begun = time.perf_counter()
            verify_range(found, world.policy)
            tell(f"verify it, for each of {count}", (time.perf_counter() - begun) / count, unit)


def tell(what: str, seconds: float, unit: float) -> None:
    """One line: milliseconds here, and how many checks of a signature that is."""
    print(f"{what:<52} {seconds * 1000:>8.3f} ms {seconds / unit:>8.1f} signature checks")


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    key = SigningKey.from_seed(bytes(32))
    message = bytes(400)
    signature = key.sign(message)
    unit = middle(lambda: check_signature(key.public_key, message, signature))
    tell("one Ed25519 check of 400 bytes", unit, unit)
    from_a_large_store(count, unit)
    of_a_world(unit)


if __name__ == "__main__":
    main()
