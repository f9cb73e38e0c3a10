"""One commit: rows, tiles, key entries and counters in one transaction, for certain or not at all.

Edge. Acknowledging waits for `put`: it returns once the rows are on the disk, and raises
CommitFailed when they are not (docs/decisions/commit-before-acknowledge.md).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from sqlite3 import OperationalError
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from collector import tables
from collector.errors import CommitFailed
from collector.sqlite_insert import insert_rows
from collector.store import Store
from telemetry.rows import BatchRow, KeyRow

_log = structlog.get_logger(__name__)

_ATTEMPTS = 6
_FIRST_PAUSE = 0.05  # seconds, doubled each time: 1.5 s in all, beside SQLite's own busy wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The bytes of one commit, whatever becomes of it; rows in the order of their columns.

    Without a `batch` there are only counters, which are absolute: writing them twice is once.
    """

    collector: str
    batch: BatchRow | None = None
    messages: Sequence[tuple[Any, ...]] = ()
    claims: Sequence[tuple[Any, ...]] = ()
    sightings: Sequence[tuple[Any, ...]] = ()
    scans: Sequence[tuple[Any, ...]] = ()
    tiles: Sequence[tuple[int, int, bytes]] = ()
    key_entries: Sequence[KeyRow] = ()
    refusals: Sequence[tuple[Any, ...]] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    source_line: int | None = None


class Shelf(Protocol):
    """Where commits are put; a real store, or one that fails on purpose."""

    def put(self, commit: Commit) -> None:
        """Write it in one transaction; on return it is on the disk."""

    def batch(self, collector: str, number: int) -> BatchRow | None:
        """Read a batch back, from the file and not from what a transaction left behind."""


class StoreShelf:
    """The real shelf."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, commit: Commit) -> None:
        """Write it in one transaction; on return it is on the disk."""
        with self._store.writing() as connection:
            _write(connection, commit)

    def batch(self, collector: str, number: int) -> BatchRow | None:
        """Read a batch back on a new connection."""
        self._store.renew()
        with self._store.reading() as connection:
            row = connection.exec_driver_sql(_BATCH, (collector, number)).first()
        return None if row is None else BatchRow(*row)


def put_surely(
    shelf: Shelf, commit: Commit, *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Put a commit on the shelf, or raise CommitFailed.

    An exception may mean that the commit failed, or that only its answer was lost: the batch
    is read back by its number, and the same bytes are tried again only if it is not there.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            shelf.put(commit)
        except (DBAPIError, OSError) as failure:
            error: DBAPIError | OSError = failure
        else:
            return
        try:
            if _stands(shelf, commit):
                _log.warning("commit stands though it failed", error=str(error))
                return
        except (DBAPIError, OSError) as unreadable:
            # Still unknown. Trying again is safe: a batch that is there refuses its own rows.
            error = unreadable
        if not _passing(error) or attempt == _ATTEMPTS:
            raise CommitFailed(_sentence(commit, error)) from error
        _log.warning("commit tried again", attempt=attempt, error=str(error))
        pause(_FIRST_PAUSE * 2 ** (attempt - 1))


def _stands(shelf: Shelf, commit: Commit) -> bool:
    if commit.batch is None:
        return False
    found = shelf.batch(commit.collector, commit.batch.number)
    if found is not None and found != commit.batch:
        raise CommitFailed(
            f"batch {found.number} of collector {found.collector} is in the store already, and "
            "another one: something else writes to it; stop that, then run `audit`"
        )
    return found is not None


def _passing(error: DBAPIError | OSError) -> bool:
    """Whether waiting can help: a lock, a full disk, a read or write that failed."""
    return isinstance(error, OSError) or isinstance(error.orig, OperationalError)


def _sentence(commit: Commit, error: DBAPIError | OSError) -> str:
    reason = error.orig if isinstance(error, DBAPIError) else error
    what = "counters" if commit.batch is None else f"batch {commit.batch.number}"
    return (
        f"{what} of collector {commit.collector} cannot be committed: {reason}; nothing of it "
        "was acknowledged, so nothing is lost: look at disk space and at who else has the file"
    )


def _insert(table: Table, suffix: str = "") -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}){suffix}"  # noqa: S608 - constants


_BATCHES = _insert(tables.batches)
_KEY_ENTRIES = _insert(tables.key_entries)
_REFUSALS = _insert(tables.refusals, " ON CONFLICT (collector, hash) DO NOTHING")
_TILES = _insert(
    tables.tiles, " ON CONFLICT (collector, level, number) DO UPDATE SET hashes = excluded.hashes"
)
_COUNTERS = _insert(
    tables.counters, " ON CONFLICT (collector, name) DO UPDATE SET value = excluded.value"
)
_SOURCE_LINE = "UPDATE collectors SET source_line = ? WHERE id = ?"
_BATCH = (
    "SELECT collector, number, start, size, root, checkpoint, keys FROM batches "
    "WHERE collector = ? AND number = ?"
)


def _write(connection: Connection, commit: Commit) -> None:
    _write_batch(connection, commit)
    for table, rows in (
        (tables.messages, commit.messages),
        (tables.claims, commit.claims),
        (tables.sightings, commit.sightings),
        (tables.scans, commit.scans),
    ):
        insert_rows(connection, table, rows)
    for statement, rows in (
        (_REFUSALS, commit.refusals),
        (_TILES, [(commit.collector, *tile) for tile in commit.tiles]),
        (_KEY_ENTRIES, [key_values(row) for row in commit.key_entries]),
        (_COUNTERS, [(commit.collector, *item) for item in commit.counters.items()]),
    ):
        if rows:
            connection.exec_driver_sql(statement, list(rows))
    if commit.source_line is not None:
        connection.exec_driver_sql(_SOURCE_LINE, (commit.source_line, commit.collector))


def _write_batch(connection: Connection, commit: Commit) -> None:
    batch = commit.batch
    if batch is None:
        return
    values = (batch.collector, batch.number, batch.start, batch.size)
    connection.exec_driver_sql(_BATCHES, (*values, batch.root, batch.checkpoint, batch.keys))


def key_values(row: KeyRow) -> tuple[str, int, bytes, bytes]:
    """Give a key row's columns in the table's order."""
    return row.collector, row.number, row.hash, row.entry
