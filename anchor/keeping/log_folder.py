"""The folder of a tiled log, as its one writer keeps it (C2SP tlog-tiles).

Tiles and bundles never change once written; `checkpoint` alone is replaced. A tile of a
smaller tree is a prefix of a wider one, so any wider file answers for it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

from anchor.errors import Diverged, Malformed, Missing
from anchor.keeping.durable import TEMPORARY, Durable, held
from anchor.merkle import HASH, TILE_HEIGHT, TILE_WIDTH
from anchor.tile import Tile, entries_from_path, entries_path, unpack_entries

CHECKPOINT = "checkpoint"
CHECKPOINTS = "checkpoints"
RECEIPTS = "receipts"
LOCK = ".lock"


class LogFolder:
    """A log's folder; `durable` carries every step that must survive a power cut."""

    def __init__(self, path: Path, durable: Durable | None = None) -> None:
        self.path = path
        self.durable = durable or Durable()

    def lock(self) -> AbstractContextManager[None]:
        """Be the folder's only writer; Locked when another process is."""
        return held(self.path / LOCK, f"the log in {self.path}")

    # -- reading back ---------------------------------------------------------------

    def read(self, name: str) -> bytes:
        """A file's bytes; Missing names it."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise Missing(f"{self.path / name} is not there") from error

    def tile(self, level: int, number: int, width: int) -> bytes:
        """A tile's first `width` hashes, joined; Missing when no file holds that many."""
        name = Tile(level, number, width).path
        return self._widest(name, Tile(level, number).path, width)[: width * HASH]

    def bundle(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle; Missing when no file holds that many."""
        data = self._widest(entries_path(number, width), entries_path(number), width)
        entries = unpack_entries(data)[:width]
        if len(entries) < width:
            raise Missing(f"bundle {number} in {self.path} ends before entry {width}")
        return entries

    def entries(self, first: int, stop: int) -> Iterator[bytes]:
        """Entries by position, `first` inclusive, `stop` exclusive."""
        for number in range(first // TILE_WIDTH, -(-stop // TILE_WIDTH)):
            start = number * TILE_WIDTH
            width = min(TILE_WIDTH, stop - start)
            yield from self.bundle(number, width)[max(0, first - start) :]

    def entries_beyond(self, first: int, limit: int) -> list[bytes]:
        """What the folder holds without a gap from position `first`, at most `limit` entries."""
        found = list[bytes]()
        while len(found) < limit:
            number, offset = divmod(first + len(found), TILE_WIDTH)
            width = self._widest_bundle(number)
            if width <= offset:
                break
            found += self.bundle(number, width)[offset:]
            if width < TILE_WIDTH:
                break
        return found[:limit]

    def checkpoint(self) -> bytes | None:
        """The published checkpoint, or None before the first."""
        try:
            return self.read(CHECKPOINT)
        except Missing:
            return None

    def _widest(self, name: str, full: str, width: int) -> bytes:
        for known in (name, full):
            try:
                return self.read(known)
            except Missing:
                continue
        wider = [w for w in self._partial_widths(full) if w > width]
        if not wider:
            raise Missing(f"{self.path / name} is not there, nor a wider one")
        return self.read(f"{full}.p/{min(wider)}")

    def _widest_bundle(self, number: int) -> int:
        full = entries_path(number)
        if (self.path / full).exists():
            return TILE_WIDTH
        return max(self._partial_widths(full), default=0)

    def _partial_widths(self, full: str) -> list[int]:
        try:
            found = [path.name for path in (self.path / f"{full}.p").iterdir()]
        except FileNotFoundError:
            return []
        return [int(name) for name in found if name.isdecimal()]

    # -- writing --------------------------------------------------------------------

    def put(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write files that never change; all are durable on return.

        A file that is there already with the same bytes is fine (a crash came between).
        Diverged when it holds others: then something else has written here.
        """
        folders = dict[Path, None]()
        for name, data in files:
            target = self.path / name
            self.durable.make_folders(target.parent)
            folders[target.parent] = None
            if not target.exists():
                self.durable.stage(target, data)
            elif target.read_bytes() != data:
                raise Diverged(
                    f"{target} is written already, with other bytes: a tile never changes. "
                    "Look who else writes into this folder; `tlog audit` tells what is whole"
                )
        for folder in folders:
            self.durable.sync_folder(folder)

    def publish(self, note: bytes) -> None:
        """Let a cosigned checkpoint be `checkpoint`, then keep it by its hash.

        In this order: a kept one that is ahead of `checkpoint` means that the log was cut.
        """
        self.durable.replace(self.path / CHECKPOINT, note)
        # Crash here: nobody was told of it yet, the next start keeps it.
        self.keep(note)

    def keep(self, note: bytes) -> None:
        """Keep a published checkpoint by its hash, for good; again is the same as once."""
        self.put([(f"{CHECKPOINTS}/{sha256(note).hexdigest()}", note)])

    def kept(self, note_hash: bytes) -> bytes:
        """A published checkpoint by its hash; Missing where it was not kept."""
        return self.read(f"{CHECKPOINTS}/{note_hash.hex()}")

    def receipt(self, note_hash: bytes, name: str) -> bytes | None:
        """A stored receipt, made durable if a crash came before that; None where there is none."""
        path = f"{RECEIPTS}/{note_hash.hex()}/{name}"
        self.durable.remove((self.path / path).with_name(f".{name}{TEMPORARY}"))
        try:
            data = self.read(path)
        except Missing:
            return None
        self.put([(path, data)])
        for folder in (self.path / RECEIPTS, self.path):
            self.durable.sync_folder(folder)
        return data

    def keep_receipt(self, note_hash: bytes, name: str, receipt: bytes) -> None:
        """Keep a ledger's receipt beside the checkpoint, for good; again is the same as once."""
        self.put([(f"{RECEIPTS}/{note_hash.hex()}/{name}", receipt)])

    def settle(self) -> None:
        """After a crash: drop half-written files and make every name there durable.

        Files that were renamed, or folders that were made, just before a crash may be seen
        and yet not be on the disk. Receipts have a folder each: those that are not known to
        be durable are asked for one by one (`receipt`).
        """
        self.durable.make_folders(self.path)
        self.durable.sync_folder(self.path.parent)
        for folder, folders, names in os.walk(self.path):
            if Path(folder) == self.path / RECEIPTS:
                folders.clear()
            for name in names:
                if name.startswith(".") and name.endswith(TEMPORARY):
                    self.durable.remove(Path(folder, name))
            self.durable.sync_folder(Path(folder))

    def leftovers(self, size: int) -> list[Path]:
        """Tiles and bundles that a tree of `size` does not have: of an append never committed."""
        found = list[Path]()
        for path in (self.path / "tile").rglob("*"):
            if path.is_file() and _end(path.relative_to(self.path).as_posix()) > size:
                found.append(path)
        return found

    def remove(self, paths: Sequence[Path]) -> None:
        """Remove files, durably."""
        for path in paths:
            self.durable.remove(path)
        for folder in sorted({path.parent for path in paths}):
            self.durable.sync_folder(folder)

    def sweep(self) -> None:
        """Remove the partial tiles and bundles whose full one is there (C2SP tlog-tiles)."""
        for partials in list((self.path / "tile").rglob("*.p")):
            if not partials.with_suffix("").is_file():
                continue
            # What a crash or a power cut leaves of them does no harm: the next sweep takes it.
            for path in list(partials.iterdir()):
                self.durable.remove(path)
            self.durable.remove_folder(partials)


def _end(name: str) -> int:
    """How many leaves a tree needs to have this file; 0 for a name that is none of a log's."""
    try:
        number, width = entries_from_path(name)
        return number * TILE_WIDTH + width
    except Malformed:
        pass
    try:
        tile = Tile.from_path(name)
    except Malformed:
        return 0
    return (tile.number * TILE_WIDTH + tile.width) << (TILE_HEIGHT * tile.level)
