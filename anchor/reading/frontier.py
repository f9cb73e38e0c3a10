"""A tree's right edge while leaves stream past: the root at any size, in constant memory.

Pure. The verifying side's own; it signs and writes nothing.
"""

from typing import Self

from anchor.merkle import EMPTY_ROOT, HASH, TILE_HEIGHT, node_hash, tree_root
from anchor.reading.tile_view import TileView

Subtree = tuple[int, int, bytes]
"""A hash of a tile above the leaves: tile level, index within the level, hash."""


class Frontier:
    """The perfect subtrees that a tree of `size` leaves ends in, from left to right."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: list[bytes] | None = None) -> None:
        self.size = size
        self._peaks = [] if peaks is None else peaks

    @classmethod
    def at(cls, view: TileView) -> Self:
        """The right edge of a checked tree."""
        peaks = list[bytes]()
        for level, number, width in reversed(view.edge()):
            hashes = view.tile(level, number)
            at = 0
            for height in reversed(range(TILE_HEIGHT)):
                count = 1 << height
                if width & count:
                    part = hashes[at * HASH : (at + count) * HASH]
                    peaks.append(tree_root([part[i : i + HASH] for i in range(0, len(part), HASH)]))
                    at += count
        return cls(view.size, peaks)

    def copy(self) -> "Frontier":
        """The same edge, to go on differently."""
        return Frontier(self.size, self._peaks.copy())

    def append(self, leaf: bytes) -> list[Subtree]:
        """Add a leaf hash; what comes back are the hashes of full tiles that it completes."""
        return self.append_perfect(0, leaf)

    def append_perfect(self, height: int, leaf: bytes) -> list[Subtree]:
        """Add the root over 2**height leaves at once; `size` is a multiple of that, height <= 8."""
        completed = list[Subtree]()
        self.size += 1 << height
        if height == TILE_HEIGHT:
            completed.append((1, (self.size >> height) - 1, leaf))
        # A trailing zero bit of the new size: two subtrees of that height become one.
        while not self.size >> height & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            height += 1
            if height % TILE_HEIGHT == 0:
                completed.append((height // TILE_HEIGHT, (self.size >> height) - 1, leaf))
        self._peaks.append(leaf)
        return completed

    def root(self) -> bytes:
        """The root at `size`."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found
