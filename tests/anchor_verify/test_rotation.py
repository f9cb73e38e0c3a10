"""A collector's key is rotated: what each key may sign, proved, audited and receipted."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from verify_logs import MemorySource
from verify_world import ORIGIN, Machine, World, machines, small_world

from anchor.audit.whole import audit
from anchor.checkpoint import sign_checkpoint
from anchor.collector_keys import CollectorKeys
from anchor.errors import Malformed, Missing, Refused
from anchor.keeping.contents import Contents
from anchor.key_entry import (
    CONSENT_TAG,
    POSSESSION_TAG,
    OperatorAuthority,
    is_key_entry,
    is_log_rotation,
    revoke,
    rotate,
    rotate_log,
)
from anchor.note import Note, SignerKey, sign_note
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.reading.log_reader import LogReader
from anchor.receipts import ReceiptTree, ReceiptVerifier
from anchor.tree_head import Checkpoint
from telemetry.canonical import b64
from telemetry.receipt import ReceiptLeaf
from telemetry.rows import MessageRow


def reader(world: World) -> LogReader:
    return LogReader(MemorySource(world.published), world.anchor.verifier)


def rotated() -> tuple[World, list[Machine], list[MessageRow], list[SignerKey]]:
    """One message under the first key, one more after the rotation, two under two later keys."""
    world, fleet = small_world()
    keys = [world.collectors["c0"].key]
    rows = world.collect("c0", [fleet[0].message(world.time())])
    keys.append(world.rotate_collector("c0"))
    rows += world.collect("c0", [fleet[0].message(world.time())])
    world.take_key("c0", keys[1])
    rows += world.collect("c0", [fleet[0].message(world.time())])
    keys.append(world.rotate_collector("c0"))
    world.take_key("c0", keys[2])
    rows += world.collect("c0", [fleet[0].message(world.time())])
    world.anchor_now()
    return world, fleet, rows, keys


def test_every_message_is_proved_under_the_key_that_signed_its_batch() -> None:
    world, _, rows, keys = rotated()
    signers = []
    for row in rows:
        file = prove(ledger=world.ledger, log=reader(world), policy=world.policy, row=row)
        assert verify(file.to_bytes(), world.policy).position == row.position
        signed = Note.from_bytes(file.message_proof.checkpoint).signatures[0].id
        signers.append([key.verifier.id for key in keys].index(signed))
        certifying = OperatorAuthority(world.operator.verifier).read(file.keys[0].entry)
        assert certifying.key == keys[signers[-1]].public_key
    assert signers == [0, 0, 1, 2]


def test_a_proof_with_another_key_s_entry_is_refused() -> None:
    world, _, rows, _ = rotated()
    first, last = (
        prove(ledger=world.ledger, log=reader(world), policy=world.policy, row=row)
        for row in (rows[0], rows[-1])
    )
    mixed = replace(last, keys=(first.keys[0], *last.keys[1:]))
    with pytest.raises(Refused, match="not signed by"):
        verify(mixed.to_bytes(), world.policy)


def test_the_log_takes_what_honest_collectors_sign_and_no_key_after_the_next() -> None:
    world, _, _, keys = rotated()
    contents = Contents(ORIGIN, world.authority)
    for entry in world.entries:
        contents.admit(entry)
    end = contents.end("c0")
    assert end.signer == 2
    for number, key in enumerate(keys):
        note = sign_checkpoint(Checkpoint(key.name, end.size + 1, bytes(32)), key)
        if number < 2:
            with pytest.raises(Refused, match="ended with the first checkpoint under"):
                contents.admit_checkpoint("c0", note)
    contents.admit_checkpoint("c0", note)


def test_the_order_in_which_log_and_collector_learn_of_it_does_not_matter() -> None:
    """The anchor may publish the rotation before the collector's last batch under the old key."""
    world, fleet = small_world()
    contents = Contents(ORIGIN, world.authority)
    for entry in world.entries:
        contents.admit(entry)
    world.rotate_collector("c0")
    contents.admit_key(world.requests[-1], contradicting=False)
    world.collect("c0", [fleet[0].message(world.time())])
    contents.admit_checkpoint("c0", world.pending[-1])
    assert contents.end("c0").signer == 0


def test_audit_finds_nothing_in_an_honest_rotation(tmp_path: Path) -> None:
    world, _, _, _ = rotated()
    found = audit(ledger=world.ledger, log=world.write_log(tmp_path), policy=world.policy)
    assert found.findings == []


def test_audit_finds_a_batch_under_a_key_that_had_ended(tmp_path: Path) -> None:
    """A stolen old key, and a log that took what it signed."""
    world, fleet, _, keys = rotated()
    world.take_key("c0", keys[0])
    world.collect("c0", [fleet[0].message(world.time())])
    world.anchor_now()
    found = audit(ledger=world.ledger, log=world.write_log(tmp_path), policy=world.policy)
    assert "log-invalid" in {finding.kind for finding in found.findings}


def test_audit_finds_a_key_that_is_certified_only_afterwards(tmp_path: Path) -> None:
    world, fleet = small_world()
    key = world.rotate_collector("c0")
    held = world.requests[-1]
    world.take_key("c0", key)
    world.collect("c0", [fleet[0].message(world.time())])
    world.pending.remove(held)
    world.pending.append(held)
    world.anchor_now()
    found = audit(ledger=world.ledger, log=world.write_log(tmp_path), policy=world.policy)
    details = [finding.detail for finding in found.findings]
    assert any("certifies only after it" in detail for detail in details), details


def revoked() -> tuple[World, list[Machine], MessageRow]:
    """One message more under a collector's key, then the log's word that it is revoked."""
    world, fleet = small_world()
    [row] = world.collect("c0", [fleet[0].message(world.time())])
    world.anchor_now()
    enrolled = world.collectors["c0"].keyring.collector_key("c0")
    assert enrolled is not None
    time = world.time()
    world.pending.append(
        revoke(
            operator=world.operator, kind="collector", name="c0", prior=enrolled.entry, time=time
        )
    )
    world.anchor_now()
    return world, fleet, row


def test_what_stood_before_a_collector_s_key_was_revoked_stands(tmp_path: Path) -> None:
    world, _, row = revoked()
    found = audit(ledger=world.ledger, log=world.write_log(tmp_path), policy=world.policy)
    assert found.findings == []
    file = prove(ledger=world.ledger, log=reader(world), policy=world.policy, row=row)
    assert verify(file.to_bytes(), world.policy).position == row.position


def test_what_a_stolen_key_signs_after_its_revocation_is_refused(tmp_path: Path) -> None:
    """An honest log does not take it, so nothing proves it; in a false one audit finds it."""
    world, fleet, _ = revoked()
    contents = Contents(ORIGIN, world.authority)
    for entry in world.entries:
        contents.admit(entry)
    end = contents.end("c0")
    [late] = world.collect("c0", [fleet[0].message(world.time())])
    with pytest.raises(Refused, match="collector c0 is revoked"):
        contents.admit_checkpoint("c0", world.pending[-1])
    assert contents.end("c0") == end
    with pytest.raises(Missing, match="not anchored"):
        prove(ledger=world.ledger, log=reader(world), policy=world.policy, row=late)
    honest = tmp_path / "honest"
    entries = world.pending[:]
    world.pending.clear()
    log = world.write_log(honest)
    [found] = audit(ledger=world.ledger, log=log, policy=world.policy).findings
    assert (found.kind, found.blame) == ("key-invalid", world.collectors["c0"].key.name)
    assert "revoked, and the log does not hold it before" in found.detail

    world.pending += entries
    world.anchor_now()
    log = world.write_log(tmp_path / "false")
    kinds = {
        finding.kind: finding
        for finding in audit(ledger=world.ledger, log=log, policy=world.policy).findings
    }
    assert set(kinds) == {"log-invalid", "key-invalid"}
    assert "of a collector whose key entry" in kinds["log-invalid"].detail
    assert kinds["log-invalid"].blame == ORIGIN


@pytest.mark.parametrize("false", ["another-operator", "another-entry"])
def test_a_false_revocation_ends_no_collector_s_log(tmp_path: Path, false: str) -> None:
    """A false log can hold it; what the collector goes on to sign is not to blame."""
    world, fleet = small_world()
    enrolled = world.collectors["c0"].keyring.collector_key("c0")
    assert enrolled is not None
    operator, prior = world.operator, enrolled.entry
    if false == "another-operator":
        operator = SignerKey.from_seed(operator.name, bytes([99]) * 32)
    else:
        prior = bytes(32)
    time = world.time()
    world.pending.append(
        revoke(operator=operator, kind="collector", name="c0", prior=prior, time=time)
    )
    world.anchor_now()
    world.collect("c0", [fleet[0].message(world.time())])
    world.anchor_now()
    found = audit(ledger=world.ledger, log=world.write_log(tmp_path), policy=world.policy)
    assert not [each for each in found.findings if "revoked" in each.detail], found.findings


# -- receipts ------------------------------------------------------------------------------


def sealed(key: SignerKey) -> bytes:
    leaf = ReceiptLeaf("c0", "d0", "s1", ((0, 0),), bytes(32), 1_764_000_000_000_000)
    return ReceiptTree(key).seal([leaf.to_bytes()])[0]


def entries_of(world: World) -> list[bytes]:
    """The collector's own key entries, in order."""
    return [e for e in world.entries if is_key_entry(e) and b" collector c0\n" in e]


@pytest.mark.parametrize("seen", [(0, 1, 2), (2,), (0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_a_machine_takes_receipts_by_the_newest_key_alone(seen: tuple[int, ...]) -> None:
    """In whatever order the retained entries reach it, and whichever it missed."""
    world, _, _, keys = rotated()
    entries = entries_of(world)
    verifier = ReceiptVerifier(world.operator.verifier, ORIGIN)
    for number in seen:
        with suppress(Refused):  # an older one may fit nothing that is known any more
            verifier.admit(entries[number])
    verifier.check(sealed(keys[2]))
    for old in keys[:2]:
        with pytest.raises(Refused):
            verifier.check(sealed(old))


def test_a_promise_under_a_former_key_stands() -> None:
    world, _, _, keys = rotated()
    verifier = ReceiptVerifier(world.operator.verifier, ORIGIN, ended=True)
    for entry in entries_of(world):
        verifier.admit(entry)
    for key in keys:
        verifier.check(sealed(key))


def test_an_old_rotation_played_again_brings_nothing_back() -> None:
    world, _, _, keys = rotated()
    entries = entries_of(world)
    verifier = ReceiptVerifier(world.operator.verifier, ORIGIN)
    for number in (0, 1, 2, 1, 0, 1):
        verifier.admit(entries[number])
    with pytest.raises(Refused):
        verifier.check(sealed(keys[1]))


# -- entries ---------------------------------------------------------------------------------


def test_a_rotation_of_the_log_s_key_is_signed_by_all_three() -> None:
    operator = SignerKey.from_seed(f"{ORIGIN}/operator", bytes([1]) * 32)
    former, key = (SignerKey.from_seed(ORIGIN, bytes([n]) * 32) for n in (2, 3))
    entry = rotate_log(operator=operator, former=former, key=key, time=7)
    authority = OperatorAuthority(operator.verifier)
    statement = authority.read(entry)
    said = (statement.action, statement.kind, statement.name, statement.key, statement.former)
    assert said == ("rotate", "log", ORIGIN, key.public_key, former.public_key)
    assert is_key_entry(entry)
    assert is_log_rotation(entry)
    lines = Note.from_bytes(entry).text.splitlines()
    assert lines[0] == "factoryledger key entry v2"
    assert [line.split()[0] for line in lines[1:]] == [
        "rotate", "time", "key", "former", "consent", "possession",
    ]  # fmt: skip
    stranger = SignerKey.from_seed(ORIGIN, bytes([4]) * 32)
    forged = _with_consent_of(operator, former, key, stranger)
    with pytest.raises(Refused, match="consent"):
        authority.read(forged)
    other = SignerKey.from_seed("other.example/log", bytes(32))
    with pytest.raises(Malformed, match="does not take the place"):
        rotate_log(operator=operator, former=former, key=other, time=7)


def _with_consent_of(
    operator: SignerKey, former: SignerKey, key: SignerKey, signer: SignerKey
) -> bytes:
    """A rotation of `former`, whose consent another key has signed."""
    text = Note.from_bytes(rotate_log(operator=operator, former=former, key=key, time=7)).text
    head = text[: text.index("consent ")]
    consent = signer.raw.sign(CONSENT_TAG.encode() + b"\0" + head.encode())
    head += f"consent {b64(consent)}\n"
    possession = key.raw.sign(POSSESSION_TAG.encode() + b"\0" + head.encode())
    return sign_note(f"{head}possession {b64(possession)}\n", operator)


def test_version_one_keeps_its_words_and_version_two_has_its_own() -> None:
    """One statement, one version: what an older release reads, it reads as before."""
    world = World()
    device = machines(1)[0]
    hashed = world.enrol_device(device)
    old = rotate(
        operator=world.operator, name=device.name, key=device.key, prior=hashed, time=world.time()
    )
    assert old.startswith(b"factoryledger key entry v1\n")
    new = rotate(
        operator=world.operator,
        kind="collector",
        name="c0",
        key=device.key,
        prior=hashed,
        time=world.time(),
    )
    assert new.startswith(b"factoryledger key entry v2\n")
    for entry, other in ((old, b"v2"), (new, b"v1")):
        text = Note.from_bytes(entry).text.replace(entry[:26].decode()[-2:], other.decode(), 1)
        with pytest.raises(Malformed, match="cannot say"):
            world.authority.read(sign_note(text, world.operator))


def test_statements_without_a_key_know_no_signer() -> None:
    world = World()
    collector = world.add_collector("c0")
    keys = CollectorKeys.of(collector.key.name, collector.keyring.collector_keys("c0"))
    assert keys.signer(sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), world.anchor)) is None
    with pytest.raises(Refused, match="not signed by"):
        keys.open(sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), world.anchor))
