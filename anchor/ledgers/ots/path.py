"""What an OpenTimestamps proof is made of: operations, attestations, paths of the one to the other.

A path says that a message, taken through its operations, becomes what somebody attests.
Nothing here knows a clock or a chain; the spelling of these parts on the wire is here too.
Source: the format that python-opentimestamps 0.4 reads and writes; there is no other text.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed

MAX_MESSAGE = 4096
MAX_OPERATIONS = 255
MAX_PAYLOAD = 8192
MAX_URI = 1000
MAX_NUMBER = 2**63 - 1

SHA1, RIPEMD160, SHA256, KECCAK256 = 0x02, 0x03, 0x08, 0x67
APPEND, PREPEND, REVERSE, HEXLIFY = 0xF0, 0xF1, 0xF2, 0xF3
DIGESTS = {SHA1: 20, RIPEMD160: 20, SHA256: 32}
"""The hashes that a file may be stamped by, and their lengths in bytes."""

_LENGTHS = {**DIGESTS, KECCAK256: 32}
_NAMES = {SHA1: "sha1", RIPEMD160: "ripemd160", SHA256: "sha256"}
_JOINS = frozenset({APPEND, PREPEND})

PENDING = bytes.fromhex("83dfe30d2ef90c8e")
BITCOIN = bytes.fromhex("0588960d73d71901")
LITECOIN = bytes.fromhex("06869a0d73d71b45")
ETHEREUM = bytes.fromhex("30fe8087b5c7ead7")
_TAG = 8
_CHAINS = frozenset({BITCOIN, LITECOIN, ETHEREUM})
# No query, no fragment, no user, no brackets: what a calendar's address may be made of.
_URI = re.compile(rb"[A-Za-z0-9._/:-]{0,%d}" % MAX_URI)


class Octets:
    """Bytes that are read once, from the front; Malformed where they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise Malformed(f"a timestamp ends at byte {len(self._data)}, within a part of it")
        self._at += count
        return taken

    def number(self) -> int:
        """An unsigned LEB128 number from 0 to 2**63-1, in its shortest spelling."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if value > MAX_NUMBER or (shift and not byte):
                raise Malformed("a number in a timestamp is above 2^63-1 or longer than it need be")
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more comes
                return value
            shift += 7

    def counted(self, most: int, what: str) -> bytes:
        """Bytes behind their own count, at most `most` of them."""
        count = self.number()
        if count > most:
            raise Malformed(f"{what} of {count} bytes; at most {most} are read")
        return self.take(count)

    def end(self) -> None:
        """Malformed unless all is read."""
        if self._at != len(self._data):
            raise Malformed(f"{len(self._data) - self._at} bytes follow the end of a timestamp")


def number_bytes(value: int) -> bytes:
    """The shortest unsigned LEB128 spelling of a number."""
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def counted_bytes(data: bytes) -> bytes:
    """Bytes behind their count."""
    return number_bytes(len(data)) + data


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One step from a message to the next: a hash, or bytes put before or behind it."""

    tag: int
    argument: bytes = b""

    def __post_init__(self) -> None:
        if self.tag in _JOINS:
            if not 1 <= len(self.argument) <= MAX_MESSAGE:
                raise Malformed(f"bytes to put to a message: 1 to {MAX_MESSAGE} are read")
        elif self.tag not in _LENGTHS and self.tag not in {REVERSE, HEXLIFY}:
            raise Malformed(f"a timestamp names an operation 0x{self.tag:02x}, which is not known")
        elif self.argument:
            raise Malformed(f"operation 0x{self.tag:02x} takes no bytes")

    @classmethod
    def read(cls, tag: int, octets: Octets) -> Self:
        """The operation of this tag, its bytes read."""
        return cls(tag, octets.counted(MAX_MESSAGE, "an operand") if tag in _JOINS else b"")

    def to_bytes(self) -> bytes:
        """Tag, and the operand behind its count where there is one."""
        return bytes([self.tag]) + (counted_bytes(self.argument) if self.argument else b"")

    def length(self, before: int) -> int:
        """How long a message of `before` bytes becomes; Malformed above 4,096."""
        after = _LENGTHS.get(self.tag, before + len(self.argument))
        if self.tag == HEXLIFY:
            after = 2 * before
        if after > MAX_MESSAGE:
            raise Malformed(f"a timestamp's message of {after} bytes; at most {MAX_MESSAGE} may be")
        return after

    def apply(self, message: bytes) -> bytes | None:
        """The message after this step; None where this Python cannot compute it.

        That is keccak256, which no Bitcoin path uses, and RIPEMD-160 where OpenSSL lacks it.
        """
        if self.tag == KECCAK256:
            return None
        if name := _NAMES.get(self.tag):
            try:
                # Timestamps rest on second preimages, which SHA-1 still withstands.
                return hashlib.new(name, message, usedforsecurity=False).digest()
            except ValueError:
                return None
        steps: dict[int, Callable[[], bytes]] = {
            APPEND: lambda: message + self.argument,
            PREPEND: lambda: self.argument + message,
            REVERSE: lambda: message[::-1],
            HEXLIFY: lambda: message.hex().encode(),
        }
        return steps[self.tag]()


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who attests a message: eight bytes that name the kind, and its payload as on the wire."""

    tag: bytes
    payload: bytes

    def __post_init__(self) -> None:
        if len(self.tag) != _TAG or len(self.payload) > MAX_PAYLOAD:
            raise Malformed(f"an attestation of more than {MAX_PAYLOAD} bytes, or a cut tag")
        octets = Octets(self.payload)
        if self.tag in _CHAINS:
            octets.number()
            octets.end()
        elif self.tag == PENDING:
            if not _URI.fullmatch(octets.counted(MAX_URI, "a calendar's address")):
                raise Malformed("a calendar's address holds characters that none may hold")
            octets.end()

    @classmethod
    def pending(cls, address: str) -> Self:
        """The promise of the calendar at this address."""
        return cls(PENDING, counted_bytes(address.encode()))

    @classmethod
    def bitcoin(cls, height: int) -> Self:
        """The Merkle root in the header of the Bitcoin block of this height."""
        return cls(BITCOIN, number_bytes(height))

    @classmethod
    def read(cls, octets: Octets) -> Self:
        """Tag and payload, from where the byte 0x00 has been read."""
        return cls(octets.take(_TAG), octets.counted(MAX_PAYLOAD, "an attestation"))

    def to_bytes(self) -> bytes:
        """Tag, and the payload behind its count."""
        return self.tag + counted_bytes(self.payload)

    @property
    def height(self) -> int:
        """The block's height, of an attestation by a chain."""
        return Octets(self.payload).number()

    @property
    def address(self) -> str:
        """The calendar's address, of a promise."""
        return Octets(self.payload).counted(MAX_URI, "an address").decode("ascii")

    def order(self) -> tuple[bytes, int | bytes]:
        """Where it stands among others beside it."""
        if self.tag in _CHAINS:
            return self.tag, self.height
        return self.tag, self.address.encode() if self.tag == PENDING else self.payload


@dataclass(frozen=True, slots=True)
class Path:
    """Operations from a message to what one attestation is about."""

    operations: tuple[Operation, ...]
    attestation: Attestation

    def order(self) -> tuple[object, ...]:
        """Where it stands among a timestamp's paths: attestations first, then operations."""
        steps = ((1, step.tag, step.argument) for step in self.operations)
        return (*steps, (0, *self.attestation.order()))

    def end(self, message: bytes) -> bytes | None:
        """What the attestation is about, from this message; None where that can't be computed."""
        reached: bytes | None = message
        for step in self.operations:
            if reached is None:
                return None
            reached = step.apply(reached)
        return reached
