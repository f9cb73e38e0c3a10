"""A store in one SQLite file: locked, migrated, and every commit on the disk.

Edge. SQLite in WAL with `synchronous=FULL`: what a commit has returned for survives a power
cut. A lock beside the file keeps writers to one (docs/decisions/sqlite-one-writer.md).
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from collector.disguises import refuse_disguises
from collector.errors import CommitFailed, StoreLocked, StoreUnavailable
from collector.schema import upgrade
from collector.sqlite_copy import copy_sqlite
from collector.sqlite_insert import insert_rows
from collector.writing import Store

_MERGE: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
# SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC.
_NOT_SYNCED: Final = frozenset({1034, 1290})


class SqliteStore(Store):
    """An open file that this process alone may write."""

    def __init__(self, engine: Engine, lock: int) -> None:
        super().__init__(engine)
        self._lock = lock

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, each in the order of the table's columns."""
        insert_rows(connection, table, rows)

    def own(self, collector: str) -> None:
        """Whoever holds the file's lock is the one writer of every collector in it."""

    def alone(self, connection: Connection, what: str) -> None:
        """Whoever holds the file's lock is alone."""

    def shred(self, connection: Connection) -> None:
        """Overwrite what is erased in the file; the log beside it keeps it until it is merged."""
        connection.exec_driver_sql("PRAGMA secure_delete = ON")

    def interrupt(self) -> None:
        """Nothing waits longer than SQLite's own busy wait."""

    def close(self) -> None:
        """Close the connection, then let go of the lock."""
        # A reader beside us keeps the log file from being merged at close, and a copy of the
        # database alone would then lack what is committed.
        try:
            with suppress(DBAPIError), self._engine.connect() as connection:
                _merge(connection.connection.driver_connection)
        finally:
            self._engine.dispose()
            os.close(self._lock)


def open_sqlite(path: Path, *, create: bool) -> SqliteStore:
    """Lock the file, bring its schema up to date and give it to its one writer.

    StoreLocked when another process writes to it; StoreUnavailable when it is not there (and
    not to be created), is no store, or is of a newer release.
    """
    if not create and not path.is_file():
        raise StoreUnavailable(f"no store at {path}: run `factoryledger init` or `collect` first")
    lock = _take_lock(path)
    engine = _engine(path)
    try:
        with engine.begin() as connection:
            # First of all: to bring a view forward need never end.
            refuse_disguises(connection, str(path))
            upgrade(connection, str(path), keep=partial(_keep, path))
    except (DBAPIError, CommandError, sqlite3.Error, OSError) as error:
        engine.dispose()
        os.close(lock)
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(f"{path} cannot be used as a store: {reason}") from error
    except BaseException:
        engine.dispose()
        os.close(lock)
        raise
    return SqliteStore(engine, lock)


def _keep(path: Path, schema: str) -> None:
    """Copy a store of an older schema beside itself, whole and durable, before it is changed."""
    target = path.with_name(f"{path.name}.schema-{schema}")
    temporary = path.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    copy_sqlite(path, temporary)
    _sync(temporary)
    temporary.replace(target)
    _sync(path.parent)


def _take_lock(path: Path) -> int:
    """Lock `<path>.lock`; the lock goes with the process, however that ends."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"{path}.lock: {error.strerror}; is its folder there?") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise StoreLocked(
            f"{path} is being written by another process"
            + (f" (process {holder})" if holder else "")
            + ": stop that one first, only one may write"
        ) from error
    # Who has it is said for people; without room for it the lock holds as well.
    with suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _engine(path: Path) -> Engine:
    """Give an engine of exactly one connection, whatever thread asks."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)), pool_size=1, max_overflow=0
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _ended)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # sqlite3's own implicit transactions leave DDL outside of them; ours are explicit.
    connection.isolation_level = None
    found = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if found != ("wal",):
        # With a rollback journal a commit is not on the disk when it returns (FULL, not EXTRA).
        raise sqlite3.OperationalError(f"SQLite would not open its log (mode {found})")
    for pragma in (
        "synchronous=FULL",
        "fullfsync=ON",  # macOS: without it a commit may sit in the drive's cache
        "busy_timeout=5000",
        "cache_size=-32768",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    # What a killed process committed can be seen, and may not be on the disk yet: it is written
    # once more before anybody relies on it.
    connection.execute(_MERGE).close()
    # SQLite syncs its log's name, too, and is silent where that fails.
    _sync_folder(connection)


def _merge(connection: Any) -> None:
    """Merge SQLite's log into the file where that goes; CommitFailed where an fsync fails."""
    try:
        connection.execute(_MERGE).close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in _NOT_SYNCED:
            raise _disk_failed(error) from error


def _sync_folder(connection: Any) -> None:
    folder = Path(connection.execute("PRAGMA database_list").fetchone()[2]).parent
    try:
        _sync(folder)
    except OSError as error:
        raise _disk_failed(f"{folder}: {error.strerror}") from error


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_failed(why: object) -> CommitFailed:
    return CommitFailed(
        f"the store did not reach the disk ({why}), so this process ends and tries nothing "
        "again: look at the disk and the system's log, then start it anew; nothing was "
        "acknowledged that rests on this"
    )


def _ended(context: Any) -> None:
    """After a failed fsync the kernel may have dropped what a second one would call written."""
    error = context.original_exception
    if getattr(error, "sqlite_errorcode", 0) in _NOT_SYNCED:
        raise _disk_failed(error) from error


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    # Taking the write lock at once: a transaction that reads first could fail at its first write.
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
