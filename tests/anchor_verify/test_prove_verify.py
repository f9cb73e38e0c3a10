"""Proof files: what is proved, what is said of it, and that nothing false passes."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof_cases import STATUSES, changed_proofs, one_message, other_log, proof_of
from verify_logs import MemorySource
from verify_world import (
    ORIGIN,
    START,
    US,
    World,
    machines,
    seed,
    small_world,
)

from anchor.errors import Malformed, Missing, Refused
from anchor.key_entry import enrol
from anchor.note import SignerKey, VerifierKey
from anchor.policy import Policy, write_policy
from anchor.proof_file import ProofFile
from anchor.proving.prove import ProvingLog, prove
from anchor.proving.verify import verify, verify_tlog
from anchor.reading.log_reader import FolderSource, LogReader
from anchor.tlog_proof import TlogProof
from anchor.verified import Verified
from telemetry.canonical import time_text
from telemetry.message import Cited
from telemetry.rows import MessageRow
from telemetry.signature import SigningKey


def reader(world: World) -> LogReader:
    return LogReader(MemorySource(world.published), world.anchor.verifier)


def verified(world: World, row: MessageRow) -> Verified:
    return verify(proof_of(world, row).to_bytes(), world.policy)


@pytest.mark.parametrize("kind", STATUSES)
def test_a_message_of_every_status_is_proved(kind: str) -> None:
    world, row = one_message(kind)
    found = verified(world, row)
    assert found.status == kind
    assert (found.collector, found.position) == ("c0", row.position)
    assert (found.device, found.session, found.seq, found.key) == (
        row.device,
        row.session,
        row.seq,
        row.key,
    )
    assert found.payload == row.payload
    assert found.topic == row.topic
    assert found.judged_here == (kind not in {"bad-signature", "unknown-device"})
    assert json.loads(json.dumps(found.to_json()))["status"] == kind


def test_a_reading_is_told_in_plain_sentences() -> None:
    world, _ = small_world()
    row = world.ledger.message_rows[7]
    lines = verified(world, row).lines()
    key = machines(2)[1].key.key_id
    assert lines == [
        (f"Machine mill-1 signed this message with its enrolled key {key} (session s1, number 2)."),
        "It measured at 2025-11-24T16:00:15.000000Z by the machine's clock: temperature 22.5.",
        (
            f"Collector c0 recorded it as its message 7, received at {time_text(row.received_at)} "
            "by the collector's clock."
        ),
        (
            "Signed not before 2025-11-24T16:00:12.000000Z: it cites a checkpoint that "
            "witnesses w0, w1 had cosigned then."
        ),
        (
            "In the log not after 2025-11-24T16:00:22.000000Z: by then witnesses w0, w1 had "
            "cosigned a log that contains it."
        ),
        (
            f"It stands under entry 4 of log {ORIGIN}, of size 5: cosigned by 2 witnesses (w0, "
            "w1), which meets the policy's quorum (enough-witnesses)."
        ),
        "Not proven: that the sensor told the truth, or that the machine's clock was right.",
        "Not proven: that the machine's key was not stolen, nor revoked after this was judged.",
        (
            "Not proven: how soon after that it was signed; a machine may cite a checkpoint that "
            "is old."
        ),
        "Not proven: that nothing is missing beside it; `factoryledger audit` shows that.",
        "Not proven: that nobody corrected it since; `factoryledger audit` shows every correction.",
    ]


@pytest.mark.parametrize(("quorum", "after_start"), [("all", (0, 2)), ("any", (2, 0)), (2, (1, 1))])
def test_both_time_bounds_need_the_quorum(quorum: str | int, after_start: tuple[int, int]) -> None:
    """Three witnesses cosign at t, t+1 and t+2: of a quorum of two, no one moves a bound."""
    world, _ = small_world(witnesses=3, quorum=quorum)
    found = verified(world, world.ledger.message_rows[7])
    cited, anchored = world.cosigned_at[:2]
    assert found.not_before == (cited + after_start[0]) * US
    assert found.not_after == (anchored + after_start[1]) * US


def test_without_witnesses_times_are_unknown_and_said_to_be() -> None:
    world, _ = small_world(witnesses=0)
    found = verified(world, world.ledger.message_rows[7])
    assert found.not_before is None
    assert found.not_after is None
    text = "\n".join(found.lines())
    assert "cosigned by no witness" in text
    assert "shows everybody the same log" in text
    assert "by when it was in the log" in text


def test_a_message_that_cites_nothing_has_no_not_before() -> None:
    world, _ = small_world()
    found = verified(world, world.ledger.message_rows[0])
    assert found.not_before is None
    assert found.not_after is not None
    assert "the proof holds no checkpoint that it cites" in "\n".join(found.lines())


def test_the_earliest_checkpoint_that_contains_it_is_taken() -> None:
    world, _ = small_world()
    sizes = [proof_of(world, row).checkpoint_proof for row in world.ledger.message_rows]
    heads = [int(p.checkpoint.split(b"\n")[1]) for p in sizes]
    assert heads == [4] * 5 + [5] * 5 + [6] * 5


def test_a_rotated_key_is_proved_with_what_it_ended() -> None:
    world, fleet = small_world()
    prior = sha256(world.requests[0]).digest()
    for number in (301, 302):
        prior = world.rotate_device(fleet[0], SigningKey.from_seed(seed(number)), prior)
    row = world.collect("c0", [fleet[0].message(world.time())])[0]
    world.anchor_now()
    proof = proof_of(world, row)
    assert len(proof.keys) == 3
    assert verify(proof.to_bytes(), world.policy).key == fleet[0].key.key_id
    for keys in (
        proof.keys[:2],
        (proof.keys[0], proof.keys[2]),
        proof.keys[:1],
        (*proof.keys, proof.keys[0]),
    ):
        refused(replace(proof, keys=keys), world, "The payload does not hold")


def test_an_erased_message_is_proved_without_its_payload() -> None:
    world, _ = small_world()
    row = replace(world.ledger.message_rows[0], payload=None)
    found = verified(world, row)
    assert found.payload is None
    assert not found.judged_here
    assert found.device == "mill-0"
    assert "the proof holds no payload" in "\n".join(found.lines())


# -- what is refused ---------------------------------------------------------------------


def refused(proof: ProofFile, world: World, match: str) -> None:
    with pytest.raises(Refused, match=match) as caught:
        verify(proof.to_bytes(), world.policy)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()[0]


@pytest.fixture(scope="module")
def proof(world: World) -> ProofFile:
    return proof_of(world, world.ledger.message_rows[7])


def test_any_false_byte_is_refused_and_nothing_else_is_raised(
    world: World, proof: ProofFile
) -> None:
    data = proof.to_bytes()

    @given(place=st.integers(0, len(data) - 1), change=st.integers(1, 255))
    @settings(max_examples=300, deadline=None)
    def flip(place: int, change: int) -> None:
        damaged = bytearray(data)
        damaged[place] ^= change
        with pytest.raises(Refused):
            verify(bytes(damaged), world.policy)

    flip()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"factoryledger":"proof","version":2}\n',
        b"[" * 100_000,
    ],
)
def test_what_is_no_proof_file_is_refused_in_one_sentence(world: World, data: bytes) -> None:
    with pytest.raises(Refused, match=r"^The proof file does not hold"):
        verify(data, world.policy)


def test_each_hop_names_itself_and_its_key(world: World, proof: ProofFile) -> None:
    other = proof_of(world, world.ledger.message_rows[8])
    operator = f"operator key {ORIGIN}/operator"
    refused(
        replace(proof, payload=other.payload),
        world,
        rf"The payload does not hold \(collector key {ORIGIN}/collector/c0\)",
    )
    refused(replace(proof, record=other.record), world, "The record in the collector's log")
    refused(
        replace(proof, message_proof=replace(proof.message_proof, index=8)),
        world,
        "The record in the collector's log",
    )
    later = replace(proof, message_proof=replace(proof.message_proof, checkpoint=world.entries[-1]))
    refused(later, world, rf"The collector's checkpoint in the anchor log .*log key {ORIGIN}\)")
    moved = replace(proof.keys[0], index=proof.keys[0].index + 1)
    refused(replace(proof, keys=(moved, proof.keys[1])), world, rf"The key entries .*{operator}")
    refused(replace(proof, keys=()), world, "holds no key entry")
    refused(replace(proof, keys=proof.keys[1:]), world, "does not enrol a collector")
    refused(replace(proof, keys=proof.keys[:1]), world, "not those that the record rests on")
    unsigned = replace(
        proof.checkpoint_proof, checkpoint=other_log(proof.checkpoint_proof.checkpoint)
    )
    refused(
        replace(proof, checkpoint_proof=unsigned),
        world,
        rf"The anchor log's checkpoint does not hold \(log key {ORIGIN} or a witness\)",
    )


def test_a_proof_whose_part_says_something_else_is_refused(world: World, proof: ProofFile) -> None:
    """Index, size, path, origin, key name and payload, in both hops and in the key entries."""
    policies = {
        "message_proof": Policy.from_bytes(
            f"log {world.collectors['c0'].key.verifier}\nquorum none\n".encode()
        ),
        "checkpoint_proof": world.policy,
    }
    entries = {
        "message_proof": proof.record,
        "checkpoint_proof": proof.message_proof.checkpoint,
    }
    for name, policy in policies.items():
        good = getattr(proof, name)
        assert verify_tlog(good.to_bytes(), entries[name], policy)
        for what, changed in changed_proofs(good).items():
            with pytest.raises((Malformed, Refused)):
                verify_tlog(changed.to_bytes(), entries[name], policy)
            with pytest.raises(Refused):
                verify(replace(proof, **{name: changed}).to_bytes(), world.policy)
            assert changed != good, what
    # Also of a message that nobody signed: there the record alone binds what it said.
    for whole in (proof, proof_of(world, world.ledger.message_rows[4])):
        payload = whole.payload or b""
        for other in (b"", payload + b" ", payload[:-1], b"\x01" + payload[1:]):
            refused(replace(whole, payload=other), world, "The payload")
    for at, key in enumerate(proof.keys):
        for changed_key in (
            replace(key, index=key.index + 1),
            replace(key, path=key.path[1:]),
            replace(key, path=(*key.path, bytes(32))),
            replace(key, entry=key.entry + b"\n"),
        ):
            keys = [*proof.keys]
            keys[at] = changed_key
            refused(replace(proof, keys=tuple(keys)), world, "The key entries")


def test_a_checkpoint_below_the_quorum_is_refused(world: World, proof: ProofFile) -> None:
    note = b"".join(
        line
        for line in proof.checkpoint_proof.checkpoint.splitlines(keepends=True)
        if b"witness.example/w1" not in line
    )
    refused(
        replace(proof, checkpoint_proof=replace(proof.checkpoint_proof, checkpoint=note)),
        world,
        "the quorum .* is not met; cosigned by: w0",
    )


def test_what_is_cited_must_be_what_the_message_cites(world: World, proof: ProofFile) -> None:
    notes = [world.published[p] for p in sorted(world.published) if p.startswith("checkpoints/")]
    others = [note for note in notes if note != proof.cited]
    for note in others:
        refused(replace(proof, cited=note), world, "cites another checkpoint")
    none = proof_of(world, world.ledger.message_rows[0])
    refused(replace(none, cited=notes[0]), world, "the message cites none")
    # Without it the rest still holds; only one side of the time is lost.
    assert verify(replace(proof, cited=None).to_bytes(), world.policy).not_before is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c, log: Cited(c.size + 1, c.note), "with another size"),
        (lambda c, log: Cited(6, sha256(log).digest()), "already had the entry"),
    ],
)
def test_a_machine_cannot_cite_what_was_not_there(
    change: Callable[[Cited, bytes], Cited], match: str
) -> None:
    world, fleet = small_world()
    newest = world.checkpoint
    assert newest is not None
    message = fleet[0].cited
    assert message is not None
    fleet[0].cited = change(message, newest)
    row = world.collect("c0", [fleet[0].message(world.time())])[0]
    if "already" in match:
        # The log signs a head of size 6 that another history led to: its entry comes first.
        world.entries, world.pending = world.entries[:5], [*world.pending[-1:]]
        world.ledger.batch_rows = world.ledger.batch_rows[:2] + world.ledger.batch_rows[3:]
    world.anchor_now()
    with pytest.raises(Refused, match=match):
        proof_of(world, row)


def test_a_collector_that_no_operator_certified_is_refused(world: World, proof: ProofFile) -> None:
    """Another operator's entry for the same collector and key."""
    thief = SignerKey.from_seed(f"{ORIGIN}/operator", seed(66))
    key = world.collectors["c0"].key
    entry = enrol(operator=thief, kind="collector", name="c0", key=key.raw, time=START * US)
    forged_key = replace(proof.keys[0], entry=entry)
    refused(replace(proof, keys=(forged_key, proof.keys[1])), world, "The key entries")


def test_a_key_entry_after_the_checkpoint_that_relies_on_it_is_refused() -> None:
    world, _fleet = small_world()
    late = machines(3)[2]
    entry_hash = world.enrol_device(late)
    row = world.collect("c0", [late.message(world.time())])[0]
    checkpoint, key_entry = world.pending[-1], world.requests[-1]
    assert sha256(key_entry).digest() == entry_hash
    world.pending = [checkpoint, key_entry]
    world.anchor_now()
    with pytest.raises(Refused, match="after the checkpoint that relies on it"):
        proof_of(world, row)


def test_another_policy_refuses_the_proof(world: World, proof: ProofFile) -> None:
    other_operator = SignerKey.from_seed(f"{ORIGIN}/operator", seed(4)).verifier
    other_log_key = SignerKey.from_seed(ORIGIN, seed(5)).verifier
    data = proof.to_bytes()
    policy = Policy.from_bytes(write_policy(world.anchor.verifier, other_operator, [], "none"))
    with pytest.raises(Refused, match="The key entries"):
        verify(data, policy)
    policy = Policy.from_bytes(write_policy(other_log_key, world.operator.verifier, [], "none"))
    with pytest.raises(Refused, match="The anchor log's checkpoint"):
        verify(data, policy)
    policy = Policy.from_bytes(write_policy(world.anchor.verifier, None, [], "none"))
    with pytest.raises(Malformed, match="names no operator"):
        verify(data, policy)


# -- prove -------------------------------------------------------------------------------


def test_what_is_not_anchored_yet_is_missing() -> None:
    world, fleet = small_world()
    row = world.collect("c0", [fleet[0].message(world.time())])[0]
    with pytest.raises(Missing, match="not anchored yet"):
        proof_of(world, row)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": b"other"},
        {"payload": b"other", "payload_hash": sha256(b"other").digest()},
        {"received_at": 5},
        {"status": "unsigned"},
        {"seq": "2"},
        {"position": 6},
        {"topic": None},
        {"properties": "{}"},
    ],
)
def test_a_row_that_was_tampered_with_is_not_proved(world: World, change: dict) -> None:
    row = replace(world.ledger.message_rows[7], **change)
    with pytest.raises(Refused, match="tampered"):
        proof_of(world, row)


def test_false_tiles_in_the_store_are_refused() -> None:
    world, _ = small_world()
    hashes = bytearray(world.ledger.tile_rows["c0", 0, 0])
    hashes[40] ^= 1
    world.ledger.tile_rows["c0", 0, 0] = bytes(hashes)
    with pytest.raises(Refused, match="tampered"):
        proof_of(world, world.ledger.message_rows[7])


class CountingSource(MemorySource):
    """Counts how often bundles of entries are read."""

    bundles = 0

    def read(self, path: str, limit: int = 1 << 24) -> bytes:
        self.bundles += path.startswith("tile/entries/")
        return super().read(path, limit)


def test_many_proofs_scan_the_log_once() -> None:
    world, _ = small_world()
    source = CountingSource(world.published)
    log = LogReader(source, world.anchor.verifier)
    proving = ProvingLog.scan(log, world.policy)
    for row in world.ledger.message_rows:
        made = prove(ledger=world.ledger, log=log, policy=world.policy, row=row, proving=proving)
        assert verify(made.to_bytes(), world.policy).position == row.position
    assert source.bundles == 1


# -- any tlog-proof ----------------------------------------------------------------------


def test_both_hops_are_ordinary_tlog_proofs(world: World, proof: ProofFile) -> None:
    cosigned = verify_tlog(
        proof.checkpoint_proof.to_bytes(), proof.message_proof.checkpoint, world.policy
    )
    assert set(cosigned.times) == {"w0", "w1"}
    collector = Policy.from_bytes(
        f"log {world.collectors['c0'].key.verifier}\nquorum none\n".encode()
    )
    head = verify_tlog(proof.message_proof.to_bytes(), proof.record, collector)
    assert head.checkpoint.origin == f"{ORIGIN}/collector/c0"
    with pytest.raises(Refused):
        verify_tlog(proof.message_proof.to_bytes(), proof.record + b" ", collector)
    with pytest.raises(Refused):
        verify_tlog(proof.message_proof.to_bytes(), proof.record, world.policy)
    with pytest.raises(Malformed):
        verify_tlog(b"x", proof.record, world.policy)


@pytest.mark.vectors
def test_a_proof_from_a_strangers_log_is_verified(vectors: Path) -> None:
    vkey = (vectors / "tessera-log/log.vkey").read_text().strip()
    log = LogReader(FolderSource(vectors / "tessera-log/log"), VerifierKey.from_text(vkey))
    note, view = log.head
    policy = Policy.from_bytes(f"log {vkey}\nquorum none\n".encode())
    for index in range(15):
        made = TlogProof(index, view.inclusion(index), note).to_bytes()
        assert verify_tlog(made, view.entry(index), policy).checkpoint.size == 15
        with pytest.raises(Refused):
            verify_tlog(made, view.entry((index + 1) % 15), policy)
