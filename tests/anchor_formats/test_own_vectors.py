"""The project's own vectors: the same bytes for ever, and each of them holds."""

import importlib.util
import json
from pathlib import Path

import pytest

from anchor.cosignature import check_cosignature
from anchor.key_entry import OperatorAuthority
from anchor.merkle import check_consistency, check_inclusion, leaf_hash, tree_root
from anchor.note import Note, SignerKey, VerifierKey
from anchor.policy import Policy
from anchor.proof_file import ProofFile
from anchor.receipts import ReceiptVerifier
from anchor.tile import Tile
from anchor.tlog_proof import TlogProof

HERE = Path(__file__).parent


def load(name):
    return json.loads((HERE / "vectors" / name).read_text())


VECTORS = load("formats.json")
POLICY = Policy.from_bytes(VECTORS["policy"].encode())


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_vectors", HERE / "make_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", list(VECTORS))
def test_the_formats_have_not_changed(maker, name):
    """A difference here breaks every log and proof out there: it needs a new version."""
    assert maker.build()[name] == VECTORS[name]


def test_trees():
    leaves = [leaf_hash(b"%d" % i) for i in range(300)]
    for tree in VECTORS["trees"]:
        size, root = tree["size"], bytes.fromhex(tree["root"])
        check_inclusion(
            leaf=leaves[tree["index"]],
            index=tree["index"],
            size=size,
            path=[bytes.fromhex(step) for step in tree["inclusion"]],
            root=root,
        )
        check_consistency(
            old_size=tree["old"],
            old_root=tree_root(leaves[: tree["old"]]),
            size=size,
            root=root,
            path=[bytes.fromhex(step) for step in tree["consistency"]],
        )
        assert [Tile.from_path(path).path for path in tree["tiles"]] == tree["tiles"]


def test_keys():
    for vkey in VECTORS["keys"]["vkeys"]:
        assert str(VerifierKey.from_text(vkey)) == vkey
    assert SignerKey.from_text(VECTORS["keys"]["private"]).verifier == POLICY.log


def test_key_entries_and_receipts():
    authority = OperatorAuthority(POLICY.operator)
    entries = [entry.encode() for entry in VECTORS["key_entries"]]
    statements = [authority.read(entry) for entry in entries]
    first = ["enrol", "enrol", "rotate", "revoke", "erase"]
    assert [s.action for s in statements] == [*first, "rotate", "rotate"]
    assert statements[2].prior == statements[3].prior == statements[0].hash
    verifier = ReceiptVerifier(POLICY.operator, POLICY.log.name)
    verifier.admit(entries[1])
    devices = [verifier.check(receipt.encode()).device for receipt in VECTORS["receipts"]]
    assert devices == ["press-0", "press-1", "press-2"]


def test_proofs():
    proof = TlogProof.from_bytes(VECTORS["tlog_proof"].encode())
    opened = POLICY.open(proof.checkpoint)
    assert opened.times == {"w1": 1_764_000_000}
    assert POLICY.not_after(opened) == POLICY.not_before(opened) == 1_764_000_000
    check_inclusion(
        leaf=leaf_hash(VECTORS["tlog_entry"].encode()),
        index=proof.index,
        size=opened.checkpoint.size,
        path=proof.path,
        root=opened.checkpoint.root,
    )
    file = ProofFile.from_bytes(VECTORS["proof_file"].encode())
    assert file.checkpoint_proof == proof
    assert file.message_proof.checkpoint == VECTORS["tlog_entry"].encode()
    assert file.cited == VECTORS["cosigned"].encode() == proof.checkpoint


def test_ml_dsa_44():
    vector = load("ml-dsa-44.json")
    note = Note.from_bytes(vector["cosigned"].encode())
    note.signed_by(POLICY.log)
    assert check_cosignature(note, VerifierKey.from_text(vector["vkey"])) == 1_764_000_000
