"""Seeded damage to store, log and proof: found, or without meaning; what was which is printed.

Meaning is what an independent reading gives: of a store the columns that are evidence
(docs/security.md), read by plain SQL; of a log the files that its size demands, and the kept
checkpoints that are there; of a proof what `verify` says. `make mutations` makes 10,000.
"""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from verify_logs import MemorySource
from verify_world import World, foreign, small_world, to_sqlite

from anchor.audit.whole import audit
from anchor.errors import AnchorError, Refused
from anchor.merkle import TILE_WIDTH
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.reading.log_reader import LogReader
from anchor.tile import tiles_of
from collector.errors import StoreUnavailable
from collector.store_reader import LedgerReader

SEED = "factoryledger"
EVIDENCE = {
    "messages": "SELECT * FROM messages",
    "batches": "SELECT * FROM batches",
    "claims": "SELECT * FROM claims",
    # Those of the one collector, the one tile of its tree: others belong to nothing, and nobody
    # reads them.
    "key_entries": "SELECT * FROM key_entries WHERE collector = 'c0'",
    "tiles": "SELECT * FROM tiles WHERE collector = 'c0' AND level = 0 AND number = 0",
    "collectors": "SELECT id, origin, vkey FROM collectors",
}
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
Meaning = Any


@dataclass
class Originals:
    """What is damaged, and put back."""

    world: World
    folder: Path
    proofs: list[bytes]

    @property
    def file(self) -> Path:
        return self.folder / "original.db"

    @property
    def store(self) -> Path:
        return self.folder / "ledger.db"

    def log(self, files: dict[str, bytes] | None = None) -> LogReader:
        source = MemorySource(self.world.published if files is None else files)
        return LogReader(source, self.world.anchor.verifier)

    def found(self, files: dict[str, bytes] | None = None) -> bool:
        """Whether an audit of the store and of these files finds anything, or cannot be done."""
        try:
            with LedgerReader(f"sqlite:///{self.store}") as reader:
                log = self.log(files)
                return not audit(ledger=reader, log=log, policy=self.world.policy).clean
        except StoreUnavailable:
            return True


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    world, fleet = small_world()
    world.revoke_device(fleet[0], sha256(world.requests[0]).digest())
    world.collect("c0", [fleet[0].message(world.time()), fleet[1].message(7), foreign(8)])
    world.anchor_now()
    folder = tmp_path_factory.mktemp("mutations")
    to_sqlite(world.ledger, folder / "original.db").close()
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    rows = [world.ledger.message_rows[place] for place in (0, 4, 7, 16)]
    proofs = [
        prove(ledger=world.ledger, log=log, policy=world.policy, row=row).to_bytes() for row in rows
    ]
    shutil.copy(folder / "original.db", folder / "ledger.db")
    return Originals(world, folder, proofs)


# -- the store ---------------------------------------------------------------------------


def store_meaning(path: Path) -> Meaning:
    """Every column that is evidence; None where that cannot be read."""
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = bytes
        try:
            return {
                table: sorted(map(repr, db.execute(query))) for table, query in EVIDENCE.items()
            }
        # What sqlite3 says of a damaged schema may itself be no UTF-8.
        except (sqlite3.Error, UnicodeDecodeError):
            return None


def any_byte_of_the_file(db_file: Path, chance: Random) -> str:
    data = bytearray(db_file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    db_file.write_bytes(bytes(data))
    return "a bit of the file"


def any_cell(db_file: Path, chance: Random) -> str:
    """One byte of one value, of any table; or another value in its place."""
    with closing(sqlite3.connect(db_file)) as db, db:
        table, names, rows = pick(db, chance)
        row, place = chance.choice(rows), chance.randrange(len(names))
        change(db, table, names, row, {place: another(row[place], chance)})
    return "a value"


def any_rows(db_file: Path, chance: Random) -> str:
    """Rows deleted, doubled, exchanged in part or as a whole, or cut off at the end."""
    with closing(sqlite3.connect(db_file)) as db, db:
        table, names, rows = pick(db, chance)
        row, other = chance.choice(rows), chance.choice(rows)
        how = chance.choice(["delete", "double", "exchange", "copy", "cut"])
        if how == "delete":
            delete(db, table, names, row)
        elif how == "cut":
            for each in rows[rows.index(row) :]:
                delete(db, table, names, each)
        elif how == "double":
            place = chance.randrange(len(names))
            new = [*row[:place], another(row[place], chance), *row[place + 1 :]]
            marks = ", ".join("?" * len(new))
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", new)
        else:
            place = chance.randrange(len(names))
            change(db, table, names, row, {place: other[place]})
            if how == "exchange":
                change(db, table, names, other, {place: row[place]})
    return "rows"


def pick(db: sqlite3.Connection, chance: Random) -> tuple[str, list[str], list[Any]]:
    tables = [
        name
        for (name,) in db.execute(TABLES)
        if db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    ]
    # What is no evidence is a small part of what is tried.
    evidence = [name for name in tables if name in EVIDENCE]
    table = chance.choice(evidence if chance.random() < 0.9 else tables)
    cursor = db.execute(f"SELECT * FROM {table}")
    return table, [column[0] for column in cursor.description], sorted(cursor, key=repr)


def where(names: list[str], row: Any) -> tuple[str, tuple[Any, ...]]:
    return " AND ".join(f'"{name}" IS ?' for name in names), tuple(row)


def delete(db: sqlite3.Connection, table: str, names: list[str], row: Any) -> None:
    condition, values = where(names, row)
    db.execute(f"DELETE FROM {table} WHERE {condition}", values)


def change(
    db: sqlite3.Connection, table: str, names: list[str], row: Any, values: dict[int, Any]
) -> None:
    condition, old = where(names, row)
    sets = ", ".join(f'"{names[place]}" = ?' for place in values)
    db.execute(f"UPDATE OR IGNORE {table} SET {sets} WHERE {condition}", (*values.values(), *old))


def another(value: Any, chance: Random) -> Any:
    if isinstance(value, int):
        return chance.choice([value ^ (1 << chance.randrange(40)), value + 1, -value - 1, None])
    if isinstance(value, float):
        return value + 1
    if isinstance(value, str):
        return chance.choice([damaged(value.encode(), chance).decode(errors="replace"), None])
    if isinstance(value, bytes):
        return chance.choice([damaged(value, chance), None])
    return chance.choice([0, "", b"", "x"])


def damaged(data: bytes, chance: Random) -> bytes:
    """One byte changed, put in, taken out, or exchanged with another; or the end cut off."""
    place = chance.randrange(len(data)) if data else 0
    how = chance.choice(["flip", "flip", "flip", "insert", "remove", "exchange", "cut", "append"])
    found = bytearray(data)
    if how == "insert" or not data:
        found.insert(place, chance.randrange(256))
    elif how == "flip":
        found[place] ^= 1 << chance.randrange(8)
    elif how == "remove":
        del found[place]
    elif how == "exchange":
        there = chance.randrange(len(data))
        found[place], found[there] = found[there], found[place]
    elif how == "cut":
        del found[place:]
    else:
        found += b"\n"
    return bytes(found)


def everything(path: Path) -> Meaning:
    """All that stands in a store's tables, evidence or not; its bytes where that is not read."""
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = bytes
        try:
            names = [name for (name,) in db.execute(TABLES)]
            return {
                name: sorted(map(repr, db.execute(f"SELECT * FROM {name.decode()}")))
                for name in names
            }
        # What sqlite3 says of a damaged schema may itself be no UTF-8.
        except (sqlite3.Error, UnicodeDecodeError):
            return path.read_bytes()


def mutate_store(originals: Originals, chance: Random) -> tuple[str, bool, bool]:
    how = chance.choice([any_byte_of_the_file, any_cell, any_cell, any_rows])
    before = everything(originals.file)
    while True:
        shutil.copy(originals.file, originals.store)
        what = how(originals.store, chance)
        # A value that was put back, or that a constraint kept out, is no mutation.
        if how is any_byte_of_the_file or everything(originals.store) != before:
            break
    same = store_meaning(originals.store) == store_meaning(originals.file)
    found = originals.found()
    shutil.copy(originals.file, originals.store)
    return f"store, {what}", found, same


# -- the log -----------------------------------------------------------------------------


def log_meaning(world: World, files: dict[str, bytes]) -> Meaning:
    """The checkpoint, the tiles and entries of its size, what is kept of earlier ones."""
    size = len(world.entries)
    due = {"checkpoint", *(tile.path for tile in tiles_of(size))}
    due |= {path for path in world.published if entries_due(path, size)}
    kept = {path: data for path, data in files.items() if path.startswith("checkpoints/")}
    true = all(world.published.get(path) == data for path, data in kept.items())
    partial = {p: d for p, d in files.items() if ".p/" in p and p in world.published}
    true = true and all(world.published[path] == data for path, data in partial.items())
    return {path: files.get(path) for path in due}, true


def entries_due(path: str, size: int) -> bool:
    return path == f"tile/entries/000.p/{size}" if size < TILE_WIDTH else "entries" in path


def mutate_log(originals: Originals, chance: Random) -> tuple[str, bool, bool]:
    what, files = "", dict(originals.world.published)
    while files == originals.world.published:
        what, files = mutated_files(originals, chance)
    same = log_meaning(originals.world, files) == log_meaning(
        originals.world, originals.world.published
    )
    return f"log, {what}", originals.found(files), same


def mutated_files(originals: Originals, chance: Random) -> tuple[str, dict[str, bytes]]:
    files = dict(originals.world.published)
    paths = sorted(files)
    path, other = chance.choice(paths), chance.choice(paths)
    how = chance.choice(["byte", "byte", "byte", "remove", "exchange", "copy", "older"])
    if how == "byte":
        files[path] = damaged(files[path], chance)
    elif how == "remove":
        del files[path]
    elif how == "exchange":
        files[path], files[other] = files[other], files[path]
    elif how == "copy":
        files[path] = files[other]
    else:
        older = chance.choice(originals.world.published_at)
        files[path] = older.get(path, files[path])
    return "bytes of a file" if how == "byte" else "files", files


# -- proofs ------------------------------------------------------------------------------


def mutate_proof(originals: Originals, chance: Random) -> tuple[str, bool, bool]:
    good = bad = chance.choice(originals.proofs)
    what = ""
    while bad == good:
        what, bad = mutated_proof(originals, good, chance)
    policy = originals.world.policy
    try:
        shown = verify(bad, policy).to_json()
    except (Refused, AnchorError):
        return f"proof, {what}", True, False
    return f"proof, {what}", False, shown == verify(good, policy).to_json()


def mutated_proof(originals: Originals, good: bytes, chance: Random) -> tuple[str, bytes]:
    if chance.random() < 0.8:
        return "bytes", damaged(good, chance)
    other = chance.choice(originals.proofs)
    parts, others = good.split(b',"'), other.split(b',"')
    place = chance.randrange(len(parts))
    parts[place] = others[place] if place < len(others) else b""
    return "parts", b',"'.join(parts)


# -- the count ---------------------------------------------------------------------------

TARGETS: list[Callable[[Originals, Random], tuple[str, bool, bool]]] = [
    mutate_store,
    mutate_store,
    mutate_log,
    mutate_proof,
]


def run(originals: Originals, numbers: range) -> Counter[tuple[str, str]]:
    counts = Counter[tuple[str, str]]()
    slipped = list[str]()
    for number in numbers:
        chance = Random(f"{SEED} {number}")
        what, found, same = chance.choice(TARGETS)(originals, chance)
        outcome = "found" if found else "without meaning" if same else "slipped through"
        counts[what, outcome] += 1
        if outcome == "slipped through":
            slipped.append(f"{number}: {what}")
    print()  # noqa: T201
    for (what, outcome), count in sorted(counts.items()):
        print(f"{what:28} {outcome:16} {count:6,}")  # noqa: T201
    assert slipped == []
    return counts


def test_the_originals_are_clean(originals: Originals) -> None:
    assert not originals.found()
    assert store_meaning(originals.store) == store_meaning(originals.file) is not None


def test_hundreds_of_mutations_are_found_or_mean_nothing(originals: Originals) -> None:
    counts = run(originals, range(400))
    assert counts.total() == 400
    assert len({what for what, _ in counts}) == 7
    found = sum(count for (_, outcome), count in counts.items() if outcome == "found")
    assert found > 200


@pytest.mark.long
def test_ten_thousand_mutations_are_found_or_mean_nothing(originals: Originals) -> None:
    counts = run(originals, range(10_000))
    assert counts.total() == 10_000
    build = Path(__file__).parents[2] / "build"
    build.mkdir(exist_ok=True)
    said = [
        {"what": what, "outcome": outcome, "count": count}
        for (what, outcome), count in sorted(counts.items())
    ]
    (build / "mutations.json").write_text(json.dumps({"seed": SEED, "counts": said}, indent=1))


@pytest.mark.parametrize("number", [5569])
def test_what_once_slipped_through_does_so_no_more(originals: Originals, number: int) -> None:
    """A position changed in the table; its index, from which rows are read, kept the true one."""
    run(originals, range(number, number + 1))


def test_an_index_that_says_something_else_than_its_rows_is_found(originals: Originals) -> None:
    """Every row as signed; an index that hides one from whoever asks by machine and time."""
    index = "SELECT rowid, * FROM sqlite_master WHERE type = 'index' AND sql LIKE '%messages%time%'"
    try:
        with closing(sqlite3.connect(originals.store)) as db, db:
            row, *columns = db.execute(index).fetchone()
            machine = "UPDATE messages SET device = ? WHERE device = ?"
            name = db.execute("SELECT min(device) FROM messages").fetchone()[0]
            db.execute(machine, ("hidden", name))
            db.execute("PRAGMA writable_schema = ON")
            db.execute("DELETE FROM sqlite_master WHERE rowid = ?", (row,))
        with closing(sqlite3.connect(originals.store)) as db, db:
            db.execute(machine, (name, "hidden"))
            db.execute("PRAGMA writable_schema = ON")
            db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", columns)
        assert store_meaning(originals.store) == store_meaning(originals.file)
        with LedgerReader(f"sqlite:///{originals.store}") as reader:
            found = audit(ledger=reader, log=originals.log(), policy=originals.world.policy)
        assert {finding.kind for finding in found.findings} == {"index-altered"}
        assert "table messages" in found.findings[0].detail
    finally:
        shutil.copy(originals.file, originals.store)


def test_a_schema_whose_names_are_no_text_is_a_store_that_cannot_be_read(
    originals: Originals,
) -> None:
    """What SQLite says of it is no UTF-8 either, and was an error of another kind."""
    data = originals.file.read_bytes()
    named = data.replace(b"tablebatchesbatches", b"tableb\xd7tchesbatch\xd7s")
    assert named != data
    originals.store.write_bytes(named.replace(b"CREATE TABLE batches", b"CREATE TABLX batches"))
    try:
        with pytest.raises(StoreUnavailable, match="cannot be read as a store"):
            LedgerReader(f"sqlite:///{originals.store}")
    finally:
        shutil.copy(originals.file, originals.store)
