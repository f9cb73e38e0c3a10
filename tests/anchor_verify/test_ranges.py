"""An audit by ranges finds what an audit row by row finds, in the same order, whatever was done.

The world has what makes ranges hard: messages out of order, gaps, restarts, clones, conflicts, a
rotation and a revocation, batches of any size. `make mutations` tries 2,000 damages.
"""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from test_mutations import any_cell, any_rows, change, pick
from verify_logs import MemorySource
from verify_world import Machine, World, foreign, machines, malformed, record_bytes, to_sqlite

from anchor.audit.crew import spans_of
from anchor.audit.examine import KeysInOrder
from anchor.audit.findings import Audit
from anchor.audit.ranges import Source, Summary, read_range
from anchor.audit.whole import Crew, Since, audit
from anchor.merkle import HASH, TILE_WIDTH, leaf_hash
from anchor.ports import Census, Decoded, Ledger, Paged
from anchor.reading.log_reader import LogReader
from collector.store_reader import LedgerReader
from telemetry.signature import SigningKey

SPANS = (1, 5, 64, 256, 768)


class RowByRow:
    """A store that cannot give ranges: what is asked of it otherwise, it answers."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader


def _answered(name: str) -> Any:
    return lambda store, *asked, **more: getattr(store._reader, name)(*asked, **more)


# As methods of its own: from Python 3.12 on a Protocol sees no others.
for _name in set(vars(LedgerReader)) - {"message_pages", "count"}:
    if not _name.startswith("_"):
        setattr(RowByRow, _name, _answered(_name))


@dataclass
class Original:
    world: World
    file: Path
    copy: Path

    def audit(self, ledger: Ledger, span: int = 64) -> Audit:
        log = LogReader(MemorySource(self.world.published), self.world.anchor.verifier)
        crew = Crew(0, partial(LedgerReader, f"sqlite:///{self.copy}"), span=span)
        since = Since(self.world.now)
        return audit(ledger=ledger, log=log, policy=self.world.policy, crew=crew, since=since)

    def both(self, span: int) -> tuple[Audit, Audit]:
        """The outcome by ranges, and row by row."""
        with LedgerReader(f"sqlite:///{self.copy}") as reader:
            plain: Any = RowByRow(reader)
            assert not isinstance(plain, Paged)
            assert isinstance(plain, Census)
            assert isinstance(plain, Decoded)
            return self.audit(reader, span), self.audit(plain, span)


def shuffled(found: list[Any], chance: Random) -> list[Any]:
    """Some come late, some never."""
    for place in range(len(found)):
        if chance.random() < 0.1:
            there = min(len(found) - 1, place + chance.randrange(4))
            found[place], found[there] = found[there], found[place]
    return [one for one in found if chance.random() > 0.03]


def restarted(fleet: list[Machine], batches: int, chance: Random) -> None:
    """One may start anew, without its outbox; one may forget what it said."""
    if chance.random() < 0.3:
        machine = chance.choice(fleet)
        machine.restart(f"s{batches}")
        if chance.random() < 0.4:
            machine.prev = None
    if chance.random() < 0.2:
        chance.choice(fleet).prev = bytes(32)


def lie(world: World, chance: Random, found: list[Any]) -> None:
    """A batch whose collector signs what is false: times and key counts that go back, doubles."""
    again = [row for row in world.ledger.message_rows if row.status == "accepted"]
    start = chance.randrange(len(again))
    device = again[start].device
    doubles = [row for row in again[start : start + 30] if row.device == device]
    found += [
        (row.topic, row.payload, *([] if row.properties is None else [row.properties]))
        for row in doubles
    ]
    collector = world.collectors["c0"]
    rows = [world._row(collector, collector.log.size + i, *one) for i, one in enumerate(found)]
    for place, row in enumerate(rows):
        if row.status == "conflict":
            row.status = "accepted"
        if chance.random() < 0.03:
            row.received_at -= chance.choice([1, 5_000_000])
        if chance.random() < 0.02 and row.status == "accepted":
            rows[place] = replace(row, keys=row.keys - 1)
    world.commit(collector, rows)


def busy_world(
    chance: Random, rows: int = 600, *, clones: bool = True, lies: bool = False
) -> World:
    world, fleet = World(), machines(4)
    priors = [world.enrol_device(machine) for machine in fleet]
    world.add_collector("c0")
    clone: Machine | None = None
    batches = 0
    while len(world.ledger.message_rows) < rows:
        found = [message(world, chance, chance.choice(fleet)) for _ in range(chance.randrange(60))]
        if clones and clone is None and batches == 3:
            # It goes on where the machine was, under a session of its own or under the same.
            clone = replace(fleet[0], session=chance.choice([fleet[0].session, "cloned"]))
            clone.seq = 0 if clone.session == "cloned" else clone.seq
            found += [clone.message(world.time()) for _ in range(2)]
        if batches == 5:
            world.rotate_device(fleet[1], SigningKey.from_seed(bytes([7]) * 32), priors[1])
        if batches == 8:
            world.revoke_device(fleet[2], priors[2])
        restarted(fleet, batches, chance)
        found = shuffled(found, chance)
        if lies and batches > 2:
            lie(world, chance, [*found, foreign(batches)])
        else:
            world.collect("c0", [*found, foreign(batches)])
        batches += 1
        if chance.random() < 0.5:
            world.anchor_now()
            world.cite(*fleet[: chance.randrange(1, 4)])
    world.anchor_now()
    return world


def message(
    world: World, chance: Random, machine: Machine
) -> tuple[str, bytes] | tuple[str, bytes, str]:
    how = chance.random()
    if how < 0.05:
        return foreign(chance.randrange(9))
    if how < 0.07:
        return malformed(machine)
    if how < 0.12:
        return machine.enclosed(world.time(), b"\x08\x01")
    # Some clocks are wrong.
    wrong = chance.choice([-1, 1]) * chance.randrange(10**9) if how < 0.2 else 0
    return machine.message(world.time() + wrong)


@pytest.fixture(scope="module", params=range(4))
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    folder = tmp_path_factory.mktemp("ranges")
    world = busy_world(
        Random(f"world {request.param}"), clones=request.param > 0, lies=request.param == 3
    )
    to_sqlite(world.ledger, folder / "original.db").close()
    shutil.copy(folder / "original.db", folder / "ledger.db")
    return Original(world, folder / "original.db", folder / "ledger.db")


def the_same(by_range: Audit, by_row: Audit) -> bool:
    """Whether all is the same: findings, their order, notes, counts, what is left for the next."""
    kept = [None if found.memory is None else found.memory.chains for found in (by_range, by_row)]
    return (
        by_range.to_json() == by_row.to_json()
        and [*by_range.counts.statuses] == [*by_row.counts.statuses]
        and kept[0] == kept[1]
    )


@pytest.mark.parametrize("span", SPANS)
def test_an_untouched_store_is_the_same_either_way(original: Original, span: int) -> None:
    shutil.copy(original.file, original.copy)
    by_range, by_row = original.both(span)
    assert the_same(by_range, by_row), (by_range.findings, by_row.findings)
    assert by_row.counts.messages >= 600
    assert by_row.counts.gaps > 0
    assert by_row.counts.breaks > 0
    assert by_row.counts.citations > 0
    assert {clock.side for clock in by_row.clocks} == {"ahead", "behind"}


def test_most_ranges_are_told_in_a_few_words(original: Original) -> None:
    """Otherwise all of the rest would compare one way with itself."""
    shutil.copy(original.file, original.copy)
    with LedgerReader(f"sqlite:///{original.copy}") as reader:
        entries = [row.entry for row in reader.key_entries("c0")]
        keys = KeysInOrder([original.world.authority.read(entry) for entry in entries])
        source = Source(reader, "c0", keys, b"")
        count = reader.count("c0")
        found = [read_range(source, *span) for span in spans_of(0, count, 8)]
    summaries = [one for one in found if isinstance(one, Summary)]
    assert len(summaries) > len(found) / 4
    assert any(one.sparkplug for one in summaries)
    assert any(one.cited for one in summaries)
    assert any(len(one.counted) > 1 for one in summaries)
    assert any(run.last > run.first for one in summaries for run in one.runs)


class Counting(RowByRow):
    """A store that gives ranges and counts the rows that are asked of it in pages."""

    given = 0

    def message_pages(self, *place: Any) -> Iterator[Sequence[Sequence[Any]]]:
        for page in self._reader.message_pages(*place):
            self.given += len(page)
            yield page

    def count(self, *place: Any) -> int:
        return self._reader.count(*place)


def test_rows_of_an_untouched_store_are_read_once(original: Original) -> None:
    shutil.copy(original.file, original.copy)
    with LedgerReader(f"sqlite:///{original.copy}") as reader:
        counting: Any = Counting(reader)
        found = original.audit(counting)
        # But where a collector signed what is false.
        lied = any(one.kind == "back-dated" for one in found.findings)
        assert lied or counting.given == found.counts.messages


def damage(file: Path, chance: Random) -> str:
    how = chance.choice([any_cell, any_rows, times, rows_of_one_table, forged])
    return how(file, chance)


def times(file: Path, chance: Random) -> str:
    """A receive time, or the count of key entries, of some rows in a row."""
    column = chance.choice(["received_at", "keys"])
    with closing(sqlite3.connect(file)) as db, db:
        place, count = chance.randrange(500), chance.randrange(1, 5)
        db.execute(
            f"UPDATE messages SET {column} = {column} + ? WHERE position BETWEEN ? AND ?",
            (chance.choice([-1, 1, -3_000_000]), place, place + count),
        )
    return column


def forged(file: Path, chance: Random) -> str:
    """An unsigned row and its stored leaf hash: nothing but the root tells."""
    with LedgerReader(f"sqlite:///{file}") as reader:
        row = chance.choice([row for row in reader.messages("c0") if row.status == "unsigned"])
        number, offset = divmod(row.position, TILE_WIDTH)
        tile = bytearray(reader.tile("c0", 0, number) or b"")
    row = replace(row, payload=b"forged", payload_hash=sha256(b"forged").digest())
    tile[offset * HASH : (offset + 1) * HASH] = leaf_hash(record_bytes(row))
    with closing(sqlite3.connect(file)) as db, db:
        said = (row.payload, row.payload_hash, row.position)
        db.execute("UPDATE messages SET payload = ?, payload_hash = ? WHERE position = ?", said)
        db.execute("UPDATE tiles SET hashes = ? WHERE level = 0 AND number = ?", (tile, number))
    return "a row and its leaf"


def rows_of_one_table(file: Path, chance: Random) -> str:
    """Several values, in several rows."""
    with closing(sqlite3.connect(file)) as db, db:
        for _ in range(chance.randrange(2, 6)):
            table, names, rows = pick(db, chance)
            row, other = chance.choice(rows), chance.choice(rows)
            place = chance.randrange(len(names))
            change(db, table, names, row, {place: other[place]})
    return "values"


def run(original: Original, numbers: range) -> Iterator[str]:
    for number in numbers:
        chance = Random(f"range {number}")
        shutil.copy(original.file, original.copy)
        what = damage(original.copy, chance)
        by_range, by_row = original.both(chance.choice(SPANS))
        assert the_same(by_range, by_row), (number, what, by_range.findings, by_row.findings)
        yield f"{what}, {'clean' if by_row.clean else 'found'}"


def test_damage_is_found_the_same_either_way(original: Original) -> None:
    counts = Counter(run(original, range(12)))
    assert counts.total() == 12


@pytest.mark.long
def test_much_damage_is_found_the_same_either_way(original: Original) -> None:
    counts = Counter(run(original, range(700)))
    print(counts)  # noqa: T201
    assert counts.total() == 700
