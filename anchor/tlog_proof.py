"""C2SP tlog-proof: one entry's inclusion in a checkpointed tree, in a file of its own.

Only the form is read here. The checkpoint is carried verbatim and means nothing before a
policy has opened it; `extra` is never authenticated.
"""

from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed
from anchor.merkle import HASH
from anchor.note import MAX_NOTE
from anchor.spelling import MAX_NUMBER, decoded, number, octets
from telemetry.canonical import b64

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PATH = 63
_MAX_FILE = 2 * MAX_NOTE


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Entry `index`, its path of 32-byte hashes from leaf to root, the signed checkpoint."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_NUMBER:
            raise Malformed(f"index {self.index} is not between 0 and 2^63-1")
        if len(self.path) > MAX_PATH or any(len(step) != HASH for step in self.path):
            raise Malformed(f"a path has at most {MAX_PATH} hashes of {HASH} bytes")
        if not self.checkpoint.endswith(b"\n"):
            raise Malformed("a proof ends with its checkpoint, whose last byte is a newline")

    def to_bytes(self) -> bytes:
        """The proof as C2SP tlog-proof writes it."""
        extra = [] if self.extra is None else [f"extra {b64(self.extra)}"]
        lines = [HEADER, *extra, f"index {self.index}", *map(b64, self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a proof, nothing in it checked; Malformed unless `to_bytes` would write it."""
        if len(data) > _MAX_FILE:
            raise Malformed(f"a proof of {len(data)} bytes; at most {_MAX_FILE} are read")
        head, blank, checkpoint = data.partition(b"\n\n")
        lines = decoded(head, "a proof").split("\n")
        if not blank or lines.pop(0) != HEADER:
            raise Malformed(f"not a proof: it starts with another line than {HEADER!r}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = octets(lines.pop(0).removeprefix("extra "), "extra data of a proof")
        if not lines or not lines[0].startswith("index "):
            raise Malformed("a proof needs its index line")
        index = number(lines.pop(0).removeprefix("index "), "index of a proof")
        path = tuple(octets(line, "hash in a proof", HASH) for line in lines)
        return cls(index, path, checkpoint, extra)
