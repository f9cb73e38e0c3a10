"""A log that grows in memory: records in; root, signed checkpoint and changed tiles out.

Immutable and deterministic: extending gives a new log, the same records give the same bytes.
It holds the tree's right edge only, so it costs the same at a million leaves as at ten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Self

from anchor.checkpoint import sign_checkpoint
from anchor.errors import Malformed
from anchor.merkle import (
    EMPTY_ROOT,
    HASH,
    TILE_HEIGHT,
    TILE_WIDTH,
    node_hash,
    parents,
    split_hashes,
)
from anchor.note import SignerKey
from anchor.tree_head import Checkpoint

_FULL = TILE_WIDTH * HASH


@dataclass(frozen=True, slots=True)
class Extension:
    """A log after some records more; nothing of it counts before it is committed.

    `tiles` holds every tile that changed, as level, number and its 1 to 256 hashes joined.
    """

    start: int
    size: int
    root: bytes
    checkpoint: bytes
    tiles: tuple[tuple[int, int, bytes], ...]
    log: "GrowingLog"


@dataclass(frozen=True, slots=True)
class _Edge:
    """A tree's right edge.

    `peaks`: by height, the root of the perfect subtree that waits for its right neighbour,
    one for every set bit of `size`. `partial`: by tile level, the hashes of the tile that is
    not full yet.
    """

    size: int = 0
    peaks: tuple[bytes | None, ...] = ()
    partial: tuple[bytes, ...] = ()


_EMPTY = _Edge()


class GrowingLog:
    """A log of `size` leaves under `origin`, signed by `key`, whose name is the origin."""

    __slots__ = ("_edge", "_key")

    def __init__(self, origin: str, key: SignerKey, edge: _Edge = _EMPTY) -> None:
        if key.name != origin:
            raise ValueError(f"key {key.name!r} does not sign for origin {origin!r}")
        self._key = key
        self._edge = edge

    @classmethod
    def resume(
        cls, origin: str, key: SignerKey, size: int, tile: Callable[[int, int], bytes]
    ) -> Self:
        """The log of `size` leaves from its stored tiles; reads one tile a level, the last.

        `tile(level, number)` gives a partial tile's hashes. Malformed if one has another
        width than `size` says; compare `root` with the checkpoint's before going on.
        """
        levels = -(-size.bit_length() // TILE_HEIGHT)
        partial = tuple(_edge_tile(size, level, tile) for level in range(levels))
        peaks = tuple(chain.from_iterable(map(_peaks_of, partial)))
        return cls(origin, key, _Edge(size, peaks, partial))

    @property
    def origin(self) -> str:
        """The log's origin, also the name of its key."""
        return self._key.name

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """The root hash, 32 bytes."""
        peaks = [peak for peak in self._edge.peaks if peak is not None]
        if not peaks:
            return EMPTY_ROOT
        found = peaks[0]
        for peak in peaks[1:]:
            found = node_hash(peak, found)
        return found

    def extend(self, records: Sequence[bytes]) -> Extension:
        """Append records (at least one) and sign the new head."""
        if not records:
            raise ValueError("a log is extended by one record or more")
        row = [sha256(b"\x00" + record).digest() for record in records]
        before = self._edge.peaks
        peaks, partial, tiles = list[bytes | None](), list[bytes](), list[tuple[int, int, bytes]]()
        height = 0
        while row or height < len(before):
            if height % TILE_HEIGHT == 0:
                rest, changed = self._fill(height // TILE_HEIGHT, row)
                partial.append(rest)
                tiles += changed
            waiting = before[height] if height < len(before) else None
            if waiting is not None:
                row.insert(0, waiting)
            peaks.append(row[-1] if len(row) % 2 else None)
            row = parents(row)
            height += 1
        edge = _Edge(self.size + len(records), tuple(peaks), tuple(partial))
        return self._extension(type(self)(self.origin, self._key, edge), tuple(tiles))

    def _fill(self, level: int, row: list[bytes]) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        """The level's partial tile after `row`, and every tile of it that changed."""
        before = self._edge.partial[level] if level < len(self._edge.partial) else b""
        if not row:
            return before, []
        hashes = before + b"".join(row)
        number = (self.size >> (TILE_HEIGHT * level)) // TILE_WIDTH
        tiles = [
            (level, number + i, hashes[at : at + _FULL])
            for i, at in enumerate(range(0, len(hashes), _FULL))
        ]
        return hashes[len(hashes) - len(hashes) % _FULL :], tiles

    def _extension(
        self, grown: "GrowingLog", tiles: tuple[tuple[int, int, bytes], ...]
    ) -> Extension:
        root = grown.root
        return Extension(
            start=self.size,
            size=grown.size,
            root=root,
            checkpoint=sign_checkpoint(Checkpoint(self.origin, grown.size, root), self._key),
            tiles=tiles,
            log=grown,
        )


def _edge_tile(size: int, level: int, tile: Callable[[int, int], bytes]) -> bytes:
    number, width = divmod(size >> (TILE_HEIGHT * level), TILE_WIDTH)
    if width == 0:
        return b""
    hashes = tile(level, number)
    if len(hashes) != width * HASH:
        raise Malformed(
            f"tile {number} of level {level} has {len(hashes)} bytes; a log of {size} leaves "
            f"has {width} hashes there"
        )
    return hashes


def _peaks_of(partial: bytes) -> list[bytes | None]:
    """The eight heights of one tile level: a peak for every set bit of the tile's width."""
    row = split_hashes(partial)
    peaks = list[bytes | None]()
    for _ in range(TILE_HEIGHT):
        peaks.append(row[-1] if len(row) % 2 else None)
        row = parents(row)
    return peaks
