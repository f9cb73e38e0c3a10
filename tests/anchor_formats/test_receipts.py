"""Receipts: one signature a commit, a path each, and only certified keys."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import Malformed, Refused
from anchor.key_entry import OperatorAuthority, enrol, revoke
from anchor.merkle import inclusion_path, leaf_hash, tree_root
from anchor.note import Note, SignerKey
from anchor.receipts import ReceiptHead, ReceiptTree, ReceiptVerifier
from telemetry.canonical import b64
from telemetry.receipt import Receipt, ReceiptLeaf
from telemetry.signature import SigningKey

ORIGIN = "example.org/log"
OPERATOR = SignerKey.from_seed(f"{ORIGIN}/operator", bytes([2]) * 32)
KEY = SignerKey.from_seed(f"{ORIGIN}/collector/c1", bytes([6]) * 32)
OTHER = SignerKey.from_seed(f"{ORIGIN}/collector/c2", bytes([7]) * 32)
TIME = 1_764_000_000_000_000


def leaf(device, collector="c1"):
    return ReceiptLeaf(collector, device, "s0", ((0, 41), (43, 50)), bytes(32), TIME)


def leaves(count):
    return [leaf(f"machine-{i:03d}").to_bytes() for i in range(count)]


def enrolment(name, key, operator=OPERATOR, kind="collector"):
    return enrol(operator=operator, kind=kind, name=name, key=key, time=TIME)


@pytest.fixture
def verifier():
    found = ReceiptVerifier(OPERATOR.verifier, ORIGIN)
    found.admit(enrolment("c1", KEY))
    return found


@settings(deadline=None)
@given(st.integers(1, 40))
def test_every_receipt_of_a_commit_holds(count):
    verifier = ReceiptVerifier(OPERATOR.verifier, ORIGIN)
    verifier.admit(enrolment("c1", KEY))
    sealed = ReceiptTree(KEY).seal(leaves(count))
    assert [verifier.check(payload).to_bytes() for payload in sealed] == leaves(count)
    hashes = [leaf_hash(data) for data in leaves(count)]
    for index, payload in enumerate(sealed):
        receipt = Receipt.from_bytes(payload)
        assert receipt.index == index
        assert receipt.path == inclusion_path(hashes, index)


def test_the_head_is_the_format_s():
    note = Receipt.from_bytes(ReceiptTree(KEY).seal(leaves(3))[0]).note
    root = b64(tree_root([leaf_hash(data) for data in leaves(3)]))
    assert Note.from_bytes(note).text == f"factoryledger receipts v1\n{KEY.name}\n3\n{root}\n"


def test_an_empty_commit_has_no_receipts():
    assert ReceiptTree(KEY).seal([]) == []


def test_one_signature_is_verified_a_commit(verifier):
    """A head is taken by its exact bytes once its signature has held."""
    sealed = ReceiptTree(KEY).seal(leaves(5))
    verifier.check(sealed[0])
    assert len(verifier._heads) == 1
    for payload in sealed:
        verifier.check(payload)
    assert len(verifier._heads) == 1
    for count in range(1, 1100):
        verifier.check(ReceiptTree(KEY).seal([leaf(f"m{count}").to_bytes()])[0])
    assert len(verifier._heads) == 1024


def test_without_a_certified_key_nothing_holds(verifier):
    sealed = ReceiptTree(OTHER).seal([leaf("m", "c2").to_bytes()])[0]
    with pytest.raises(Refused, match="ledger/collector"):
        verifier.check(sealed)
    verifier.admit(enrolment("c2", OTHER))
    assert verifier.check(sealed).collector == "c2"


def test_a_receipt_may_name_another_collector_whose_log_holds_the_messages(verifier):
    """A duplicate was committed under another id; who signs answers for what it says."""
    verifier.admit(enrolment("c2", OTHER))
    sealed = ReceiptTree(OTHER).seal([leaf("m", "c1").to_bytes()])[0]
    assert verifier.check(sealed).collector == "c1"


def test_a_collector_takes_no_second_enrolment(verifier):
    """What no collector applies and no log holds must not certify receipts."""
    new = SignerKey.generate(KEY.name)
    with pytest.raises(Refused, match="does not fit"):
        verifier.admit(enrolment("c1", new))
    with pytest.raises(Refused):
        verifier.check(ReceiptTree(new).seal(leaves(2))[1])
    verifier.admit(enrolment("c1", KEY))
    verifier.check(ReceiptTree(KEY).seal(leaves(2))[1])


def later_enrolment():
    """A second entry for the collector's own key."""
    return enrol(operator=OPERATOR, kind="collector", name="c1", key=KEY, time=TIME + 1)


def revocation(name, entry):
    prior = OperatorAuthority(OPERATOR.verifier).read(entry).hash
    return revoke(operator=OPERATOR, kind="collector", name=name, prior=prior, time=TIME)


@pytest.mark.parametrize("known", [True, False])
def test_a_second_enrolment_does_not_outlive_the_revocation(known):
    verifier = ReceiptVerifier(OPERATOR.verifier, ORIGIN)
    if known:
        verifier.admit(enrolment("c1", KEY))
    verifier.admit(revocation("c1", enrolment("c1", KEY)))
    with pytest.raises(Refused, match="does not fit"):
        verifier.admit(later_enrolment())
    with pytest.raises(Refused):
        verifier.check(ReceiptTree(KEY).seal(leaves(2))[0])


@pytest.mark.parametrize(
    "false", [revocation("c1", later_enrolment()), revocation("c2", enrolment("c1", KEY))]
)
def test_a_revocation_of_another_entry_ends_nothing(verifier, false):
    with suppress(Refused):
        verifier.admit(false)
    verifier.check(ReceiptTree(KEY).seal(leaves(2))[0])


def test_a_revoked_key_holds_no_longer(verifier):
    """Even a head that was taken before."""
    sealed = ReceiptTree(KEY).seal(leaves(2))[0]
    verifier.check(sealed)
    entry = enrolment("c1", KEY)
    prior = OperatorAuthority(OPERATOR.verifier).read(entry).hash
    verifier.admit(revoke(operator=OPERATOR, kind="collector", name="c1", prior=prior, time=TIME))
    with pytest.raises(Refused):
        verifier.check(sealed)
    # The retained enrolment comes again after every reconnect.
    verifier.admit(entry)
    with pytest.raises(Refused):
        verifier.check(sealed)


def test_only_the_operator_certifies_collectors(verifier):
    impostor = SignerKey.generate(OPERATOR.name)
    with pytest.raises(Refused):
        verifier.admit(enrolment("c2", OTHER, operator=impostor))
    with pytest.raises(Refused, match="not for a collector"):
        verifier.admit(enrolment("m", SigningKey.generate(), kind="device"))
    with pytest.raises(Malformed):
        verifier.admit(b"garbage")


def test_another_leaf_index_path_or_note_is_refused(verifier):
    sealed = [Receipt.from_bytes(payload) for payload in ReceiptTree(KEY).seal(leaves(5))]
    good = sealed[1]
    later = Receipt.from_bytes(ReceiptTree(KEY).seal(leaves(4))[1])
    for bad in (
        replace(good, leaf=sealed[2].leaf),
        replace(good, index=2),
        replace(good, index=5),
        replace(good, path=sealed[2].path),
        replace(good, path=good.path[:-1]),
        replace(good, path=(*good.path, bytes(32))),
        replace(good, note=later.note),
    ):
        with pytest.raises(Refused):
            verifier.check(bad.to_bytes())


def test_any_changed_byte_is_refused(verifier):
    sealed = ReceiptTree(KEY).seal(leaves(3))[1]
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises((Malformed, Refused)):
            verifier.check(bytes(changed))


HEAD = ReceiptHead(KEY.name, 3, bytes(32)).to_text()


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "more\n",
        HEAD[:-1],
        HEAD.replace("v1", "v2"),
        HEAD.replace("\n3\n", "\n03\n"),
        HEAD.replace("\n3\n", "\n0\n"),
        HEAD.replace(KEY.name, ""),
        HEAD.replace(KEY.name, "example.org log"),
    ],
)
def test_a_head_has_one_spelling(text):
    with pytest.raises(Malformed):
        ReceiptHead.from_text(text)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_garbage_is_malformed(verifier, payload):
    with pytest.raises(Malformed):
        verifier.check(payload)
