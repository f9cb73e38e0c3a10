"""A tiled log's files by what they hold: tiles of hashes and bundles of entries, unchecked.

Knows the layout and the fallback from a partial file to the full one (C2SP tlog-tiles); the
form of a file is checked here, its truth in `anchor.reading.log_reader`.
"""

from dataclasses import dataclass

from anchor.errors import Malformed, Missing
from anchor.merkle import HASH, TILE_WIDTH
from anchor.reading.log_source import MAX_FILE, LogSource
from anchor.tile import Tile, entries_path, unpack_entries

MAX_NOTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a log keeps its files: the checkpoint's path, and what stands for `tile` in others.

    The defaults are C2SP's; the Go checksum database says `latest` and `tile/8`.
    """

    checkpoint: str = "checkpoint"
    tile: str = "tile"

    def place(self, path: str) -> str:
        """The path in this log of what C2SP calls `tile/…`."""
        return self.tile + path.removeprefix("tile")


C2SP = Layout()


class LogFiles:
    """The files of one log. Missing where one is not there, Malformed where its form is wrong."""

    def __init__(self, source: LogSource, layout: Layout = C2SP) -> None:
        self.source = source
        self.layout = layout

    def checkpoint(self) -> bytes:
        """The newest checkpoint's bytes."""
        return self.source.read(self.layout.checkpoint, MAX_NOTE)

    def tile_path(self, level: int, number: int, width: int = TILE_WIDTH) -> str:
        """Where this log keeps a tile of hashes."""
        return self.layout.place(Tile(level, number, width).path)

    def bundle_path(self, number: int, width: int = TILE_WIDTH) -> str:
        """Where this log keeps a bundle of entries."""
        return self.layout.place(entries_path(number, width))

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The first `width` hashes of a tile, joined."""
        try:
            return self._hashes(level, number, width)
        except Missing:
            if width == TILE_WIDTH:
                raise
            return self._hashes(level, number, TILE_WIDTH)[: width * HASH]

    def bundle(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle."""
        try:
            return self._entries(number, width)
        except Missing:
            if width == TILE_WIDTH:
                raise
            return self._entries(number, TILE_WIDTH)[:width]

    def _hashes(self, level: int, number: int, width: int) -> bytes:
        path = self.tile_path(level, number, width)
        data = self.source.read(path, TILE_WIDTH * HASH)
        if len(data) != width * HASH:
            raise Malformed(f"{path} has {len(data)} bytes where {width} hashes of 32 were due")
        return data

    def _entries(self, number: int, width: int) -> list[bytes]:
        path = self.bundle_path(number, width)
        data = self.source.read(path, MAX_FILE)
        try:
            entries = unpack_entries(data)
        except Malformed as error:
            raise Malformed(f"{path}: {error}") from error
        if len(entries) != width:
            raise Malformed(f"{path} has {len(entries)} entries where {width} were due")
        return entries
