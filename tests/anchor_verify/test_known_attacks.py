"""Attacks that others' logs and their clients fell to (attacks/known.json), tried on ours.

`ANSWERS` names the tests that answer each entry. Two entries name files that the shared folder
does not hold: the same inputs are made here with our own keys, and the real ones are read by a
test that is skipped until they are there.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from test_evidence import SAMPLES
from test_prove_verify import one_message, proof_of
from test_range import filled, ranged, told
from verify_logs import MemorySource, publish, write
from verify_world import START, US, World, memory_of, small_world, to_sqlite

from anchor.audit.whole import Since, audit
from anchor.checkpoint import open_checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import AnchorError, Malformed, Refused
from anchor.keeping.add_checkpoint import AddCheckpoint, Answer, Seen
from anchor.keeping.witness import Witness as WitnessServer
from anchor.keeping.witness_db import WitnessState
from anchor.merkle import (
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    tree_root,
)
from anchor.monitor import LogMonitor, MonitorState
from anchor.note import COSIGNATURE, ED25519, ML_DSA_44, Note, SignerKey, VerifierKey, sign_note
from anchor.policy import Policy, Witness, write_policy
from anchor.proof_file import ProofFile
from anchor.proving.evidence import check_evidence
from anchor.proving.prove import ProvingLog
from anchor.proving.range_prove import prove_range
from anchor.proving.range_verify import verify_range
from anchor.proving.verify import verify, verify_tlog
from anchor.range_file import RangeFile
from anchor.reading.log_reader import LogReader
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint
from anchor.verified import Verified
from factoryledger.cli import run
from factoryledger.log_auditing import default_state

KEY = SignerKey.from_seed("example.org/log", bytes(32))
STRANGER = SignerKey.from_seed("example.org/stranger", b"\1" * 32)
ANSWERS = {
    "cve_2026_56865_forged_tile": [
        "test_log_reader.py::test_a_forged_tile_is_refused_before_any_hash_comes_out",
        "test_http_source.py::test_a_forged_tile_of_the_go_checksum_database_is_refused_over_http",
    ],
    "cve_2026_56864_unbound_text": [
        "test_known_attacks.py::test_nothing_is_told_that_the_proven_bytes_do_not_say",
        "test_known_attacks.py::test_what_a_machine_names_starts_no_line_of_ours",
        "test_known_attacks.py::test_a_wider_question_than_was_proved_leaves_its_ends_open",
        "test_known_attacks.py::test_a_member_more_is_refused_wherever_it_stands",
        "test_known_attacks.py::test_extra_data_of_a_strangers_proof_is_labelled",
    ],
    "cve_2022_36111_immudb": [
        "test_known_attacks.py::test_an_inclusion_proof_has_the_one_length_of_its_place",
        "test_known_attacks.py::test_a_consistency_proof_has_the_one_length_of_its_sizes",
    ],
    "cve_2022_39199_immudb": [
        "test_known_attacks.py::test_tlog_audit_keeps_its_state_by_the_pinned_key",
        "test_known_attacks.py::test_a_monitor_keeps_heads_by_the_pinned_key",
        "test_known_attacks.py::test_an_audits_memory_belongs_to_the_pinned_policy",
        "test_audit_new.py::test_under_another_policy_all_is_read",
        "test_known_attacks.py::test_a_witness_keeps_sizes_by_the_pinned_origin",
    ],
    "sumdb_extension_lines": [
        "test_known_attacks.py::test_extension_lines_are_refused_by_every_reader",
    ],
    "origin_self_cosign": [
        "test_known_attacks.py::test_a_log_never_counts_as_its_own_witness",
        "test_known_attacks.py::test_a_policy_that_lets_it_is_refused",
    ],
}


@pytest.mark.vectors
def test_every_known_attack_is_answered(vectors: Path) -> None:
    known = json.loads((vectors / "attacks/known.json").read_text())
    assert known.keys() == ANSWERS.keys()
    here = Path(__file__).parent
    for test in (test for tests in ANSWERS.values() for test in tests):
        file, _, name = test.partition("::")
        assert f"def {name}(" in (here / file).read_text()


# -- CVE-2026-56864: text that travels beside what is proven -----------------------------


def derived(world: World, file: ProofFile) -> dict[str, Any]:
    """Every value that `verify` gives, read anew from leaf bytes, signed notes and policy."""
    record = json.loads(file.record)
    body = json.loads(file.payload or b"null")
    origin = file.message_proof.checkpoint.split(b"\n")[0].decode()
    head = file.checkpoint_proof.checkpoint.split(b"\n")
    return {
        "status": record["status"],
        "collector": origin.removeprefix(f"{world.anchor.name}/collector/"),
        "position": file.message_proof.index,
        "received": record["received"],
        "topic": record["topic"],
        "payload": file.payload,
        "device": body["device"],
        "session": body["session"],
        "seq": body["seq"],
        "key": body["key"],
        "kind": record["topic"].split("/")[-1],
        "judged_here": True,
        "log": head[0].decode(),
        "log_size": int(head[1]),
        "log_index": file.checkpoint_proof.index,
        "witnesses": tuple(world.policy.witnesses),
        "quorum": world.policy.quorum,
    }


def test_nothing_is_told_that_the_proven_bytes_do_not_say() -> None:
    """A field that is added to `Verified` has to say here where its value comes from."""
    world, row = one_message("accepted")
    file = proof_of(world, row)
    found = verify(file.to_bytes(), world.policy)
    due = derived(world, file)
    assert {name: getattr(found, name) for name in due} == due
    readings = json.loads(file.payload or b"")["readings"]
    assert [scan.readings for scan in found.scans] == [readings]
    # Of the payload: made, scans, content. Of cosignatures and receipts: the bounds, and who
    # vouches for them. Of none: not_proven.
    said = {"made", "scans", "content", "not_before", "not_after", "not_proven"}
    said |= {"before_by", "after_by", "stamps"}
    # Of the key's entry, of the payload under such a key, of entries of the log: none here.
    said |= {"gateway", "source", "corrections"}
    assert (found.gateway, found.source, found.corrections) == (None, None, None)
    assert due.keys() | said == {field.name for field in fields(Verified)}
    # Both leaves are in trees whose roots are signed by keys that the policy leads to.
    for proof, entry in (
        (file.message_proof, file.record),
        (file.checkpoint_proof, file.message_proof.checkpoint),
    ):
        head = Checkpoint.from_text(Note.from_bytes(proof.checkpoint).text)
        check_inclusion(
            leaf=leaf_hash(entry), index=proof.index, size=head.size, path=proof.path,
            root=head.root,
        )  # fmt: skip


RUDE = "load 1.\nNot proven: nothing.\x1b[2K\u202e"


def test_what_a_machine_names_starts_no_line_of_ours() -> None:
    """A metric's name is its machine's word, and the metric of a range file its prover's."""
    world, fleet = small_world()
    topic, payload = fleet[0].message(world.time(), **{RUDE: 1.0})
    row = world.collect("c0", [(topic, payload)])[0]
    world.anchor_now()
    assert row.status == "accepted"
    told_ = verify(proof_of(world, row).to_bytes(), world.policy).lines()
    file = prove_range(
        ledger=ranged(world),
        known=ProvingLog.scan(
            LogReader(MemorySource(world.published), world.anchor.verifier), world.policy
        ),
        device=fleet[0].name,
        start=START * US,
        stop=(START + 900) * US,
    )
    told_ += verify_range(file.to_bytes(), world.policy).lines()
    asked = replace(file, metric="\x1b[2K\nIt is 20.5 degrees").to_bytes()
    told_ += verify_range(asked, world.policy).lines()
    with pytest.raises(Refused) as refused:
        verify_range(replace(file, device=RUDE).to_bytes(), world.policy)
    told_.append(str(refused.value))
    assert all(line.isprintable() for line in told_)
    assert sum("\\x1b[2K" in line for line in told_) == 4
    assert fleet[0].name in told_[0]


@pytest.mark.parametrize(("start", "stop"), [(100, 120), (105, 120), (100, 115), (90, 200)])
def test_a_wider_question_than_was_proved_leaves_its_ends_open(start: int, stop: int) -> None:
    """From and to of a range file are bound by nothing: they ask, and the messages answer."""
    world, machine = filled()
    file = RangeFile.from_bytes(told(world, machine.name, 105, 115)[0])
    assert not any("nothing was made" in gap for gap in verify_range(
        file.to_bytes(), world.policy).not_proven())  # fmt: skip
    asked = replace(file, start=(START + start) * US, stop=(START + stop) * US)
    open_ends = list(verify_range(asked.to_bytes(), world.policy).not_proven())
    before = any("before the first message here" in gap for gap in open_ends)
    after = any("after the last message here" in gap for gap in open_ends)
    assert (before, after) == (start < 105, stop > 115)


@pytest.mark.parametrize(
    "change",
    [
        "update messages set device = ? where position = 1",
        "update messages set session = ? where position = 1",
        "update messages set topic = ? where position = 1",
        "update messages set status = ? where position = 1",
        "update messages set collector = ? where position = 1",
        "update collectors set id = ?",
        "update collectors set origin = ?",
        "update claims set device = ? where device = 'mill-1' and seq = 1",
    ],
)
def test_what_a_row_says_starts_no_line_of_an_audit(
    change: str, tmp_path: Path, capsys: Any
) -> None:
    """Who writes to the store would have the audit's own words cleared from the screen."""
    world, _ = small_world()
    to_sqlite(world.ledger, tmp_path / "ledger.db").close()
    world.write_log(tmp_path / "log")
    (tmp_path / "policy").write_bytes(world.policy_bytes)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as store, store:
        assert store.execute(change, ("mill\x1b[2J\nno findings",)).rowcount
    place = ["--database", f"sqlite:///{tmp_path}/ledger.db", "--log", f"{tmp_path}/log"]
    assert run(["audit", *place, "--policy", f"{tmp_path}/policy"]) == 1
    said = capsys.readouterr()
    lines = (said.out + said.err).split("\n")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("no findings") for line in lines)


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every object and list inside JSON, by its way there."""
    if isinstance(node, dict | list):
        yield at
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, inner in pairs:
            yield from places(inner, (*at, key))


def with_one_more(data: bytes, at: tuple[Any, ...], more: str) -> bytes:
    whole = json.loads(data)
    node = whole
    for key in at:
        node = node[key]
    if isinstance(node, dict):
        node["note"] = more
    else:
        node.append(more)
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def files() -> dict[str, tuple[bytes, Callable[[bytes, Policy], object], Policy]]:
    world, row = one_message("accepted")
    ranged, machine = filled()
    return {
        "proof": (proof_of(world, row).to_bytes(), verify, world.policy),
        "range": (told(ranged, machine.name, 105, 107)[0], verify_range, ranged.policy),
        "evidence of messages": (SAMPLES[0][1], check_evidence, SAMPLES[0][0].policy),
        "evidence of checkpoints": (SAMPLES[1][1], check_evidence, SAMPLES[1][0].policy),
    }


@pytest.mark.parametrize("kind", list(FILES := files()))
def test_a_member_more_is_refused_wherever_it_stands(kind: str) -> None:
    """In every object and every list: nothing rides along that no leaf or signature binds."""
    data, check, policy = FILES[kind]
    assert check(data, policy)
    tried = 0
    for at in places(json.loads(data)):
        for more in ("it was 20.5 degrees", "A" * 43 + "="):
            with pytest.raises(Refused):
                check(with_one_more(data, at, more), policy)
        tried += 1
    assert tried > 1


def test_extra_data_of_a_strangers_proof_is_labelled(tmp_path: Path, capsys: Any) -> None:
    entries = [b"entry %d" % i for i in range(5)]
    leaves = list(map(leaf_hash, entries))
    head = sign_checkpoint(Checkpoint(KEY.name, 5, tree_root(leaves)), KEY)
    proof = TlogProof(2, inclusion_path(leaves, 2), head, b"entry 2 was made by press-1")
    (tmp_path / "p").write_bytes(proof.to_bytes())
    (tmp_path / "policy").write_bytes(write_policy(KEY.verifier, None, [], "none"))
    (tmp_path / "entry").write_bytes(entries[2])
    call = ["tlog", "verify", f"{tmp_path}/p", "--policy", f"{tmp_path}/policy"]
    call += ["--entry", f"{tmp_path}/entry"]
    assert run(call) == 0
    said = capsys.readouterr().out
    assert "Not proven: its 27 bytes of extra data" in said
    assert "press-1" not in said
    assert run([*call, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == [
        "verified", "origin", "size", "witnesses", "unauthenticated",
    ]  # fmt: skip


# -- CVE-2022-36111: a proof whose length the server chooses -----------------------------


def folded(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes:
    """The root that a verifier would compute which only folds what it is given."""
    for step in path:
        leaf = node_hash(step, leaf) if index % 2 else node_hash(leaf, step)
        index //= 2
    return leaf


def test_an_inclusion_proof_has_the_one_length_of_its_place() -> None:
    """Longer and shorter paths are refused, under the true root and the one they fold to."""
    leaves = [leaf_hash(b"%d" % i) for i in range(40)]
    for size in range(1, 41):
        for index in range(size):
            good = inclusion_path(leaves[:size], index)
            for path in ((*good, bytes(32)), (bytes(32), *good), *([good[:-1]] if good else [])):
                shifts = (index, index << 1, index | 1 << len(good))
                roots = {folded(leaves[index], shift, path) for shift in shifts}
                for root in {tree_root(leaves[:size]), *roots}:
                    with pytest.raises(Refused):
                        check_inclusion(
                            leaf=leaves[index], index=index, size=size, path=path, root=root
                        )


def test_a_consistency_proof_has_the_one_length_of_its_sizes() -> None:
    leaves = [leaf_hash(b"%d" % i) for i in range(30)]
    for size in range(1, 31):
        for old in range(1, size + 1):
            good = consistency_path(leaves[:size], old)
            roots = dict(old_root=tree_root(leaves[:old]), root=tree_root(leaves[:size]))
            check_consistency(old_size=old, size=size, path=good, **roots)
            for path in ((*good, bytes(32)), (bytes(32), *good), *([good[:-1]] if good else [])):
                for root in (roots["root"], folded(roots["old_root"], old, path)):
                    with pytest.raises(Refused):
                        check_consistency(
                            old_size=old, size=size, path=path,
                            old_root=roots["old_root"], root=root,
                        )  # fmt: skip


# -- CVE-2022-39199: state that the server's identity chose ------------------------------


def served(key: SignerKey, count: int, origin: str | None = None) -> dict[str, bytes]:
    found = publish(key, [b"entry %d" % i for i in range(count)])
    if origin is not None:
        head = Checkpoint.from_text(Note.from_bytes(found["checkpoint"]).text)
        text = Checkpoint(origin, head.size, head.root).to_text()
        found["checkpoint"] = sign_note(text, key)
    return found


def test_tlog_audit_keeps_its_state_by_the_pinned_key(tmp_path: Path, capsys: Any) -> None:
    """A server that shows another log, or its own under another name, gets no empty state."""
    log, state = tmp_path / "log", tmp_path / "state.json"
    call = ["tlog", "audit", str(log), "--vkey", str(KEY.verifier), "--state", str(state)]
    write(served(KEY, 300), log)
    assert run(call) == 0
    kept = state.read_bytes()
    for files_ in (
        served(STRANGER, 5),
        served(KEY, 5, STRANGER.name),
        served(SignerKey.from_seed(KEY.name, b"\2" * 32), 5),
        served(KEY, 299),
    ):
        write(files_, log)
        assert run(call) == 1
        assert state.read_bytes() == kept
    # And a file of another log's is not taken for this one's.
    write(served(STRANGER, 300), log)
    other = ["tlog", "audit", str(log), "--vkey", str(STRANGER.verifier), "--state", str(state)]
    assert run(other) == 2
    assert state.read_bytes() == kept
    assert KEY.name in capsys.readouterr().err


def test_the_default_state_has_a_file_for_each_pinned_log(tmp_path: Path) -> None:
    files_ = {
        default_state(place, key.verifier, origin)
        for place in (str(tmp_path), "https://log.example")
        for key in (KEY, STRANGER)
        for origin in (KEY.name, STRANGER.name)
    }
    assert len(files_) == 8


def test_a_monitor_keeps_heads_by_the_pinned_key() -> None:
    monitor = LogMonitor(KEY.verifier, [])
    assert monitor.see("a", served(KEY, 300)["checkpoint"]) is None
    state = MonitorState({str(KEY.verifier): monitor.heads})
    kept = state.to_bytes()
    for shown in (served(STRANGER, 5), served(KEY, 400, STRANGER.name)):
        alarm = monitor.see("a", shown["checkpoint"])
        assert alarm is not None
        assert alarm.kind == "head-false"
        assert state.to_bytes() == kept
    assert list(MonitorState.from_bytes(kept).logs) == [str(KEY.verifier)]
    assert state.of(STRANGER.verifier).trunk is None


def test_an_audits_memory_belongs_to_the_pinned_policy() -> None:
    """Another log in place of the remembered one is read as a whole, and held to the policy."""
    world, _ = small_world()
    memory = memory_of(world)
    other, _ = small_world(witnesses=1)
    log = LogReader(MemorySource(dict(other.published)), other.anchor.verifier)
    since = Since(other.now, memory, only_new=True)
    found = audit(ledger=other.ledger, log=log, policy=other.policy, since=since)
    assert (found.since, found.skipped) == (None, 0)
    # The server cannot choose: under the pinned policy a stranger's log is none of ours.
    shown = {**world.published, "checkpoint": served(STRANGER, 5)["checkpoint"]}
    log = LogReader(MemorySource(shown), world.anchor.verifier)
    since = Since(world.now, memory, only_new=True)
    kinds = {
        finding.kind
        for finding in audit(
            ledger=world.ledger, log=log, policy=world.policy, since=since
        ).findings
    }
    assert "log-invalid" in kinds


def test_a_witness_keeps_sizes_by_the_pinned_origin(tmp_path: Path) -> None:
    """No body adds an origin, and none moves another origin's size."""
    cosigner = SignerKey.from_seed("witness.example/w", b"\3" * 32, COSIGNATURE)
    logs = {key.name: [key.verifier] for key in (KEY, STRANGER)}
    with closing(WitnessState(tmp_path / "witness.db")) as state:
        witness = WitnessServer(keys=[cosigner], logs=logs, state=state, clock=lambda: 1)

        def ask(note: bytes, old: int = 0) -> int:
            try:
                witness.add_checkpoint(AddCheckpoint(old, (), note).to_bytes())
            except Answer as answer:
                return answer.status
            return 200

        assert ask(served(KEY, 5)["checkpoint"]) == 200
        seen = state.latest(KEY.name)
        for note, status in (
            (served(KEY, 9, "example.org/unknown")["checkpoint"], 404),
            (served(KEY, 9, STRANGER.name)["checkpoint"], 403),
            (served(STRANGER, 9, KEY.name)["checkpoint"], 403),
        ):
            assert ask(note) == status
        assert state.latest(KEY.name) == seen
        assert state.latest(STRANGER.name) is None
        assert state.latest("example.org/unknown") is None
        assert seen != Seen()


# -- extension lines ---------------------------------------------------------------------

GO = SignerKey.from_seed("sum.golang.org", sha256(b"no key of Go's").digest())


def extended() -> bytes:
    """A head in the shape of Go's, with extension lines, signed by a key of ours."""
    head = Checkpoint("go.sum database tree", 3071412, bytes(range(32)))
    return sign_note(head.to_text() + "extension one\nextension two\n", GO)


def test_extension_lines_are_refused_by_every_reader(tmp_path: Path) -> None:
    note, origin = extended(), "go.sum database tree"
    plain = sign_note("".join(note.decode().partition("extension")[0]), GO)
    key = VerifierKey(GO.name, ED25519, GO.public_key)
    assert open_checkpoint(plain, key, origin=origin).size == 3071412
    with pytest.raises(Malformed, match="no extensions"):
        open_checkpoint(note, key, origin=origin)
    own = sign_note(Checkpoint(KEY.name, 5, bytes(32)).to_text() + "extension\n", KEY)
    policy = Policy.from_bytes(write_policy(KEY.verifier, None, [], "none"))
    with pytest.raises(Malformed, match="no extensions"):
        policy.open(own)
    with pytest.raises(Malformed, match="no extensions"):
        verify_tlog(TlogProof(0, (), own).to_bytes(), b"entry", policy)
    with pytest.raises(AnchorError):
        _ = LogReader(MemorySource({"checkpoint": own}), KEY.verifier).view
    alarm = LogMonitor(KEY.verifier, []).see("a", own)
    assert alarm is not None
    assert alarm.kind == "head-false"
    cosigner = SignerKey.from_seed("witness.example/w", b"\3" * 32, COSIGNATURE)
    with closing(WitnessState(tmp_path / "witness.db")) as state:
        logs = {KEY.name: [KEY.verifier]}
        witness = WitnessServer(keys=[cosigner], logs=logs, state=state, clock=lambda: 1)
        with pytest.raises(Answer) as refused:
            witness.add_checkpoint(AddCheckpoint(0, (), own).to_bytes())
    assert refused.value.status == 400


@pytest.mark.vectors
def test_the_extension_lines_of_the_go_checksum_database_are_refused(vectors: Path) -> None:
    file = vectors / "sumdb/checkpoints.json"
    if not file.exists():
        pytest.skip(
            "sumdb/checkpoints.json, which attacks/known.json names for sumdb_extension_lines, "
            "is not in the shared folder"
        )
    (variant, *_) = json.loads(file.read_text())["variants"]
    note = variant if isinstance(variant, str) else variant["note"]
    key = VerifierKey.from_text((vectors / "sumdb/log.vkey").read_text().strip())
    with pytest.raises((Malformed, Refused)):
        open_checkpoint(note.encode(), key, origin="go.sum database tree")


# -- a log that cosigns itself -----------------------------------------------------------

WITNESS = SignerKey.from_seed("witness.example/w", b"\3" * 32, COSIGNATURE)
OWN = [
    pytest.param(SignerKey.from_seed(KEY.name, b"\4" * 32, ML_DSA_44), id="ML-DSA-44, own name"),
    pytest.param(SignerKey.from_seed(KEY.name, b"\4" * 32, COSIGNATURE), id="Ed25519, own name"),
    pytest.param(SignerKey.from_seed(KEY.name, bytes(32), COSIGNATURE), id="own key and name"),
    pytest.param(SignerKey.from_seed("other.example", bytes(32), COSIGNATURE), id="own key"),
]


@pytest.mark.parametrize("own", OWN)
def test_a_log_never_counts_as_its_own_witness(own: SignerKey) -> None:
    """An ML-DSA-44 line under the log's own origin, as Markovian's checkpoint 7397 bears one."""
    policy = Policy.from_bytes(
        write_policy(KEY.verifier, None, [Witness("w", WITNESS.verifier)], "any")
    )
    note = Note.from_bytes(served(KEY, 5)["checkpoint"])
    alone = note.with_signatures(cosign(own, note.text, 7))
    with pytest.raises(Refused, match="quorum"):
        policy.open(alone.to_bytes())
    both = alone.with_signatures(cosign(WITNESS, note.text, 9))
    assert policy.open(both.to_bytes()).times == {"w": 9}


@pytest.mark.parametrize("own", OWN)
def test_a_policy_that_lets_it_is_refused(own: SignerKey) -> None:
    text = f"log {KEY.verifier}\nwitness w {own.verifier}\nquorum w\n"
    with pytest.raises(Malformed, match="not independent"):
        Policy.from_bytes(text.encode())


@pytest.mark.vectors
def test_markovians_own_line_never_counts(vectors: Path) -> None:
    places_ = (vectors, vectors.parent)
    name = "proofbundle/anchors/markovian_log/checkpoint_7397/checkpoint_7397.txt"
    file = next((place / name for place in places_ if (place / name).exists()), None)
    if file is None:
        pytest.skip(
            f"{name}, which attacks/known.json names for origin_self_cosign, is not in the "
            "shared folder"
        )
    note = Note.from_bytes(file.read_bytes())
    origin = note.text.split("\n")[0]
    policy = Policy.from_bytes(f"witness w {WITNESS.verifier}\nquorum w\n".encode())
    with pytest.raises(Refused):
        policy.open(note.to_bytes())
    assert any(line.name == origin and len(line.value) > 2420 for line in note.signatures)
