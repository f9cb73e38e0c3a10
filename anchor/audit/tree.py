"""One collector's tree, leaf by leaf: which rows, and which stored tiles, the roots vouch for.

Two versions of every leaf hash come in: the row's own and the stored tile's. At a signed
root, whichever version gives it is the true one. Where neither does, the trail is lost until
the stored right edge gives a later root again. Memory is bounded by what is wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from anchor.audit.subtrees import Subtrees
from anchor.errors import AnchorError
from anchor.merkle import HASH, TILE_WIDTH
from anchor.reading.frontier import Frontier, Subtree
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.tree_head import Checkpoint

Verdict = Literal["rows", "tiles", "neither"]
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """The positions from one root to the next, and whose leaf hashes gave that root.

    `certain` is False where the leaves before were not known either: then `neither` says
    nothing of this window's own. `differing` are the positions where row and tile say
    different things: the row's leaf hash (None for no usable row) and the tile's (None for
    none).
    """

    start: int
    stop: int
    verdict: Verdict
    certain: bool
    differing: dict[int, tuple[bytes | None, bytes | None]]


@dataclass(slots=True)
class LeafTrail:
    """Follows one collector's leaves; `find` is told of false tiles, by level and number."""

    tiles: StoredTiles
    find: Callable[[int, int, str], None]
    position: int = 0
    start: int = 0
    lost: bool = False
    _true: Frontier = field(default_factory=Frontier)
    _tile_version: Frontier | None = None
    _rows_whole: bool = True
    _tiles_whole: bool = True
    _done_rows: list[Subtree] = field(default_factory=list)
    _done_tiles: list[Subtree] = field(default_factory=list)
    _differing: dict[int, tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    _cached: tuple[int, bytes] = (-1, b"")
    _upper: tuple[int, int, bytes] = (0, 0, b"")
    _named: set[tuple[int, int]] = field(default_factory=set)

    def begin_at(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint's leaves as read; AnchorError where the stored edge is not its."""
        self._true = Frontier.at(TileView(self.tiles, checkpoint))
        self.position = self.start = checkpoint.size

    def add(self, leaf: bytes | None) -> bool:
        """Take the next position's leaf hash, None for no usable row; whether the tile agrees."""
        stored = self._stored(self.position)
        agrees = leaf is not None and leaf == stored
        if not agrees:
            self._differ(leaf, stored)
        if not self.lost:
            self._extend(leaf, stored)
        self.position += 1
        return agrees

    @property
    def agreed(self) -> bool:
        """Whether, since the last root, every row and its stored leaf hash were the same."""
        return self._tile_version is None and self._tiles_whole and not self.lost

    def extend(self, leaves: Subtrees, stop: int) -> None:
        """Take leaf hashes up to `stop` that rows and tiles agree on; only while they `agreed`."""
        for height, node in leaves.between(self.position, stop):
            self._done_rows += self._true.append_perfect(height, node)
        self.position = stop

    def close(self, checkpoint: Checkpoint) -> Window:
        """End the window at a signed root, whose size is the position reached."""
        assert checkpoint.size == self.position
        verdict = self._verdict(checkpoint)
        certain = not self.lost
        window = Window(self.start, self.position, verdict, certain, self._differing)
        if verdict == "neither":
            self._resync(checkpoint)
        else:
            self._check_upper(self._done_rows if verdict == "rows" else self._done_tiles)
        if verdict == "rows":
            for position in window.differing:
                self._false(0, position // TILE_WIDTH)
        if self._tile_version is not None and verdict == "tiles":
            self._true = self._tile_version
        self._begin()
        return window

    def skip(self, position: int) -> None:
        """Go on at a later position without any of the leaves between."""
        self.position, self.lost = position, True

    def finish(self) -> None:
        """Check that the tiles at the right edge hold no more than the tree."""
        level, at_level = 0, self.start
        while at_level and not self.lost:
            number, width = divmod(at_level, TILE_WIDTH)
            hashes = self.tiles.raw(level, number)
            if len(hashes or b"") != width * HASH:
                self._false(level, number)
            level, at_level = level + 1, number

    def suspects(self, window: Window, last: Checkpoint) -> Iterator[tuple[int, int]]:
        """Which positions of an unresolved window the last root does not vouch for either.

        First and last, tile by tile; none where the last root vouches for every stored tile,
        and so contradicts the window's own.
        """
        view = TileView(self.tiles, last)
        first = window.start // TILE_WIDTH
        tiles = range(first, (window.stop - 1) // TILE_WIDTH + 1)
        # A signed size may be any number: what is beyond all reason is one span.
        for number in tiles[:MOST]:
            try:
                view.tile(0, number)
            except (AnchorError, ValueError):
                start = max(window.start, number * TILE_WIDTH)
                yield start, min(window.stop, (number + 1) * TILE_WIDTH) - 1
        if len(tiles) > MOST:
            yield tiles[MOST] * TILE_WIDTH, window.stop - 1

    def _begin(self) -> None:
        self.start, self._differing = self.position, {}
        self._tile_version, self._rows_whole, self._tiles_whole = None, True, True
        self._done_rows, self._done_tiles = [], []

    def _stored(self, position: int) -> bytes | None:
        number, offset = divmod(position, TILE_WIDTH)
        if self._cached[0] != number or len(self._cached[1]) <= offset * HASH:
            self._cached = number, self.tiles.raw(0, number) or b""
        found = self._cached[1][offset * HASH : (offset + 1) * HASH]
        return found if len(found) == HASH else None

    def _differ(self, leaf: bytes | None, stored: bytes | None) -> None:
        if len(self._differing) < MOST:
            self._differing[self.position] = (leaf, stored)
        if self._tile_version is None:
            # Until here both versions were one.
            self._tile_version = self._true.copy()
            self._done_tiles = self._done_rows.copy()
        self._rows_whole = self._rows_whole and leaf is not None
        self._tiles_whole = self._tiles_whole and stored is not None

    def _extend(self, leaf: bytes | None, stored: bytes | None) -> None:
        if leaf is not None and self._rows_whole:
            self._done_rows += self._true.append(leaf)
        if self._tile_version is not None and stored is not None and self._tiles_whole:
            self._done_tiles += self._tile_version.append(stored)

    def _verdict(self, checkpoint: Checkpoint) -> Verdict:
        if self.lost:
            return "neither"
        if self._rows_whole and self._true.root() == checkpoint.root:
            return "rows"
        version = self._tile_version
        if version is not None and self._tiles_whole and version.root() == checkpoint.root:
            return "tiles"
        return "neither"

    def _resync(self, checkpoint: Checkpoint) -> None:
        try:
            self._true = Frontier.at(TileView(self.tiles, checkpoint))
        except AnchorError:
            self.lost = True
        else:
            self.lost = False

    def _check_upper(self, completed: list[Subtree]) -> None:
        """Compare hashes of full tiles, now known to be true, with the level above."""
        for level, index, due in completed:
            number, offset = divmod(index, TILE_WIDTH)
            # One that was read before may have grown since.
            if self._upper[:2] != (level, number) or not _holds(self._upper[2], offset, due):
                self._upper = level, number, self.tiles.raw(level, number) or b""
            if not _holds(self._upper[2], offset, due):
                self._false(level, number)

    def _false(self, level: int, number: int) -> None:
        if (level, number) not in self._named and len(self._named) < MOST:
            self._named.add((level, number))
            name = self.tiles.tile_path(level, number)
            self.find(level, number, f"{name} is not what the signed roots vouch for")


def _holds(hashes: bytes, offset: int, due: bytes) -> bool:
    return hashes[offset * HASH : (offset + 1) * HASH] == due
