"""What a checkpoint says: C2SP tlog-checkpoint's text, three lines, no extension.

Kept apart from signing so that notes and cosignatures can both rest on it.
"""

import re
from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed
from anchor.merkle import EMPTY_ROOT, HASH
from anchor.spelling import MAX_NUMBER, number, octets
from telemetry.canonical import b64

_LINES = 3
_NO_ORIGIN = re.compile(r"[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, its number of leaves, its 32-byte root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or _NO_ORIGIN.search(self.origin):
            raise Malformed(f"origin {self.origin[:100]!r} is empty or holds a control character")
        if not 0 <= self.size <= MAX_NUMBER:
            raise Malformed(f"tree size {self.size} is not between 0 and 2^63-1")
        if len(self.root) != HASH:
            raise Malformed(f"a root of {len(self.root)} bytes where {HASH} are due")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Malformed("the root at size 0 is not that of the empty tree")

    def to_text(self) -> str:
        """The note's text: origin, size, base64 of the root, a line each."""
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a checkpoint's text; Malformed for extension lines and other spellings."""
        lines = text.split("\n")
        if len(lines) != _LINES + 1 or lines[-1]:
            raise Malformed(f"a checkpoint has three lines (no extensions), not {len(lines) - 1}")
        return cls(lines[0], number(lines[1], "tree size"), octets(lines[2], "root", HASH))
