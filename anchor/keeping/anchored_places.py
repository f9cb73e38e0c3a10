"""anchor.db as hints of where in the anchor log what stands, for who makes proofs.

Read only, beside a running anchor. Whoever takes the hints checks them (`anchor.reading`).
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from anchor.errors import Missing
from anchor.keeping.sqlite import open_reader

_SIZE = "SELECT max(size) FROM head"
_PLACE = "SELECT position FROM entries WHERE hash = ? ORDER BY position LIMIT 1"
_LAST = "SELECT max(number) FROM entries WHERE collector = ?"
_NUMBERED = "SELECT position, size FROM entries WHERE collector = ? AND number = ?"
_AFTER = "SELECT size, hash FROM cosigned WHERE (size, hash) > (?, ?) ORDER BY size, hash LIMIT ?"
_UNTIL = (
    "SELECT size, hash FROM cosigned WHERE (size, hash) < (?, ?) "
    "ORDER BY size DESC, hash DESC LIMIT ?"
)
_CORRECTIONS = "SELECT position FROM entries WHERE kind = 'correction' ORDER BY position"
_PAGE = 64
_NO_HASH = b""


class AnchoredPlaces:
    """`anchor.reading.hinted_log.Hints` by an anchor's database.

    Missing where it is not there or cannot be read. Close it, or use it in a `with`.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise Missing(f"{path} is not there: no anchor has run on it yet")
        self._path = path
        self._engine = open_reader(path)
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()

    def size(self) -> int:
        """How many entries it knows."""
        return int(self._one(_SIZE) or 0)

    def place(self, digest: bytes) -> int | None:
        """The first entry of this SHA-256, or None."""
        found: int | None = self._one(_PLACE, digest)
        return found

    def containing(self, collector: str, position: int) -> int | None:
        """The entry with a collector's smallest checkpoint that contains a position, or None.

        Each checkpoint is larger than the one before, so a few look-ups find it.
        """
        low, high, place = 0, (-1 if (last := self._one(_LAST, collector)) is None else last), None
        while low <= high:
            middle = (low + high) // 2
            found = self._rows(_NUMBERED, collector, middle)
            if found and found[0][1] > position:
                place, high = found[0][0], middle - 1
            else:
                low = middle + 1
        return place

    def kept_after(self, size: int) -> Iterator[tuple[int, bytes]]:
        """The published checkpoints larger than `size`: size and SHA-256, the smallest first."""
        return self._pages(_AFTER, size + 1)

    def corrections(self) -> Iterator[int]:
        """The entries that are corrections, in order."""
        return (place for (place,) in self._rows(_CORRECTIONS))

    def kept_until(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Those up to `size`, the largest first."""
        return self._pages(_UNTIL, size + 1)

    def _pages(self, query: str, size: int) -> Iterator[tuple[int, bytes]]:
        after = (size, _NO_HASH)
        while page := self._rows(query, *after, _PAGE):
            yield from page
            after = page[-1]

    def _one(self, query: str, *values: object) -> Any:
        rows = self._rows(query, *values)
        return rows[0][0] if rows else None

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            # One transaction for all: what one query names is there for the next.
            if self._connection is None:
                self._connection = self._engine.connect()
            found = self._connection.exec_driver_sql(query, values).all()
        except DBAPIError as error:
            raise Missing(f"{self._path} cannot be read: {error.orig}") from error
        return [tuple(row) for row in found]
