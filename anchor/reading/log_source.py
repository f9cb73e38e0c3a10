"""Where the files of a tiled log come from: a folder, or a web server (`http_source`).

The edge of the verifying side. Nothing read here is trusted: `anchor.reading.log_reader` checks it.
Every read is bounded in size.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from anchor.errors import Malformed, Missing, Refused

MAX_FILE = 256 * (2 + 0xFFFF)
"""The longest file of a log: a full bundle of the longest entries."""


class LogSource(Protocol):
    """The files of a log, by path."""

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """A file's bytes; Missing where it is not there, Malformed beyond `limit` bytes."""

    def published(self, digest: bytes) -> bytes | None:
        """The checkpoint of this SHA-256 that the log kept, or None; unchecked."""

    def paths(self, under: str = "") -> Iterator[str] | None:
        """Every file's path below the folder `under`, sorted; None where nothing can be listed."""

    def names(self, under: str) -> list[str]:
        """What is right in the folder `under`, sorted; nothing where nothing can be listed."""


class FolderSource:
    """A log in a folder, laid out as C2SP tlog-tiles says."""

    def __init__(self, path: Path | str) -> None:
        self._root = Path(path)

    def __str__(self) -> str:
        return str(self._root)

    def close(self) -> None:
        """Nothing is held between reads."""

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """A file's bytes; Missing where there is none, Malformed beyond `limit` bytes."""
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise Malformed(f"not a path inside a log: {path!r}")
        file = self._root / inside
        # A pipe or a device in place of a file would hang a plain open.
        if not file.is_file():
            raise Missing(f"{file} is not there")
        try:
            with file.open("rb") as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            raise Missing(f"{file} cannot be read: {error.strerror}") from error
        if len(data) > limit:
            raise Malformed(f"{file} is longer than the {limit} bytes that it may have")
        return data

    def published(self, digest: bytes) -> bytes | None:
        """The checkpoint of this SHA-256 that the log kept, or None; unchecked."""
        return published_in(self, digest)

    def names(self, under: str) -> list[str]:
        """What is right in the folder `under`, sorted."""
        try:
            return sorted(os.listdir(self._root / under))  # noqa: PTH208 - names, and no more
        except (FileNotFoundError, NotADirectoryError):
            return []

    def paths(self, under: str = "") -> Iterator[str]:
        """Every file's path below the folder `under`, sorted folder by folder."""
        folder = self._root / under
        return _walk(folder, under) if folder.is_dir() else iter(())


def published_in(source: LogSource, digest: bytes) -> bytes | None:
    """The checkpoint of this SHA-256 where our own logs keep it, or None; unchecked."""
    try:
        return source.read(f"checkpoints/{digest.hex()}", 1 << 20)
    except (Malformed, Missing, Refused):
        return None


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.is_symlink():
            yield from _walk(place, f"{prefix}{place.name}/")
        elif place.is_file():
            yield prefix + place.name
