"""The tree as the disk gives it back: roots, proofs, and whether it is what was committed.

Reads the folder each time; nothing that the writer remembers about hashes goes in.
"""

from anchor.errors import Diverged, Malformed, Missing
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.right_edge import grow
from anchor.merkle import (
    check_consistency,
    consistency_from_tiles,
    leaf_hash,
    root_from_tiles,
)

RESTORE = "Put back the newest copy of the log folder and anchor.db; never let an older copy sign"


class DiskTree:
    """The Merkle tree of one log folder, of any size up to what is there."""

    def __init__(self, folder: LogFolder) -> None:
        self._folder = folder

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries; Missing or Malformed if tiles do not give it."""
        return root_from_tiles(size, self._folder.tile)

    def consistency(self, old: int, size: int) -> tuple[bytes, ...]:
        """The path from the tree of `old` entries to that of `size`.

        Checked before it is given; Refused if the tiles do not bear it out.
        """
        path = consistency_from_tiles(old, size, self._folder.tile)
        check_consistency(
            old_size=old, old_root=self.root(old), size=size, root=self.root(size), path=path
        )
        return path

    def check(self, since: int, size: int, root: bytes) -> None:
        """Recompute what came after the first `since` entries, from the entries themselves.

        Diverged unless every new tile follows from them and the root at `size` is `root`.
        """
        try:
            leaves = [leaf_hash(entry) for entry in self._folder.entries(since, size)]
            for tile, data in grow(since, leaves, self._folder.tile):
                if self._folder.tile(tile.level, tile.number, tile.width) != data:
                    raise self.changed(f"{tile.path} does not follow from its entries")
            found = self.root(size)
        except (Missing, Malformed) as error:
            raise self.changed(str(error)) from error
        if found != root:
            raise self.changed(f"another root at size {size} than was committed")

    def changed(self, what: str) -> Diverged:
        """The error for a folder that is not what its writer left."""
        where = self._folder.path
        return Diverged(f"the log in {where} changed under the writer: {what}. {RESTORE}")
