"""OpenTimestamps' format: third parties' files, round trips, bounds, one spelling."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ots_counterpart import HASH, append, counted, in_block, number, prepend, promise

from anchor.errors import Malformed
from anchor.ledgers.ots.file import MAGIC, MAX_FILE, MAX_PATHS, OtsFile, Timestamp
from anchor.ledgers.ots.path import (
    APPEND,
    BITCOIN,
    ETHEREUM,
    HEXLIFY,
    KECCAK256,
    PREPEND,
    REVERSE,
    RIPEMD160,
    SHA1,
    SHA256,
    Attestation,
    Operation,
    Path,
)

# The Merkle roots of two blocks as explorers show them: they must be what the files lead to.
HELLO = (358_391, "8a1b66ecb7cbd07d8139a7e7d7f2c41aab1f5009b8364aaf61d03ad245e47e00")
BITCOIN_PDF = (465_751, "98989f8d2e522d52356cf14ade63bdab44687dd0c4c8e3722c3f39bf726b0876")

# What each file holds: the kinds of its attestations, in order.
EXAMPLES = {
    "bad-stamp.txt.ots": ["bitcoin"],
    "bitcoin.pdf.ots": ["bitcoin"],
    "different-blockchains.txt.ots": ["pending", "ethereum", "pending", "bitcoin"],
    "empty.ots": ["bitcoin"],
    "gdp2q25-2nd.pdf.ots": ["bitcoin"],
    "hello-world.txt.ots": ["bitcoin"],
    "incomplete.txt.ots": ["pending"],
    "known-and-unknown-notary.txt.ots": ["pending", "unknown"],
    "merkle1.txt.ots": ["pending", "pending"],
    "merkle2.txt.ots": ["pending", "pending"],
    "merkle3.txt.ots": ["pending", "pending"],
    "sha1/a-or-b.ots": ["pending", "bitcoin", "pending", "pending"],
    "two-calendars.txt.ots": ["pending", "pending"],
    "unknown-notary.txt.ots": ["unknown"],
}
INVALID = {
    "bad-major-version.ots": "version 1151",
    "exceeds-max-msg-length.ots": "4112 bytes",
    "invalid-file-digest-type.ots": "0xf3",
}
KINDS = {BITCOIN.hex(): "bitcoin", ETHEREUM.hex(): "ethereum", "83dfe30d2ef90c8e": "pending"}


@pytest.mark.vectors
def test_every_published_example_is_read_and_written_byte_for_byte(vectors):
    folder = vectors / "ots"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.ots")}
    assert found == set(EXAMPLES) | {f"invalid/{name}" for name in INVALID}
    for name, kinds in EXAMPLES.items():
        data = (folder / name).read_bytes()
        opened = OtsFile.from_bytes(data)
        assert opened.to_bytes() == data, name
        tags = [path.attestation.tag.hex() for path in opened.timestamp.paths]
        assert [KINDS.get(tag, "unknown") for tag in tags] == kinds, name
    print(f"read {len(EXAMPLES)} files of OpenTimestamps, refused {len(INVALID)}")  # noqa: T201 - counts, for who reads along


@pytest.mark.vectors
@pytest.mark.parametrize("name", INVALID)
def test_every_invalid_example_is_refused(vectors, name):
    with pytest.raises(Malformed, match=INVALID[name]):
        OtsFile.from_bytes((vectors / "ots/invalid" / name).read_bytes())


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "block"), [("hello-world.txt", HELLO), ("bitcoin.pdf", BITCOIN_PDF)]
)
def test_a_published_file_leads_to_the_merkle_root_of_its_block(vectors, name, block):
    opened = OtsFile.from_bytes((vectors / "ots" / f"{name}.ots").read_bytes())
    (path,) = opened.timestamp.bitcoin()
    assert (path.attestation.height, path.end(opened.digest)[::-1].hex()) == block


@pytest.mark.vectors
def test_the_examples_are_of_the_files_beside_them(vectors):
    folder, checked = vectors / "ots", 0
    for name in EXAMPLES:
        data = folder / name.removesuffix(".ots")
        if data.is_file() and name != "empty.ots":
            digest = OtsFile.from_bytes((folder / name).read_bytes()).digest
            assert digest == hashlib.sha256(data.read_bytes()).digest(), name
            checked += 1
    collision = OtsFile.from_bytes((folder / "sha1/a-or-b.ots").read_bytes())
    for name in "ab":
        assert hashlib.sha1((folder / "sha1" / name).read_bytes()).digest() == collision.digest
    assert checked == 10


# --- round trips -------------------------------------------------------------------------

bits = st.binary(min_size=1, max_size=40)
operations = st.one_of(
    st.builds(Operation, st.sampled_from([APPEND, PREPEND]), bits),
    st.builds(Operation, st.sampled_from([SHA1, RIPEMD160, SHA256, KECCAK256, REVERSE])),
)
addresses = st.text("abcxyz019.-_:/", max_size=30)
attestations = st.one_of(
    st.builds(Attestation.bitcoin, st.integers(0, 2**63 - 1)),
    st.builds(Attestation.pending, addresses),
    st.builds(Attestation, st.just(bytes(range(8))), st.binary(max_size=60)),
)
paths = st.builds(Path, st.lists(operations, max_size=6).map(tuple), attestations)
timestamps = st.lists(paths, min_size=1, max_size=12).map(Timestamp.of)


@given(timestamps, st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read_as_it_was(timestamp, digest):
    data = OtsFile(digest, timestamp).to_bytes()
    assert OtsFile.from_bytes(data) == OtsFile(digest, timestamp)


@settings(max_examples=300)
@given(timestamps, st.data())
def test_changed_bytes_are_refused_or_are_another_files_one_spelling(timestamp, data):
    whole = bytearray(OtsFile(bytes(32), timestamp).to_bytes())
    where = data.draw(st.integers(0, len(whole) - 1))
    whole[where] ^= data.draw(st.integers(1, 255))
    try:
        opened = OtsFile.from_bytes(bytes(whole))
    except Malformed:
        return
    assert opened.to_bytes() == bytes(whole)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(data):
    for whole in (data, MAGIC + b"\x01\x08" + bytes(32) + data):
        with suppress(Malformed):
            assert OtsFile.from_bytes(whole).to_bytes() == whole


@given(timestamps)
def test_every_cut_and_every_tail_is_refused(timestamp):
    whole = OtsFile(bytes(32), timestamp).to_bytes()
    for cut in range(len(whole)):
        with pytest.raises(Malformed):
            OtsFile.from_bytes(whole[:cut])
    with pytest.raises(Malformed):
        OtsFile.from_bytes(whole + b"\x00")


# --- one spelling, bounds ----------------------------------------------------------------


def read(data, message=32):
    return Timestamp.from_bytes(data, message)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff" + in_block(8) + in_block(7), "not in their order"),
        (b"\xff" + in_block(7) + in_block(7), "there twice"),
        (b"\xff" + HASH + in_block(7) + in_block(8), "not in their order"),
        (b"\xff" + append(b"b") + in_block(7) + append(b"a") + in_block(7), "not in their order"),
        (b"\xff" + HASH + in_block(7) + HASH + in_block(8), "not in their order"),
        (b"\x00" + BITCOIN + counted(b"\x80\x00"), "longer than it need be"),
        (b"\x00" + BITCOIN + counted(number(2**63)), "above 2"),
        (b"\x00" + BITCOIN + counted(number(7) + b"\x00"), "1 bytes follow"),
        (b"\x00" + BITCOIN + b"\x81\x00" + b"\x07", "longer than it need be"),
        (promise("https://calendar.example/?digest"), "characters"),
        (promise("https://me@calendar.example"), "characters"),
        (promise("a" * 1001), "1001 bytes"),
        (b"\x00" + bytes(8) + counted(bytes(8193)), "8193 bytes"),
        (b"\xf0\x00" + in_block(7), "1 to 4096"),
        (append(bytes(4065)) + in_block(7), "4097 bytes"),
        (append(bytes(2017)) + bytes([HEXLIFY]) + in_block(7), "4098 bytes"),
        (b"\x42" + in_block(7), "0x42"),
        (HASH * 256 + in_block(7), "255 operations"),
        (b"".join(b"\xff" + in_block(n) for n in range(MAX_PATHS)) + in_block(256), "256 paths"),
        (b"\xff" * 1000, "0xff"),
        (b"", "ends at byte 0"),
    ],
)
def test_what_no_writer_writes_is_refused(data, why):
    with pytest.raises(Malformed, match=why):
        read(data)


def test_the_bounds_themselves_are_read():
    deepest = read(HASH * 255 + in_block(7))
    assert len(deepest.paths[0].operations) == 255
    widest = read(b"".join(b"\xff" + in_block(n) for n in range(MAX_PATHS - 1)) + in_block(255))
    assert len(widest.paths) == MAX_PATHS
    longest = read(append(bytes(4064)) + in_block(7))
    assert len(longest.paths[0].end(bytes(32))) == 4096
    with pytest.raises(Malformed, match="at most 65536"):
        OtsFile.from_bytes(MAGIC + bytes(MAX_FILE))


def test_each_operation_does_what_its_name_says():
    message = b"message"
    steps = {
        Operation(APPEND, b"!"): b"message!",
        Operation(PREPEND, b"a "): b"a message",
        Operation(REVERSE): b"egassem",
        Operation(HEXLIFY): b"6d657373616765",
        Operation(SHA1): hashlib.sha1(message).digest(),
        Operation(SHA256): hashlib.sha256(message).digest(),
        Operation(KECCAK256): None,
    }
    for step, after in steps.items():
        assert step.apply(message) == after
        assert step.length(len(message)) == (32 if after is None else len(after))
    end = Path((Operation(KECCAK256), Operation(SHA256)), Attestation.bitcoin(7)).end(message)
    assert end is None


def test_a_timestamp_behind_other_steps_is_the_same_tree():
    inner = read(b"\xff" + in_block(7) + prepend(b"x") + in_block(8))
    outer = inner.after(Operation(APPEND, b"n"), Operation(SHA256))
    assert outer.to_bytes() == append(b"n") + HASH + inner.to_bytes()
