"""An audit that goes on from an earlier one: as good as a full one, and what it says it leaves out.

Attacks on what is new are in the attack table (`test_audit_attacks.py`), run there with
memories of several ages.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from verify_logs import MemorySource
from verify_world import (
    ORIGIN,
    Machine,
    World,
    foreign,
    large_world,
    machines,
    memory_of,
    part_of,
    small_world,
    to_sqlite,
)

from anchor.audit.whole import Audit, AuditMemory, Since, audit
from anchor.errors import Malformed
from anchor.growing import GrowingLog
from anchor.key_entry import revoke
from anchor.policy import Policy, write_policy
from anchor.reading.log_reader import LogReader
from factoryledger.stores import Stores
from telemetry.rows import MessageRow

SAME = ("collectors", "batches", "anchored_batches", "anchored_messages", "key_entries")
SAME += ("log_size", "sessions", "gaps", "breaks")


def audit_of(world: World, memory: AuditMemory | None = None, **options: object) -> Audit:
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    since = None if memory is None else Since(world.now, memory, only_new=True)
    given = {"ledger": world.ledger, "log": log, "policy": world.policy, "since": since}
    return audit(**{**given, **options})


def held(world: World, memory: AuditMemory) -> Audit:
    """A full audit that also knows what an earlier one saw."""
    return audit_of(world, since=Since(world.now, memory))


def change(world: World, position: int, **columns: object) -> MessageRow:
    rows = world.ledger.message_rows
    at = next(i for i, row in enumerate(rows) if row.position == position)
    rows[at] = replace(rows[at], **columns)
    return rows[at]


# -- as good as a full one ---------------------------------------------------------------


class Days:
    """A factory that does something else each day: gaps, restarts, late and lost messages."""

    def __init__(self) -> None:
        self.world, self.fleet = World(), machines(4)
        for machine in self.fleet:
            self.world.enrol_device(machine)
        self.world.add_collector("c0")
        self.world.add_collector("c1")
        self.late = list[tuple[str, bytes]]()

    def pass_by(self, day: int) -> None:
        world, fleet = self.world, self.fleet
        sent = [m.message(world.time()) for m in fleet for _ in range(5 + day * 7 % 40)]
        if day % 3 == 0:
            self.late += [sent.pop(3), sent.pop(6)]
        elif day % 3 == 1:
            sent += self.late
            self.late = []
        if day == 4:
            fleet[0].restart("s2")
            fleet[1].message(world.time())  # lost
        if day == 6:
            fleet[2].prev = bytes(32)
        if day == 7:
            world.erase_messages("c0", 0, 9)
            for position in range(10):
                change_in(world, "c0", position, payload=None)
        world.collect("c0", [*sent[::2], foreign(day)])
        if day != 5:
            world.collect("c1", sent[1::2])
        world.anchor_now()
        world.cite(*fleet)


def change_in(world: World, collector: str, position: int, **columns: object) -> None:
    rows = world.ledger.message_rows
    for i, row in enumerate(rows):
        if (row.collector, row.position) == (collector, position):
            rows[i] = replace(row, **columns)


def in_order(memory: AuditMemory) -> AuditMemory:
    """Whatever collector was read first."""
    breaks, sessions, loose = memory.chains
    named = [[*rest, sorted(tails), sorted(heads)] for *rest, tails, heads in sessions]
    links = {device: sorted(found) for device, found in loose.items()}
    return replace(memory, chains=[breaks, sorted(named), links])


def test_a_store_audited_as_it_grows_is_audited_as_in_one_go() -> None:
    days, memory, read = Days(), None, 0
    for day in range(10):
        days.pass_by(day)
        whole = audit_of(days.world)
        assert whole.clean, whole.findings
        new = audit_of(days.world, memory) if memory else whole
        assert (new.findings, new.notes) == (whole.findings, whole.notes)
        for name in SAME:
            assert getattr(new.counts, name) == getattr(whole.counts, name), (day, name)
        assert new.counts.messages + new.skipped == whole.counts.messages
        assert (new.since is None) == (day == 0)
        read += new.counts.messages
        memory = memory_of(days.world, memory)
        # What is left for the next is what a full audit leaves.
        assert in_order(memory) == in_order(memory_of(days.world))
    assert read == len(days.world.ledger.message_rows) > 500
    assert whole.counts.gaps
    assert whole.counts.breaks


def test_nothing_new_is_no_work_and_clean() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    found = audit_of(world, memory)
    assert (found.clean, found.skipped, found.counts.messages) == (True, 15, 0)
    assert found.to_json()["skipped"] == 15
    assert found.to_json()["since"] == memory.made


def clone_in_another_session(world: World, fleet: list[Machine]) -> None:
    """One session goes on from a message before the audit, another from the same one after it."""
    clone = replace(fleet[0])
    clone.restart("s9")
    world.collect("c0", [clone.message(world.time())])


def clone_in_the_middle(world: World, fleet: list[Machine]) -> None:
    """A session goes on from a message that has had a successor for long."""
    first = next(r for r in world.ledger.message_rows if r.device == fleet[0].name)
    clone = replace(fleet[0], prev=first.body_hash)
    clone.restart("s9")
    world.collect("c0", [clone.message(world.time())])


def clone_under_one_number(world: World, fleet: list[Machine]) -> None:
    """A number that was taken before the audit."""
    first = next(r for r in world.ledger.message_rows if r.device == fleet[0].name)
    clone = replace(fleet[0], seq=first.seq, prev=None)
    world.collect("c0", [clone.message(world.time(), other=9.0)])


def number_accepted_twice(world: World, fleet: list[Machine]) -> None:
    first = next(r for r in world.ledger.message_rows if r.device == fleet[0].name)
    clone = replace(fleet[0], seq=first.seq)
    claims = list(world.ledger.claim_rows)
    world.ledger.claim_rows.clear()
    world.collect("c0", [clone.message(world.time(), other=2.0)])
    world.ledger.claim_rows = claims


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (clone_in_another_session, "fork"),
        (clone_in_the_middle, "fork"),
        (clone_under_one_number, "fork"),
        (number_accepted_twice, "duplicate"),
    ],
)
def test_what_contradicts_messages_that_are_not_read_again_is_found_as_ever(
    wrong: Callable[[World, list[Machine]], None], kind: str
) -> None:
    world, fleet = small_world()
    first = replace(fleet[0])
    first.restart("s8")
    world.collect("c0", [first.message(world.time())])
    world.anchor_now()
    memory = memory_of(world)
    wrong(world, fleet)
    found, whole = audit_of(world, memory), audit_of(world)
    assert kind in {f.kind for f in whole.findings}
    assert found.since is not None
    assert found.findings == whole.findings
    assert found.memory is None


@pytest.mark.parametrize("order", [("c0", "c1"), ("c1", "c0")], ids="-".join)
def test_a_clone_in_another_store_is_found_whichever_was_audited(
    order: tuple[str, str], tmp_path: Path
) -> None:
    world, fleet = small_world()
    world.apart = True
    world.add_collector("c1")
    clone, other = replace(fleet[0]), replace(fleet[1])
    world.collect("c0", [fleet[0].message(world.time()), other.message(world.time())])
    world.anchor_now()

    def opened(name: str) -> Stores:
        urls = []
        for collector in order:
            path = tmp_path / f"{name}-{collector}.db"
            to_sqlite(part_of(world.ledger, collector), path).close()
            urls.append(f"sqlite:///{path}")
        return Stores(lambda: urls)

    with opened("before") as stores:
        left = audit_of(world, ledger=stores, since=Since(world.now)).memory
    assert left is not None
    again = replace(other, seq=other.seq - 1, prev=other.prev)
    again.prev = next(
        r.body_hash
        for r in world.ledger.message_rows
        if (r.device, r.seq) == ("mill-1", again.seq - 1)
    )
    world.collect(
        "c1", [clone.message(world.time(), other=1.0), again.message(world.time(), other=2.0)]
    )
    world.anchor_now()
    with opened("after") as stores:
        found, whole = audit_of(world, left, ledger=stores), audit_of(world, ledger=stores)
    assert found.since is not None
    assert [f.kind for f in found.findings] == [f.kind for f in whole.findings] == ["fork"] * 2
    assert {f.blame for f in found.findings} == {f.blame for f in whole.findings}


# -- what is left out, and what is not ---------------------------------------------------


def test_an_old_row_that_was_altered_is_left_out_and_a_full_audit_finds_it() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    row = change(world, 3, topic="elsewhere")
    found = audit_of(world, memory)
    assert (found.clean, found.skipped) == (True, 15)
    whole = held(world, memory)
    assert {(f.kind, f.position) for f in whole.findings} == {("altered", row.position)}
    assert (whole.skipped, whole.memory) == (0, None)


def test_old_claims_are_added_up() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    claim = world.ledger.claim_rows[2]
    world.ledger.claim_rows[2] = (*claim[:5], bytes(32))
    (finding,) = audit_of(world, memory).findings
    assert (finding.kind, finding.collector) == ("claim-altered", "c0")
    del world.ledger.claim_rows[2]
    (finding,) = audit_of(world, memory).findings
    assert finding.kind == "claim-altered"


def test_a_row_that_is_gone_lets_all_be_read(tmp_path: Path) -> None:
    """A store that can count tells that one of the old rows is missing."""
    world, _ = small_world()
    memory = memory_of(world)
    world.ledger.message_rows = [r for r in world.ledger.message_rows if r.position != 3]
    with to_sqlite(world.ledger, tmp_path / "ledger.db") as ledger:
        found = audit_of(world, memory, ledger=ledger)
    assert [(f.kind, f.position) for f in found.findings] == [("deleted", 3)]
    assert found.since is None
    assert "has 14 of the first 15 rows" in " ".join(found.notes)


def with_an_end(memory: Callable[[World], AuditMemory] = memory_of) -> tuple[World, AuditMemory]:
    """A world whose last batch was audited before it was anchored, then taken away."""
    world, fleet = small_world()
    before = [list(world.ledger.message_rows), list(world.ledger.batch_rows)]
    claims, tiles = list(world.ledger.claim_rows), dict(world.ledger.tile_rows)
    world.collect("c0", [fleet[0].message(world.time())])
    left = memory(world)
    world.ledger.message_rows, world.ledger.batch_rows = before
    world.ledger.claim_rows, world.ledger.tile_rows = claims, tiles
    return world, left


def test_an_end_that_nobody_anchored_and_an_audit_saw_is_missed() -> None:
    """Without a memory it is the one thing that a store's owner can take away unseen."""
    world, memory = with_an_end()
    assert audit_of(world).clean
    for found in (audit_of(world, memory), held(world, memory)):
        (finding,) = found.findings
        assert (finding.kind, finding.collector, finding.blame) == ("batch-missing", "c0", "store")
        assert "batch 3 end at 16" in finding.detail
        assert found.memory is None


def test_another_end_than_the_one_that_was_seen_convicts_the_collector() -> None:
    world, memory = with_an_end()
    collector = world.collectors["c0"]
    tiles = world.ledger.tile_rows
    collector.log = GrowingLog.resume(
        collector.key.name, collector.key, 15, lambda level, n: tiles["c0", level, n]
    )
    collector.batches = 3
    world.collect("c0", [foreign(77)])
    assert audit_of(world).clean
    for found in (audit_of(world, memory), held(world, memory)):
        (finding,) = found.findings
        assert (finding.kind, finding.blame) == ("batch-altered", collector.key.name)


def test_a_log_that_was_rolled_back_is_found() -> None:
    world, fleet = small_world()
    memory = memory_of(world)
    for machine in fleet:
        machine.cited = None
    older = LogReader(MemorySource(world.published_at[1]), world.anchor.verifier)
    found = audit_of(world, memory, log=older)
    assert "log-truncated" in {f.kind for f in found.findings}
    assert found.since is None


def test_an_old_batch_row_that_was_altered_is_found() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    world.ledger.batch_rows[0] = replace(world.ledger.batch_rows[0], root=bytes(32))
    (finding,) = audit_of(world, memory).findings
    assert (finding.kind, finding.detail[:7]) == ("batch-altered", "batch 0")


def test_what_an_old_batch_says_of_key_entries_is_found_where_it_changes() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    world.ledger.batch_rows[1] = replace(world.ledger.batch_rows[1], keys=2)
    (finding,) = audit_of(world, memory).findings
    assert (finding.kind, finding.collector) == ("batch-altered", "c0")
    assert "batches up to 2" in finding.detail


def test_an_old_key_entry_that_is_gone_is_found() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    del world.ledger.key_rows[1]
    assert "key-invalid" in {f.kind for f in audit_of(world, memory).findings}


# -- what nothing rests on ---------------------------------------------------------------


def all_read(found: Audit, why: str) -> None:
    assert found.clean, found.findings
    assert (found.since, found.skipped, found.counts.messages) == (None, 0, 15)
    (note,) = found.notes
    assert why in note
    assert "all was read" in note
    assert found.memory is not None


def test_under_another_policy_all_is_read() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    known = world.policy.witnesses.values()
    operator = world.operator.verifier
    world.policy = Policy.from_bytes(write_policy(world.anchor.verifier, operator, known, 1))
    all_read(audit_of(world, memory), "made under another policy")


def test_of_another_store_nothing_counts() -> None:
    world, _ = small_world()
    other, _ = large_world()
    memory = replace(memory_of(other), anchor=memory_of(world).anchor)
    all_read(audit_of(world, memory), "the store does not know collector file-1")


def test_what_no_key_of_the_policy_signed_counts_for_nothing() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    seen = memory.collectors["c0"]
    forged = seen.checkpoint.replace(b"\n15\n", b"\n14\n")
    assert forged != seen.checkpoint
    forged_memory = replace(memory, collectors={"c0": replace(seen, checkpoint=forged)})
    all_read(audit_of(world, forged_memory), "no certified key")
    anchor = memory.anchor.replace(b"\n6\n", b"\n5\n")
    found = audit_of(world, replace(memory, anchor=anchor))
    assert found.clean
    assert found.since is None


def test_an_edge_that_the_signed_root_does_not_vouch_for_lets_all_be_read() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    tile = world.ledger.tile_rows["c0", 0, 0]
    world.ledger.tile_rows["c0", 0, 0] = bytes(32) + tile[32:]
    found = audit_of(world, memory)
    assert found.since is None
    assert "tiles-altered" in {f.kind for f in found.findings}


def test_members_that_cannot_be_read_let_all_be_read() -> None:
    world, _ = small_world()
    memory = memory_of(world)
    for wrong in ({"chains": [0, [["a"]], {}]}, {"chains": None}, {"chains": {}}, {"births": 7}):
        all_read(audit_of(world, replace(memory, **wrong)), "cannot be read")


# -- the file ----------------------------------------------------------------------------


def test_every_flipped_byte_of_the_file_is_seen() -> None:
    world, _ = small_world()
    data = memory_of(world).to_bytes()
    assert AuditMemory.from_bytes(data).to_bytes() == data
    for place in range(0, len(data), 7):
        wrong = bytearray(data)
        wrong[place] ^= 1
        with pytest.raises(Malformed):
            AuditMemory.from_bytes(bytes(wrong))
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(Malformed):
            AuditMemory.from_bytes(data[:cut])


@pytest.mark.parametrize("value", [None, [], {}, "x", 1.5, True, -1])
@pytest.mark.parametrize("member", ["made", "trust", "anchor", "collectors"])
def test_a_file_of_other_types_is_malformed(member: str, value: object) -> None:
    """Whoever writes the sum anew as well may be believed, but never crash the audit."""
    world, _ = small_world()
    read = json.loads(memory_of(world).to_bytes())
    read["memory"][member] = value
    text = json.dumps(read["memory"], separators=(",", ":"))
    read["sha256"] = sha256(text.encode()).hexdigest()
    data = json.dumps(read, separators=(",", ":")).encode() + b"\n"
    try:
        memory = AuditMemory.from_bytes(data)
    except Malformed:
        return
    assert audit_of(world, memory).clean


# -- keys that end between two audits -------------------------------------------------------


def revoke_collector(world: World) -> None:
    """Let the log hold the operator's word that c0's key is revoked; c0 has not heard of it."""
    enrolled = world.collectors["c0"].keyring.collector_key("c0")
    assert enrolled is not None
    world.pending.append(
        revoke(
            operator=world.operator,
            kind="collector",
            name="c0",
            prior=enrolled.entry,
            time=world.time(),
        )
    )
    world.anchor_now()


def said(found: Audit) -> list[tuple[str, str, str, object]]:
    return [(one.kind, one.detail, one.blame, one.position) for one in found.findings]


def ended_between(case: str) -> tuple[World, AuditMemory]:
    """A world, an audit of it, then a key that ends, and what comes after that."""
    world, fleet = small_world()
    prior = sha256(world.requests[0]).digest()
    if case == "a batch that was seen and never anchored":
        world.collect("c0", [fleet[1].message(world.time())])
    memory = memory_of(world)
    if case.startswith("a machine"):
        world.revoke_device(fleet[0], prior)
        [row] = world.collect("c0", [fleet[0].message(world.time())])
        assert row.status == "revoked"
        world.anchor_now()
    if case == "a machine's, and a collector that does not heed it":
        # It knows of the word, and signs all the same that the message counts.
        collector = world.collectors["c0"]
        topic, payload = fleet[0].message(world.time())
        made = world._row(collector, collector.log.size, topic, payload)
        world.commit(collector, [replace(made, status="accepted")])
        world.anchor_now()
    elif case == "a batch that was seen and never anchored":
        # The log is signed by whoever left it out, as a thief of the key would want it.
        world.pending.clear()
        revoke_collector(world)
    elif case == "a collector's":
        world.collect("c0", [fleet[1].message(world.time())])
        world.anchor_now()
        revoke_collector(world)
    elif case == "a collector's, who goes on":
        revoke_collector(world)
        world.collect("c0", [fleet[1].message(world.time())])
    elif case == "a collector's, whose log goes on":
        revoke_collector(world)
        world.collect("c0", [fleet[1].message(world.time())])
        world.anchor_now()
    return world, memory


ENDS = {
    "a machine's": [],
    "a machine's, and a collector that does not heed it": ["misjudged"],
    "a batch that was seen and never anchored": ["key-invalid"],
    "a collector's": [],
    "a collector's, who goes on": ["key-invalid"],
    "a collector's, whose log goes on": ["log-invalid", "key-invalid"],
}


@pytest.mark.parametrize("case", ENDS)
def test_a_key_that_ends_between_two_audits_is_heeded_as_by_a_full_one(case: str) -> None:
    world, memory = ended_between(case)
    full, new = audit_of(world), audit_of(world, memory)
    assert said(new) == said(full)
    assert [finding.kind for finding in full.findings] == ENDS[case]
    assert (new.skipped, new.notes) == (15 + ("seen" in case), [])
    # What was held before the word stands: nothing older is found, however it is read.
    assert all((one.position or 15) >= 15 for one in full.findings)
    assert (new.memory is not None) == (not ENDS[case])


def test_a_revocation_put_in_front_of_what_was_audited_is_found() -> None:
    """The log is rewritten so that the word stands before the batches that an audit saw."""
    world, _ = small_world()
    memory = memory_of(world)
    enrolled = world.collectors["c0"].keyring.collector_key("c0")
    assert enrolled is not None
    word = revoke(
        operator=world.operator,
        kind="collector",
        name="c0",
        prior=enrolled.entry,
        time=world.time(),
    )
    at = next(i for i, entry in enumerate(world.entries) if entry.startswith(ORIGIN.encode()))
    world.entries.insert(at, word)
    world.published = {}
    world.anchor_now()
    for found in (audit_of(world, memory), held(world, memory)):
        kinds = {finding.kind for finding in found.findings}
        assert {"log-forked", "key-invalid"} <= kinds
        assert found.memory is None
