"""How a tiled log grows: from the tiles at its right edge and new leaf hashes to new tiles.

Pure. Only the tiles of the final size come out, never those of sizes between.
"""

from collections.abc import Sequence

from anchor.merkle import HASH, TILE_WIDTH, TileReader, tree_root
from anchor.tile import Tile


def grow(size: int, leaves: Sequence[bytes], tile: TileReader) -> list[tuple[Tile, bytes]]:
    """The tiles that a tree of `size` gains by `leaves` (32-byte leaf hashes), level by level.

    `tile` serves the partial tiles of the tree of `size`; full ones are not asked for.
    """
    tiles = list[tuple[Tile, bytes]]()
    level, start, fresh = 0, size, list(leaves)
    while fresh:
        number, width = divmod(start, TILE_WIDTH)
        row = (_hashes(tile(level, number, width)) if width else []) + fresh
        fresh = []
        for offset in range(0, len(row), TILE_WIDTH):
            chunk = row[offset : offset + TILE_WIDTH]
            place = Tile(level, number + offset // TILE_WIDTH, len(chunk))
            tiles.append((place, b"".join(chunk)))
            if len(chunk) == TILE_WIDTH:
                fresh.append(tree_root(chunk))
        # A full tile is one hash of the level above; those before `number` are there already.
        level, start = level + 1, number
    return tiles


def _hashes(data: bytes) -> list[bytes]:
    return [data[i : i + HASH] for i in range(0, len(data), HASH)]
