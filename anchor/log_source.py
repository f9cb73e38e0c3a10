"""Where the files of a tiled log come from: a folder or a web server.

The edge of the verifying side. Nothing read here is trusted: `anchor.log_reader` checks it.
Every read is bounded in size and, over the network, in time; no redirect is followed.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

import httpx

from anchor.errors import AnchorError, Malformed, Missing

MAX_FILE = 256 * (2 + 0xFFFF)
"""The longest file of a log: a full bundle of the longest entries."""

SECONDS = 20.0


class LogSource(Protocol):
    """The files of a log, by path."""

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """A file's bytes; Missing where it is not there, Malformed beyond `limit` bytes."""

    def published(self, digest: bytes) -> bytes | None:
        """The checkpoint of this SHA-256 that the log kept, or None; unchecked."""

    def paths(self, under: str = "") -> Iterator[str] | None:
        """Every file's path below the folder `under`, sorted; None where nothing can be listed."""


class FolderSource:
    """A log in a folder, laid out as C2SP tlog-tiles says."""

    def __init__(self, path: Path | str) -> None:
        self._root = Path(path)

    def __str__(self) -> str:
        return str(self._root)

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
        return _published(self, digest)

    def paths(self, under: str = "") -> Iterator[str]:
        """Every file's path below the folder `under`, sorted folder by folder."""
        folder = self._root / under
        return _walk(folder, under) if folder.is_dir() else iter(())


class HttpSource:
    """A log behind a web server; close it, or use it as a context manager.

    `url` is the log's prefix, `http://` or `https://`. A `client` of the caller's own stays
    open.
    """

    def __init__(
        self, url: str, *, client: httpx.Client | None = None, seconds: float = SECONDS
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise Malformed(f"not the address of a log: {url!r}")
        self._prefix = url.rstrip("/") + "/"
        self._own = client is None
        self._client = client or httpx.Client(timeout=seconds, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return self._prefix

    def close(self) -> None:
        """Close the connections, unless the client is the caller's."""
        if self._own:
            self._client.close()

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """A file's bytes; Missing where the server gives none, Malformed beyond `limit` bytes."""
        address = self._prefix + path
        try:
            with self._client.stream("GET", address, follow_redirects=False) as answer:
                if answer.is_redirect:
                    place = answer.headers.get("location", "")
                    raise Missing(f"{address} redirects to {place!r}: give that address instead")
                if answer.status_code != httpx.codes.OK:
                    raise Missing(f"{address} is not there: status {answer.status_code}")
                return _bounded(answer, address, limit)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Missing(f"{address} cannot be read: {error}") from error

    def published(self, digest: bytes) -> bytes | None:
        """The checkpoint of this SHA-256 that the log kept, or None; unchecked."""
        return _published(self, digest)

    def paths(self, under: str = "") -> None:  # noqa: ARG002  # the Protocol's argument
        """None: a web server does not list its files."""
        return


def open_source(place: str) -> FolderSource | HttpSource:
    """The source for a folder's path or a log's address, as a person writes it."""
    return HttpSource(place) if place.startswith(("http://", "https://")) else FolderSource(place)


def _published(source: LogSource, digest: bytes) -> bytes | None:
    try:
        return source.read(f"checkpoints/{digest.hex()}", 1 << 20)
    except AnchorError:
        return None


def _bounded(answer: httpx.Response, address: str, limit: int) -> bytes:
    data = bytearray()
    for part in answer.iter_bytes():
        data += part
        if len(data) > limit:
            raise Malformed(f"{address} is longer than the {limit} bytes that it may have")
    return bytes(data)


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.is_symlink():
            yield from _walk(place, f"{prefix}{place.name}/")
        elif place.is_file():
            yield prefix + place.name
