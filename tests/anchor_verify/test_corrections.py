"""Corrections of a message: in its proof, in an audit, and nothing false among them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from proof_cases import one_message, other_log, proof_of
from test_hints import anchor_db, reader_of
from verify_world import ORIGIN, World, small_world

from anchor.audit.whole import audit
from anchor.correction import Change, Subject
from anchor.errors import Refused
from anchor.keeping.anchored_places import AnchoredPlaces
from anchor.note import SignerKey
from anchor.proof_file import ProofFile
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from telemetry.rows import MessageRow

COLD = {"reason": "the probe was wet", "by": "Jean Dupont", "meaning": "review"}


def corrected() -> tuple[World, MessageRow, list[bytes]]:
    """A reading that is corrected, and then again."""
    world, _ = small_world()
    row = world.ledger.message_rows[7]
    first = world.correct(row)
    world.anchor_now()
    change = Change("temperature", row.time, "22.5", "20.10", "Cel")
    second = world.correct(row, supersedes=first, change=change, **COLD)
    world.anchor_now()
    return world, row, [first, second]


def audited(world: World) -> list[str]:
    found = audit(ledger=world.ledger, log=reader_of(world), policy=world.policy)
    return [finding.kind for finding in found.findings]


def test_the_original_stays_first_and_every_correction_is_said() -> None:
    world, row, [first, second] = corrected()
    proof = proof_of(world, row)
    data = proof.to_bytes()
    assert data.startswith(b'{"factoryledger":"proof","version":3,')
    assert ProofFile.from_bytes(data) == proof
    found = verify(data, world.policy)
    assert found.scans[0].readings == {"temperature": 22.5}
    assert found.lines()[1:4] == [
        "It measured at 2025-11-24T16:00:15.000000Z by the machine's clock: temperature 22.5.",
        (
            'Corrected by "Erika Müller" on 2025-11-24T16:00:31.000000Z (authorship): temperature '
            "at 2025-11-24T16:00:15.000000Z 22.5 -> 19.75; reason: "
            f'"probe sat high: DEV-17". It is {first.hex()[:16]}, entry 6 of the log. It does not '
            f"stand: {second.hex()[:16]} superseded it."
        ),
        (
            'Corrected by "Jean Dupont" on 2025-11-24T16:00:37.000000Z (review): temperature at '
            "2025-11-24T16:00:15.000000Z 22.5 -> 20.10 Cel; in place of "
            f'{first.hex()[:16]}; reason: "the probe was wet". It is {second.hex()[:16]}, entry 7 '
            "of the log."
        ),
    ]
    gaps = [line for line in found.lines() if "correct" in line and line.startswith("Not proven")]
    assert gaps == [
        (
            "Not proven: that nobody corrected it otherwise; shown is what this proof carries of "
            "the log up to entry 7, and later ones, or ones that were left out, are not seen here."
        ),
        (
            "Not proven: that who is named in a correction wrote it, or when: the operator's one "
            "key signs for all."
        ),
    ]
    said = json.loads(json.dumps(found.to_json()))
    assert [one["value"] for one in said["corrections"]] == ["19.75", "20.10"]
    assert [one["superseded_by"] for one in said["corrections"]] == [second.hex(), None]
    assert said["corrections_as_of"] == 8
    assert audited(world) == []


def test_other_messages_proofs_are_what_they_were() -> None:
    world, _ = small_world()
    others = world.ledger.message_rows[8:]
    before = [proof_of(world, row).to_bytes() for row in others]
    world.correct(world.ledger.message_rows[7])
    world.anchor_now()
    assert [proof_of(world, row).to_bytes() for row in others] == before
    assert all(data.startswith(b'{"factoryledger":"proof","version":1,') for data in before)


def test_by_hints_a_proof_carries_the_same(tmp_path: Path) -> None:
    world, row, _ = corrected()
    with AnchoredPlaces(anchor_db(world, tmp_path / "anchor.db")) as hints:
        assert list(hints.corrections()) == [6, 7]
        found = prove(
            ledger=world.ledger, log=reader_of(world), policy=world.policy, row=row, hints=hints
        )
    assert found == proof_of(world, row)


@pytest.mark.parametrize("kind", ["unsigned", "malformed", "bad-signature", "revoked", "conflict"])
def test_any_message_may_be_annotated(kind: str) -> None:
    world, row = one_message(kind)
    world.correct(row, kind="annotation", change=None)
    world.anchor_now()
    found = verify(proof_of(world, row).to_bytes(), world.policy)
    assert any(line.startswith('Annotated by "Erika Müller"') for line in found.lines())
    assert set(audited(world)) <= {"fork"}  # whose the conflict is


def test_an_erased_reading_keeps_its_correction_and_says_what_is_not_shown() -> None:
    world, row, _ = corrected()
    proof = proof_of(world, row)
    found = verify(replace(proof, payload=None, cited=None).to_bytes(), world.policy)
    assert found.corrections is not None
    assert any("what was stored, but for what a correction says" in gap for gap in found.lines())


def forged(world: World, row: MessageRow, **said: object) -> bytes:
    """A proof as somebody would make it who holds the log's key too."""
    world.correct(row, **said)
    entry = world.pending[-1]
    world.anchor_now()
    place = world.entries.index(entry)
    view = reader_of(world).view
    [good, *rest] = proof_of(world, world.ledger.message_rows[7]).corrections.entries
    false = replace(good, entry=entry, index=place, path=view.inclusion(place, view.size))
    proof = proof_of(world, world.ledger.message_rows[7])
    entries = (good, *rest, false)
    return replace(proof, corrections=replace(proof.corrections, entries=entries)).to_bytes()


def test_corrections_of_other_messages_are_refused() -> None:
    world, row, _ = corrected()
    with pytest.raises(Refused, match=r"A correction does not hold.*is of message c0:6"):
        verify(forged(world, world.ledger.message_rows[6]), world.policy)
    world, row, _ = corrected()
    other = Subject(row.collector, row.position, bytes(32), ("mill-1", "s1", 2))
    with pytest.raises(Refused, match="with another record or machine"):
        verify(forged(world, row, subject=other), world.policy)


def test_what_was_not_stored_was_not_corrected() -> None:
    world, row, [_, second] = corrected()
    change = Change("temperature", row.time, "22.4", "20.10")
    with pytest.raises(Refused, match=r"says that 22\.4 was stored"):
        verify(forged(world, row, change=change, supersedes=second), world.policy)
    assert audited(world) == ["correction-false"]


def test_another_operator_corrects_nothing() -> None:
    world, row, [_, second] = corrected()
    world.operator = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))
    with pytest.raises(Refused, match="A correction does not hold"):
        verify(forged(world, row, supersedes=second), world.policy)
    assert audited(world) == ["correction-invalid"]
    # An honest prover leaves it out, and what it makes holds.
    assert len(proof_of(world, row).corrections.entries) == 2


def test_what_supersedes_nothing_is_refused() -> None:
    world, row, _ = corrected()
    proof = proof_of(world, row)
    alone = replace(proof.corrections, entries=proof.corrections.entries[1:])
    with pytest.raises(Refused, match="not in the log before it"):
        verify(replace(proof, corrections=alone).to_bytes(), world.policy)
    backwards = replace(proof.corrections, entries=proof.corrections.entries[::-1])
    with pytest.raises(Refused, match="log's order"):
        verify(replace(proof, corrections=backwards).to_bytes(), world.policy)


def test_every_changed_byte_of_a_correction_is_refused() -> None:
    world, row, _ = corrected()
    data = proof_of(world, row).to_bytes()
    start = data.index(b'"corrections":')
    for at in range(start, len(data), 7):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(Refused):
            verify(changed, world.policy)


def test_corrections_of_another_log_are_refused() -> None:
    world, row, _ = corrected()
    proof = proof_of(world, row)
    theirs = replace(proof.corrections, checkpoint=other_log(proof.corrections.checkpoint))
    with pytest.raises(Refused, match="A correction does not hold"):
        verify(replace(proof, corrections=theirs).to_bytes(), world.policy)


def test_an_audit_finds_a_correction_of_no_record() -> None:
    world, row, _ = corrected()
    nowhere = Subject("c0", 9000, bytes(32))
    world.correct(row, kind="annotation", change=None, subject=nowhere)
    wrong = Subject("c0", row.position, bytes(32))
    world.correct(row, kind="annotation", change=None, subject=wrong)
    world.anchor_now()
    assert audited(world) == ["correction-false"] * 2


def test_a_deleted_row_is_found_once() -> None:
    """What the log corrects still has its leaf in the tree: the correction is not to blame."""
    world, row, _ = corrected()
    world.ledger.message_rows.remove(row)
    assert set(audited(world)) == {"deleted"}
