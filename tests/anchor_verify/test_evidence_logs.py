"""Evidence of two histories that an audit found: of the anchor log's key, of a collector's."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from verify_logs import MemorySource, publish, write
from verify_world import ORIGIN, World, foreign, record_bytes, small_world, to_sqlite

from anchor.audit.evidence import MOST, evidence_of
from anchor.audit.findings import Audit
from anchor.audit.whole import audit
from anchor.growing import GrowingLog
from anchor.keeping.add_checkpoint import Seen
from anchor.keeping.witness_db import WitnessState, read_seen
from anchor.proving.evidence import check_evidence
from anchor.proving.prove import prove
from anchor.reading.log_reader import LogReader
from factoryledger.cli import run

C0 = f"{ORIGIN}/collector/c0"


def rewritten(world: World, how: str) -> dict[str, bytes]:
    """The log's folder after whoever stole its key, and the witnesses', wrote another history."""
    entries = {
        "one entry": [*world.entries[:-1], b"another"],
        "left out": [e for i, e in enumerate(world.entries) if i != 4],
        "larger": [b"another", *world.entries[1:], b"more", b"and more"],
        "smaller": [b"another", *world.entries[1:-2]],
    }[how]
    files = publish(world.anchor, entries)
    note = world.cosign(files["checkpoint"])
    kept = {name: data for name, data in world.published.items() if name.startswith("checkpoints/")}
    return {**kept, **files, "checkpoint": note, f"checkpoints/{sha256(note).hexdigest()}": note}


def audited(world: World, files: dict[str, bytes], **known: Any) -> tuple[Audit, LogReader]:
    log = LogReader(MemorySource(files), world.anchor.verifier)
    return audit(ledger=world.ledger, log=log, policy=world.policy, **known), log


@pytest.mark.parametrize("how", ["one entry", "left out", "larger", "smaller"])
def test_a_log_rewritten_with_its_stolen_key_convicts_that_key(how: str) -> None:
    world, _ = small_world()
    found, log = audited(world, rewritten(world, how))
    assert "log-forked" in {finding.kind for finding in found.findings}
    files = list(evidence_of(found, world.ledger, world.policy, log=log))
    assert files
    for finding, data in files:
        convicted = check_evidence(data, world.policy)
        # The thief had the witnesses' keys too: they signed both as well.
        assert convicted.blame == (ORIGIN, "witness.example/w0", "witness.example/w1")
        assert finding.kind in {"log-forked", "log-truncated"}
    assert len({data for _, data in files}) == len(files)


def test_what_the_thief_removed_from_the_folder_others_still_have() -> None:
    """No old checkpoint is left beside the log: a proof made before, or a witness, has one."""
    world, _ = small_world()
    row = world.ledger.message_rows[0]
    honest = LogReader(MemorySource(dict(world.published)), world.anchor.verifier)
    old = prove(ledger=world.ledger, log=honest, policy=world.policy, row=row)
    note = old.checkpoint_proof.checkpoint
    files = {
        name: data
        for name, data in rewritten(world, "larger").items()
        if not name.startswith("checkpoints/")
    }
    found, log = audited(world, dict(files))
    assert not [f for f in found.findings if f.kind == "log-forked"]
    assert list(evidence_of(found, world.ledger, world.policy, log=log)) == []
    for known in ({"remembered": [note]}, {"witnessed": [note]}):
        found, log = audited(world, dict(files), **known)
        assert [f.blame for f in found.findings if f.kind == "log-forked"] == [ORIGIN]
        [(_, data)] = evidence_of(found, world.ledger, world.policy, log=log, known=[note])
        assert check_evidence(data, world.policy).blame[0] == ORIGIN


def test_a_log_that_was_put_back_contradicts_nothing() -> None:
    """An older copy, signed once: found, and nobody signed two things."""
    world, _ = small_world()
    found, log = audited(world, dict(world.published_at[0]), remembered=[world.checkpoint])
    assert {f.kind for f in found.findings} >= {"log-truncated"}
    known = [world.checkpoint]
    assert list(evidence_of(found, world.ledger, world.policy, log=log, known=known)) == []


def test_a_checkpoint_that_a_stranger_signed_convicts_nobody() -> None:
    world, _ = small_world()
    other, _ = small_world(witnesses=0)
    files = rewritten(world, "larger")
    for name in list(files):
        if name.startswith("checkpoints/"):
            del files[name]
    stranger = other.anchor.from_seed(ORIGIN, bytes(32))
    note = publish(stranger, [b"x", b"y"])["checkpoint"]
    found, log = audited(world, files, remembered=[note], witnessed=[note])
    assert sum("is of no use" in said for said in found.notes) == 2
    assert list(evidence_of(found, world.ledger, world.policy, log=log, known=[note])) == []


# -- what a witness cosigned last ------------------------------------------------------------


def ahead(world: World) -> tuple[dict[str, bytes], bytes]:
    """The folder between the witnesses' cosignatures and the publishing of what they signed."""
    before = dict(world.published)
    world.collect("c0", [foreign(77)])
    note = world.anchor_now()
    there = {**world.published, "checkpoint": before["checkpoint"]}
    there.pop(f"checkpoints/{sha256(note).hexdigest()}")
    return there, note


def test_a_witness_may_have_cosigned_what_is_not_published_yet() -> None:
    world, _ = small_world()
    files, note = ahead(world)
    found, _ = audited(world, files, witnessed=[note])
    assert found.clean
    # What was published, though, is there: the same checkpoint from a proof.
    found, _ = audited(world, files, remembered=[note])
    assert [f.kind for f in found.findings] == ["log-truncated"]


def test_what_a_witness_cosigned_and_the_folder_lacks_was_cut_off() -> None:
    world, _ = small_world()
    _, note = ahead(world)
    found, _ = audited(world, dict(world.published_at[1]), witnessed=[note])
    kinds = [(f.kind, f.blame, f.certainty) for f in found.findings if "witness" in f.detail]
    assert kinds == [("log-truncated", ORIGIN, "certain")]


def test_another_history_that_the_tiles_still_show_is_a_fork() -> None:
    """The head alone was exchanged, for one of the same key over other entries."""
    world, _ = small_world()
    files, note = ahead(world)
    other = publish(world.anchor, [b"another", *world.entries[1:4]])["checkpoint"]
    found, log = audited(world, {**files, "checkpoint": world.cosign(other)}, witnessed=[note])
    details = [f.detail for f in found.findings if f.kind == "log-forked"]
    assert any("than its tree of size" in detail for detail in details), details
    made = list(evidence_of(found, world.ledger, world.policy, log=log, known=[note]))
    assert made
    assert all(check_evidence(data, world.policy).blame[0] == ORIGIN for _, data in made)


def test_a_witness_says_what_it_cosigned_last(tmp_path: Path) -> None:
    from anchor.errors import Missing

    path = tmp_path / "witness.db"
    with pytest.raises(Missing, match="not there"):
        read_seen(path, ORIGIN)
    state = WitnessState(path)
    with pytest.raises(Missing, match="was cosigned yet"):
        read_seen(path, ORIGIN)
    seen = Seen(3, bytes(32), b"note\n")
    state.advance(ORIGIN, lambda _: seen)
    assert read_seen(path, ORIGIN) == seen
    state.close()
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(Missing, match="cannot be read"):
        read_seen(path, ORIGIN)


# -- a collector's ---------------------------------------------------------------------------


def sign_again(world: World, *, batches: list[list[int]], change: int) -> None:
    """Rows, tiles and checkpoints of c0 anew, by its own key, with one message changed."""
    collector = world.collectors["c0"]
    rows = list(world.ledger.messages("c0"))
    changed = replace(rows[change], payload=b"else", payload_hash=sha256(b"else").digest())
    world.ledger.message_rows[change] = rows[change] = changed
    log = GrowingLog(collector.key.name, collector.key)
    old, world.ledger.batch_rows[:] = list(world.ledger.batch_rows), []
    for number, places in enumerate(batches):
        grown = log.extend([record_bytes(rows[place]) for place in places])
        for level, tile, hashes in grown.tiles:
            world.ledger.tile_rows["c0", level, tile] = hashes
        size = grown.size - grown.start
        world.ledger.batch_rows.append(
            replace(
                old[min(number, len(old) - 1)],
                number=number,
                start=grown.start,
                size=size,
                root=grown.root,
                checkpoint=grown.checkpoint,
            )
        )
        log = grown.log


@pytest.mark.parametrize(
    "batches",
    [
        [[*range(5)], [*range(5, 10)], [*range(10, 15)]],
        [[*range(5)], [*range(5, 15)]],
        [[*range(5)], [*range(5, 7)], [*range(7, 15)]],
    ],
    ids=["the same sizes", "fewer batches", "other sizes"],
)
def test_a_history_signed_again_with_a_stolen_collector_key_convicts_it(batches: Any) -> None:
    world, _ = small_world()
    world.published = dict(world.published)
    sign_again(world, batches=batches, change=9)
    found, log = audited(world, world.published)
    assert C0 in {finding.blame for finding in found.findings}
    files = list(evidence_of(found, world.ledger, world.policy, log=log))
    assert files
    for finding, data in files:
        assert (finding.kind, finding.collector) == ("batch-altered", "c0")
        convicted = check_evidence(data, world.policy)
        assert (convicted.kind, convicted.blame) == ("equivocation", (C0,))
    # Each contradiction by itself, also where the store has neither tree of the two.
    for finding in found.findings:
        if finding.signed is not None:
            one = Audit(findings=[finding])
            assert list(evidence_of(one, world.ledger, world.policy, log=log)), finding


def test_two_histories_by_two_keys_of_one_collector_convict_neither() -> None:
    """No key contradicts itself: the one before counts up to the rotation and no further."""
    world, _ = small_world()
    key = world.rotate_collector("c0")
    world.collectors["c0"].key = key
    sign_again(world, batches=[[*range(5)], [*range(5, 10)], [*range(10, 15)]], change=9)
    found, log = audited(world, world.published)
    assert not found.clean
    assert list(evidence_of(found, world.ledger, world.policy, log=log)) == []


def test_so_many_contradictions_are_enough() -> None:
    world, fleet = small_world()
    for _ in range(2 * MOST):
        world.collect("c0", [fleet[0].message(world.time())])
    world.anchor_now()
    whole = [row.start for row in world.ledger.batches("c0")] + [15 + 2 * MOST]
    batches = [[*range(a, b)] for a, b in pairwise(whole)]
    sign_again(world, batches=batches, change=4)
    found, log = audited(world, world.published)
    assert len([f for f in found.findings if f.signed]) > MOST
    assert len(list(evidence_of(found, world.ledger, world.policy, log=log))) == MOST


# -- the command -----------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> tuple[World, list[str]]:
    world, _ = small_world()
    data = tmp_path / "d"
    data.mkdir()
    to_sqlite(world.ledger, data / "ledger.db").close()
    world.write_log(data / "log")
    (data / "policy").write_bytes(world.policy_bytes)
    return world, ["--data", str(data)]


@pytest.mark.parametrize("keeper", ["proof", "checkpoint", "witness", "audit before"])
def test_the_command_convicts_a_thief_by_what_others_kept(
    tmp_path: Path, capsys: Any, place: tuple[World, list[str]], keeper: str
) -> None:
    world, at = place
    data, state = tmp_path / "d", tmp_path / "seen.json"
    assert run(["audit", *at, "--state", str(state)]) == 0
    assert run(["prove", *at, "--message", "c0:0", "-o", str(tmp_path / "p.proof")]) == 0
    shutil.copy(data / "log/checkpoint", tmp_path / "kept")
    shutil.rmtree(data / "log")
    files = rewritten(world, "larger")
    write({n: d for n, d in files.items() if not n.startswith("checkpoints/")}, data / "log")

    known: list[str] = []
    if keeper in {"proof", "checkpoint"}:
        file = tmp_path / {"proof": "p.proof", "checkpoint": "kept"}[keeper]
        known = ["--checkpoint", str(file)]
    elif keeper == "witness":
        seen = (tmp_path / "kept").read_bytes()
        witness = WitnessState(data / "witness.db")
        witness.advance(ORIGIN, lambda _: Seen(len(world.entries), bytes(32), seen))
        witness.close()
    else:
        known = ["--state", str(state)]
    out = tmp_path / "out"
    capsys.readouterr()
    assert run(["audit", *at, *known, "--evidence", str(out), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert "log-forked" in {finding["kind"] for finding in said["findings"]}
    [file] = out.iterdir()
    assert (said["evidence"], file.name.startswith("log-forked-")) == ([str(file)], True)

    # Somebody else, with the file and the policy alone.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(file, elsewhere / "evidence")
    pinned = ["--policy", str(data / "policy")]
    assert run(["verify", str(elsewhere / "evidence"), *pinned]) == 0
    assert f"To blame: {ORIGIN}" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no checkpoint\n", b'{"factoryledger":"evidence"}'])
def test_a_file_without_a_checkpoint_is_said_to_be_none(
    tmp_path: Path, capsys: Any, place: tuple[World, list[str]], content: bytes
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert run(["audit", *place[1], "--checkpoint", str(file)]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err
