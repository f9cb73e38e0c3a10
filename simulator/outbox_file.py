"""The file under an outbox: append, make durable, rewrite. The edge to the disk.

One file a device, `<device>.outbox`, written by one process (`<device>.lock`, flock). It
knows frames, not their meaning. `append` leaves bytes with the operating system, where a
killed process cannot lose them; `sync` puts them on the disk, where a power cut cannot.
"""

import errno
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

from simulator.disk import OS_DISK, Disk
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

    def __init__(self, device: str, directory: Path, disk: Disk = OS_DISK) -> None:
        self._disk = disk
        lock = directory / f"{device}.lock"
        try:
            self._lock_file = disk.lock(lock)
        except BlockingIOError as error:
            raise OutboxInUse(
                f"the outbox of {device} is in use by another process ({lock} is locked): "
                "two would fork its chain; stop that one first"
            ) from error
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
        self._disk.remove(self._temporary)  # a rewrite that a crash cut short
        if not self._disk.exists(self._path):
            self.rewrite(Head(self._device), ())
        data = self._disk.read(self._path)
        try:
            found = read(data)
        except OutboxDamaged as error:
            raise OutboxDamaged(
                f"{self._path}: {error}; move the file away to start anew (what it held and "
                "was not received is lost, and the break in the chain will show)"
            ) from error
        if found[-1].end > max(one.durable for one in found):
            # It can be read and may not be on the disk: not if an fsync of the process before
            # failed, and the next one would not tell. So it is written anew.
            self._replace(data[: found[-1].end])
        else:
            self._reopen(found[-1].end)
        return found

    def append(self, contents: Iterable[Content]) -> None:
        """Write down, in one write; OutboxUnwritable leaves the file as it was."""
        self._refuse_if_broken()
        data = b"".join(frame(content, self._durable) for content in contents)
        try:
            self._disk.write(self._descriptor, data)
        except OSError as error:
            # A part may be there: cut it off, or the next frame would follow a broken one.
            self._broken = not self._cut_back()
            raise OutboxUnwritable(f"{self._path}: {_said(error)}") from error
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
        self._replace(_whole(head, list(contents)))

    def _replace(self, data: bytes) -> None:
        with self._swap:
            descriptor = self._disk.create(self._temporary)
            try:
                self._disk.write(descriptor, data)
                self._flush(descriptor, self._temporary)
            except OSError as error:
                raise OutboxUnwritable(f"{self._temporary}: {_said(error)}") from error
            finally:
                self._disk.close(descriptor)
            try:
                self._disk.rename(self._temporary, self._path)
                self._disk.sync_folder(self._path.parent)
            except OSError as error:
                # Which file has the name is not known: nothing more goes into either.
                self._broken = True
                raise OutboxUnwritable(f"{self._path}: {_said(error)}") from error
            self._reopen(len(data))

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
                    self._disk.close(descriptor)
            self._descriptor = self._lock_file = -1

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise OutboxUnwritable(f"{self._path}: not writable since an earlier error; restart")

    def _reopen(self, size: int) -> None:
        """Open the file at its path for appending after `size` bytes, all taken as durable."""
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
        try:
            self._descriptor = self._disk.open(self._path)
            if self._disk.size(self._descriptor) > size:
                self._disk.cut(self._descriptor, size)
        except OSError as error:
            self._broken = True
            raise OutboxUnwritable(f"{self._path}: {_said(error)}") from error
        # Bytes that an earlier process appended may not be on the disk yet.
        self._flush(self._descriptor, self._path)
        self.size = self._durable = size

    def _cut_back(self) -> bool:
        """Leave no more than what was written whole; False where the disk cannot do that."""
        try:
            self._disk.cut(self._descriptor, self.size)
        except OSError:
            return False
        return True

    def _flush(self, descriptor: int, path: Path) -> None:
        try:
            self._disk.sync(descriptor)
        except OSError as error:
            # After a failed fsync the kernel may have dropped the pages: nothing written
            # since the last good one can be trusted, and trying again would say it is fine.
            self._broken = True
            raise OutboxUnwritable(
                f"{path}: {error.strerror}: it did not reach the disk; look at the disk, restart"
            ) from error


def _said(error: OSError) -> str:
    """The system's word for it, and what to do."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return f"{error.strerror}; {'free some space' if full else 'look at the disk, restart'}"


def _whole(head: Head, contents: list[Content]) -> bytes:
    """A file's bytes; the head's `durable` is the whole length, so it is spelled last."""
    rest = b"".join(frame(content, 0) for content in contents)
    return frame(head, len(frame(head, 0)) + len(rest)) + rest
