"""One checkpoint's log: its hashes, and its entries checked against them."""

from collections.abc import Iterator

from anchor.errors import Refused
from anchor.merkle import HASH, TILE_WIDTH, leaf_hash
from anchor.reading.log_files import LogFiles
from anchor.reading.tile_view import TileView
from anchor.tree_head import Checkpoint


class LogView(TileView):
    """A log's tree at a checkpoint whose signature was checked, with its entries."""

    def __init__(self, files: LogFiles, checkpoint: Checkpoint) -> None:
        super().__init__(files, checkpoint)
        self.files = files
        self._bundle: tuple[int, list[bytes]] = (-1, [])

    def entry(self, index: int) -> bytes:
        """One entry."""
        if not 0 <= index < self.size:
            raise ValueError(f"entry {index} is not in a log of size {self.size}")
        number, offset = divmod(index, TILE_WIDTH)
        return self.bundle(number)[offset]

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Entries, start inclusive, stop exclusive; streamed."""
        end = self._size(stop)
        while start < end:
            number, offset = divmod(start, TILE_WIDTH)
            part = self.bundle(number)[offset : offset + end - start]
            yield from part
            start += len(part)

    def bundle(self, number: int) -> list[bytes]:
        """All entries of a bundle that are in this tree."""
        if self._bundle[0] == number:
            return self._bundle[1]
        width = self.width(0, number)
        hashes = self.tile(0, number, width)
        entries = self.files.bundle(number, width)
        for offset, entry in enumerate(entries):
            if leaf_hash(entry) != hashes[offset * HASH : (offset + 1) * HASH]:
                path, index = self.files.bundle_path(number, width), number * TILE_WIDTH + offset
                raise Refused(f"{path} is false: entry {index} is not the one in the tree")
        self._bundle = (number, entries)
        return entries
