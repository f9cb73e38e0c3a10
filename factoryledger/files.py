"""Files that are there whole or not at all, and a lock between processes.

Edge: the disk. A crash at any point leaves either the old file or the new one.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from factoryledger.errors import NotThere, WrongUsage

_AT_ONCE: Final = 8
_MIB: Final = 1 << 20
POLICY_MOST: Final = _MIB
"""Bytes of a policy file."""
PROOF_MOST: Final = 512 * _MIB
"""Bytes of a proof, of evidence or of a recording's receipts: as a whole they are read."""


def read_whole(path: Path, most: int) -> bytes:
    """Give a file's bytes; WrongUsage where it has more than that, or never ends."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise WrongUsage(f"{path}: longer than {most // _MIB} MiB: is it the right file?")
    return content


def first_line(path: Path, what: str) -> str:
    """Give the first line of a file, which holds `what`; WrongUsage where there is none."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        # Its words name a byte of what may be a secret.
        raise WrongUsage(f"{path}: no {what} on its first line: it is not UTF-8") from None
    if not lines or not lines[0]:
        raise WrongUsage(f"{path}: no {what} on its first line")
    return lines[0]


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file under a temporary name, make it durable, then give it its name.

    What a link leads to is written, and the link stays. A pipe or a device is written to: to
    rename over `/dev/null` or `/dev/stdout` would take it from every program.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        path.write_bytes(content)
        return
    path = path.resolve() if path.is_symlink() else path
    temporary = _temporary(path)
    try:
        _write_new(temporary, content, mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # Without this the name may be gone after a power cut, though the bytes are there.
    sync_folder(path.parent)


def write_all(folder: Path, contents: Mapping[str, bytes], mode: int = 0o644) -> None:
    """Write new files of a folder, each whole; durable on return, together.

    The names come after the bytes of all of them: a crash leaves some of the files, or none.
    Eight at a time, since the file system commits at once what is synced meanwhile.
    """
    temporaries = {name: _temporary(folder / name) for name in contents}

    def write(name: str) -> None:
        _write_new(temporaries[name], contents[name], mode)

    try:
        with ThreadPoolExecutor(_AT_ONCE, "files") as pool:
            list(pool.map(write, contents))
        for name, temporary in temporaries.items():
            temporary.replace(folder / name)
    except BaseException:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def new_folder(target: Path, fill: Callable[[Path], object], mode: int = 0o700) -> None:
    """Fill a folder under another name, make it durable, and then give it its own.

    What `fill` raises leaves nothing behind.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    temporary.mkdir(mode=mode)
    try:
        fill(temporary)
        for folder, _, names in os.walk(temporary):
            for name in names:
                sync_file(Path(folder, name))
            sync_folder(Path(folder))
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(target.parent)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable that somebody else wrote."""
    with path.open("rb") as file:
        _sync(file.fileno())


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


def _temporary(path: Path) -> Path:
    """Give a name that nobody can have put there before, in the folder of `path`."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there, durable on return; never through a link or over a file.

    It has its mode from the start: what it holds may be a private key.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        _sync(file.fileno())


def _sync(descriptor: int) -> None:
    """Fsync, in the way that reaches the disk: on macOS plain fsync stops at its cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)
