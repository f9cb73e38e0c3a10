"""What an OpenTimestamps receipt shows, and what none of its bytes can be made to show."""

import hashlib
import os

import pytest
from ots_counterpart import HASH, LEAST_WORK, Chain, append, in_block, prepend, promise
from test_ots_block import HELLO_HASH, HELLO_HEADER, HELLO_HEIGHT

from anchor.errors import Malformed, Refused
from anchor.ledgers.ots.block import BlockHeader, read_headers
from anchor.ledgers.ots.file import MAGIC
from anchor.ledgers.ots.voucher import NEVER, OtsVoucher, attested

NOTE = b"example.org/log\n3\nroot\n\nsignatures\n"


def ots(note, tree, by=b"\x08"):
    return MAGIC + b"\x01" + by + hashlib.sha256(note).digest() + tree


@pytest.fixture(scope="module")
def chain():
    chain = Chain()
    yield chain
    chain.close()


def stamped(chain, note=NOTE):
    """Tree and height of a block over this note."""
    nonce, beside = os.urandom(16), os.urandom(32)
    message = hashlib.sha256(hashlib.sha256(note).digest() + nonce).digest()
    root = hashlib.sha256(beside + message).digest()
    height = chain.mine(root)
    return append(nonce) + HASH + prepend(beside) + HASH + in_block(height), height


def voucher(chain):
    return OtsVoucher("btc", read_headers(chain.pinned(), LEAST_WORK))


@pytest.mark.vectors
def test_hello_world_verifies_against_its_block(vectors):
    folder = vectors / "ots"
    headers = {HELLO_HEIGHT: BlockHeader.from_hex(HELLO_HEADER, 1 << 67)}
    note, receipt = (folder / "hello-world.txt").read_bytes(), folder / "hello-world.txt.ots"
    stamp = OtsVoucher("btc", headers).check(note, receipt.read_bytes())
    assert (stamp.ledger, stamp.kind, stamp.lacking) == ("btc", "ots", None)
    # What the miner says, and the two hours that it may be early.
    assert stamp.time == 1_432_827_678 + 7200
    said = f"Bitcoin block {HELLO_HEIGHT}, {HELLO_HASH}, of 2015-05-28T15:41:18.000000Z"
    assert stamp.voucher == said
    assert "two hours" in stamp.not_shown[0]
    assert "2^67" in stamp.not_shown[1]
    with pytest.raises(Refused, match="of another checkpoint"):
        OtsVoucher("btc", headers).check(note + b"\n", receipt.read_bytes())


@pytest.mark.vectors
def test_the_well_formed_false_example_is_refused(vectors):
    folder = vectors / "ots"
    headers = {HELLO_HEIGHT: BlockHeader.from_hex(HELLO_HEADER, 1 << 67)}
    note, receipt = folder / "bad-stamp.txt", folder / "bad-stamp.txt.ots"
    with pytest.raises(Refused, match="leads to the Merkle root 1bb49db8"):
        OtsVoucher("btc", headers).check(note.read_bytes(), receipt.read_bytes())


@pytest.mark.vectors
def test_no_promise_and_no_unknown_word_counts(vectors):
    folder, counted = vectors / "ots", 0
    for receipt in folder.glob("*.txt.ots"):
        note = receipt.with_suffix("")
        if note.name in {"hello-world.txt", "bad-stamp.txt", "different-blockchains.txt"}:
            continue
        with pytest.raises(Refused, match="no Bitcoin attestation"):
            OtsVoucher("btc").check(note.read_bytes(), receipt.read_bytes())
        counted += 1
    assert counted == 7


@pytest.mark.vectors
def test_a_file_stamped_by_sha1_is_no_receipt(vectors):
    folder = vectors / "ots/sha1"
    for name in "ab":
        with pytest.raises(Refused, match="of another checkpoint"):
            OtsVoucher("btc").check(
                (folder / name).read_bytes(), (folder / "a-or-b.ots").read_bytes()
            )


def test_without_the_header_the_stamp_says_which_one_is_lacking(chain):
    tree, height = stamped(chain)
    stamp = OtsVoucher("btc").check(NOTE, ots(NOTE, tree))
    (claim,) = attested(NOTE, ots(NOTE, tree))
    assert stamp.lacking == (
        f"its header, with the Merkle root {claim.root[::-1].hex()}, is not known here"
    )
    assert stamp.voucher == f"Bitcoin block {height}"
    assert stamp.time == NEVER  # bounds nothing for whoever overlooks what is lacking


def test_the_earliest_of_several_blocks_counts_and_each_must_hold(chain):
    (one, early), (two, late) = stamped(chain), stamped(chain)
    both = b"\xff" + min(one, two) + max(one, two)
    stamp = voucher(chain).check(NOTE, ots(NOTE, both))
    assert stamp.time == int.from_bytes(chain.headers_at[early][68:72], "little") + 7200
    assert str(early) in stamp.voucher
    (false, _) = stamped(chain, b"another note\n")
    with pytest.raises(Refused, match="does not hold"):
        voucher(chain).check(NOTE, ots(NOTE, b"\xff" + min(one, false) + max(one, false)))
    # One header alone is enough, and what it does not speak of adds nothing.
    known = voucher(chain).headers
    stamp = OtsVoucher("btc", {late: known[late]}).check(NOTE, ots(NOTE, both))
    assert str(late) in stamp.voucher


def test_a_header_of_another_chain_vouches_for_nothing(chain):
    tree, height = stamped(chain)
    other = Chain(first=height)
    try:
        other.mine(bytes(32))
        with pytest.raises(Refused, match="does not hold"):
            voucher(other).check(NOTE, ots(NOTE, tree))
    finally:
        other.close()


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        (promise("https://alice.btc.calendar.opentimestamps.org"), "no Bitcoin attestation"),
        (b"\x67" + in_block(7), "not computed here"),
        (append(b"x") + in_block(7), "33 bytes"),
    ],
)
def test_a_well_formed_file_that_shows_nothing_is_refused(tree, why):
    with pytest.raises(Refused, match=why):
        OtsVoucher("btc").check(NOTE, ots(NOTE, tree))


def test_what_is_no_ots_file_is_malformed():
    for data in (b"", b"\x00OpenTimestamps", NOTE, ots(NOTE, in_block(7))[:-1]):
        with pytest.raises(Malformed):
            OtsVoucher("btc").check(NOTE, data)


def test_every_changed_byte_of_a_receipt_is_refused_or_bounds_nothing(chain):
    tree, _ = stamped(chain)
    receipt, judge = ots(NOTE, tree), voucher(chain)
    true = judge.check(NOTE, receipt)
    refused = lacking = 0
    for where in range(len(receipt)):
        for flip in (1, 0x80, 0xFF):
            changed = bytearray(receipt)
            changed[where] ^= flip
            try:
                stamp = judge.check(NOTE, bytes(changed))
            except (Malformed, Refused):
                refused += 1
                continue
            # Only the height is left: of a block that nobody pinned.
            assert stamp.lacking is not None
            assert where >= len(receipt) - 3
            lacking += 1
    assert judge.check(NOTE, receipt) == true
    assert refused + lacking == 3 * len(receipt)
    print(f"{refused} changes refused, {lacking} name a block without a header")  # noqa: T201 - counts, for who reads along


def test_a_receipt_of_another_checkpoint_is_refused(chain):
    tree, _ = stamped(chain)
    with pytest.raises(Refused, match="of another checkpoint"):
        voucher(chain).check(b"another\n", ots(NOTE, tree))
    # With its digest exchanged as well it leads elsewhere.
    with pytest.raises(Refused, match="does not hold"):
        voucher(chain).check(b"another\n", ots(b"another\n", tree))
