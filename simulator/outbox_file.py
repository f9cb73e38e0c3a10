"""The file under an outbox: append, make durable, rewrite. The edge to the disk.

One file a device, `<device>.outbox`, written by one process (`<device>.lock`, flock). It
knows frames, not their meaning. `append` leaves bytes with the operating system, where a
killed process cannot lose them; `sync` puts them on the disk, where a power cut cannot.
"""

import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

from simulator.errors import OutboxDamaged, OutboxInUse, OutboxUnwritable
from simulator.outbox_frame import Content, Framed, Head, frame, read


class Journal(Protocol):
    """Where an outbox writes down what it does.

    `instant`: what is appended is as durable as it will ever be, `sync` has nothing to add.
    """

    instant: bool

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def load(self) -> Sequence[Framed]:
        """What was written before, the head first; nothing where it is new."""

    def append(self, contents: Iterable[Content]) -> None:
        """Write down, in order, in one write."""

    def sync(self) -> None:
        """Make everything appended before this call durable."""

    def rewrite(self, head: Head, contents: Iterable[Content]) -> None:
        """Replace all by this, durable when it returns."""

    def close(self) -> None:
        """Make what was appended durable, and let go of it."""


class MemoryJournal:
    """A journal that keeps nothing: an outbox that lives as long as its process."""

    __slots__ = ()
    instant = True
    size = 0

    def load(self) -> Sequence[Framed]:
        """Nothing was there before."""
        return ()

    def append(self, contents: Iterable[Content]) -> None:
        """Forget at once."""

    def sync(self) -> None:
        """Nothing is waiting."""

    def rewrite(self, head: Head, contents: Iterable[Content]) -> None:
        """Nothing is there to replace."""

    def close(self) -> None:
        """Nothing is open."""


class FileJournal:
    """A journal in `<directory>/<device>.outbox`.

    `append` and `rewrite` are called by one thread at a time; `sync` may run in another.
    """

    instant = False

    def __init__(self, device: str, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock(directory / f"{device}.lock", device)
        except OSError as error:
            raise OutboxUnwritable(f"{directory}: no outbox can be there: {error}") from error
        self._device = device
        self._path = directory / f"{device}.outbox"
        self._temporary = directory / f"{device}.outbox.tmp"
        self._swap = Lock()  # held while the descriptor is replaced or synced
        self._descriptor = -1
        self._durable = 0
        self._broken = False
        self.size = 0

    def load(self) -> Sequence[Framed]:
        """Open the file, drop its torn tail, and read it; a new one gets its head."""
        self._temporary.unlink(missing_ok=True)  # a rewrite that a crash cut short
        if not self._path.exists():
            self.rewrite(Head(self._device), ())
        data = self._path.read_bytes()
        try:
            found = read(data)
        except OutboxDamaged as error:
            raise OutboxDamaged(
                f"{self._path}: {error}; move the file away to start anew (what it held and "
                "was not received is lost, and the break in the chain will show)"
            ) from error
        self._open(found[-1].end)
        return found

    def append(self, contents: Iterable[Content]) -> None:
        """Write down, in one write; OutboxUnwritable leaves the file as it was."""
        self._refuse_if_broken()
        data = b"".join(frame(content, self._durable) for content in contents)
        try:
            _write(self._descriptor, data)
        except OSError as error:
            # A part may be there: cut it off, or the next frame would follow a broken one.
            self._broken = not _cut(self._descriptor, self.size)
            raise OutboxUnwritable(f"{self._path}: {error.strerror}; free some space") from error
        self.size += len(data)

    def sync(self) -> None:
        """Put on the disk what was appended before this call."""
        with self._swap:
            self._refuse_if_broken()
            size = self.size
            if size <= self._durable:
                return
            self._flush(self._descriptor, self._path)
            self._durable = size

    def rewrite(self, head: Head, contents: Iterable[Content]) -> None:
        """Replace the file: durable under another name, renamed, the folder synced."""
        data = _whole(head, list(contents))
        with self._swap:
            descriptor = os.open(
                self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            try:
                _write(descriptor, data)
                self._flush(descriptor, self._temporary)
            except OSError as error:
                raise OutboxUnwritable(f"{self._temporary}: {error.strerror}") from error
            finally:
                os.close(descriptor)
            self._temporary.replace(self._path)
            _sync_folder(self._path.parent)
            self._open(len(data))

    def close(self) -> None:
        """Make what was appended durable, close the file, let another process have it.

        After an error that was raised already it only closes.
        """
        try:
            if not self._broken and self._descriptor >= 0:
                self.sync()
        finally:
            self._close()

    def _close(self) -> None:
        with self._swap:
            for descriptor in (self._descriptor, self._lock_file):
                if descriptor >= 0:
                    os.close(descriptor)
            self._descriptor = self._lock_file = -1

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise OutboxUnwritable(f"{self._path}: not writable since an earlier error; restart")

    def _open(self, size: int) -> None:
        """Open the file at its path for appending after `size` bytes, all taken as durable."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        if os.fstat(self._descriptor).st_size > size:
            os.ftruncate(self._descriptor, size)
        # Bytes that an earlier process appended may not be on the disk yet.
        self._flush(self._descriptor, self._path)
        self.size = self._durable = size

    def _flush(self, descriptor: int, path: Path) -> None:
        try:
            _sync(descriptor)
        except OSError as error:
            # After a failed fsync the kernel may have dropped the pages: nothing written
            # since the last good one can be trusted, and trying again would say it is fine.
            self._broken = True
            raise OutboxUnwritable(f"{path}: {error.strerror}; restart") from error


def _whole(head: Head, contents: list[Content]) -> bytes:
    """A file's bytes; the head's `durable` is the whole length, so it is spelled last."""
    rest = b"".join(frame(content, 0) for content in contents)
    return frame(head, len(frame(head, 0)) + len(rest)) + rest


def _lock(path: Path, device: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutboxInUse(
            f"the outbox of {device} is in use by another process ({path} is locked): "
            "two would fork its chain; stop that one first"
        ) from error
    return descriptor


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _cut(descriptor: int, size: int) -> bool:
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        return False
    return True


def _sync(descriptor: int) -> None:
    """Flush to the disk itself; on macOS fsync stops at the drive's cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(descriptor, full)
    else:
        os.fdatasync(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
