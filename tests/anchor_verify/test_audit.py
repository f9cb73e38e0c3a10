"""Audit beyond the attack table: what signers do wrong, what is no finding, and odd values."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verify_logs import MemorySource
from verify_world import (
    ORIGIN,
    US,
    World,
    foreign,
    machines,
    record_bytes,
    seed,
    small_world,
    to_sqlite,
)

from anchor.audit.whole import Audit, audit
from anchor.checkpoint import sign_checkpoint
from anchor.errors import Malformed
from anchor.growing import GrowingLog
from anchor.note import SignerKey
from anchor.policy import Policy, write_policy
from anchor.reading.log_reader import LogReader
from anchor.tree_head import Checkpoint
from collector.store_reader import LedgerReader
from telemetry.message import Cited
from telemetry.rows import KeyRow, MessageRow

C0_KEY = f"{ORIGIN}/collector/c0"


def audit_of(world: World, **options: Any) -> Audit:
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    return audit(**{"ledger": world.ledger, "log": log, "policy": world.policy, **options})


def only(found: Audit, kind: str) -> Any:
    assert [f.kind for f in found.findings] == [kind], found.findings
    return found.findings[0]


# -- what is no finding ------------------------------------------------------------------


def test_without_log_and_witness_audit_says_so_and_finds_nothing() -> None:
    world, _ = small_world(witnesses=0)
    found = audit_of(world, log=None)
    assert found.clean
    assert found.notes == ["no anchor log was given: rows are checked against the store alone"]
    found = audit_of(world)
    assert found.clean
    assert found.notes == [
        "the policy asks for no witness: whoever holds the log's key could show two logs"
    ]


def test_a_log_without_a_checkpoint_yet_is_no_finding() -> None:
    world = World()
    fleet = machines(1)
    world.enrol_device(fleet[0])
    world.add_collector("c0")
    world.collect("c0", [fleet[0].message(world.time())])
    found = audit_of(world)
    assert found.clean
    assert found.notes == ["nothing is anchored yet: the log has no checkpoint"]
    assert found.counts.messages == 1


def test_a_checkpoint_that_was_taken_away_is_found() -> None:
    world, _ = small_world()
    assert sum(path.startswith("checkpoints/") for path in world.published) > 1
    del world.published["checkpoint"]
    found = audit_of(world)
    assert {f.kind for f in found.findings} == {"log-truncated"}


def test_batches_at_the_end_that_are_not_anchored_yet_are_no_finding() -> None:
    world, fleet = small_world()
    world.collect("c0", [fleet[0].message(world.time())])
    found = audit_of(world)
    assert found.clean
    assert (found.counts.batches, found.counts.anchored_batches) == (4, 3)
    assert found.counts.messages - found.counts.anchored_messages == 1


def test_an_empty_store_is_clean() -> None:
    world = World(witnesses=0)
    assert audit_of(world, log=None).clean
    world.add_collector("c0")
    found = audit_of(world, log=None)
    assert found.clean
    assert found.counts.collectors == 1


def test_an_erasure_that_the_operator_signed_is_no_finding() -> None:
    world, _ = small_world()
    world.erase_messages("c0", 0, 1)
    rows = world.ledger.message_rows
    for place in (0, 1):
        rows[place] = replace(rows[place], payload=None)
    found = audit_of(world)
    assert found.clean
    assert found.counts.erased == 2
    rows[2] = replace(rows[2], payload=None)
    finding = only(audit_of(world), "erased")
    assert (finding.position, finding.device, finding.seq) == (2, "mill-1", 0)


def test_an_erasure_counts_only_for_the_statuses_that_it_names() -> None:
    world, _ = small_world()
    rows = world.ledger.message_rows
    world.erase_messages("c0", 0, 9, statuses=("unsigned", "malformed"))
    rows[2] = replace(rows[2], payload=None)
    assert rows[2].status == "accepted"
    assert only(audit_of(world), "erased").position == 2
    world.erase_messages("c0", 2, 2, statuses=("accepted",))
    assert audit_of(world).clean


def test_an_erasure_for_another_collector_does_not_count() -> None:
    world, _ = small_world()
    world.add_collector("c1")
    world.erase_messages("c1", 0, 1)
    rows = world.ledger.message_rows
    rows[0] = replace(rows[0], payload=None)
    only(audit_of(world), "erased")


class Growing:
    """A ledger whose collector commits once more in the middle of an audit."""

    def __init__(self, world: World, more: list[tuple[str, bytes]]) -> None:
        self._world, self._more = world, more

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.ledger, name)

    def messages(self, *place: Any) -> Iterator[MessageRow]:
        for row in self._world.ledger.messages(*place):
            if row.position == 4 and self._more:
                more, self._more = self._more, []
                self._world.enrol_device(machines(3)[2])
                self._world.collect("c0", more)
            yield row


def test_a_collector_that_goes_on_committing_is_no_finding() -> None:
    world, fleet = small_world()
    late = machines(3)[2]
    more = [fleet[0].message(world.time()), late.message(world.time())]
    found = audit_of(world, ledger=Growing(world, more))
    assert found.clean, found.findings
    assert found.counts.messages == 17
    assert found.counts.statuses["accepted"] == 14


def test_progress_is_told() -> None:
    world, _ = small_world()
    seen = list[tuple[str, int]]()
    audit_of(world, progress=lambda what, done: seen.append((what, done)))
    assert ("anchor log", 6) in seen


def test_a_policy_without_operator_cannot_audit() -> None:
    world, _ = small_world()
    policy = Policy.from_bytes(write_policy(world.anchor.verifier, None, [], "none"))
    with pytest.raises(Malformed, match="names no operator"):
        audit_of(world, policy=policy)


# -- chains ------------------------------------------------------------------------------


def test_gaps_and_breaks_are_counted_and_no_finding() -> None:
    world, fleet = small_world()
    mill = fleet[0]
    lost = mill.message(world.time())
    assert lost
    world.collect("c0", [mill.message(world.time())])
    mill.restart("s2")
    mill.prev = None
    world.collect("c0", [mill.message(world.time())])
    mill.prev = bytes(32)
    world.collect("c0", [mill.message(world.time())])
    found = audit_of(world)
    assert found.clean
    assert (found.counts.gaps, found.counts.breaks, found.counts.sessions) == (1, 2, 3)


def test_messages_out_of_order_and_over_collectors_break_nothing() -> None:
    world, fleet = small_world()
    mill = fleet[0]
    world.add_collector("c1")
    sent = [mill.message(world.time()) for _ in range(30)]
    world.collect("c0", sent[20:])
    world.collect("c1", sent[:20:2])
    world.collect("c0", sent[1:20:2])
    found = audit_of(world)
    assert found.clean
    assert (found.counts.gaps, found.counts.breaks) == (0, 0)


def test_a_cloned_machine_in_another_session_is_a_fork() -> None:
    world, fleet = small_world()
    clone = replace(fleet[0])
    world.collect("c0", [fleet[0].message(world.time())])
    clone.restart("s9")
    row = world.collect("c0", [clone.message(world.time())])[0]
    finding = only(audit_of(world), "fork")
    assert (finding.position, finding.device, finding.session) == (row.position, "mill-0", "s9")
    assert finding.blame == f"device mill-0 key {clone.key.key_id}"


def test_two_sessions_that_go_on_from_one_message_are_a_fork() -> None:
    world, fleet = small_world()
    first, second = replace(fleet[0]), replace(fleet[0])
    first.restart("s8")
    second.restart("s9")
    world.collect("c0", [first.message(world.time()), second.message(world.time())])
    assert only(audit_of(world), "fork").session == "s9"


def test_a_clone_under_the_same_number_is_a_fork() -> None:
    world, fleet = small_world()
    clone = replace(fleet[0])
    world.collect("c0", [fleet[0].message(world.time())])
    row = world.collect("c0", [clone.message(world.time(), other=1.0)])[0]
    assert row.status == "conflict"
    assert only(audit_of(world), "fork").position == row.position


# -- what signers do wrong ---------------------------------------------------------------


def recommit(world: World, change: dict[int, dict[str, Any]]) -> None:
    """Let the collector itself sign changed rows, from the start."""
    rows, batches = list(world.ledger.message_rows), list(world.ledger.batch_rows)
    collector = world.collectors["c0"]
    collector.log, collector.batches = GrowingLog(collector.key.name, collector.key), 0
    world.ledger.message_rows, world.ledger.batch_rows = [], []
    world.entries = [e for e in world.entries if e.startswith(b"factoryledger key")]
    world.published, world.published_at = {}, []
    for batch in batches:
        part = rows[batch.start : batch.start + batch.size]
        world.commit(collector, [replace(r, **change.get(r.position, {})) for r in part])
    world.anchor_now()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"status": "revoked", "entry": bytes(32)}, "misjudged"),
        ({"entry": bytes(32)}, "misjudged"),
        ({"seq": 77}, "misjudged"),
        ({"keys": 1}, "misjudged"),
        ({"received_at": 1}, "back-dated"),
    ],
)
def test_a_collector_that_signs_what_is_false_is_blamed(change: dict, kind: str) -> None:
    world, fleet = small_world()
    for machine in fleet:
        machine.cited = None
    recommit(world, {8: change})
    found = audit_of(world)
    first = next(f for f in found.findings if f.kind == kind)
    assert (first.position, first.blame) == (8, C0_KEY)


def test_a_collector_that_accepts_a_number_twice_is_blamed() -> None:
    world, fleet = small_world()
    copy = replace(fleet[0])
    world.collect("c0", [fleet[0].message(world.time())])
    claims = list(world.ledger.claim_rows)
    world.ledger.claim_rows.clear()
    row = world.collect("c0", [copy.message(world.time(), other=2.0)])[0]
    world.ledger.claim_rows = claims
    assert row.status == "accepted"
    found = audit_of(world)
    finding = next(f for f in found.findings if f.kind == "duplicate")
    assert (finding.position, finding.blame) == (row.position, C0_KEY)


def test_a_key_entry_that_the_log_does_not_have_is_found() -> None:
    world, _ = small_world()
    world.entries = [e for e in world.entries if b"enrol device mill-1" not in e]
    world.published = {}
    world.anchor_now()
    found = audit_of(world)
    finding = next(f for f in found.findings if f.kind == "key-unlogged")
    assert "enrol device mill-1" in finding.detail
    assert finding.blame == ORIGIN


def test_a_key_entry_logged_after_what_relies_on_it_is_found() -> None:
    world, _ = small_world()
    late = next(e for e in world.entries if b"enrol device mill-1" in e)
    world.entries = [*(e for e in world.entries if e != late), late]
    world.published = {}
    world.anchor_now()
    details = [f.detail for f in audit_of(world).findings if f.kind == "key-unlogged"]
    assert len(details) == 1
    assert "is entry 5 there" in details[0]


def test_a_collector_that_no_operator_certified_is_found() -> None:
    world, _ = small_world()
    thief = SignerKey.from_seed(f"{ORIGIN}/operator", seed(66)).verifier
    witnesses = world.policy.witnesses.values()
    policy = Policy.from_bytes(write_policy(world.anchor.verifier, thief, witnesses, "all"))
    kinds = {f.kind for f in audit_of(world, policy=policy).findings}
    assert "key-invalid" in kinds


# -- what others remember ----------------------------------------------------------------


def test_a_remembered_checkpoint_convicts_an_older_copy_of_the_log() -> None:
    world, fleet = small_world()
    for machine in fleet:
        machine.cited = None
    newest = world.published_at[-1]["checkpoint"]
    older = LogReader(MemorySource(world.published_at[0]), world.anchor.verifier)
    world.ledger.message_rows = world.ledger.message_rows[:5]
    world.ledger.batch_rows = world.ledger.batch_rows[:1]
    world.ledger.claim_rows = world.ledger.claim_rows[:4]
    world.ledger.tile_rows["c0", 0, 0] = world.ledger.tile_rows["c0", 0, 0][: 5 * 32]
    assert audit_of(world, log=older).clean
    finding = only(audit_of(world, log=older, remembered=[newest]), "log-truncated")
    assert finding.blame == ORIGIN
    finding = only(audit_of(world, log=older, published=21), "log-truncated")
    assert (finding.blame, "21 were published" in finding.detail) == (ORIGIN, True)
    assert finding.certainty == "likely"


def test_a_remembered_checkpoint_convicts_a_rewritten_log() -> None:
    world, _ = small_world()
    newest = world.published_at[-1]["checkpoint"]
    world.entries[0], world.entries[1] = world.entries[1], world.entries[0]
    world.published = {}
    world.anchor_now()
    assert "log-forked" in {f.kind for f in audit_of(world, remembered=[newest]).findings}


def test_a_citation_of_what_never_was_names_the_message() -> None:
    world, fleet = small_world()
    fleet[1].cited = Cited(10**6, bytes(32))
    row = world.collect("c0", [fleet[1].message(world.time())])[0]
    finding = only(audit_of(world), "log-truncated")
    assert (finding.position, finding.device) == (row.position, "mill-1")
    assert f"unless machine key {fleet[1].key.key_id} lies" in finding.detail
    assert finding.certainty == "likely"


# -- whatever a column holds -------------------------------------------------------------


@dataclass
class Bench:
    """A small store in SQLite that is edited and put back."""

    world: World
    reader: LedgerReader
    db: sqlite3.Connection
    log: LogReader

    def audit(self) -> Audit:
        return audit(ledger=self.reader, log=self.log, policy=self.world.policy)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    world, fleet = small_world()
    prior = sha256(world.requests[0]).digest()
    world.revoke_device(fleet[0], prior)
    sent = [fleet[0].message(world.time()), replace(fleet[1], seq=0).message(7), foreign(8)]
    world.collect("c0", sent)
    world.anchor_now()
    path = tmp_path_factory.mktemp("bench") / "ledger.db"
    reader = to_sqlite(world.ledger, path)
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    with closing(sqlite3.connect(path)) as db:
        yield Bench(world, reader, db, log)
    reader.close()


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 40),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=40),
    st.sampled_from(
        [
            "accepted",
            "unsigned",
            "conflict",
            "revoked",
            "mill-0",
            "mill-1",
            "c1",
            "s1",
            "",
            bytes(32),
            b"{}",
            "1" * 400,
            2**62,
        ]
    ),
)
TABLES = {
    "messages": (
        "collector position received_at original_at topic payload properties device session seq "
        "time status key keys entry payload_hash body_hash"
    ),
    "batches": "collector number start size root checkpoint keys",
    "claims": "device session seq collector position body_hash",
    "key_entries": "collector number hash entry",
    "tiles": "collector level number hashes",
    "collectors": "id origin vkey",
}
CELLS = [(table, column) for table, names in TABLES.items() for column in names.split()]


def test_the_bench_is_clean(bench: Bench) -> None:
    assert bench.audit().clean


@given(cell=st.sampled_from(CELLS), value=VALUES, data=st.data())
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_value_in_any_column_is_a_finding_and_never_an_error(
    bench: Bench, cell: tuple[str, str], value: object, data: st.DataObject
) -> None:
    """One cell of one row is overwritten; an altered message is named by its columns."""
    table, column = cell
    columns = TABLES[table]
    rows = bench.db.execute(f"SELECT {columns.replace(' ', ', ')} FROM {table}").fetchall()
    before = data.draw(st.sampled_from(rows))
    names = columns.split()
    where = " AND ".join(f"{name} IS ?" for name in names)
    try:
        bench.db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *before))
    except sqlite3.IntegrityError:
        bench.db.rollback()
        return
    bench.db.commit()
    try:
        stored = bench.db.execute(f"SELECT {columns.replace(' ', ', ')} FROM {table}").fetchall()
        found = bench.audit()
        if sorted(map(repr, stored)) == sorted(map(repr, rows)):
            assert found.clean
            return
        assert not found.clean, (table, column, value)
        assert found.to_json()["findings"]
        if table == "messages" and column not in {"collector", "position"}:
            place = ("c0", before[1])
            assert place in {(f.collector, f.position) for f in found.findings}
            assert {f.blame for f in found.findings} == {"store"}
    finally:
        restore(bench.db, table, before, stored, rows)


def restore(db: sqlite3.Connection, table: str, before: Any, stored: Any, rows: Any) -> None:
    names = TABLES[table].split()
    changed = next((row for row in stored if repr(row) not in set(map(repr, rows))), None)
    if changed is None:
        return
    where = " AND ".join(f"{name} IS ?" for name in names)
    sets = ", ".join(f"{name} = ?" for name in names)
    db.execute(f"UPDATE {table} SET {sets} WHERE {where}", (*before, *changed))
    db.commit()


def test_a_flood_of_findings_is_counted_and_bounded(tmp_path: Path) -> None:
    world, _ = small_world()
    last = world.ledger.message_rows[-1]
    extra = [replace(last, position=last.position + i) for i in range(1, 10_500)]
    world.ledger.message_rows += extra
    found = audit_of(world)
    assert len(found.findings) <= 10_000
    assert found.omitted > 0
    assert found.to_json()["omitted"] == found.omitted


def test_a_signed_size_beyond_all_rows_ends_the_audit_soon() -> None:
    """Whoever stole a collector's key signs a tree that no machine could walk."""
    world, _ = small_world()
    key = world.collectors["c0"].key
    last = world.ledger.batch_rows[-1]
    note = sign_checkpoint(Checkpoint(key.name, 2**62, bytes(32)), key)
    size = 2**62 - last.start - last.size
    world.ledger.batch_rows.append(
        replace(last, number=3, start=15, size=size, root=bytes(32), checkpoint=note)
    )
    kinds = {f.kind for f in audit_of(world).findings}
    assert "deleted" in kinds


def test_key_rows_that_are_doubled_or_damaged_are_found() -> None:
    world, _ = small_world()
    rows = world.ledger.key_rows
    rows.append(KeyRow("c0", 3, rows[0].hash, rows[0].entry))
    assert "applied before" in only(audit_of(world), "key-invalid").detail
    rows[-1] = KeyRow("c0", 3, bytes(32), b"nonsense")
    only(audit_of(world), "key-invalid")
    rows.pop()
    # A damaged row is made good from the log, so that nothing else is blamed.
    rows[0] = replace(rows[0], entry=b"nonsense")
    assert "key entry 0 is false" in only(audit_of(world), "key-invalid").detail


def test_records_are_those_of_the_format(bench: Bench) -> None:
    """The world's own rows give the leaf hashes that its collector signed."""
    row = bench.world.ledger.message_rows[3]
    assert record_bytes(row).startswith(b'{"record":1,"received":')
    assert row.received_at > US
