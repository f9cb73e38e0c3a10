"""Evidence files: what holds convicts the right key, and nothing else convicts anybody."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_logs import MemorySource, publish
from verify_world import ORIGIN, Machine, World, machines, seed, small_world, to_sqlite

from anchor.audit.evidence import evidence_of
from anchor.audit.whole import Audit, audit
from anchor.cosignature import cosign
from anchor.errors import Malformed, Refused
from anchor.evidence_file import (
    ForkedCheckpoints,
    ForkedMessages,
    SignedMessage,
    evidence_from_bytes,
    is_evidence,
)
from anchor.note import Note, SignerKey
from anchor.policy import Policy, write_policy
from anchor.proving.evidence import check_evidence, contradiction
from anchor.reading.log_reader import LogReader, LogView
from factoryledger.cli import run
from telemetry.signature import SigningKey


def two_of(mill: Machine) -> tuple[Machine, Machine]:
    return replace(mill), replace(mill)


def forked(world: World, one: tuple, other: tuple, entry: bytes | None = None) -> bytes:
    entry = world.requests[0] if entry is None else entry
    return ForkedMessages.of(SignedMessage(*one), SignedMessage(*other), entry).to_bytes()


def refused(data: bytes, policy: Policy, match: str) -> None:
    with pytest.raises(Refused, match=match):
        check_evidence(data, policy)


# -- messages ----------------------------------------------------------------------------


def test_two_messages_with_one_prev_convict_the_machines_key() -> None:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    two.restart("s9")
    data = forked(world, one.message(world.time()), two.message(world.time()))
    assert is_evidence(data)
    found = check_evidence(data, world.policy)
    assert (found.kind, found.blame) == ("fork", (f"device mill-0 key {one.key.key_id}",))
    text = "\n".join(found.lines())
    assert "which the operator enrolled for machine mill-0, signed two messages that name" in text
    assert "session s9, seq 0" in text
    assert "Not proven: which of the two the machine itself made" in text
    # The order in which they were found changes no byte.
    one, two = two_of(fleet[0])
    two.restart("s9")
    first, second = one.message(world.time() - 2_000_000), two.message(world.time() - 2_000_000)
    assert forked(world, first, second) == forked(world, second, first)


def test_two_messages_under_one_number_convict_the_machines_key() -> None:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    two.prev = bytes(32)
    data = forked(world, one.message(world.time()), two.message(world.time(), other=1.0))
    found = check_evidence(data, world.policy)
    assert "signed two messages under one number." in found.sentences[0]


def test_two_headers_with_one_prev_convict_too() -> None:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    data = forked(world, one.enclosed(world.time(), b"\x08"), two.enclosed(7, b"\x09"))
    assert "under one number and one predecessor" in check_evidence(data, world.policy).lines()[0]


def test_a_key_that_a_rotation_brought_is_convicted() -> None:
    world, fleet = small_world()
    prior = sha256(world.requests[0]).digest()
    world.rotate_device(fleet[0], SigningKey.from_seed(seed(77)), prior)
    one, two = two_of(fleet[0])
    messages = one.message(world.time()), two.message(world.time(), other=1.0)
    found = check_evidence(forked(world, *messages, world.requests[-1]), world.policy)
    assert found.blame == (f"device mill-0 key {one.key.key_id}",)
    refused(forked(world, *messages), world.policy, "judges as unknown-device")


def test_what_no_key_contradicted_convicts_nobody() -> None:
    world, fleet = small_world()
    mill, other = fleet
    first, second = mill.message(world.time()), mill.message(world.time())
    refused(forked(world, first, second), world.policy, "may follow on")
    refused(forked(world, first, first), world.policy, "came twice")
    refused(forked(world, first, other.message(world.time())), world.policy, "unknown-device")
    lost, again = two_of(mill)
    lost.prev = again.prev = None
    again.restart("s9")
    nameless = lost.message(world.time()), again.message(world.time())
    refused(forked(world, *nameless), world.policy, "may follow on")


def test_a_forged_message_convicts_nobody() -> None:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    topic, payload = two.message(world.time(), other=1.0)
    forged = topic, payload.replace(b"other", b"othes")
    refused(forked(world, one.message(7), forged), world.policy, "bad-signature")
    elsewhere = topic.replace("north", "south"), payload
    refused(forked(world, one.message(7), elsewhere), world.policy, "bad-signature")


def test_a_key_that_no_operator_enrolled_is_nobodys() -> None:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    data = forked(world, one.message(7), two.message(7, other=1.0))
    thief = SignerKey.from_seed(f"{ORIGIN}/operator", seed(66)).verifier
    refused(data, Policy.from_bytes(write_policy(world.anchor.verifier, thief, [], "none")), "sign")
    with pytest.raises(Malformed, match="names no operator"):
        check_evidence(
            data, Policy.from_bytes(write_policy(world.anchor.verifier, None, [], "none"))
        )
    collector = next(e.entry for e in world.ledger.key_rows if b"enrol collector" in e.entry)
    refused(forked(world, one.message(7), two.message(8), collector), world.policy, "no device")


# -- checkpoints -------------------------------------------------------------------------


def other_history(world: World) -> tuple[bytes, LogView]:
    """What the log's key signs over other entries, one more of them; and that tree."""
    entries = [b"another", *world.entries[1:], b"more"]
    files = publish(world.anchor, entries)
    note = world.cosign(files["checkpoint"])
    reader = LogReader(MemorySource({**files, "checkpoint": note}), world.anchor.verifier)
    return note, reader.view


def view_of(world: World) -> LogView:
    return LogReader(MemorySource(world.published), world.anchor.verifier).view


def test_two_roots_of_one_size_convict_the_log_and_its_witnesses() -> None:
    world, _ = small_world()
    entries = [b"another", *world.entries[1:]]
    other = world.cosign(publish(world.anchor, entries)["checkpoint"])
    assert world.checkpoint is not None
    evidence = contradiction(world.checkpoint, other, None)
    assert evidence is not None
    assert evidence == contradiction(other, world.checkpoint, None)
    found = check_evidence(evidence.to_bytes(), world.policy)
    assert found.kind == "equivocation"
    assert found.blame == (ORIGIN, "witness.example/w0", "witness.example/w1")
    assert "Witness witness.example/w0 cosigned both" in "\n".join(found.lines())
    assert json.loads(json.dumps(found.to_json()))["holds"] is True


def test_two_sizes_convict_by_the_larger_trees_own_path() -> None:
    world, _ = small_world()
    assert world.checkpoint is not None
    other, view = other_history(world)
    evidence = contradiction(other, world.checkpoint, view)
    assert evidence is not None
    found = check_evidence(evidence.to_bytes(), world.policy)
    assert found.blame[0] == ORIGIN
    assert f"another root at size {len(world.entries)}" in "\n".join(found.lines())


def test_one_history_at_two_sizes_is_no_contradiction() -> None:
    world, _ = small_world()
    older = world.published_at[0]["checkpoint"]
    assert world.checkpoint is not None
    view = view_of(world)
    assert contradiction(older, world.checkpoint, view) is None
    assert contradiction(world.checkpoint, world.checkpoint, None) is None
    size = LogReader(MemorySource({}), world.anchor.verifier).open(older).size
    honest = ForkedCheckpoints(older, world.checkpoint, view.root(size), view.consistency(size))
    refused(honest.to_bytes(), world.policy, "they agree")


def test_a_root_that_does_not_lead_to_the_larger_tree_convicts_nobody() -> None:
    world, _ = small_world()
    older = world.published_at[0]["checkpoint"]
    assert world.checkpoint is not None
    view = view_of(world)
    size = LogReader(MemorySource({}), world.anchor.verifier).open(older).size
    false = ForkedCheckpoints(older, world.checkpoint, bytes(32), view.consistency(size))
    refused(false.to_bytes(), world.policy, "consistency path")
    bare = ForkedCheckpoints(older, world.checkpoint).to_bytes()
    refused(bare, world.policy, "may be of one log|one spelling")


def test_a_witness_that_cosigned_one_of_them_is_not_blamed() -> None:
    world, _ = small_world()
    assert world.checkpoint is not None
    files = publish(world.anchor, [b"another", *world.entries[1:]])
    note = Note.from_bytes(files["checkpoint"])
    note = note.with_signatures(cosign(world.witnesses["w1"], note.text, world.now))
    evidence = contradiction(world.checkpoint, note.to_bytes(), None)
    assert evidence is not None
    found = check_evidence(evidence.to_bytes(), world.policy)
    assert found.blame == (ORIGIN, "witness.example/w1")


def test_two_histories_of_a_collector_convict_its_key() -> None:
    world, _ = small_world()
    again, _ = small_world()
    again.collect("c0", [machines(2)[0].message(7)])
    world.collect("c0", [machines(2)[1].message(7)])
    one, other = (w.ledger.batch_rows[-1].checkpoint for w in (world, again))
    entry = next(e.entry for e in world.ledger.key_rows if b"enrol collector" in e.entry)
    evidence = contradiction(one, other, None, entry)
    assert evidence is not None
    found = check_evidence(evidence.to_bytes(), world.policy)
    assert found.blame == (f"{ORIGIN}/collector/c0",)
    refused(replace(evidence, entry=None).to_bytes(), world.policy, "pins 0 logs")
    refused(replace(evidence, entry=world.requests[0]).to_bytes(), world.policy, "no collector")


def test_checkpoints_that_another_key_signed_convict_nobody() -> None:
    world, _ = small_world()
    assert world.checkpoint is not None
    thief = SignerKey.from_seed(ORIGIN, seed(99))
    forged = publish(thief, [b"another", *world.entries[1:]])["checkpoint"]
    evidence = contradiction(world.checkpoint, forged, None)
    assert evidence is not None
    refused(evidence.to_bytes(), world.policy, "not signed by")
    elsewhere = publish(SignerKey.from_seed("else.example", seed(2)), [b"x"])["checkpoint"]
    mixed = ForkedCheckpoints(elsewhere, world.checkpoint, bytes(32), ())
    refused(mixed.to_bytes(), world.policy, "pins 0 logs")


# -- from an audit -----------------------------------------------------------------------


def cloned(how: str) -> World:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    if how == "session":
        two.restart("s9")
    world.collect("c0", [one.message(world.time()), two.message(world.time(), other=1.0)])
    if how == "middle":
        third = replace(fleet[0], session="s8", seq=0)
        world.collect("c0", [one.message(world.time()), third.message(world.time(), more=2.0)])
    world.anchor_now()
    return world


def audited(world: World) -> tuple[LogReader, Audit]:
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    return log, audit(ledger=world.ledger, log=log, policy=world.policy)


@pytest.mark.parametrize("how", ["number", "session", "middle"])
def test_every_fork_that_audit_finds_gives_evidence_that_holds(how: str) -> None:
    world = cloned(how)
    _, found = audited(world)
    forks = [finding for finding in found.findings if finding.kind == "fork"]
    files = list(evidence_of(found, world.ledger, world.policy))
    assert [finding for finding, _ in files] == forks != []
    for finding, data in files:
        assert check_evidence(data, world.policy).blame == (finding.blame,)


def test_a_fork_that_the_store_made_up_gives_none() -> None:
    world = cloned("number")
    _, found = audited(world)
    rows = world.ledger.message_rows
    place = next(f.position for f in found.findings if f.kind == "fork")
    forged = rows[place].payload.replace(b"other", b"othes")
    rows[place] = replace(rows[place], payload=forged)
    assert list(evidence_of(found, world.ledger, world.policy)) == []


def test_the_command_writes_it_and_verify_checks_it(tmp_path: Path, capsys: Any) -> None:
    world = cloned("session")
    to_sqlite(world.ledger, tmp_path / "ledger.db").close()
    world.write_log(tmp_path / "log")
    (tmp_path / "policy").write_bytes(world.policy_bytes)
    pinned = ["--policy", str(tmp_path / "policy")]
    place = ["--database", f"sqlite:///{tmp_path}/ledger.db", "--log", str(tmp_path / "log")]
    out = tmp_path / "out"
    assert run(["audit", *place, *pinned, "--evidence", str(out), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    (file,) = out.iterdir()
    assert said["evidence"] == [str(file)]
    assert [finding["certainty"] for finding in said["findings"]] == ["certain"]
    assert run(["audit", *place, *pinned, "--evidence", str(out)]) == 1
    assert f"evidence: {file}" in capsys.readouterr().out
    assert run(["verify", str(file), *pinned]) == 0
    assert "To blame: device mill-0 key" in capsys.readouterr().out
    file.write_bytes(file.read_bytes().replace(b'"topic":"acme', b'"topic":"acmf'))
    assert run(["verify", str(file), *pinned]) == 1
    assert "the evidence does not hold" in capsys.readouterr().err
    assert run(["verify", str(file), *pinned, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["holds"] is False


# -- the file ----------------------------------------------------------------------------


def samples() -> list[tuple[World, bytes]]:
    world, fleet = small_world()
    one, two = two_of(fleet[0])
    messages = forked(world, one.message(world.time()), two.message(7, other=1.0))
    other, view = other_history(world)
    assert world.checkpoint is not None
    checkpoints = contradiction(world.checkpoint, other, view)
    assert checkpoints is not None
    return [(world, messages), (world, checkpoints.to_bytes())]


SAMPLES = samples()


@pytest.mark.parametrize("place", [0, 1], ids=["messages", "checkpoints"])
def test_a_file_reads_back_and_says_what_it_is(place: int) -> None:
    world, data = SAMPLES[place]
    assert evidence_from_bytes(data).to_bytes() == data
    assert check_evidence(data, world.policy).lines()


@given(place=st.integers(0, 1), data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_false_byte_is_refused_and_nothing_else_is_raised(
    place: int, data: st.DataObject
) -> None:
    """But for a witness's line, whose falsehood takes that witness out of the blame."""
    world, good = SAMPLES[place]
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        found = check_evidence(bytes(damaged), world.policy)
    except Refused:
        return
    whole = check_evidence(good, world.policy)
    assert place == 1
    assert found.blame[0] == whole.blame[0]
    assert set(found.blame) < set(whole.blame)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"factoryledger":"evidence",',
        b'{"factoryledger":"evidence","version":2,"kind":"messages"}\n',
        b'{"factoryledger":"evidence","version":1,"kind":"rumour"}\n',
        b'{"factoryledger":"evidence","version":1,"kind":[]}\n',
        b'{"factoryledger":"evidence","version":1,"kind":"messages","first":1,"second":2,"key":3}\n',
        *(
            b'{"factoryledger":"evidence","version":1,"kind":"messages",'
            b'"first":{"topic":"","properties":%s,"payload":""},'
            b'"second":{"topic":"a","properties":null,"payload":""},"key":""}\n' % value
            for value in (b"false", b"0", b"[]", b"{}", b'"\\ud800"', b'""')
        ),
        (
            b'{"factoryledger":"evidence","version":1,"kind":"messages",'
            b'"first":{"topic":"\\ud800","properties":null,"payload":""},'
            b'"second":{"topic":"a","properties":null,"payload":""},"key":""}\n'
        ),
        (
            b'{"factoryledger":"evidence","version":1,"kind":"checkpoints","first":"","second":"",'
            b'"root":null,"path":[],"key":null}\n'
        ),
    ],
)
def test_what_is_no_evidence_is_refused(data: bytes) -> None:
    refused(data, SAMPLES[0][0].policy, "evidence|note|member")


def test_a_larger_file_than_any_is_refused_unread() -> None:
    refused(b'{"factoryledger":"evidence",' + b" " * (1 << 25), SAMPLES[0][0].policy, "at most")
