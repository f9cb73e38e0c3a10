"""A package as it lies there: a folder, or a zip of one. Edge: the disk.

Nothing is unpacked to the disk and no link is followed. A name that leads elsewhere, one that
comes twice, and what is packed in an unusual way are Unreadable before anything is read.
"""

import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

from dossier.errors import Unreadable
from dossier.manifest import MANIFEST, MOST_FILES, SUMS
from dossier.zip_layout import check_layout
from telemetry.canonical import plain

CHUNK: Final = 1 << 20
_DEPTH: Final = 3
_ENCRYPTED: Final = 0x1
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MAGIC: Final = b"PK\x03\x04"
_MOST_ZIP: Final = 1 << 36
_READ_ERRORS: Final = (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError)


class Container(Protocol):
    """Files by path, with their sizes in bytes."""

    sizes: Mapping[str, int]

    def open(self, name: str) -> BinaryIO:
        """One of them, to be read."""

    def close(self) -> None:
        """Let go of it."""


class Folder:
    """A package as a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes: Mapping[str, int] = dict(_listed(path))

    def open(self, name: str) -> BinaryIO:
        """One file, which is still no link."""
        descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        return os.fdopen(descriptor, "rb")

    def close(self) -> None:
        """Nothing is held."""


class Zip:
    """A package as a zip, read in place."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > _MOST_ZIP:
            raise Unreadable(f"{path}: a zip of more than {_MOST_ZIP >> 30} GiB is not read")
        try:
            self._zip = zipfile.ZipFile(path)
        except _READ_ERRORS as error:
            raise Unreadable(f"{path}: no zip that can be read: {error}") from error
        try:
            self.sizes: Mapping[str, int] = _checked(self._zip.infolist())
            with path.open("rb") as file:
                check_layout(file, path.stat().st_size, self._zip.infolist())
        except _READ_ERRORS as error:
            self._zip.close()
            raise Unreadable(f"{path}: no zip that can be read: {error}") from error
        except Unreadable:
            self._zip.close()
            raise

    def open(self, name: str) -> BinaryIO:
        """One file, unpacked as it is read."""
        return self._zip.open(name)  # type: ignore[return-value]

    def close(self) -> None:
        """Close the zip."""
        self._zip.close()


class Opened:
    """A container whose every fault in reading is Unreadable; closed at the end of a `with`."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.sizes = container.sizes

    @contextmanager
    def stream(self, name: str) -> Iterator[BinaryIO]:
        """One file; Unreadable where it is missing or cannot be read."""
        if name not in self.sizes:
            raise Unreadable(f"{name} is missing")
        try:
            with self._container.open(name) as file:
                yield file
        except _READ_ERRORS as error:
            raise Unreadable(f"{name} cannot be read: {error}") from error

    def read(self, name: str, most: int) -> bytes:
        """All of one file; Unreadable where it has more bytes than that."""
        with self.stream(name) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise Unreadable(f"{name}: longer than {most:,} bytes, the most that is read of it")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()


def is_package(path: Path) -> bool:
    """Whether a path is a package by its look: a folder, or a zip with a manifest in it."""
    if path.is_dir():
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def open_package(path: Path) -> Opened:
    """Open a package; Unreadable where it is none."""
    opened = Opened(Folder(path) if path.is_dir() else Zip(path))
    for name in (MANIFEST, SUMS):
        if name not in opened.sizes:
            opened.__exit__()
            raise Unreadable(f"{path} is no evidence package: it has no {name}")
    return opened


def pack(folder: Path, target: BinaryIO) -> None:
    """Pack a folder as a zip: the same files give the same bytes (by one release of zlib)."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for name in sorted(dict(_listed(folder))):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            info.file_size = (folder / name).stat().st_size
            with (folder / name).open("rb") as source, packed.open(info, "w") as sink:
                while chunk := source.read(CHUNK):
                    sink.write(chunk)


def _listed(path: Path) -> Iterator[tuple[str, int]]:
    count = 0
    for folder, folders, names in os.walk(path, onerror=_cannot):
        depth = len(Path(folder).relative_to(path).parts)
        for name in (*folders, *names):
            whole = Path(folder, name)
            said = whole.relative_to(path).as_posix()
            mode = whole.lstat().st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) or depth >= _DEPTH:
                raise Unreadable(f"{plain(said)} is no plain file of a package (a link, a device?)")
            count += 1
            if count > 2 * MOST_FILES:
                raise Unreadable(f"{path}: more than {MOST_FILES} files; a package has fewer")
            if stat.S_ISREG(mode):
                yield said, whole.lstat().st_size


def _cannot(error: OSError) -> None:
    raise Unreadable(f"{error.filename}: {error.strerror}") from error


def _checked(members: list[zipfile.ZipInfo]) -> dict[str, int]:
    if len(members) > MOST_FILES:
        raise Unreadable(f"a zip of more than {MOST_FILES} files; a package has fewer")
    found = dict[str, int]()
    for one in members:
        name = one.filename
        kind = stat.S_IFMT(one.external_attr >> 16)
        usual = one.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
        parts = name.split("/")
        if name in found:
            raise Unreadable(f"the zip holds {plain(name)} twice")
        if any(part in {"", ".", ".."} for part in parts):
            raise Unreadable(f"the zip holds a name that leads elsewhere: {plain(name)[:100]}")
        if name != one.orig_filename or "\\" in name or ":" in name or len(parts) > _DEPTH:
            raise Unreadable(f"the zip holds a name that no package has: {plain(name)[:100]}")
        if kind not in {0, stat.S_IFREG} or one.flag_bits & _ENCRYPTED or not usual:
            raise Unreadable(f"{plain(name)[:100]} in the zip is a link, encrypted or oddly packed")
        found[name] = one.file_size
    return found
