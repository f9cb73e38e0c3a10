"""What a disk holds after a power cut, from a trace of what was done to it (steps.c writes it).

A file's bytes are certain after an fsync of it that began after they were written, a name after
an fsync of its folder. The rest is lost, or by chance some of it stays: of bytes any sectors of
512, of a folder's names the first so many changes. After an fsync that failed, what it was to
cover counts as lost for good, whatever a later one says (Linux drops those pages).
"""

import pickle
import random
import shutil
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("=IIQqq")
_FOLDER = None
PENDING, CERTAIN, DOUBTFUL = range(3)


@dataclass
class Record:
    """One record of a trace: `position` in it, what was done, to which inode."""

    position: int
    operation: str
    inode: int
    place: int
    step: int
    data: bytes

    @property
    def paths(self) -> list[str]:
        return self.data.decode().split("\0")


def records(trace: bytes) -> Iterator[Record]:
    """All whole records; a killed process may have left a half one."""
    position = 0
    while position + _HEAD.size <= len(trace):
        size, operation, inode, place, step = _HEAD.unpack_from(trace, position)
        start = position + _HEAD.size
        if start + size > len(trace):
            return
        data = trace[start : start + size]
        yield Record(position, chr(operation), inode, place, step, data)
        position = start + size


@dataclass
class File:
    """An inode: bytes that are certain, then what was done to it, each certain or not."""

    content: bytearray = field(default_factory=bytearray)
    changes: list[list] = field(default_factory=list)  # [position, place, data or None, state]

    def settle(self, covered: int, state: int) -> None:
        for change in self.changes:
            if change[3] == PENDING and change[0] < covered:
                change[3] = state
        while self.changes and self.changes[0][3] == CERTAIN:
            _, place, data, _ = self.changes.pop(0)
            _apply(self.content, place, data)

    def after(self, chance: random.Random | None) -> bytes:
        found = bytearray(self.content)
        for _, place, data, state in self.changes:
            if state == CERTAIN:
                _apply(found, place, data)
            elif chance is not None:
                _apply_some(found, place, data, chance)
        return bytes(found)


def _apply(content: bytearray, place: int, data: bytes | None) -> None:
    if data is None:
        content[place:] = b""
        content.extend(bytes(place - len(content)))
        return
    content.extend(bytes(max(0, place - len(content))))
    content[place : place + len(data)] = data


def _apply_some(content: bytearray, place: int, data: bytes | None, chance: random.Random) -> None:
    if data is None:
        if chance.random() < 0.5:
            _apply(content, place, data)
        return
    at = 0
    while at < len(data):
        stop = min(len(data), at + SECTOR - (place + at) % SECTOR)
        if chance.random() < 0.5:
            _apply(content, place + at, data[at:stop])
        at = stop


class Disk:
    """A folder's disk: begin with what is there, all of it certain; then `play` records."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.files: dict[int, File] = {}
        self.names: dict[str, int | None] = {}  # what is certain: a path's inode, or a folder
        self.seen: dict[str, int | None] = {}  # what a running process sees
        self.changes: list[tuple[int, str, str, str, int | None]] = []
        self.told: list[bytes] = []
        for path in sorted(self.root.rglob("*")):
            if path.name.endswith("-shm"):
                continue
            inode = _FOLDER if path.is_dir() else path.stat().st_ino
            if inode is not _FOLDER and inode not in self.files:
                self.files[inode] = File(bytearray(path.read_bytes()))
            self.names[str(path)] = inode
        self.seen = dict(self.names)

    def play(self, record: Record) -> None:
        """Take one more thing that was done."""
        match record.operation:
            case "W":
                self._change(record, record.data)
            case "T":
                self._change(record, None)
            case "S" | "F":
                state = CERTAIN if record.operation == "S" else DOUBTFUL
                if record.inode in self.files:
                    self.files[record.inode].settle(record.place, state)
            case "M":
                self.told.append(record.data)
            case _:
                self._play_names(record)

    def _play_names(self, record: Record) -> None:
        match record.operation:
            case "P":
                self._settle_names(record)
            case "C":
                self.files[record.inode] = File()
                self._name(record, record.data.decode(), record.inode)
            case "D":
                self._name(record, record.paths[0], _FOLDER)
            case "U" | "X":
                self.seen.pop(record.paths[0], None)
                self._add(record, "-", record.paths[0], None)
            case "R":
                old, new = record.paths
                inode = self.seen[new] = self.seen.pop(old)
                self._add(record, old, new, inode)
            case "L":
                old, new = record.paths
                self._name(record, new, self.seen[old])

    def after_cut(self, chance: random.Random | None = None) -> dict[str, bytes | None]:
        """Paths below the root and what they hold; None for a folder."""
        names = dict(self.names)
        stays: dict[str, bool] = {}
        for _, old, new, folder, inode in self.changes:
            if chance is None:
                break
            if stays.setdefault(folder, True):
                stays[folder] = chance.random() < 0.7
            if stays[folder]:
                _rename(names, old, new, inode)
        found: dict[str, bytes | None] = {}
        for path in sorted(names):
            parent, inode = str(Path(path).parent), names[path]
            if parent == str(self.root) or parent in found:
                below = path.removeprefix(f"{self.root}/")
                if below != path:
                    found[path] = None if inode is _FOLDER else self.files[inode].after(chance)
        return {path.removeprefix(f"{self.root}/"): data for path, data in found.items()}

    def cut_into(self, folder: Path, chance: random.Random | None = None) -> None:
        """Make a folder what it holds after a cut; what was in it goes."""
        image = self.after_cut(chance)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, data in image.items():
            if data is None:
                (folder / name).mkdir()
            else:
                (folder / name).write_bytes(data)

    def _change(self, record: Record, data: bytes | None) -> None:
        file = self.files.setdefault(record.inode, File())
        file.changes.append([record.position, record.place, data, PENDING])

    def _name(self, record: Record, path: str, inode: int | None) -> None:
        self.seen[path] = inode
        self._add(record, "", path, inode)

    def _add(self, record: Record, old: str, new: str, inode: int | None) -> None:
        """A change of names: "" and a new one, an old one and a new one, "-" and one that goes."""
        self.changes.append((record.position, old, new, str(Path(new).parent), inode))

    def _settle_names(self, record: Record) -> None:
        left = []
        for change in self.changes:
            position, old, new, folder, inode = change
            if folder == record.data.decode() and position < record.place:
                _rename(self.names, old, new, inode)
            else:
                left.append(change)
        self.changes = left


def _rename(names: dict[str, int | None], old: str, new: str, inode: int | None) -> None:
    if old == "-":
        names.pop(new, None)
        return
    names.pop(old, None)
    names[new] = inode


def main(what: str, *rest: str) -> None:
    """`keep FOLDER DISK` before a run; `cut DISK TRACE FOLDER [SEED]` when all of it is killed."""
    if what == "keep":
        folder, disk = rest
        Path(disk).write_bytes(pickle.dumps(Disk(Path(folder))))
        return
    disk, trace, folder, *seed = rest
    kept = pickle.loads(Path(disk).read_bytes())
    for record in records(Path(trace).read_bytes()):
        kept.play(record)
    kept.cut_into(Path(folder), random.Random(int(seed[0])) if seed else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
