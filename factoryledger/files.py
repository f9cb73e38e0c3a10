"""Files that are there whole or not at all, and a lock between processes.

Edge: the disk. A crash at any point leaves either the old file or the new one.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factoryledger.errors import NotThere


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file under a temporary name, make it durable, then give it its name.

    What a link leads to is written, and the link stays. A pipe or a device is written to: to
    rename over `/dev/null` or `/dev/stdout` would take it from every program.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        path.write_bytes(content)
        return
    path = path.resolve() if path.is_symlink() else path
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _sync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # Without this the name may be gone after a power cut, though the bytes are there.
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file (made if need be); waits for whoever has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Closing lets go of the lock; so does the kernel when the process is killed.
        os.close(descriptor)


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold a lock on a file; NotThere, naming `what`, when another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotThere(f"there is {what} already; end it first ({path})") from error
        yield
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Fsync, in the way that reaches the disk: on macOS plain fsync stops at its cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)
