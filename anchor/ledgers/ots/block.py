"""Headers of Bitcoin blocks, and the file in which a verifier pins them.

A header is worth what it cost: its hash is held to its own target, and the target to a floor
of work, so that one made up at home is refused. Which chain it is on, one header cannot say.
Source: Bitcoin Core's `CBlockHeader`, `arith_uint256::SetCompact` and `CheckProofOfWork`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed, Refused
from anchor.spelling import decoded, number

LEAST_WORK = 1 << 74
"""Hashes that a header must have cost by default: what each block since July 2018 has."""

HEADER = 80
MAX_PINNED = 1 << 20
_LINE = re.compile(r"([^:]*):([0-9a-f]{160})", re.ASCII)
_NEGATIVE = 0x00800000


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """One header, 80 bytes, whose hash is below the target that it names."""

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != HEADER:
            raise Malformed(f"a block header of {len(self.data)} bytes; it has {HEADER}")
        if int.from_bytes(self._hash(), "little") > self.target:
            raise Refused(f"block header {self.hash} is not worth the work that it claims")

    @classmethod
    def from_hex(cls, text: str, least_work: int = LEAST_WORK) -> Self:
        """Read 160 hexadecimal digits; Refused for less work than `least_work` hashes."""
        if not re.fullmatch(r"[0-9a-f]{160}", text):
            raise Malformed(f"a block header is 160 hexadecimal digits, not {text[:40]!r}")
        header = cls(bytes.fromhex(text))
        if header.work < least_work:
            raise Refused(
                f"block header {header.hash} claims no more than 2^{header.work.bit_length() - 1} "
                f"hashes of work; below 2^{least_work.bit_length() - 1} anybody may make one up"
            )
        return header

    @property
    def hash(self) -> str:
        """The block's hash, as explorers show it."""
        return self._hash()[::-1].hex()

    @property
    def before(self) -> str:
        """The hash of the block before it."""
        return self.data[4:36][::-1].hex()

    @property
    def root(self) -> bytes:
        """The Merkle root, as it stands in the header."""
        return self.data[36:68]

    @property
    def time(self) -> int:
        """What the miner says it was, POSIX seconds."""
        return int.from_bytes(self.data[68:72], "little")

    @property
    def target(self) -> int:
        """The number that the hash may not exceed; Malformed where the bits name none."""
        bits = int.from_bytes(self.data[72:76], "little")
        size, word = bits >> 24, bits & 0x007FFFFF
        target = word << 8 * (size - 3) if size > 3 else word >> 8 * (3 - size)  # noqa: PLR2004
        if bits & _NEGATIVE or not 0 < target < 1 << 256:
            raise Malformed(f"a block header's bits {bits:08x} name no target")
        return target

    @property
    def work(self) -> int:
        """How many hashes it takes, on average, to find such a header."""
        return (1 << 256) // (self.target + 1)

    def _hash(self) -> bytes:
        return hashlib.sha256(hashlib.sha256(self.data).digest()).digest()


def shown(root: bytes) -> str:
    """A Merkle root as explorers show it."""
    return root[::-1].hex()


def read_headers(data: bytes, least_work: int = LEAST_WORK) -> dict[int, BlockHeader]:
    """Read a file of pinned headers: lines `height:header in hex`, `#` begins a comment.

    Heights go up. Malformed for other lines, Refused for a header that does not hold: too
    little work, or not the one that the header of the next height names.
    """
    if len(data) > MAX_PINNED:
        raise Malformed(f"pinned headers of {len(data)} bytes; at most {MAX_PINNED} are read")
    text = decoded(data, "the file of pinned headers")
    if text and not text.endswith("\n"):
        raise Malformed("the file of pinned headers ends within a line")
    headers: dict[int, BlockHeader] = {}
    for index, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Malformed(f"line {index} of the pinned headers is not height:header in hex")
        height = number(match[1], f"the height in line {index} of the pinned headers")
        if headers and height <= max(headers):
            raise Malformed(f"line {index} of the pinned headers: heights must go up")
        headers[height] = BlockHeader.from_hex(match[2], least_work)
    _check_links(headers)
    return headers


def write_headers(headers: Mapping[int, BlockHeader]) -> bytes:
    """The file of these headers."""
    return b"".join(b"%d:%s\n" % (h, headers[h].data.hex().encode()) for h in sorted(headers))


def _check_links(headers: Mapping[int, BlockHeader]) -> None:
    for height, header in headers.items():
        earlier = headers.get(height - 1)
        if earlier is not None and header.before != earlier.hash:
            raise Refused(f"pinned header {height} does not follow pinned header {height - 1}")
