"""RFC 9162 Merkle trees with SHA-256: roots, inclusion and consistency, in memory or from tiles.

Pure. A path is checked with exactly the length that index and sizes demand, so that one
claim has one proof. Tiles are C2SP tlog-tiles; a few of them answer for trees of any size.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from anchor.errors import Malformed, Refused

HASH = 32
TILE_HEIGHT = 8
TILE_WIDTH = 256
EMPTY_ROOT = sha256(b"").digest()

TileReader = Callable[[int, int, int], bytes]
"""Gives the hashes of a tile, joined: `tile(level, number, width)`, `width * 32` bytes."""

_Subtree = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data), RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 9162 section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def parents(row: Sequence[bytes]) -> list[bytes]:
    """Hash a row of nodes pairwise; a last one without partner is left out."""
    # Written out instead of calling node_hash: every node of every tree passes here.
    pairs = iter(row)
    return [sha256(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=False)]


def split_hashes(joined: bytes) -> list[bytes]:
    """The hashes of a tile, one by one."""
    return [joined[i : i + HASH] for i in range(0, len(joined), HASH)]


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes; `EMPTY_ROOT` for none."""
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        # RFC 9162 splits at the largest power of two, which pairs from the left and
        # lifts a last node without partner as it is.
        alone = row[-1:] if len(row) % 2 else []
        row = parents(row) + alone
    return row[0]


def inclusion_path(hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The path of leaf `index` in the tree over leaf hashes, RFC 9162 section 2.1.3.1."""
    return _inclusion(index, len(hashes), lambda start, stop: tree_root(hashes[start:stop]))


def consistency_path(hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """The path from the tree of the first `old_size` leaves to all, RFC 9162 section 2.1.4.1."""
    return _consistency(old_size, len(hashes), lambda start, stop: tree_root(hashes[start:stop]))


def root_from_tiles(size: int, tile: TileReader) -> bytes:
    """The root of the tree of `size`, from its right edge; Malformed for a tile of wrong length."""
    return _TileTree(size, tile).root(0, size) if size else EMPTY_ROOT


def inclusion_from_tiles(index: int, size: int, tile: TileReader) -> tuple[bytes, ...]:
    """The path of leaf `index` in the tree of `size`."""
    return _inclusion(index, size, _TileTree(size, tile).root)


def consistency_from_tiles(old: int, size: int, tile: TileReader) -> tuple[bytes, ...]:
    """The path from the tree of `old` leaves to that of `size`; `tile` serves the larger tree."""
    return _consistency(old, size, _TileTree(size, tile).root)


def subtrees_from_tiles(size: int, tile: TileReader) -> Callable[[int, int], bytes]:
    """Give what tells the root over leaves `start` to `stop`, where RFC 9162 divides the tree."""
    return _TileTree(size, tile).root


def check_inclusion(
    *, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf hash stands at `index` in the tree of `size` (RFC 9162 section 2.1.3.2).

    `leaf` is the 32-byte leaf hash, not the entry. Refused says what does not hold.
    """
    if not 0 <= index < size:
        raise Refused(f"index {index} is outside a tree of size {size}")
    _check_lengths([leaf, root, *path])
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Refused(f"inclusion path of {len(path)} hashes is too long for size {size}")
        if node % 2 or node == last:
            found = node_hash(sibling, found)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused(f"inclusion path of {len(path)} hashes is too short for size {size}")
    if found != root:
        raise Refused(f"inclusion path of entry {index} leads to another root than the tree's")


def check_consistency(
    *, old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that one tree continues another (RFC 9162 section 2.1.4.2); Refused if not.

    Every tree continues the empty one, but there is no proof of that to check: `old_size` 0
    is refused unless `size` is 0 as well.
    """
    if not 0 <= old_size <= size:
        raise Refused(f"a tree of size {size} cannot continue one of size {old_size}")
    if old_size == size:
        _check_same(size, old_root, root, path)
        return
    if old_size == 0:
        raise Refused("there is no consistency proof from the empty tree")
    _check_lengths([old_root, root, *path])
    first, second = _consistency_roots(old_size, size, old_root, path)
    if first != old_root:
        raise Refused(f"consistency path does not lead to the root at size {old_size}")
    if second != root:
        raise Refused(f"consistency path does not lead to the root at size {size}")


def _check_same(size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> None:
    if path:
        raise Refused(f"consistency path of {len(path)} hashes between trees of one size")
    if old_root != root or not root:
        raise Refused(f"two different roots at size {size}, or none")
    if size == 0 and root != EMPTY_ROOT:
        raise Refused("the root at size 0 is not that of the empty tree")


def _consistency_roots(
    old_size: int, size: int, old_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    steps = list(path)
    if old_size & (old_size - 1) == 0:
        # The old tree is one perfect subtree of the new: its root starts the path unsaid.
        steps.insert(0, old_root)
    if not steps:
        raise Refused("consistency path is empty")
    node, last = old_size - 1, size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    first = second = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            raise Refused(f"consistency path of {len(path)} hashes is too long")
        if node % 2 or node == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused(f"consistency path of {len(path)} hashes is too short")
    return first, second


def _check_lengths(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH:
            raise Refused(f"a hash of {len(value)} bytes where 32 were due")


def split(count: int) -> int:
    """The largest power of two below `count`, where RFC 9162 divides a tree."""
    return 1 << ((count - 1).bit_length() - 1)


def _inclusion(index: int, size: int, subtree: _Subtree) -> tuple[bytes, ...]:
    if not 0 <= index < size:
        raise ValueError(f"index {index} is outside a tree of size {size}")
    start, stop, path = 0, size, list[bytes]()
    while stop - start > 1:
        middle = start + split(stop - start)
        if index < middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    return tuple(reversed(path))


def _consistency(old: int, size: int, subtree: _Subtree) -> tuple[bytes, ...]:
    if not 0 < old <= size:
        raise ValueError(f"no consistency path from size {old} to size {size}")
    start, stop, path = 0, size, list[bytes]()
    while stop != old:
        middle = start + split(stop - start)
        if old <= middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    if start:
        # Not the whole old tree, so the verifier does not know this subtree's hash.
        path.append(subtree(start, stop))
    return tuple(reversed(path))


class _TileTree:
    """Subtree roots of one tree, from its tiles; each tile is read once."""

    def __init__(self, size: int, tile: TileReader) -> None:
        self._size = size
        self._read = tile
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, stop: int) -> bytes:
        """The root over leaves `start` to `stop`; `start` aligned as RFC 9162 divides."""
        # From the left, perfect subtrees of falling height; folded from the right.
        perfect = list[bytes]()
        while start < stop:
            height = (stop - start).bit_length() - 1
            perfect.append(self._perfect(height, start >> height))
            start += 1 << height
        found = perfect.pop()
        while perfect:
            found = node_hash(perfect.pop(), found)
        return found

    def _perfect(self, height: int, index: int) -> bytes:
        level, rest = divmod(height, TILE_HEIGHT)
        first = index << rest
        number, offset = divmod(first, TILE_WIDTH)
        hashes = self._tile(level, number)
        row = split_hashes(hashes[offset * HASH : (offset + (1 << rest)) * HASH])
        while len(row) > 1:
            row = parents(row)
        return row[0]

    def _tile(self, level: int, number: int) -> bytes:
        known = self._tiles.get((level, number))
        if known is not None:
            return known
        at_level = self._size >> (TILE_HEIGHT * level)
        width = min(TILE_WIDTH, at_level - number * TILE_WIDTH)
        hashes = self._read(level, number, width)
        if len(hashes) != width * HASH:
            raise Malformed(
                f"tile {number} of level {level} has {len(hashes)} bytes where {width} hashes of "
                "32 were due"
            )
        self._tiles[level, number] = hashes
        return hashes
