"""Every format comes back as it was written, and what is read would be written the same."""

import ast
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes as digests
from cryptography.hazmat.primitives.asymmetric import ec
from format_table import FORMATS, LOG, damaged, heads, key_names, policies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import anchor
from anchor.cosignature import check_cosignature, cosign
from anchor.errors import AnchorError
from anchor.note import (
    COSIGNATURE,
    ECDSA,
    ML_DSA_44,
    Note,
    Signature,
    SignerKey,
    VerifierKey,
    sign_note,
)
from anchor.policy import Policy, write_policy
from anchor.policy_overlap import overlap, settle

READERS = {"from_bytes", "from_text", "from_path", "entries_from_path", "unpack_entries"}
READERS |= {"evidence_from_bytes"}
ROOT = Path(anchor.__file__).parent


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_what_is_written_is_read_back(form, data):
    value = data.draw(form.values)
    assert form.read(form.write(value)) == value


STRICT = [form for form in FORMATS if not form.loose]


@pytest.mark.parametrize("form", STRICT, ids=lambda form: form.name)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_read_would_be_written_the_same(form, data):
    """Damage is refused as what it is, or it is another value's one spelling."""
    changed = data.draw(damaged(form.write(data.draw(form.values))))
    try:
        value = form.read(changed)
    except (AnchorError, UnicodeDecodeError):
        return
    assert form.write(value) == changed


def test_no_module_that_reads_a_format_is_left_out():
    """A new reader in `anchor` has to be put into `format_table.FORMATS`."""
    reading = set()
    for path in ROOT.rglob("*.py"):
        names = {
            node.name for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef)
        }  # fmt: skip
        if names & READERS:
            reading.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    # These two read by `read` and `check`, since they check a signature first.
    # Outside ledgers' formats have their round trips beside their ledgers.
    reading = {name for name in reading if not name.startswith("ledgers.")}
    known = {form.module for form in FORMATS}
    missing = (reading | {"key_entry", "command"}) ^ known
    assert not missing, (
        f"put it into tests/anchor_formats/format_table.py, or take it out: {missing}"
    )


@settings(deadline=None, max_examples=30)
@given(heads, st.sampled_from([COSIGNATURE, ML_DSA_44]), key_names, st.integers(0, 2**63 - 1))
def test_a_cosignature_comes_back_with_its_time(head, algorithm, name, time):
    key = SignerKey.from_seed(name, bytes([9]) * 32, algorithm)
    note = Note.from_bytes(sign_note(head.to_text(), LOG))
    signed = Note.from_bytes(note.with_signatures(cosign(key, note.text, time)).to_bytes())
    assert check_cosignature(signed, key.verifier) == time


@settings(deadline=None, max_examples=60)
@given(policies().filter(lambda said: said[2]), st.data())
def test_a_witness_s_key_rotated_in_a_policy_leaves_the_rest(said, data):
    """Overlap, then settle: the policy of before with the new key, and the same quorum."""
    policy = write_policy(*said)
    before = Policy.from_bytes(policy)
    name = data.draw(st.sampled_from(sorted(before.witnesses)))
    key = SignerKey.from_seed("next.example", bytes([77]) * 32, COSIGNATURE).verifier
    both = overlap(policy, name, key)
    after = Policy.from_bytes(settle(both, name))
    assert (after.logs, after.operator, after.quorum) == (
        before.logs, before.operator, before.quorum,
    )  # fmt: skip
    assert {n: w.key for n, w in after.witnesses.items()} == {
        n: key if n == name else w.key for n, w in before.witnesses.items()
    }
    some = data.draw(st.sets(st.sampled_from(sorted(before.witnesses))))
    assert after.met_by(some) == before.met_by(some)
    either = {f"{name}-next" if n == name else n for n in some}
    assert Policy.from_bytes(both).met_by(either) == before.met_by(some)


@settings(deadline=None, max_examples=30)
@given(st.text(st.characters(min_codepoint=32, codec="utf-8"), max_size=20), st.integers(1, 99))
def test_a_note_signed_by_ecdsa_comes_back(text, scalar):
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    spki = VerifierKey("example.org/ecdsa", ECDSA, _spki(private))
    value = private.sign(f"{text}\n".encode(), ec.ECDSA(digests.SHA256()))
    note = Note(f"{text}\n", (Signature(spki.name, spki.id, value),))
    read = Note.from_bytes(note.to_bytes())
    assert read == note
    assert read.signed_by(VerifierKey.from_text(str(spki))).value == value


def _spki(private):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
