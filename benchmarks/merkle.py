"""How fast a log grows, as a ratio to hashing its records bare, in the same run.

Usage: python benchmarks/merkle.py [records]. One core, no disk: hashing, tree, tiles and one
signed checkpoint a batch. Prints the best of several rounds, since a shared machine only
ever makes a round slower.
"""

import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from anchor.growing import GrowingLog
from anchor.merkle import consistency_from_tiles, inclusion_from_tiles, root_from_tiles
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree

ROUNDS = 7
KEY = SignerKey.from_seed("bench.example/log", bytes(32))


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest round."""
    found = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        found = min(found, time.perf_counter() - start)
    return found


def bare(records: list[bytes]) -> None:
    """The floor: one SHA-256 a record and nothing else."""
    for record in records:
        sha256(record).digest()


def grow(records: list[bytes], batch: int) -> dict[tuple[int, int], bytes]:
    """All records in batches; the tiles as a store would hold them."""
    log, store = GrowingLog(KEY.name, KEY), dict[tuple[int, int], bytes]()
    for start in range(0, len(records), batch):
        extension = log.extend(records[start : start + batch])
        store.update({(level, number): tile for level, number, tile in extension.tiles})
        log = extension.log
    return store


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    records = [b'{"record":1,"position":%d,' % i + b"x" * 360 + b"}" for i in range(count)]
    floor = best(lambda: bare(records))
    print(f"{count:,} records of {len(records[0])} bytes, {ROUNDS} rounds, best")
    print(f"bare SHA-256           {count / floor:>12,.0f} records/s     1.00")
    for batch in (100, 500, 2_000, count):
        taken = best(lambda size=batch: grow(records, size))  # type: ignore[misc]
        rate = count / taken
        print(f"log, batches of {batch:>7,}{rate:>12,.0f} records/s {floor / taken:>8.2f}")
    paths(grow(records, count), count)
    receipts()


def paths(store: dict[tuple[int, int], bytes], count: int) -> None:
    """What a proof costs out of tiles."""

    def tile(level: int, number: int, _width: int) -> bytes:
        return store[level, number]

    for name, work in (
        ("root", lambda: root_from_tiles(count, tile)),
        ("inclusion", lambda: inclusion_from_tiles(count // 3, count, tile)),
        ("consistency", lambda: consistency_from_tiles(count // 3, count, tile)),
    ):
        print(f"{name} from tiles {best(work) * 1e6:>10,.0f} us")


def receipts() -> None:
    """One signature for a commit's receipts."""
    leaves = [b'{"receipt":1,"device":"m%d"}' % i for i in range(1000)]
    taken = best(lambda: ReceiptTree(KEY).seal(leaves))
    print(f"receipts, 1,000 a commit {len(leaves) / taken:>10,.0f} receipts/s")


if __name__ == "__main__":
    main()
