"""SQLite as the writing side uses it: one writer, WAL, every commit on the disk.

The only place where pragmas and transaction modes are set.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

from anchor.keeping.durable import Durable

_WRITER = (
    "PRAGMA journal_mode=WAL",
    # FULL: a commit is synced before it returns; NORMAL may lose the last ones in a power cut.
    "PRAGMA synchronous=FULL",
    # macOS only: fsync there leaves the data in the drive's cache.
    "PRAGMA fullfsync=ON",
    "PRAGMA checkpoint_fullfsync=ON",
    "PRAGMA busy_timeout=10000",
)
_READER = ("PRAGMA query_only=ON", "PRAGMA busy_timeout=10000")


def open_writer(path: Path) -> Engine:
    """An engine for the only writer of `path`; made with its folder when it is not there.

    Every transaction begins IMMEDIATE: what it reads cannot change before it commits.
    """
    Durable().make_folders(path.parent)
    return _engine(URL.create("sqlite", database=str(path)), _WRITER, "BEGIN IMMEDIATE")


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
