"""Writes that survive a power cut: fsync, atomic rename, fsync of the folder.

Every durable step of the writing side goes through one `Durable`, so that a test can
fail or stop at each of them in turn. Nothing here decides what is written.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anchor.errors import DiskFailed, Locked

TEMPORARY = ".tmp"


def _sync(descriptor: int, path: Path) -> None:
    """Flush a file or folder to the disk itself; DiskFailed where it does not take it."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        # macOS: fsync leaves the data in the drive's cache. Some of its file systems know
        # no better, and say so.
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise disk_failed(path, error.strerror) from error


def disk_failed(what: object, why: object) -> DiskFailed:
    """The kernel may have dropped what it could not write; a second fsync would say it is fine."""
    return DiskFailed(
        f"{what} did not reach the disk ({why}), so this process ends and tries nothing again: "
        "look at the disk and the system's log, then start it anew; nothing was told to anyone "
        "that rests on this"
    )


class Durable:
    """The durable steps on a file system; each is on the disk when it returns.

    Errors: OSError from the system, as it is, and after it the outcome of that step is
    unknown: the caller reads back before it goes on. DiskFailed, after which nobody goes on,
    where an fsync failed.
    """

    def write(self, path: Path, data: bytes) -> None:
        """Write a whole file and sync it. Not atomic: for names that nobody reads yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            _sync(descriptor, path)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Rename within one folder, replacing atomically; on disk only after `sync_folder`."""
        old.replace(new)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor, path)
        finally:
            os.close(descriptor)

    def make_folder(self, path: Path) -> None:
        """Make one folder; fine if it is there. On disk only after `sync_folder` of its parent."""
        path.mkdir(exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file; fine if it is gone. May come back after a power cut."""
        path.unlink(missing_ok=True)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def commit(self, transaction: Callable[[], None]) -> None:
        """Run a database transaction that is durable when it returns."""
        transaction()

    def make_folders(self, path: Path) -> None:
        """Make a folder and all its parents, durably."""
        if path.is_dir():
            return
        self.make_folders(path.parent)
        self.make_folder(path)
        self.sync_folder(path.parent)

    def stage(self, path: Path, data: bytes) -> None:
        """Put a whole file under its name; durable once its folder is synced."""
        temporary = path.with_name(f".{path.name}{TEMPORARY}")
        self.write(temporary, data)
        self.rename(temporary, path)

    def replace(self, path: Path, data: bytes) -> None:
        """Replace a file: a reader sees the old bytes or the new, also after a power cut."""
        self.stage(path, data)
        self.sync_folder(path.parent)


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` (flock; the system lets go when the process ends).

    Locked, naming `what`, when another process or another holder of this one has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(
                f"{what} is being written by another process ({path} is locked): stop that one "
                "first, or give this one another place"
            ) from error
        yield
    finally:
        os.close(descriptor)
