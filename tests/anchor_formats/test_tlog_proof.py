"""Proof files of C2SP: form only, one spelling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.errors import Malformed, Refused
from anchor.merkle import check_inclusion, inclusion_path, leaf_hash, tree_root
from anchor.note import SignerKey
from anchor.policy import Policy, write_policy
from anchor.tlog_proof import TlogProof
from telemetry.canonical import b64

HASH = b64(bytes(range(32)))
proofs = st.builds(
    TlogProof,
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.binary(max_size=40).map(lambda data: data + b"\n"),
    st.none() | st.binary(max_size=40),
)


@settings(deadline=None)
@given(proofs)
def test_proofs_are_read_as_they_were_written(proof):
    assert TlogProof.from_bytes(proof.to_bytes()) == proof


def test_the_form_is_the_specification_s():
    proof = TlogProof(73894, (bytes(range(32)),), b"checkpoint\n", b"x")
    assert proof.to_bytes().decode() == (
        f"c2sp.org/tlog-proof@v1\nextra eA==\nindex 73894\n{HASH}\n\ncheckpoint\n"
    )


HEAD = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        HEAD + "index 0\n",
        HEAD + "index 0\n\n",
        HEAD + "index 0\n\ncheckpoint",
        HEAD + "index 0\ncheckpoint\n",
        HEAD + "index 00\n\ncheckpoint\n",
        HEAD + "index +1\n\ncheckpoint\n",
        HEAD + "index  1\n\ncheckpoint\n",
        HEAD + "index 1 \n\ncheckpoint\n",
        HEAD + "index 9223372036854775808\n\ncheckpoint\n",
        HEAD + "Index 0\n\ncheckpoint\n",
        HEAD + "index 0\nextra eA==\n\ncheckpoint\n",
        HEAD + "extra eA==\nextra eA==\nindex 0\n\ncheckpoint\n",
        HEAD + "extra eB==\nindex 0\n\ncheckpoint\n",
        HEAD + f"index 0\n{HASH} \n\ncheckpoint\n",
        HEAD + f"index 0\n{HASH}{HASH}\n\ncheckpoint\n",
        HEAD + f"index 0\n{HASH[:-2]}9=\n\ncheckpoint\n",
        HEAD + f"index 0\n{HASH}\n" * 64 + "\ncheckpoint\n",
        HEAD + "index 0\n" + f"{HASH}\n" * 64 + "\ncheckpoint\n",
        HEAD.replace("v1", "v2") + "index 0\n\ncheckpoint\n",
        "\n" + HEAD + "index 0\n\ncheckpoint\n",
        (HEAD + "index 0\n\ncheckpoint\n").replace("\n", "\r\n"),
        HEAD + "index 0\n\n" + "x" * 3_000_000 + "\n",
    ],
)
def test_other_spellings_are_malformed(text):
    with pytest.raises(Malformed):
        TlogProof.from_bytes(text.encode())


@pytest.mark.parametrize(
    "fields",
    [
        dict(index=-1),
        dict(index=2**63),
        dict(path=(b"short",)),
        dict(path=(bytes(32),) * 64),
        dict(checkpoint=b""),
        dict(checkpoint=b"no newline"),
    ],
)
def test_what_could_not_be_read_is_not_written(fields):
    with pytest.raises(Malformed):
        TlogProof(**{"index": 0, "path": (), "checkpoint": b"c\n", **fields})


KEY = SignerKey.from_seed("example.org/log", bytes([1]) * 32)
ENTRIES = [b"entry %d" % i for i in range(11)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
PROOF = TlogProof(
    6,
    inclusion_path(LEAVES, 6),
    sign_checkpoint(Checkpoint(KEY.name, 11, tree_root(LEAVES)), KEY),
)
POLICY = Policy.from_bytes(write_policy(KEY.verifier, None, [], "none"))


def verify(data):
    """The four steps of tlog-proof, "Verifying a tlog proof"."""
    proof = TlogProof.from_bytes(data)
    head = POLICY.open(proof.checkpoint).checkpoint
    check_inclusion(
        leaf=LEAVES[6], index=proof.index, size=head.size, path=proof.path, root=head.root
    )


def test_a_proof_of_ours_holds():
    verify(PROOF.to_bytes())


def test_any_changed_byte_of_a_proof_is_refused():
    """Every byte, every bit: there is no slack anywhere in a proof's file."""
    data = PROOF.to_bytes()
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises((Malformed, Refused)):
                verify(bytes(changed))


def test_any_dropped_or_doubled_byte_of_a_proof_is_refused():
    data = PROOF.to_bytes()
    for at in range(len(data)):
        for changed in (data[:at] + data[at + 1 :], data[:at] + data[at : at + 1] + data[at:]):
            if changed == data:
                continue
            with pytest.raises((Malformed, Refused)):
                verify(changed)
