"""What is sent to fool a collector: judged for what it is, and no store can say otherwise."""

import base64
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from verify_logs import MemorySource
from verify_world import ORIGIN, Machine, World, forged, malformed, seed, small_world

from anchor.audit.whole import Audit, audit
from anchor.note import Note
from anchor.reading.log_reader import LogReader
from telemetry.canonical import b64
from telemetry.rows import KeyRow, MessageRow
from telemetry.signature import SigningKey

C0_KEY = f"{ORIGIN}/collector/c0"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def audit_of(world: World) -> Audit:
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    return audit(ledger=world.ledger, log=log, policy=world.policy)


def other_spelling(machine: Machine) -> tuple[str, bytes]:
    """Its next message, with a signature whose base64 decodes to the same 64 bytes."""
    topic, payload = replace(machine).message(7)
    signature = payload[-90:-2].decode()
    last = ALPHABET[ALPHABET.index(signature[85]) ^ 1]
    other = f"{signature[:85]}{last}=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    return topic, payload[:-90] + other.encode() + b'"}'


FALSE = {
    "malformed": malformed,
    "bad-signature": forged,
    "other-spelling": other_spelling,
}


@pytest.mark.parametrize("how", FALSE)
def test_what_is_false_takes_no_number_from_its_machine(how: str) -> None:
    """Duplicate names, a forged signature, another spelling: stored, and the machine goes on."""
    world, fleet = small_world()
    (row,) = world.collect("c0", [FALSE[how](fleet[0])])
    assert row.status == ("bad-signature" if how == "bad-signature" else "malformed")
    assert (row.device, row.session, row.seq) == (None, None, None)
    (genuine,) = world.collect("c0", [fleet[0].message(world.time())])
    assert genuine.status == "accepted"
    world.anchor_now()
    found = audit_of(world)
    assert found.clean
    assert (found.counts.gaps, found.counts.breaks) == (0, 0)


@pytest.mark.parametrize("how", FALSE)
def test_a_collector_that_accepts_what_is_false_is_blamed(how: str) -> None:
    world, fleet = small_world()
    genuine = replace(fleet[0]).message(7)
    topic, payload = FALSE[how](fleet[0])
    # All that it would say of the genuine message, of this one.
    row = row_of(world, genuine)
    lie = replace(row, topic=topic, payload=payload, payload_hash=sha256(payload).digest())
    accept(world, lie)
    finding = next(f for f in audit_of(world).findings if f.kind == "misjudged")
    assert (finding.position, finding.blame, finding.certainty) == (lie.position, C0_KEY, "certain")


def test_a_collector_that_accepts_a_revoked_key_is_blamed() -> None:
    world, fleet = small_world()
    entry = world.requests[0]
    world.revoke_device(fleet[0], sha256(entry).digest())
    row = row_of(world, fleet[0].message(world.time()))
    assert row.status == "revoked"
    accept(world, replace(row, status="accepted", entry=sha256(entry).digest()))
    finding = next(f for f in audit_of(world).findings if f.kind == "misjudged")
    assert "judged again it is revoked" in finding.detail
    assert finding.blame == C0_KEY


def test_an_old_message_that_a_collector_accepts_again_is_found() -> None:
    world, _ = small_world()
    old = next(row for row in world.ledger.message_rows if row.status == "accepted")
    end = world.collectors["c0"].log.size
    accept(world, replace(old, position=end, received_at=world.time()), claimed=False)
    finding = next(f for f in audit_of(world).findings if f.kind == "duplicate")
    assert (finding.position, finding.blame) == (end, C0_KEY)


def test_a_message_that_is_withheld_is_a_gap_once_a_later_one_is_there() -> None:
    world, fleet = small_world()
    withheld, later = fleet[0].message(world.time()), fleet[0].message(world.time())
    assert withheld != later
    world.collect("c0", [later])
    world.anchor_now()
    found = audit_of(world)
    assert found.clean
    assert found.counts.gaps == 1


def test_a_key_of_small_order_is_enrolled_by_no_entry() -> None:
    """Anyone can sign for it: an operator that is fooled into it, or is bribed, enrols nobody."""
    world, _ = small_world()
    point = bytes([1]) + bytes(31)
    note = Note.from_bytes(world.requests[0])
    lines = note.text.splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith("key "))
    lines[place] = f"key {b64(point)}\n"
    text = "".join(lines)
    signed = Note(text, (world.operator.sign(text),)).to_bytes()
    number = world.collectors["c0"].keyring.applied
    world.ledger.key_rows.append(KeyRow("c0", number, sha256(signed).digest(), signed))
    (finding,) = audit_of(world).findings
    assert finding.kind == "key-invalid"
    assert "small order" in finding.detail


def test_a_stolen_name_under_another_key_is_nobodys() -> None:
    """Another machine's name, a key of one's own: no enrolment, no number, no reading."""
    world, fleet = small_world()
    thief = replace(fleet[0], key=SigningKey.from_seed(seed(909)))
    (row,) = world.collect("c0", [thief.message(world.time())])
    assert (row.status, row.device) == ("unknown-device", None)
    world.anchor_now()
    assert audit_of(world).clean


def row_of(world: World, message: Any) -> MessageRow:
    """The row that the collector would make of a message next, which it does not keep."""
    collector = world.collectors["c0"]
    claims = list(world.ledger.claim_rows)
    row = world._row(collector, collector.log.size, *message)
    world.ledger.claim_rows = claims
    return row


def accept(world: World, row: MessageRow, *, claimed: bool = True) -> None:
    """The collector signs a row as it is, and it is anchored."""
    if claimed and row.status == "accepted":
        number = (row.device, row.session, row.seq)
        claim = (*number, row.collector, row.position, row.body_hash)
        world.ledger.claim_rows.append(claim)
    world.commit(world.collectors["c0"], [row])
    world.anchor_now()


def test_two_auditors_who_compare_what_they_remember_find_a_split_view() -> None:
    """Each log is whole and cosigned; what the one auditor saw convicts the other's log."""
    one, fleet = small_world(witnesses=0)
    other, _ = small_world(witnesses=0)
    for machine in fleet:
        machine.cited = None
    shown = one.published["checkpoint"]
    other.entries = other.entries[::-1]
    other.published = {}
    other.anchor_now()
    log = LogReader(MemorySource(other.published), other.anchor.verifier)
    found = audit(ledger=other.ledger, log=log, policy=other.policy, remembered=[shown])
    assert "log-forked" in {finding.kind for finding in found.findings}
