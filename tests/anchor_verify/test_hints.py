"""Proofs by what anchor.db says of the log: the same as by a scan, whatever it says."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from verify_logs import MemorySource
from verify_world import World, foreign, large_world, machines, small_world

from anchor.errors import Missing
from anchor.keeping.anchor_db import AnchorDb, Head, IndexRow
from anchor.keeping.anchored_places import AnchoredPlaces
from anchor.keeping.contents import describe
from anchor.merkle import leaf_hash, tree_root
from anchor.proving.prove import ProvingLog, prove
from anchor.reading.hinted_log import Hints
from anchor.reading.log_reader import LogReader

ORIGIN = "factory.example/log"


class CountingSource(MemorySource):
    """Counts which bundles of entries are read."""

    bundles = 0

    def read(self, path: str, limit: int = 1 << 24) -> bytes:
        self.bundles += path.startswith("tile/entries/")
        return super().read(path, limit)

    def paths(self, under: str = "") -> Iterator[str]:
        assert under != "checkpoints/", "the folder of checkpoints is listed"
        return super().paths(under)


def anchor_db(world: World, path: Path, upto: int | None = None) -> Path:
    """The database that an anchor of this world would have."""
    ends = dict[str, int]()
    rows = list[IndexRow]()
    for position, entry in enumerate(world.entries[:upto]):
        found = describe(ORIGIN, entry)
        number = None
        if found.collector is not None:
            number = ends.get(found.collector, 0)
            ends[found.collector] = number + 1
        digest = sha256(entry).digest()
        rows.append(IndexRow(position, digest, found.kind, found.collector, number, found.size))
    leaves = list(map(leaf_hash, world.entries[:upto]))
    with closing(AnchorDb(path, ORIGIN)) as database:
        database.extend(rows, Head(len(rows), tree_root(leaves)))
        for name, note in world.published.items():
            if name.startswith("checkpoints/"):
                size = int(note.split(b"\n")[1])
                database.add_cosigned(sha256(note).digest(), size, size)
    return path


def reader_of(world: World, source: MemorySource | None = None) -> LogReader:
    return LogReader(source or MemorySource(world.published), world.anchor.verifier)


def test_every_proof_by_hints_is_the_one_by_a_scan(tmp_path: Path) -> None:
    world, _ = large_world()
    log = reader_of(world)
    scanned = ProvingLog.scan(log, world.policy)
    tried = 0
    with AnchoredPlaces(anchor_db(world, tmp_path / "anchor.db")) as hints:
        hinted = ProvingLog.hinted(log, world.policy, hints, world.ledger)
        for row in world.ledger.message_rows[::7]:
            one, other = (
                prove(ledger=world.ledger, log=log, policy=world.policy, row=row, proving=known)
                for known in (scanned, hinted)
            )
            assert one == other
            tried += 1
        assert hints.size() == len(world.entries)
        for size in range(0, hints.size() + 2, 5):
            kept = sorted(
                (int(note.split(b"\n")[1]), sha256(note).digest())
                for name, note in world.published.items()
                if name.startswith("checkpoints/")
            )
            assert list(hints.kept_after(size)) == [one for one in kept if one[0] > size]
            below = [one for one in reversed(kept) if one[0] <= size]
            assert list(hints.kept_until(size)) == below
    assert tried > 80


def long_world() -> World:
    """A log of more than a thousand entries under some checkpoints."""
    world = World()
    [machine] = machines(1)
    world.enrol_device(machine)
    world.add_collector("c0")
    for number in range(1200):
        world.collect("c0", [machine.message(world.time()), foreign(number)])
        if number % 100 == 99:
            world.anchor_now()
    return world


def test_by_hints_neither_the_log_is_scanned_nor_its_checkpoints_listed(tmp_path: Path) -> None:
    world = long_world()
    source = CountingSource(world.published)
    with AnchoredPlaces(anchor_db(world, tmp_path / "anchor.db")) as hints:
        for number in (0, 1, 777, 2398, 2399):
            source.bundles = 0
            row = world.ledger.message_rows[number]
            log = reader_of(world, source)
            made = prove(ledger=world.ledger, log=log, policy=world.policy, row=row, hints=hints)
            assert made.message_proof.index == number
            # The checkpoint's bundle, and that of the key entries, again where they take turns.
            assert source.bundles <= 4


@dataclass
class Lying:
    """Hints that are wrong in one way."""

    true: Hints
    lie: str

    def size(self) -> int:
        return 10**9 if self.lie != "old" else 1

    def place(self, digest: bytes) -> int | None:
        true = self.true.place(digest)
        if self.lie == "no keys":
            return None
        return true + 1 if self.lie == "other keys" and true is not None else true

    def containing(self, collector: str, position: int) -> int | None:
        true = self.true.containing(collector, position)
        lies = {"nowhere": None, "beyond": 10**12, "negative": -1, "a key": 0, "earlier": 3}
        return lies.get(self.lie, true)

    def kept_after(self, size: int) -> Iterator[tuple[int, bytes]]:
        if self.lie == "none kept":
            return iter(())
        if self.lie == "others kept":
            return iter([(size + 1, bytes(32))])
        return self.true.kept_after(size)

    def corrections(self) -> Iterator[int]:
        return iter([0]) if self.lie == "other corrections" else self.true.corrections()

    def kept_until(self, size: int) -> Iterator[tuple[int, bytes]]:
        return self.true.kept_until(size)


@pytest.mark.parametrize(
    "lie",
    [
        "old",
        "no keys",
        "other keys",
        "nowhere",
        "beyond",
        "negative",
        "a key",
        "earlier",
        "other corrections",
    ],
)
def test_a_false_hint_changes_no_proof(tmp_path: Path, lie: str) -> None:
    world, _ = small_world()
    log, row = reader_of(world), world.ledger.message_rows[-1]
    due = prove(ledger=world.ledger, log=log, policy=world.policy, row=row)
    with AnchoredPlaces(anchor_db(world, tmp_path / "anchor.db")) as hints:
        made = prove(
            ledger=world.ledger, log=log, policy=world.policy, row=row, hints=Lying(hints, lie)
        )
    assert made == due


@pytest.mark.parametrize("lie", ["none kept", "others kept"])
def test_without_the_kept_checkpoint_the_newest_serves(tmp_path: Path, lie: str) -> None:
    world, _ = small_world()
    log, row = reader_of(world), world.ledger.message_rows[0]
    with AnchoredPlaces(anchor_db(world, tmp_path / "anchor.db")) as hints:
        made = prove(
            ledger=world.ledger, log=log, policy=world.policy, row=row, hints=Lying(hints, lie)
        )
    assert made.checkpoint_proof.checkpoint == world.checkpoint


def test_what_is_not_anchored_is_missing_with_hints_too(tmp_path: Path) -> None:
    world, fleet = small_world()
    [row] = world.collect("c0", [fleet[0].message(world.time())])
    world.append()  # the anchor has it, and has not published yet
    path = anchor_db(world, tmp_path / "anchor.db")
    with AnchoredPlaces(path) as hints, pytest.raises(Missing, match="not anchored yet"):
        prove(ledger=world.ledger, log=reader_of(world), policy=world.policy, row=row, hints=hints)


def test_a_database_that_cannot_be_read_hints_at_nothing(tmp_path: Path) -> None:
    world, _ = small_world()
    row = world.ledger.message_rows[0]
    with pytest.raises(Missing, match="not there"):
        AnchoredPlaces(tmp_path / "none.db")
    for content in (b"", b"no database at all" * 100):
        path = tmp_path / f"{len(content)}.db"
        path.write_bytes(content)
        with AnchoredPlaces(path) as hints:
            made = prove(
                ledger=world.ledger,
                log=reader_of(world),
                policy=world.policy,
                row=row,
                hints=hints,
            )
        assert made.message_proof.index == 0
