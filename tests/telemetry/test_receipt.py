"""Receipts have one encoding; ranges and digests say exactly which messages."""

import hashlib
import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.canonical import END_OF_TIME
from telemetry.errors import NotCanonical
from telemetry.receipt import Receipt, ReceiptLeaf, as_ranges, bodies_digest

SEGMENTS = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32)
SEQS = st.sets(st.integers(0, 60) | st.integers(2**63 - 5, 2**63 - 1), min_size=1)
LEAVES = st.builds(
    ReceiptLeaf,
    collector=SEGMENTS,
    device=SEGMENTS,
    session=SEGMENTS,
    ranges=SEQS.map(as_ranges),
    bodies=HASHES,
    anchored_by=st.integers(0, END_OF_TIME - 1),
)
RECEIPTS = st.builds(
    Receipt,
    leaf=LEAVES.map(ReceiptLeaf.to_bytes),
    index=st.integers(0, 2**63 - 1),
    path=st.lists(HASHES, max_size=4).map(tuple),
    note=st.text(st.characters(codec="utf-8"), max_size=40).map(str.encode),
)

LEAF = ReceiptLeaf("file-0", "mill-1", "s", ((0, 41), (43, 50)), bytes(32), 1795420800000001)
RECEIPT = Receipt(LEAF.to_bytes(), 1, (bytes(32), b"\xff" * 32), "a\nb\n\n— x y\n".encode())


@given(SEQS)
def test_ranges_cover_the_numbers_and_nothing_else(seqs):
    ranges = as_ranges(seqs)
    covered = [seq for first, last in ranges for seq in range(first, last + 1)]
    assert covered == sorted(seqs)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(ranges))


def test_ranges_of_nothing_and_of_a_number_twice():
    assert as_ranges([]) == ()
    with pytest.raises(NotCanonical, match="twice"):
        as_ranges([3, 4, 3])


@given(st.lists(HASHES))
def test_bodies_are_hashed_in_the_order_given(hashes):
    assert bodies_digest(iter(hashes)) == hashlib.sha256(b"".join(hashes)).digest()


@given(LEAVES)
def test_leaves_come_back(leaf):
    data = leaf.to_bytes()
    assert ReceiptLeaf.from_bytes(data) == leaf
    assert json.dumps(json.loads(data), separators=(",", ":")).encode() == data


@given(RECEIPTS)
def test_receipts_come_back(receipt):
    data = receipt.to_bytes()
    assert Receipt.from_bytes(data) == receipt
    assert json.dumps(json.loads(data), separators=(",", ":")).encode() == data


def test_both_have_the_documented_spelling():
    assert LEAF.to_bytes() == (
        b'{"receipt":1,"collector":"file-0","device":"mill-1","session":"s",'
        b'"ranges":[[0,41],[43,50]],"bodies":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        b'"anchored_by":"2026-11-23T08:00:00.000001Z"}'
    )
    assert replace(RECEIPT, leaf=b'{"a":1}').to_bytes() == (
        b'{"leaf":"{\\"a\\":1}","index":1,'
        b'"path":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        b'"//////////////////////////////////////////8="],'
        b'"note":"a\\nb\\n\\n\\u2014 x y\\n"}'
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"collector": "A"}, "no segment"),
        ({"device": ""}, "no segment"),
        ({"session": "a/b"}, "no segment"),
        ({"ranges": ()}, "no message"),
        ({"ranges": ((1, 0),)}, "backwards"),
        ({"ranges": ((-1, 0),)}, "outside"),
        ({"ranges": ((0, 2**63),)}, "outside"),
        ({"ranges": ((0, 1), (2, 3))}, "gaps"),
        ({"ranges": ((0, 5), (5, 6))}, "gaps"),
        ({"ranges": ((4, 5), (0, 1))}, "gaps"),
        ({"bodies": bytes(31)}, "32 bytes"),
        ({"anchored_by": -1}, "years"),
    ],
)
def test_a_leaf_that_says_nothing_true_is_not_written(changes, reason):
    with pytest.raises(NotCanonical, match=reason):
        replace(LEAF, **changes).to_bytes()


@pytest.mark.parametrize(
    "changes",
    [{"index": -1}, {"index": 2**63}, {"path": (bytes(31),)}, {"leaf": b"\xff"}, {"note": b"\xff"}],
)
def test_a_receipt_that_no_tree_has_is_not_written(changes):
    with pytest.raises(NotCanonical):
        replace(RECEIPT, **changes).to_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"receipt":1', b'"receipt":2'),
        (b'"receipt":1', b'"receipt":1.0'),
        (b'"receipt":1,', b""),
        (b"[0,41]", b"[0,41,42]"),
        (b"[0,41]", b"[0]"),
        (b"[0,41]", b"[0,041]"),
        (b"[0,41],[43,50]", b"[0,41],[42,50]"),
        (b"[0,41],[43,50]", b"[43,50],[0,41]"),
        (b"[[0,41],[43,50]]", b"[]"),
        (b"[[0,41],[43,50]]", b"[" * 100_000),
        (b"AAA=", b"AAB="),
        (b"AAA=", b"AAA"),
        (b"0001Z", b"0001z"),
        (b'"s"', b'"\\u0073"'),
        (b'"session":"s"', b'"session":"s","session":"s"'),
        (b'"session":"s"', b'"session":"s","more":1'),
        (b'"session":"s"', b'"session": "s"'),
    ],
)
def test_another_spelling_of_a_leaf_is_refused(old, new):
    data = LEAF.to_bytes()
    assert old in data
    with pytest.raises(NotCanonical):
        ReceiptLeaf.from_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"index":1', b'"index":01'),
        (b'"index":1', b'"index":1.0'),
        (b'"index":1', b'"index":-1'),
        (b'"index":1', b'"index":1,"index":1'),
        (b'"index":1,', b""),
        (b'AAA="', b'AAB="'),
        (b'AAA="', b'AA=="'),
        (b'"path":[', b'"path":[null,'),
        (b"\\u2014", "—".encode()),
        (b"\\u2014", b"\\u2014\\ud800"),
        (b'"note"', b'"more":1,"note"'),
        (b'{"leaf"', b' {"leaf"'),
    ],
)
def test_another_spelling_of_a_receipt_is_refused(old, new):
    data = RECEIPT.to_bytes()
    assert old in data
    with pytest.raises(NotCanonical):
        Receipt.from_bytes(data.replace(old, new, 1))


@given(st.binary(max_size=100))
def test_garbage_is_refused(data):
    for read in (Receipt.from_bytes, ReceiptLeaf.from_bytes):
        with pytest.raises(NotCanonical):
            read(data)
