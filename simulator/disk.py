"""The disk under an outbox file: what a crash may lose, and the calls that keep it from that.

The edge itself; its rules are the journal's. A killed process loses nothing that was written;
a power cut loses what was not synced: a file's bytes by `sync`, its name by `sync_folder`.
"""

import fcntl
import os
from pathlib import Path
from typing import Final, Protocol


class Disk(Protocol):
    """Files by path, open ones by descriptor; OSError where the disk does not take it."""

    def lock(self, path: Path) -> int:
        """Hold the file alone until it is closed; BlockingIOError where another process does."""

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""

    def read(self, path: Path) -> bytes:
        """All bytes of a file."""

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""

    def create(self, path: Path) -> int:
        """Open an empty file, new or emptied."""

    def open(self, path: Path) -> int:
        """Open a file to append to it."""

    def size(self, descriptor: int) -> int:
        """Bytes in an open file."""

    def write(self, descriptor: int, data: bytes) -> None:
        """Append all of it."""

    def cut(self, descriptor: int, size: int) -> None:
        """Leave no more than so many bytes."""

    def sync(self, descriptor: int) -> None:
        """Put a file's bytes on the disk itself."""

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another's name, in its place."""

    def sync_folder(self, path: Path) -> None:
        """Put a folder's names on the disk itself."""

    def close(self, descriptor: int) -> None:
        """Close a file."""


class OsDisk:
    """The operating system's."""

    __slots__ = ()

    def lock(self, path: Path) -> int:
        """Hold the file alone, with flock; its folder is made, durably."""
        self._make_folders(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _make_folders(self, path: Path) -> None:
        """The name of one that is there is synced, too: a killed process made it, and no more."""
        if not path.is_dir():
            self._make_folders(path.parent)
            path.mkdir(exist_ok=True)
        self.sync_folder(path.parent)

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path.exists()

    def read(self, path: Path) -> bytes:
        """All bytes of a file."""
        return path.read_bytes()

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def create(self, path: Path) -> int:
        """Open an empty file, new or emptied."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """Open a file to append to it."""
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)

    def size(self, descriptor: int) -> int:
        """Bytes in an open file."""
        return os.fstat(descriptor).st_size

    def write(self, descriptor: int, data: bytes) -> None:
        """Append all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def cut(self, descriptor: int, size: int) -> None:
        """Leave no more than so many bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Flush to the disk itself; on macOS fsync stops at the drive's cache."""
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:
            fcntl.fcntl(descriptor, full)
        else:
            os.fdatasync(descriptor)

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another's name, in its place."""
        path.replace(to)

    def sync_folder(self, path: Path) -> None:
        """Put a folder's names on the disk itself."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        os.close(descriptor)


OS_DISK: Final = OsDisk()
