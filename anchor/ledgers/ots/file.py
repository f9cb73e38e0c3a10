"""OpenTimestamps timestamps and detached `.ots` files, byte for byte.

A timestamp is held as the set of its paths; on the wire it is the tree of them, each common
beginning written once, attestations before operations, both in order. One spelling:
`from_bytes` refuses what `to_bytes` would not write. Depth, paths and lengths are bounded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from anchor.errors import Malformed
from anchor.ledgers.ots.path import (
    BITCOIN,
    DIGESTS,
    MAX_OPERATIONS,
    PENDING,
    SHA256,
    Attestation,
    Octets,
    Operation,
    Path,
)

MAX_FILE = 1 << 16
MAX_PATHS = 256
MAGIC = b"\x00OpenTimestamps\x00\x00Proof\x00" + bytes.fromhex("bf89e2e884e89294")
_MAJOR = 1
_FORK, _LEAF = 0xFF, 0x00


@dataclass(frozen=True, slots=True)
class Timestamp:
    """All paths from one message, 1 to 256, in the order in which they are written."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self:
        """The timestamp of these paths; Malformed for none or too many."""
        ordered = tuple(sorted(set(paths), key=Path.order))
        if not 1 <= len(ordered) <= MAX_PATHS:
            raise Malformed(f"a timestamp of {len(ordered)} paths; 1 to {MAX_PATHS} are read")
        return cls(ordered)

    @classmethod
    def from_bytes(cls, data: bytes, message: int) -> Self:
        """Read a timestamp of a message of `message` bytes, as a calendar answers."""
        octets = Octets(data)
        timestamp = cls.of(_read_paths(octets, message))
        octets.end()
        if timestamp.to_bytes() != data:
            raise Malformed("a timestamp's branches are not in their order, or one is there twice")
        return timestamp

    def to_bytes(self) -> bytes:
        """The tree on the wire, without the message."""
        out = bytearray()
        todo = _branches(self.paths, 0)
        while todo:
            more, depth, group = todo.pop()
            if more:
                out.append(_FORK)
            path = group[0]
            if depth == len(path.operations):
                out.append(_LEAF)
                out += path.attestation.to_bytes()
            else:
                out += path.operations[depth].to_bytes()
                todo += _branches(group, depth + 1)
        return bytes(out)

    def after(self, *steps: Operation) -> Self:
        """The timestamp of the message that becomes this one's by these steps."""
        return type(self)(tuple(Path(steps + p.operations, p.attestation) for p in self.paths))

    def pending(self) -> tuple[Path, ...]:
        """The paths that end in a calendar's promise."""
        return tuple(path for path in self.paths if path.attestation.tag == PENDING)

    def bitcoin(self) -> tuple[Path, ...]:
        """The paths that end in a Bitcoin block."""
        return tuple(path for path in self.paths if path.attestation.tag == BITCOIN)


@dataclass(frozen=True, slots=True)
class OtsFile:
    """A detached `.ots` file: the hash of a file's bytes, and that hash's timestamp."""

    digest: bytes
    timestamp: Timestamp
    hash: int = SHA256

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a file; Malformed unless `to_bytes` would write it."""
        if len(data) > MAX_FILE:
            raise Malformed(f"an .ots file of {len(data)} bytes; at most {MAX_FILE} are read")
        octets = Octets(data)
        if not data.startswith(MAGIC):
            raise Malformed("no .ots file: it does not begin as OpenTimestamps files do")
        octets.take(len(MAGIC))
        version = octets.number()
        if version != _MAJOR:
            raise Malformed(f"an .ots file of version {version}; version {_MAJOR} is read")
        by = octets.take(1)[0]
        if by not in DIGESTS:
            raise Malformed(f"an .ots file names 0x{by:02x} as its file's hash, which is none")
        digest = octets.take(DIGESTS[by])
        rest = data[len(MAGIC) + 2 + len(digest) :]
        return cls(digest, Timestamp.from_bytes(rest, len(digest)), by)

    def to_bytes(self) -> bytes:
        """The file's bytes; Malformed for more than 64 KiB or a digest of another length."""
        if DIGESTS.get(self.hash) != len(self.digest):
            raise Malformed(f"a digest of {len(self.digest)} bytes by 0x{self.hash:02x}")
        data = MAGIC + bytes([_MAJOR, self.hash]) + self.digest + self.timestamp.to_bytes()
        if len(data) > MAX_FILE:
            raise Malformed(f"an .ots file of {len(data)} bytes; at most {MAX_FILE} are written")
        return data


def _read_paths(octets: Octets, message: int) -> Iterable[Path]:
    # A node's branches follow each other, all but the last behind 0xFF: where one comes to its
    # end, the reading goes on at the node that was left last with a branch to come.
    left: list[tuple[tuple[Operation, ...], int]] = []
    steps: tuple[Operation, ...] = ()
    length, found = message, 0
    while True:
        tag = octets.take(1)[0]
        if tag == _FORK:
            left.append((steps, length))
            tag = octets.take(1)[0]
        if found + len(left) >= MAX_PATHS:
            raise Malformed(f"a timestamp of more than {MAX_PATHS} paths")
        if tag == _LEAF:
            yield Path(steps, Attestation.read(octets))
            found += 1
            if not left:
                return
            steps, length = left.pop()
            continue
        step = Operation.read(tag, octets)
        length = step.length(length)
        steps += (step,)
        if len(steps) > MAX_OPERATIONS:
            raise Malformed(f"a timestamp's path of more than {MAX_OPERATIONS} operations")


def _branches(paths: tuple[Path, ...], depth: int) -> list[tuple[bool, int, tuple[Path, ...]]]:
    """What comes next at a node: one group of paths a branch, the last one first."""
    groups = [tuple(group) for _, group in groupby(paths, key=lambda path: _step(path, depth))]
    return [(index > 0, depth, group) for index, group in enumerate(reversed(groups))]


def _step(path: Path, depth: int) -> Operation | Attestation:
    return path.operations[depth] if depth < len(path.operations) else path.attestation
