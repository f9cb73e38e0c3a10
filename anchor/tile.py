"""Names and contents of the files of a tiled log: C2SP tlog-tiles.

Pure. A path is read by the rule that writes it; anything else is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed
from anchor.merkle import TILE_HEIGHT, TILE_WIDTH
from anchor.spelling import MAX_NUMBER

MAX_LEVEL = 63
MAX_ENTRY = 0xFFFF
_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile of hashes: `width` hashes, from hash `number * 256` of tile level `level`."""

    level: int
    number: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise Malformed(f"tile level {self.level} is not between 0 and {MAX_LEVEL}")
        _check_place(self.number, self.width)

    @property
    def path(self) -> str:
        """Where the log serves it: `tile/<L>/<N>[.p/<W>]`."""
        return f"tile/{self.level}/{_place(self.number, self.width)}"

    @classmethod
    def from_path(cls, path: str) -> Self:
        """Read a path; Malformed unless it is what `path` writes."""
        level, number, width = _parts(path)
        if level == "entries":
            raise Malformed(f"a bundle of entries, not a tile of hashes: {path!r}")
        tile = cls(int(level), number, width)
        if tile.path != path:
            raise Malformed(f"not the one spelling of a tile's path: {path!r}")
        return tile


def entries_path(number: int, width: int = TILE_WIDTH) -> str:
    """Where the log serves a bundle of entries: `tile/entries/<N>[.p/<W>]`."""
    _check_place(number, width)
    return f"tile/entries/{_place(number, width)}"


def entries_from_path(path: str) -> tuple[int, int]:
    """Number and width of a bundle of entries; Malformed unless `entries_path` writes it."""
    level, number, width = _parts(path)
    if level != "entries" or entries_path(number, width) != path:
        raise Malformed(f"not the path of a bundle of entries: {path!r}")
    return number, width


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of `size`, level by level, from the left."""
    return new_tiles(0, size)


def new_tiles(old_size: int, size: int) -> Iterator[Tile]:
    """The tiles of the tree of `size` that the tree of `old_size` did not have."""
    for level in range(MAX_LEVEL + 1):
        before, after = old_size >> (TILE_HEIGHT * level), size >> (TILE_HEIGHT * level)
        if after == before:
            return
        for number in range(before // TILE_WIDTH, -(-after // TILE_WIDTH)):
            yield Tile(level, number, min(TILE_WIDTH, after - number * TILE_WIDTH))


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: each of 1 to 256 entries after its length, two bytes, big-endian."""
    _check_count(len(entries))
    parts = list[bytes]()
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise Malformed(f"an entry of {len(entry)} bytes; at most {MAX_ENTRY} fit a bundle")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle; Malformed unless `pack_entries` would write it."""
    entries, at = list[bytes](), 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise Malformed(f"bundle of entries ends inside entry {len(entries)}")
        entries.append(bundle[start:at])
    _check_count(len(entries))
    return entries


def _check_count(count: int) -> None:
    if not 1 <= count <= TILE_WIDTH:
        raise Malformed(f"a bundle of {count} entries; it holds 1 to {TILE_WIDTH}")


def _check_place(number: int, width: int) -> None:
    if not 0 <= number <= MAX_NUMBER:
        raise Malformed(f"tile number {number} is not between 0 and 2^63-1")
    if not 1 <= width <= TILE_WIDTH:
        raise Malformed(f"tile width {width} is not between 1 and {TILE_WIDTH}")


def _place(number: int, width: int) -> str:
    number, low = divmod(number, 1000)
    text = f"{low:03d}"
    while number:
        number, low = divmod(number, 1000)
        text = f"x{low:03d}/{text}"
    return text if width == TILE_WIDTH else f"{text}.p/{width}"


def _parts(path: str) -> tuple[str, int, int]:
    found = _PATH.fullmatch(path)
    if not found:
        raise Malformed(f"not the path of a tile: {path!r}")
    level, digits, width = found.groups()
    number = int(digits.replace("x", "").replace("/", ""))
    return level, number, int(width) if width else TILE_WIDTH
