"""Receipts: what a collector tells a machine once its messages are committed.

The leaf says what is committed, the receipt leads from it to a signed root
(docs/formats.md, Receipt); the tree and the note are the anchor's rules. Pure.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import msgspec

from telemetry.canonical import b64, is_segment, quote, time_text, time_us, unb64
from telemetry.errors import NotCanonical

MAX_SEQ: Final = 2**63 - 1

_HASH_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class ReceiptLeaf:
    """One device's and session's part of a commit.

    `ranges` of seq are inclusive, ascending, with gaps between them; `bodies` is the digest
    of those messages' body hashes (32 bytes); `anchored_by` microseconds since the epoch.
    """

    collector: str
    device: str
    session: str
    ranges: tuple[tuple[int, int], ...]
    bodies: bytes
    anchored_by: int

    def to_bytes(self) -> bytes:
        """Write the leaf; NotCanonical where a value is none that a receipt can say."""
        _check(self)
        ranges = ",".join(f"[{first},{last}]" for first, last in self.ranges)
        return (
            f'{{"receipt":1,"collector":{quote(self.collector)},"device":{quote(self.device)}'
            f',"session":{quote(self.session)},"ranges":[{ranges}]'
            f',"bodies":"{b64(self.bodies)}","anchored_by":"{time_text(self.anchored_by)}"}}'
        ).encode("ascii")

    @staticmethod
    def from_bytes(data: bytes) -> "ReceiptLeaf":
        """Read a leaf; NotCanonical for anything that `to_bytes` would not write."""
        try:
            leaf = _LEAF.decode(data).leaf()
            written = leaf.to_bytes()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NotCanonical(f"not the leaf of a receipt: {error}") from None
        if written != data:
            raise NotCanonical("the leaf of a receipt is not in its canonical spelling")
        return leaf


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a machine gets: leaf, its index and path (32-byte hashes), the signed note."""

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Write the payload of a receipt; NotCanonical for a false index or hash."""
        if not 0 <= self.index <= MAX_SEQ:
            raise NotCanonical("a receipt's index is outside of its tree")
        if any(len(node) != _HASH_LENGTH for node in self.path):
            raise NotCanonical(f"a receipt's path holds hashes of {_HASH_LENGTH} bytes")
        path = ",".join(f'"{b64(node)}"' for node in self.path)
        try:
            leaf, note = quote(self.leaf.decode()), quote(self.note.decode())
        except UnicodeDecodeError as error:
            raise NotCanonical(f"a receipt's leaf and note are UTF-8: {error}") from None
        return f'{{"leaf":{leaf},"index":{self.index},"path":[{path}],"note":{note}}}'.encode()

    @staticmethod
    def from_bytes(data: bytes) -> "Receipt":
        """Read a receipt's payload; NotCanonical for anything that `to_bytes` would not write."""
        try:
            wire = _RECEIPT.decode(data)
            path = tuple(unb64(node) for node in wire.path)
            receipt = Receipt(wire.leaf.encode(), wire.index, path, wire.note.encode())
            written = receipt.to_bytes()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NotCanonical(f"not a receipt: {error}") from None
        if written != data:
            raise NotCanonical("a receipt is not in its canonical spelling")
        return receipt


def bodies_digest(body_hashes: Iterable[bytes]) -> bytes:
    """Hash body hashes, in order of seq, into what a leaf's `bodies` says."""
    return hashlib.sha256(b"".join(body_hashes)).digest()


def as_ranges(seqs: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Gather distinct numbers, in any order, into inclusive ascending ranges."""
    ranges: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if ranges and seq == ranges[-1][1]:
            raise NotCanonical(f"seq {seq} comes twice")
        if ranges and seq == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return tuple(ranges)


class _Leaf(msgspec.Struct, forbid_unknown_fields=True):
    receipt: Literal[1]
    collector: str
    device: str
    session: str
    ranges: tuple[tuple[int, int], ...]
    bodies: str
    anchored_by: str

    def leaf(self) -> ReceiptLeaf:
        return ReceiptLeaf(
            collector=self.collector,
            device=self.device,
            session=self.session,
            ranges=self.ranges,
            bodies=unb64(self.bodies),
            anchored_by=time_us(self.anchored_by),
        )


class _Receipt(msgspec.Struct, forbid_unknown_fields=True):
    leaf: str
    index: int
    path: tuple[str, ...]
    note: str


_LEAF: Final = msgspec.json.Decoder(_Leaf)
_RECEIPT: Final = msgspec.json.Decoder(_Receipt)


def _check(leaf: ReceiptLeaf) -> None:
    if not all(map(is_segment, (leaf.collector, leaf.device, leaf.session))):
        raise NotCanonical("a receipt's collector, device or session is no segment")
    if len(leaf.bodies) != _HASH_LENGTH:
        raise NotCanonical(f"a receipt's bodies is not a hash of {_HASH_LENGTH} bytes")
    if not leaf.ranges:
        raise NotCanonical("a receipt covers no message")
    if not all(0 <= first <= last <= MAX_SEQ for first, last in leaf.ranges):
        raise NotCanonical("a receipt's range is outside of 0 to 2^63-1, or runs backwards")
    # A gap between two ranges: touching ones would be one range, and so a second spelling.
    if not all(before[1] + 1 < after[0] for before, after in pairwise(leaf.ranges)):
        raise NotCanonical("a receipt's ranges are not ascending with gaps between them")
