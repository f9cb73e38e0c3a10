"""SQLite as the writing side uses it: one writer, WAL, every commit on the disk.

The only place where pragmas and transaction modes are set.
"""

import sqlite3
from contextlib import suppress
from errno import EIO
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from anchor.errors import Missing
from anchor.keeping.durable import Durable, disk_failed

_WRITER = (
    # FULL: a commit is synced before it returns; NORMAL may lose the last ones in a power cut.
    "PRAGMA synchronous=FULL",
    # macOS only: fsync there leaves the data in the drive's cache.
    "PRAGMA fullfsync=ON",
    "PRAGMA checkpoint_fullfsync=ON",
    "PRAGMA busy_timeout=10000",
)
# SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC.
_NOT_SYNCED = frozenset({1034, 1290})
# SQLITE_CORRUPT, SQLITE_NOTADB: the low byte of what SQLite says.
_BROKEN = frozenset({11, 26})
_READER = ("PRAGMA query_only=ON", "PRAGMA busy_timeout=10000")


def open_writer(path: Path) -> Engine:
    """An engine for the only writer of `path`; made with its folder when it is not there.

    Every transaction begins IMMEDIATE: what it reads cannot change before it commits.
    DiskFailed, and not the database's error, where an fsync of SQLite's failed; Missing where
    the file is no database any more.
    """
    durable = Durable()
    durable.make_folders(path.parent)
    # Its name, too: a process that was killed here made the folder, and no more.
    durable.sync_folder(path.parent.parent)
    engine = _engine(URL.create("sqlite", database=str(path)), _WRITER, "BEGIN IMMEDIATE")

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: Any) -> None:
        # A reader in a rollback journal's mode, or a commit that may be lost, is no way on.
        found = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if found != ("wal",):
            raise OSError(EIO, f"SQLite would not open its log (mode {found})", str(path))
        # What a killed process committed can be seen, and may not be on the disk yet: it is
        # written once more before anybody relies on it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        # SQLite syncs its log's name, too, and is silent where that fails.
        durable.sync_folder(path.parent)

    @event.listens_for(engine, "handle_error")
    def _ended(context: Any) -> None:
        error = context.original_exception
        if getattr(error, "sqlite_errorcode", 0) in _NOT_SYNCED:
            raise disk_failed(path, error) from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
            raise Missing(
                f"{path} is no whole database any more ({error}): put it back, with what lies "
                "beside it (-wal), as it was; anchor.db can also be moved away, it is made again "
                "from the log's folder"
            ) from error

    return engine


def close_writer(engine: Engine, path: Path) -> None:
    """Close the connection; DiskFailed where an fsync fails, of which SQLite's own close is silent.

    Any other failure leaves SQLite's log beside the file, with all that was committed.
    """
    try:
        with suppress(DBAPIError, Missing), engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in _NOT_SYNCED:
            raise disk_failed(path, error) from error
    finally:
        engine.dispose()


def open_reader(path: Path) -> Engine:
    """An engine that cannot write, beside a running writer."""
    # Through a URI so that a missing file is an error and is not made.
    name = f"file:{path}"
    url = URL.create("sqlite", database=name, query={"mode": "ro", "uri": "true"})
    return _engine(url, _READER, "BEGIN")


def _engine(url: URL, pragmas: tuple[str, ...], begin: str) -> Engine:
    # One connection: releases before 3.51.3 can corrupt a WAL database that two write.
    # It may be used from a worker thread, by one thread at a time.
    engine = create_engine(
        url, pool_size=1, max_overflow=0, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN is off; ours follows below.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
