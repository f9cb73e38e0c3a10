"""A copy of somebody's log that only grows: every entry checked, then kept as its log keeps it.

Order is a log's own: bundles and tiles on the disk, their root recomputed from what the disk
gives back, only then the checkpoint. So a mirror that is killed at any point is whole, and one
that was shown two histories keeps the first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from anchor.errors import Diverged, Malformed, Missing, Refused
from anchor.keeping.disk_tree import DiskTree
from anchor.keeping.log_folder import CHECKPOINTS, LogFolder
from anchor.keeping.right_edge import grow
from anchor.merkle import TILE_WIDTH, leaf_hash, root_from_tiles
from anchor.reading.log_reader import LogReader
from anchor.reading.log_view import LogView
from anchor.tile import entries_path, pack_entries
from anchor.tree_head import Checkpoint

# A piece is a full tile of full tiles, so that a level above is seldom left partial, or this.
_ENTRIES: Final = TILE_WIDTH * TILE_WIDTH
_BYTES: Final = 64 * 2**20
Progress = Callable[[int, int], None]
"""Called with entries kept so far and entries in all."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a round did: entries kept before, and now."""

    before: int
    size: int


class Mirror:
    """One folder that copies one log; hold `folder.lock()` all the while."""

    def __init__(self, folder: LogFolder, source: LogReader) -> None:
        self._folder = folder
        self._tree = DiskTree(folder)
        self._source = source

    def round(self, progress: Progress | None = None) -> Mirrored:
        """Take what is new.

        Refused where the log shows what its key did not sign or what is no file of a log, has
        gone back, or is no continuation of what is kept: nothing is taken then. Diverged where
        the copy itself was changed; Missing or Unreachable as the source has it.
        """
        try:
            return self._round(progress)
        except Malformed as error:
            raise Refused(
                f"{self._source.source} shows what no log holds: {error}. What is kept stays"
            ) from error

    def _round(self, progress: Progress | None) -> Mirrored:
        self._folder.settle()
        kept = self._kept()
        note, shown = self._shown()
        view = self._source.at(shown)
        self._check_continues(kept, view)
        size = 0 if kept is None else kept.size
        for done in self._take(view, size):
            if progress is not None:
                progress(done, shown.size)
        if shown.size and root_from_tiles(shown.size, self._folder.tile) != shown.root:
            raise Diverged(f"the tiles in {self._folder.path} are not what was written there")
        if kept is None or note != self._folder.checkpoint():
            self._folder.publish(note)
        self._take_checkpoints(shown)
        self._folder.sweep()
        return Mirrored(size, shown.size)

    def _shown(self) -> tuple[bytes, Checkpoint]:
        try:
            return self._source.checkpoint()
        except Malformed as error:
            raise Malformed(f"checkpoint: {error}") from error

    def _kept(self) -> Checkpoint | None:
        """What the copy holds, checked; None where it is empty."""
        note = self._folder.checkpoint()
        if note is None:
            return None
        where = self._folder.path
        try:
            kept = self._source.open(note)
        except (Malformed, Refused) as error:
            raise Diverged(f"{where} is no copy of this log: {error}") from error
        try:
            root = self._tree.root(kept.size)
        except (Missing, Malformed) as error:
            raise Diverged(f"{where} lacks what its checkpoint states: {error}") from error
        if root != kept.root:
            raise Diverged(f"the tiles in {where} are not those of its checkpoint; mirror anew")
        return kept

    def _check_continues(self, kept: Checkpoint | None, view: LogView) -> None:
        if kept is None or not kept.size:
            return
        shown = view.checkpoint
        if shown.size < kept.size:
            raise Refused(
                f"{self._source.source} shows {shown.size} entries, and {kept.size} are kept: it "
                "went back. What is kept stays; its checkpoint is signed, and convicts the log"
            )
        if view.root(kept.size) != kept.root:
            raise Refused(
                f"{self._source.source} shows another history than the {kept.size} entries that "
                "are kept: both heads are signed, and `anchor monitor` makes evidence of them"
            )

    def _take(self, view: LogView, size: int) -> Iterator[int]:
        """Keep the entries from `size` on, a piece after the other; gives how far it is."""
        while size < view.size:
            stop, taken, files, leaves = size, 0, list[tuple[str, bytes]](), list[bytes]()
            while stop < view.size and stop - size < _ENTRIES and taken < _BYTES:
                number = stop // TILE_WIDTH
                entries = self._bundle(view, number)
                data = pack_entries(entries)
                files.append((entries_path(number, len(entries)), data))
                leaves += [leaf_hash(entry) for entry in entries[stop % TILE_WIDTH :]]
                stop, taken = number * TILE_WIDTH + len(entries), taken + len(data)
            tiles = grow(size, leaves, self._folder.tile)
            self._folder.put([*files, *((tile.path, data) for tile, data in tiles)])
            size = stop
            yield size

    def _bundle(self, view: LogView, number: int) -> list[bytes]:
        """A bundle, from here where a round that was cut off has left it."""
        width = view.width(0, number)
        try:
            entries = self._folder.bundle(number, width)
        except (Missing, Malformed):
            return view.bundle(number)
        hashes = b"".join(map(leaf_hash, entries))
        return entries if hashes == view.tile(0, number, width) else view.bundle(number)

    def _take_checkpoints(self, shown: Checkpoint) -> None:
        """Those that the log kept, where its source lists them: messages cite them."""
        source = self._source.source
        for name in source.names(CHECKPOINTS):
            if (self._folder.path / CHECKPOINTS / name).exists():
                continue
            try:
                note = source.read(f"{CHECKPOINTS}/{name}")
                checkpoint = self._source.open(note)
                true = checkpoint.size <= shown.size
                true = true and self._tree.root(checkpoint.size) == checkpoint.root
            except (Malformed, Missing, Refused):
                continue
            if true:
                self._folder.keep(note)
