"""The attack table: each change to store or log is found, the row named, the right one blamed.

The store is in the real schema, in SQLite and in PostgreSQL, and attacks are plain SQL; the log
is a folder. With `-s` the table is printed.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from verify_logs import publish, write
from verify_world import (
    ORIGIN,
    World,
    foreign,
    large_world,
    memory_of,
    record_bytes,
    seed,
    to_store,
)

from anchor.audit.findings import Audit, Finding
from anchor.audit.whole import KINDS, AuditMemory, Crew, Since, audit
from anchor.checkpoint import sign_checkpoint
from anchor.growing import GrowingLog
from anchor.merkle import leaf_hash
from anchor.note import SignerKey
from anchor.reading.log_reader import FolderSource, LogReader
from anchor.tree_head import Checkpoint
from collector.store_reader import LedgerReader
from telemetry.rows import MessageRow

C0_KEY = f"{ORIGIN}/collector/c0"


@dataclass
class Case:
    """One copy of store and log, to be attacked."""

    world: World
    log: Path
    url: str
    db: Any
    mark: str
    memories: list[AuditMemory] = field(default_factory=list)

    def sql(self, statement: str, *values: object) -> None:
        changed = self.db.execute(statement.replace("?", self.mark), values).rowcount
        assert changed, statement
        self.db.commit()

    def value(self, query: str, *values: object) -> Any:
        return self.db.execute(query.replace("?", self.mark), values).fetchone()[0]

    def update(self, row: MessageRow, **columns: object) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.sql(
            f"UPDATE messages SET {names} WHERE collector = ? AND position = ?",
            *columns.values(),
            row.collector,
            row.position,
        )

    def accepted(self, nth: int = 0, collector: str = "c0") -> MessageRow:
        return self.of_status("accepted", nth, collector)

    def of_status(self, status: str, nth: int = 0, collector: str = "c0") -> MessageRow:
        rows = [r for r in self.rows(collector) if r.status == status]
        return rows[nth]

    def rows(self, collector: str = "c0") -> list[MessageRow]:
        return [r for r in self.world.ledger.message_rows if r.collector == collector]

    def batch(self, number: int) -> Any:
        return next(b for b in self.world.ledger.batches("c0", number))

    def set_leaf(self, row: MessageRow, leaf: bytes) -> None:
        """Put a leaf hash into the stored tile."""
        number, offset = divmod(row.position, 256)
        tile = bytearray(self.tile(0, number))
        tile[offset * 32 : offset * 32 + 32] = leaf
        self.set_tile(0, number, bytes(tile))

    def tile(self, level: int, number: int) -> bytes:
        query = "SELECT hashes FROM tiles WHERE collector = 'c0' AND level = ? AND number = ?"
        return bytes(self.value(query, level, number))

    def set_tile(self, level: int, number: int, hashes: bytes) -> None:
        self.sql(
            "UPDATE tiles SET hashes = ? WHERE collector = 'c0' AND level = ? AND number = ?",
            hashes,
            level,
            number,
        )

    def forge(self, row: MessageRow, **columns: Any) -> MessageRow:
        """Change a row, and its leaf hash in the tile with it."""
        changed = replace(row, **columns)
        self.update(row, **columns)
        self.set_leaf(row, leaf_hash(record_bytes(changed)))
        return changed

    def flip(self, path: str, place: int = 40) -> None:
        file = self.log / path
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        file.write_bytes(bytes(data))

    def audit(self, processes: int = 0, since: Since | None = None) -> Audit:
        self.db.close()
        opened = partial(LedgerReader, self.url)
        reader = opened()
        try:
            log = LogReader(FolderSource(self.log), self.world.anchor.verifier)
            crew = Crew(processes, opened, worth=100)
            return audit(ledger=reader, log=log, policy=self.world.policy, crew=crew, since=since)
        finally:
            reader.close()


@dataclass
class Expected:
    """The kinds that must be found, the rows that must be named and no others, whom to blame."""

    kinds: set[str]
    rows: list[MessageRow] = field(default_factory=list)
    blame: str = "store"
    detail: str = ""
    positions: set[int] | None = None


Attack = Callable[[Case], Expected]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


# -- rows ------------------------------------------------------------------------------


@attack
def payload_edited(case: Case) -> Expected:
    row = case.accepted(100)
    case.update(row, payload=row.payload.replace(b"temperature", b"temperaturf"))
    return Expected({"altered"}, [row], detail="does not hash")


@attack
def payload_and_hash_edited(case: Case) -> Expected:
    row = case.accepted(100)
    payload = row.payload.replace(b"temperature", b"temperaturf")
    case.update(row, payload=payload, payload_hash=sha256(payload).digest())
    return Expected({"altered"}, [row])


@attack
def payload_hash_and_leaf_edited(case: Case) -> Expected:
    row = case.accepted(100)
    payload = row.payload.replace(b"temperature", b"temperaturf")
    case.forge(row, payload=payload, payload_hash=sha256(payload).digest())
    return Expected({"altered"}, [row], detail="bad-signature")


@attack
def payload_hash_leaf_and_batch_root_edited(case: Case) -> Expected:
    row = case.accepted(100)
    payload = row.payload.replace(b"temperature", b"temperaturf")
    case.forge(row, payload=payload, payload_hash=sha256(payload).digest())
    case.sql("UPDATE batches SET root = ? WHERE collector = 'c0' AND number = 2", bytes(32))
    return Expected({"altered", "batch-altered"}, [row])


@attack
def unsigned_payload_hash_and_leaf_edited(case: Case) -> Expected:
    """No key vouches for it, so the batch's part of a tile is what can be named."""
    row = case.of_status("unsigned", 4)
    payload = b"something else"
    case.forge(row, payload=payload, payload_hash=sha256(payload).digest())
    batch = case.batch(2)
    return Expected({"altered"}, detail=f"rows {batch.start} to {batch.start + batch.size - 1},")


@attack
def status_edited(case: Case) -> Expected:
    row = case.of_status("revoked", 3)
    case.update(row, status="accepted")
    return Expected({"altered"}, [row])


@attack
def device_edited(case: Case) -> Expected:
    row = case.accepted(7)
    case.update(row, device="mill-3")
    named = [row]
    return Expected({"altered"}, named, positions={row.position})


@attack
def time_column_edited(case: Case) -> Expected:
    """No record binds it, but queries by time rely on it."""
    row = case.accepted(7)
    case.update(row, time=row.time - 1)
    return Expected({"altered"}, [row], detail="column time")


@attack
def receive_time_put_back(case: Case) -> Expected:
    row = case.accepted(200)
    case.update(row, received_at=row.received_at - 3_600_000_000)
    return Expected({"back-dated"}, [row])


@attack
def receive_time_put_forward(case: Case) -> Expected:
    row = case.accepted(200)
    case.update(row, received_at=row.received_at + 3_600_000_000)
    return Expected({"altered"}, [row])


@attack
def receive_time_and_leaf_put_back(case: Case) -> Expected:
    row = case.accepted(200)
    case.forge(row, received_at=row.received_at - 3_600_000_000)
    return Expected({"back-dated"}, [row])


@attack
def key_count_edited(case: Case) -> Expected:
    row = case.accepted(7)
    case.update(row, keys=10**9)
    return Expected({"altered"}, [row])


@attack
def payload_erased_without_word(case: Case) -> Expected:
    row = case.accepted(7)
    case.update(row, payload=None)
    return Expected({"erased"}, [row])


@attack
def last_row_deleted(case: Case) -> Expected:
    row = case.rows()[-1]
    case.sql("DELETE FROM messages WHERE collector = 'c0' AND position = ?", row.position)
    return Expected({"deleted"}, positions={row.position})


@attack
def middle_row_deleted(case: Case) -> Expected:
    """Its claim is left and tells whose it was."""
    row = case.accepted(150)
    case.sql("DELETE FROM messages WHERE collector = 'c0' AND position = ?", row.position)
    return Expected({"deleted"}, [row])


@attack
def row_and_claim_deleted(case: Case) -> Expected:
    row = case.accepted(150)
    case.sql("DELETE FROM messages WHERE collector = 'c0' AND position = ?", row.position)
    case.sql("DELETE FROM claims WHERE collector = 'c0' AND position = ?", row.position)
    return Expected({"deleted"}, positions={row.position})


@attack
def row_deleted_and_the_rest_moved_up(case: Case) -> Expected:
    row = case.rows()[-4]
    case.sql("DELETE FROM messages WHERE collector = 'c0' AND position = ?", row.position)
    case.sql(
        "UPDATE messages SET position = position - 1 WHERE collector = 'c0' AND position > ?",
        row.position,
    )
    last = case.rows()[-1].position
    return Expected({"deleted", "reordered"}, positions=set(range(row.position, last + 1)))


@attack
def anchored_batch_deleted(case: Case) -> Expected:
    batch = case.batch(6)
    stop = batch.start + batch.size
    for table in ("messages", "claims"):
        case.sql(
            f"DELETE FROM {table} WHERE collector = 'c0' AND position >= ? AND position < ?",
            batch.start,
            stop,
        )
    case.sql("DELETE FROM batches WHERE collector = 'c0' AND number = 6")
    return Expected({"batch-missing", "deleted"}, positions=set(range(batch.start, stop)))


@attack
def end_of_the_store_cut_off(case: Case) -> Expected:
    """Rows, claims and batches from batch 10 on: the anchor log is ahead of the store."""
    batch = case.batch(10)
    for table in ("messages", "claims"):
        case.sql(f"DELETE FROM {table} WHERE collector = 'c0' AND position >= ?", batch.start)
    case.sql("DELETE FROM batches WHERE collector = 'c0' AND number >= 10")
    stop = case.batch(11).start + case.batch(11).size
    kinds = {"batch-missing", "deleted", "tiles-altered"}
    return Expected(kinds, positions=set(range(batch.start, stop)))


@attack
def row_appended(case: Case) -> Expected:
    last = case.rows()[-1]
    new = replace(last, position=last.position + 1)
    insert(case, new)
    return Expected({"inserted"}, [new])


@attack
def row_inserted_below_zero(case: Case) -> Expected:
    new = replace(case.accepted(3), position=-5)
    insert(case, new)
    return Expected({"inserted"}, [new])


@attack
def row_inserted_and_the_rest_moved_down(case: Case) -> Expected:
    rows = case.rows()
    place = rows[-3].position
    for row in reversed(rows[-3:]):
        case.update(row, position=row.position + 1)
    new = replace(rows[-3], payload=b"new", payload_hash=sha256(b"new").digest())
    insert(case, new)
    positions = set(range(place, rows[-1].position + 2))
    return Expected({"inserted", "reordered"}, positions=positions)


@attack
def rows_of_an_unknown_collector(case: Case) -> Expected:
    """The view of readings would show them."""
    for position in range(3):
        insert(case, replace(case.accepted(3), collector="ghost", position=position))
    return Expected({"inserted"}, positions=set(), detail="rows name collector ghost")


@attack
def two_rows_swapped(case: Case) -> Expected:
    first, second = case.accepted(20), case.accepted(240)
    case.update(first, position=-1)
    case.update(second, position=first.position)
    case.sql(
        "UPDATE messages SET position = ? WHERE collector = 'c0' AND position = -1", second.position
    )
    return Expected({"reordered"}, positions={first.position, second.position})


# -- claims, tiles, batches, collectors, keys ------------------------------------------


@attack
def claim_deleted(case: Case) -> Expected:
    row = case.accepted(150)
    case.sql("DELETE FROM claims WHERE collector = 'c0' AND position = ?", row.position)
    return Expected({"claim-altered"}, [row])


@attack
def claim_given_to_another_row(case: Case) -> Expected:
    row = case.accepted(150)
    case.sql("UPDATE claims SET position = 1 WHERE collector = 'c0' AND position = ?", row.position)
    return Expected({"claim-altered"}, [row])


@attack
def claim_invented(case: Case) -> Expected:
    """It would keep a machine's next message out."""
    values = ("mill-0", "s2", 9999, "c0", 10**6, bytes(32))
    case.sql("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", *values)
    return Expected({"claim-altered"}, positions={10**6}, detail="not there")


@attack
def tile_of_leaves_edited(case: Case) -> Expected:
    case.set_tile(0, 1, bytes(32) + case.tile(0, 1)[32:])
    return Expected({"tiles-altered"}, positions=set(), detail="tile 0/1 of collector c0")


@attack
def upper_tile_edited(case: Case) -> Expected:
    case.set_tile(1, 0, case.tile(1, 0)[:32] + bytes(32))
    return Expected({"tiles-altered"}, positions=set(), detail="tile 1/0 of collector c0")


@attack
def tile_lengthened(case: Case) -> Expected:
    case.set_tile(1, 0, case.tile(1, 0) + bytes(32))
    return Expected({"tiles-altered"}, positions=set(), detail="tile 1/0 of collector c0")


@attack
def tile_deleted(case: Case) -> Expected:
    case.sql("DELETE FROM tiles WHERE collector = 'c0' AND level = 0 AND number = 0")
    return Expected({"tiles-altered"}, positions=set(), detail="tile 0/0 of collector c0")


@attack
def batch_checkpoint_edited(case: Case) -> Expected:
    note = bytearray(case.batch(3).checkpoint)
    note[-10] ^= 1
    case.sql("UPDATE batches SET checkpoint = ? WHERE collector = 'c0' AND number = 3", bytes(note))
    return Expected({"batch-altered"}, positions=set(), detail="batch 3 has another checkpoint")


@attack
def batch_size_edited(case: Case) -> Expected:
    case.sql("UPDATE batches SET size = size + 1 WHERE collector = 'c0' AND number = 3")
    return Expected({"batch-altered"}, positions=set(), detail="batch 3 says size")


@attack
def batch_key_count_edited(case: Case) -> Expected:
    case.sql("UPDATE batches SET keys = 1 WHERE collector = 'c0' AND number = 3")
    return Expected({"batch-altered"}, positions=set(), detail="batch 3 counts 1 key entries")


@attack
def batch_row_deleted(case: Case) -> Expected:
    case.sql("DELETE FROM batches WHERE collector = 'c0' AND number = 3")
    return Expected({"batch-missing"}, positions=set(), detail="batch 3 ")


@attack
def collectors_key_replaced(case: Case) -> Expected:
    other = SignerKey.from_seed(C0_KEY, seed(70)).verifier
    case.sql("UPDATE collectors SET vkey = ? WHERE id = 'c0'", str(other))
    return Expected({"collector-altered"}, positions=set())


@attack
def collector_hidden(case: Case) -> Expected:
    case.sql("DELETE FROM collectors WHERE id = 'file-1'")
    case.sql("DELETE FROM claims WHERE collector = 'file-1'")
    kinds = {"batch-missing", "inserted"}
    return Expected(kinds, positions=set(), detail="does not know it")


@attack
def key_entry_edited(case: Case) -> Expected:
    of_it = "WHERE collector = 'c0' AND number = 0"
    entry = bytes(case.value(f"SELECT entry FROM key_entries {of_it}"))
    changed = entry.replace(b"mill-0", b"mill-7")
    case.sql(f"UPDATE key_entries SET entry = ? {of_it}", changed)
    return Expected({"key-invalid"}, positions=set(), detail="key entry 0 is false")


@attack
def revocation_deleted(case: Case) -> Expected:
    case.sql("DELETE FROM key_entries WHERE collector = 'c0' AND number = 6")
    return Expected({"key-invalid"}, positions=set(), detail="key entries had been applied")


@attack
def key_entry_deleted(case: Case) -> Expected:
    case.sql("DELETE FROM key_entries WHERE collector = 'c0' AND number = 2")
    return Expected({"key-invalid"}, positions=set(), detail="key entry 2 is missing")


@attack
def history_signed_again_with_a_stolen_collector_key(case: Case) -> Expected:
    """Row, tiles, roots and checkpoints all agree with each other; not with what is anchored."""
    row = case.of_status("unsigned", 4)
    new = replace(row, payload=b"else", payload_hash=sha256(b"else").digest())
    case.update(row, payload=new.payload, payload_hash=new.payload_hash)
    key = case.world.collectors["c0"].key
    log = GrowingLog(key.name, key)
    rows = [new if r.position == row.position else r for r in case.rows()]
    for batch in case.world.ledger.batches("c0"):
        records = [record_bytes(r) for r in rows[batch.start : batch.start + batch.size]]
        extension = log.extend(records)
        for level, number, hashes in extension.tiles:
            case.set_tile(level, number, hashes)
        case.sql(
            "UPDATE batches SET root = ?, checkpoint = ? WHERE collector = 'c0' AND number = ?",
            extension.root,
            extension.checkpoint,
            batch.number,
        )
        log = extension.log
    batch = case.batch(2)
    detail = f"positions {batch.start} to {batch.start + batch.size - 1} is another"
    return Expected({"batch-altered"}, blame=C0_KEY, detail=detail)


# -- the anchor log --------------------------------------------------------------------


@attack
def log_tile_flipped(case: Case) -> Expected:
    case.flip("tile/0/000.p/24")
    return Expected({"log-invalid"}, blame=ORIGIN, positions=set(), detail="tile/0/000.p/24")


@attack
def log_entries_flipped(case: Case) -> Expected:
    case.flip("tile/entries/000.p/24")
    return Expected({"log-invalid"}, blame=ORIGIN, positions=set(), detail="tile/entries/000.p/24")


@attack
def log_checkpoint_flipped(case: Case) -> Expected:
    case.flip("checkpoint", 30)
    return Expected({"log-invalid"}, blame=ORIGIN, positions=None, detail="checkpoint")


@attack
def witness_signature_forged(case: Case) -> Expected:
    file = case.log / "checkpoint"
    lines = file.read_bytes().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if b"witness.example/w0" in line)
    lines[place] = lines[place][:-20] + (b"A" * 16) + lines[place][-4:]
    file.write_bytes(b"".join(lines))
    return Expected({"log-invalid"}, blame="witness.example/w0", positions=set())


@attack
def witnesses_left_out(case: Case) -> Expected:
    file = case.log / "checkpoint"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(line for line in lines if b"witness.example" not in line))
    return Expected({"log-invalid"}, blame=ORIGIN, positions=set(), detail="quorum")


@attack
def log_head_put_back(case: Case) -> Expected:
    """The checkpoint alone: the later ones that the log kept give it away."""
    older = case.world.published_at[1]["checkpoint"]
    (case.log / "checkpoint").write_bytes(older)
    return Expected({"log-truncated"}, blame=ORIGIN, positions=None)


@attack
def log_replaced_by_an_older_copy(case: Case) -> Expected:
    """Nothing of the log itself is wrong; machines cite what it no longer has."""
    shutil.rmtree(case.log)
    write(case.world.published_at[1], case.log)
    return Expected({"log-truncated"}, blame=ORIGIN, positions=None, detail="cites the log at size")


@attack
def log_signed_anew_without_a_batch(case: Case) -> Expected:
    """Whoever holds the log's and the witnesses' keys left one checkpoint out."""
    world = case.world
    victim = case.batch(4).checkpoint
    entries = [entry for entry in world.entries if entry != victim]
    files = publish(world.anchor, entries)
    note = world.cosign(files["checkpoint"])
    kept = list((case.log / "checkpoints").iterdir())
    assert kept
    for path, data in {**files, "checkpoint": note}.items():
        (case.log / path).parent.mkdir(parents=True, exist_ok=True)
        (case.log / path).write_bytes(data)
    kinds = {"log-forked", "log-invalid", "log-truncated"}
    return Expected(kinds, blame=ORIGIN, detail="batch 4 is not in the anchor log")


@attack
def log_given_a_strangers_entry(case: Case) -> Expected:
    world = case.world
    thief = SignerKey.from_seed(C0_KEY, seed(88))
    forged = sign_checkpoint(Checkpoint(C0_KEY, 10**6, bytes(32)), thief)
    files = publish(world.anchor, [*world.entries, b"no checkpoint", forged])
    for path, data in {**files, "checkpoint": world.cosign(files["checkpoint"])}.items():
        (case.log / path).parent.mkdir(parents=True, exist_ok=True)
        (case.log / path).write_bytes(data)
    return Expected({"log-invalid"}, blame=ORIGIN, positions=set(), detail="did not sign")


# -- the table -------------------------------------------------------------------------


def insert(case: Case, row: MessageRow) -> None:
    marks = ", ".join("?" * len(astuple(row)))
    case.sql(f"INSERT INTO messages VALUES ({marks})", *astuple(row))


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[World, Path, list[AuditMemory]]:
    """A store and log of some hundred messages, everything anchored but the last batch.

    With what audits left that were made while it grew.
    """
    folder = tmp_path_factory.mktemp("original")
    memories = list[AuditMemory]()
    world, fleet = large_world(lambda world: memories.append(memory_of(world)))
    world.collect("c0", [*(fleet[0].message(world.time()) for _ in range(3)), foreign(99)])
    world.write_log(folder / "log")
    return world, folder, memories


@pytest.fixture(scope="module")
def file(original: tuple[World, Path, Any]) -> Path:
    """The store in SQLite."""
    world, folder, _ = original
    to_store(world.ledger, f"sqlite:///{folder / 'ledger.db'}").close()
    return folder / "ledger.db"


@pytest.fixture(scope="module")
def template(original: tuple[World, Path, Any], postgres: Any) -> str:
    """The store in PostgreSQL: a database's name."""
    world, *_ = original
    url = postgres.database()
    to_store(world.ledger, url).close()
    with psycopg.connect(url) as db:
        # Who can write rows can make room for them.
        db.execute("CREATE TABLE below PARTITION OF messages FOR VALUES FROM (MINVALUE) TO (0)")
    return url.rpartition("/")[2]


@contextmanager
def sqlite_copy(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[str, Any, str]]:
    copy = folder / "ledger.db"
    shutil.copy(request.getfixturevalue("file"), copy)
    with closing(sqlite3.connect(copy)) as db:
        yield f"sqlite:///{copy}", db, "?"


@contextmanager
def postgresql_copy(request: pytest.FixtureRequest, _: Path) -> Iterator[tuple[str, Any, str]]:
    server = request.getfixturevalue("postgres")
    url = server.database(template=request.getfixturevalue("template"))
    try:
        with closing(psycopg.connect(url)) as db:
            yield url, db, "%s"
    finally:
        server.drop(url)


COPIES = {"sqlite": sqlite_copy, "postgresql": postgresql_copy}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def case(
    request: pytest.FixtureRequest, original: tuple[World, Path, list[AuditMemory]], tmp_path: Path
) -> Iterator[Case]:
    world, folder, memories = original
    shutil.copytree(folder / "log", tmp_path / "log")
    with COPIES[request.param](request, tmp_path) as (url, db, mark):
        yield Case(world, tmp_path / "log", url, db, mark, memories)


def test_the_untouched_store_is_clean(case: Case) -> None:
    found = case.audit()
    assert found.findings == []
    assert found.notes == []
    counts = found.counts
    assert counts.messages == len(case.world.ledger.message_rows) > 600
    assert set(counts.statuses) >= {"accepted", "revoked", "malformed", "bad-signature"}
    assert counts.batches == counts.anchored_batches + 1
    assert (counts.gaps, counts.breaks, counts.unjudged, counts.citations_missing) == (0, 0, 0, 0)
    assert counts.citations == 6
    assert case.audit(processes=2).to_json() == found.to_json()


def nowhere() -> LedgerReader:
    """Another process cannot open the store."""
    raise OSError("no")


def test_processes_that_die_change_nothing(case: Case) -> None:
    payload_edited(case)
    alone = case.audit()
    with LedgerReader(case.url) as reader:
        log = LogReader(FolderSource(case.log), case.world.anchor.verifier)
        crew = Crew(2, nowhere, worth=1)
        helped = audit(ledger=reader, log=log, policy=case.world.policy, crew=crew)
    assert helped.to_json() == alone.to_json()


ENDLESS = """
import sys
from functools import partial
from itertools import repeat

from anchor.audit.crew import Crew
from collector.store_reader import LedgerReader

if __name__ == "__main__":
    crew = Crew(2, partial(LedgerReader, sys.argv[1]))
    for _ in crew.read("c0", [], (b"nonce", False), repeat((0, 64))):
        print("read", flush=True)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes: Linux's way")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_helpers_end_with_an_audit_that_is_killed(case: Case, tmp_path: Path, number: int) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, script, case.url],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"read\n"
        helping = of_session(process.pid) - {process.pid}
        process.send_signal(number)
    assert len(helping) > 1
    until = time.monotonic() + 30
    while left := of_session(process.pid):
        if time.monotonic() > until:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            pytest.fail("they are left behind")
        time.sleep(0.05)


def of_session(leader: int) -> set[int]:
    """The processes of a session that run, not only wait to be reaped."""
    found = set[int]()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, session = file.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.add(int(file.parent.name))
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_and_named(case: Case, name: str) -> None:
    expected = ATTACKS[name](case)
    found = case.audit()
    report(name, found)
    if case.url.startswith("sqlite"):
        assert case.audit(processes=2).to_json() == found.to_json()
    finds_what_is_new(case, found)
    findings = found.findings
    assert {f.kind for f in findings} == expected.kinds, findings
    assert any(f.blame == expected.blame for f in findings), findings
    assert any(expected.detail in f.detail for f in findings), findings
    named = {(f.collector, f.position) for f in findings if f.position is not None}
    for row in expected.rows:
        assert (row.collector, row.position) in named
    if expected.rows:
        columns = {(f.device, f.session, f.seq) for f in findings}
        row = expected.rows[0]
        if "device" not in name:
            assert (row.device, row.session, row.seq) in columns
        assert named == {(r.collector, r.position) for r in expected.rows}
    if expected.positions is not None:
        assert {position for _, position in named} == expected.positions


def finds_what_is_new(case: Case, full: Audit) -> None:
    """What is left out is said, and nothing else is missed, whatever the earlier audit had read."""
    # PostgreSQL's are as slow as they are alike: one of them will do.
    for memory in case.memories[:: len(case.memories) - 1][: 2 if case.mark == "?" else 1]:
        new = case.audit(since=Since(case.world.now, memory, only_new=True))
        assert new.memory is None or new.clean
        if new.since is None:
            # Something of the earlier audit does not stand any more, and all was read.
            assert "all was read" in " ".join(new.notes)
            assert all(finding in new.findings for finding in full.findings)
            continue
        assert new.skipped > 0
        missed = [finding for finding in full.findings if finding not in new.findings]
        more = [finding for finding in new.findings if finding not in full.findings]
        # Where a row that is not read again has come from is not known.
        moved = {f.position for f in missed if f.kind == "reordered"}
        hints = [f for f in more if f.position is None or f.position not in moved]
        assert all("earlier audit read" in finding.detail for finding in hints), more
        for finding in missed:
            told = "key entries" in finding.detail and hints
            found = finding.position in moved & {f.position for f in new.findings}
            assert told or found or was_read(finding, memory), finding


def was_read(finding: Finding, memory: AuditMemory) -> bool:
    """Whether a finding is about rows, tiles or claims that the earlier audit had read."""
    if finding.kind == "tiles-altered":
        return True
    seen = memory.collectors.get(finding.collector)
    size = 0 if seen is None else int(seen.checkpoint.split(b"\n")[1])
    rows = re.match(r"of the rows \d+ to (\d+)", finding.detail)
    position = int(rows[1]) if rows else finding.position
    return type(position) is int and position < size


def report(name: str, found: Audit) -> None:
    """A line of the table."""
    shown = dict[tuple[str, str], Finding]()
    for finding in found.findings:
        shown.setdefault((finding.kind, finding.blame), finding)
    print(f"\n{name.replace('_', ' ')}: {len(found.findings)} findings")  # noqa: T201
    for finding in shown.values():
        names = (finding.device, finding.session, finding.seq)
        row = f"{finding.collector}:{finding.position} " + " ".join(map(str, names))
        print(f"    {finding.kind:16} {row:34} {finding.blame:32} {finding.detail}")  # noqa: T201


PAGE = Path(__file__).parents[2] / "docs/security.md"


def test_every_kind_and_every_attack_is_documented() -> None:
    page = PAGE.read_text()
    for name in (*KINDS, *ATTACKS):
        assert f"`{name}`" in page, name


def test_every_row_of_the_page_is_a_test() -> None:
    """Each table row whose last cell names a test names one that is there."""
    here = Path(__file__).parent
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    named = 0
    for row in rows:
        cell = row.rstrip("| ").rpartition("|")[2]
        each = [re.fullmatch(r" `(\w+)`(?: \(`([\w/]+\.py)`\))?", one) for one in cell.split(",")]
        if None in each:
            assert re.match(r" (test|can|change|sign|together|enrol|show)", cell), row
            continue
        for name, file in (found.groups() for found in each if found):
            named += 1
            if file is None:
                assert name in ATTACKS, row
            else:
                folder = here.parent if "/" in file else here
                assert f"def {name}(" in (folder / file).read_text(), row
    assert named > 60
