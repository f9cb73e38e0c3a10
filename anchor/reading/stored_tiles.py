"""A collector's tiles of hashes as its store has them, unchecked.

Whatever a row holds, a tile comes out as whole hashes or not at all.
"""

from anchor.errors import Malformed, Missing
from anchor.merkle import HASH, TILE_WIDTH
from anchor.ports import Ledger


class StoredTiles:
    """Tiles of one collector's log; serves `anchor.reading.tile_view.TileView`."""

    def __init__(self, ledger: Ledger, collector: str) -> None:
        self._ledger = ledger
        self._collector = collector

    def raw(self, level: int, number: int) -> bytes | None:
        """The stored row's hashes as they are; None where there is no row or no bytes in it."""
        hashes = self._ledger.tile(self._collector, level, number)
        return bytes(hashes) if isinstance(hashes, bytes | memoryview) else None

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The first `width` hashes of a tile, joined; a tile may have grown since."""
        hashes = self.raw(level, number)
        if hashes is None:
            raise Missing(f"{self.tile_path(level, number)} is not in the store")
        if not width * HASH <= len(hashes) <= TILE_WIDTH * HASH or len(hashes) % HASH:
            raise Malformed(
                f"{self.tile_path(level, number)} has {len(hashes)} bytes where {width} hashes "
                "of 32 were due"
            )
        return hashes[: width * HASH]

    def tile_path(self, level: int, number: int, width: int = TILE_WIDTH) -> str:  # noqa: ARG002  # one row, whatever its width
        """How to name a tile to people."""
        return f"tile {level}/{number} of collector {self._collector}"
