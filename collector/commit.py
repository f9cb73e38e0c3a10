"""One commit: rows, tiles, key entries and counters in one transaction, for certain or not at all.

Edge. Acknowledging waits for `put`: it returns once the rows are on the disk, and raises
CommitFailed when they are not (docs/decisions/commit-before-acknowledge.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from collector import tables
from collector.errors import CommitFailed, Contested
from collector.patience import Failure, Patience, said
from collector.writing import Store
from telemetry.rows import BatchRow, KeyRow

_log = structlog.get_logger(__name__)

_UNIQUE_VIOLATION: Final = "23505"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The bytes of one commit, whatever becomes of it; rows in the order of their columns.

    Without a `batch` there are only key entries, each under its number, and counters, which
    are absolute: writing them twice is once.
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
    follows: Mapping[str, int] = field(default_factory=dict)
    """The counters as they were committed before."""


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
        self._session = store.sessions

    def put(self, commit: Commit) -> None:
        """Write it in one transaction; on return it is on the disk.

        CommitFailed where somebody else has gone on with the log while we had no session.
        """
        if commit.batch is not None:
            self._store.make_room(commit.batch.start + commit.batch.size)
        with self._store.writing() as connection:
            session = self._store.sessions
            if session != self._session:
                _check_ours(connection, commit)
            _write(self._store, connection, commit)
        self._session = session

    def batch(self, collector: str, number: int) -> BatchRow | None:
        """Read a batch back on a new connection."""
        self._store.renew()
        with self._store.reading() as connection:
            row = connection.exec_driver_sql(_BATCH, (collector, number)).first()
        return None if row is None else BatchRow(*row)


def put_surely(shelf: Shelf, commit: Commit, patience: Patience) -> None:
    """Put a commit on the shelf, or raise CommitFailed.

    An exception may mean that the commit failed, or that only its answer was lost: the batch
    is read back by its number, and the same bytes are tried again only if it is not there.
    Contested where another collector has taken what this one claims: it is to be judged again.
    """
    attempt = 1
    while True:
        try:
            shelf.put(commit)
        except (DBAPIError, OSError) as failure:
            error: Failure = failure
        else:
            return
        try:
            if _stands(shelf, commit):
                _log.warning("commit stands though it failed", error=said(error))
                return
        except (DBAPIError, OSError) as unreadable:
            # Still unknown. Trying again is safe: a batch that is there refuses its own rows.
            error = unreadable
        if _is_contested(error):
            raise Contested(said(error)) from error
        if not patience.wait(attempt, error):
            raise CommitFailed(_sentence(commit, error)) from error
        attempt += 1


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


def _is_contested(error: Failure) -> bool:
    """Whether another collector of the database was faster with a number or a body.

    In an SQLite file nobody else writes: a claim that is in the way there is somebody's hand.
    """
    original: Any = error.orig if isinstance(error, DBAPIError) else None
    return getattr(original, "sqlstate", None) == _UNIQUE_VIOLATION and (
        original.diag.table_name in {tables.claims.name, tables.sightings.name}
    )


def _sentence(commit: Commit, error: Failure) -> str:
    what = "counters" if commit.batch is None else f"batch {commit.batch.number}"
    return (
        f"{what} of collector {commit.collector} cannot be committed: {said(error)}; nothing of it "
        "was acknowledged, so nothing is lost: look at disk space and at who else has the file"
    )


def _insert(table: Table, suffix: str = "") -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}){suffix}"  # noqa: S608 - constants


_BATCHES = _insert(tables.batches)
_KEY_ENTRIES = _insert(tables.key_entries)
_KEY_ENTRIES_ALONE = _insert(tables.key_entries, " ON CONFLICT (collector, number) DO NOTHING")
_REFUSALS = _insert(tables.refusals, " ON CONFLICT (collector, hash) DO NOTHING")
_TILES = _insert(
    tables.tiles, " ON CONFLICT (collector, level, number) DO UPDATE SET hashes = excluded.hashes"
)
_COUNTERS = _insert(
    tables.counters, " ON CONFLICT (collector, name) DO UPDATE SET value = excluded.value"
)
_SOURCE_LINE = "UPDATE collectors SET source_line = ? WHERE id = ?"
_TELLING: Final = ("received", "duplicates", "own", "refused")
_COUNTED = "SELECT name, value FROM counters WHERE collector = ?"
_LAST = "SELECT max(number) FROM batches WHERE collector = ?"
_BATCH = (
    "SELECT collector, number, start, size, root, checkpoint, keys FROM batches "
    "WHERE collector = ? AND number = ?"
)


def _write(store: Store, connection: Connection, commit: Commit) -> None:
    _write_batch(connection, commit)
    for table, rows in (
        (tables.messages, commit.messages),
        (tables.claims, commit.claims),
        (tables.sightings, commit.sightings),
        (tables.scans, commit.scans),
    ):
        store.insert(connection, table, rows)
    for statement, rows in (
        (_REFUSALS, commit.refusals),
        (_TILES, [(commit.collector, *tile) for tile in commit.tiles]),
        (
            _KEY_ENTRIES_ALONE if commit.batch is None else _KEY_ENTRIES,
            [key_values(row) for row in commit.key_entries],
        ),
        (_COUNTERS, [(commit.collector, *item) for item in commit.counters.items()]),
    ):
        if rows:
            connection.exec_driver_sql(statement, list(rows))
    if commit.source_line is not None:
        connection.exec_driver_sql(_SOURCE_LINE, (commit.source_line, commit.collector))


def _check_ours(connection: Connection, commit: Commit) -> None:
    """CommitFailed unless the log ends where this commit goes on, or with this very commit.

    Batches are guarded by their number; counters are absolute, so the older ones would stand.
    """
    rows = connection.exec_driver_sql(_COUNTED, (commit.collector,))
    found = {str(name): int(value) for name, value in rows}
    names = _TELLING if commit.counters else ()
    ours = all(found.get(name, 0) in _either(commit, name) for name in names)
    if commit.batch is not None:
        last = connection.exec_driver_sql(_LAST, (commit.collector,)).scalar()
        ours = ours and (-1 if last is None else last) in {
            commit.batch.number - 1,
            commit.batch.number,
        }
    if not ours:
        raise CommitFailed(
            f"another process has gone on with collector {commit.collector} while the database "
            "was away; nothing of this was acknowledged: start this one again"
        )


def _either(commit: Commit, name: str) -> set[int]:
    return {commit.follows.get(name, 0), commit.counters.get(name, 0)}


def _write_batch(connection: Connection, commit: Commit) -> None:
    batch = commit.batch
    if batch is None:
        return
    values = (batch.collector, batch.number, batch.start, batch.size)
    connection.exec_driver_sql(_BATCHES, (*values, batch.root, batch.checkpoint, batch.keys))


def key_values(row: KeyRow) -> tuple[str, int, bytes, bytes]:
    """Give a key row's columns in the table's order."""
    return row.collector, row.number, row.hash, row.entry
