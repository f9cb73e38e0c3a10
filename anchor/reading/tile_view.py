"""One checkpoint's tree of hashes: none comes out that the root does not vouch for.

All hashes of the right edge's tiles go into the root, so those tiles are checked against it
together; a full tile is checked against its hash in the level above, which was checked
before. Only then is a hash given out or kept. Pure but for the tiles that it is given.
"""

from collections import OrderedDict
from typing import Protocol

from anchor.errors import Refused
from anchor.merkle import (
    HASH,
    TILE_HEIGHT,
    TILE_WIDTH,
    consistency_from_tiles,
    inclusion_from_tiles,
    root_from_tiles,
    tree_root,
)
from anchor.tree_head import Checkpoint

KEPT_TILES = 256


class Tiles(Protocol):
    """A log's tiles of hashes, unchecked."""

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The first `width` hashes of a tile, joined; Missing or Malformed if there are not."""

    def tile_path(self, level: int, number: int, width: int = TILE_WIDTH) -> str:
        """How to name a tile to people."""


class TileView:
    """The hashes of a tree at a checkpoint whose signature was checked; memory is bounded.

    Refused where a tile is false (the message names it), Missing where one is not there,
    Malformed where its form is wrong, ValueError for a place that is not in the tree.
    """

    def __init__(self, tiles: Tiles, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.size = checkpoint.size
        self._tiles = tiles
        self._edge: dict[tuple[int, int], bytes] | None = None
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def width(self, level: int, number: int) -> int:
        """How many hashes tile `number` of `level` has in this tree; 0 where there is none."""
        at_level = self.size >> (TILE_HEIGHT * level)
        return max(0, min(TILE_WIDTH, at_level - number * TILE_WIDTH))

    def tile(self, level: int, number: int, width: int | None = None) -> bytes:
        """The first `width` hashes of a tile, joined; all of them without `width`."""
        there = self.width(level, number)
        asked = there if width is None else width
        if level < 0 or number < 0 or not 1 <= asked <= there:
            raise ValueError(f"tile {level}/{number} of width {asked} is not in size {self.size}")
        return self._checked(level, number, there)[: asked * HASH]

    def leaf(self, index: int) -> bytes:
        """The leaf hash at `index`."""
        number, offset = divmod(index, TILE_WIDTH)
        return self.tile(0, number, offset + 1)[-HASH:]

    def root(self, size: int | None = None) -> bytes:
        """The root at `size`: what an earlier checkpoint of this log must say."""
        return root_from_tiles(self._size(size), self.tile)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """The path of entry `index` in the tree of `size`."""
        return inclusion_from_tiles(index, self._size(size), self.tile)

    def consistency(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """The path from the tree of `old` entries to that of `size`."""
        return consistency_from_tiles(old, self._size(size), self.tile)

    def edge(self) -> list[tuple[int, int, int]]:
        """Level, number and width of the partial tiles, whose hashes together give the root."""
        places, level, at_level = list[tuple[int, int, int]](), 0, self.size
        while at_level:
            number, width = divmod(at_level, TILE_WIDTH)
            if width:
                places.append((level, number, width))
            level, at_level = level + 1, number
        return places

    def _size(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ValueError(f"size {size} is beyond the log's {self.size}")
        return size

    def _checked(self, level: int, number: int, width: int) -> bytes:
        if width < TILE_WIDTH:
            return self._checked_edge()[level, number]
        kept = self._kept.get((level, number))
        if kept is not None:
            self._kept.move_to_end((level, number))
            return kept
        # A full tile has a hash in the level above, so this ends at the edge.
        above, offset = divmod(number, TILE_WIDTH)
        parent = self.tile(level + 1, above)[offset * HASH : (offset + 1) * HASH]
        data = self._tiles.tile(level, number, width)
        if tree_root([data[i : i + HASH] for i in range(0, len(data), HASH)]) != parent:
            path = self._tiles.tile_path(level, number)
            raise Refused(f"{path} is false: its hashes do not lead to the root of {self._head()}")
        self._kept[level, number] = data
        if len(self._kept) > KEPT_TILES:
            self._kept.popitem(last=False)
        return data

    def _checked_edge(self) -> dict[tuple[int, int], bytes]:
        if self._edge is None:
            read = {(lv, n): self._tiles.tile(lv, n, width) for lv, n, width in self.edge()}
            found = root_from_tiles(self.size, lambda lv, n, _: read[lv, n])
            if found != self.checkpoint.root:
                paths = ", ".join(self._tiles.tile_path(*place) for place in self.edge())
                raise Refused(f"{paths} do not give the root of {self._head()}")
            self._edge = read
        return self._edge

    def _head(self) -> str:
        return f"{self.checkpoint.origin} at size {self.size}"
