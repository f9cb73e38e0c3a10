"""A store in one SQLite file: locked, migrated, and every commit on the disk.

Edge. SQLite in WAL with `synchronous=FULL`: what a commit has returned for survives a power
cut. A lock beside the file keeps writers to one (docs/decisions/sqlite-one-writer.md).
"""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from collector.errors import StoreLocked, StoreUnavailable
from collector.schema import upgrade
from collector.sqlite_insert import insert_rows
from collector.writing import Store


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
        with suppress(DBAPIError), self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
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
            upgrade(connection, str(path))
    except (DBAPIError, CommandError) as error:
        engine.dispose()
        os.close(lock)
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(f"{path} cannot be used as a store: {reason}") from error
    except BaseException:
        engine.dispose()
        os.close(lock)
        raise
    return SqliteStore(engine, lock)


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
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # sqlite3's own implicit transactions leave DDL outside of them; ours are explicit.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "fullfsync=ON",  # macOS: without it a commit may sit in the drive's cache
        "busy_timeout=5000",
        "cache_size=-32768",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    # Taking the write lock at once: a transaction that reads first could fail at its first write.
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
