"""An SQLite store for who only reads: safe beside its one writer.

Edge. Opened `mode=ro`, so that it can neither write nor merge the writer's log.
"""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event


def reading_engine(path: Path) -> Engine:
    """Give an engine that can read this file, and change nothing."""
    engine = create_engine("sqlite+pysqlite://", creator=lambda: _open(path))
    event.listen(engine, "begin", _begin)
    return engine


def _open(path: Path) -> sqlite3.Connection:
    """Open read-only; as immutable where even WAL's shared memory cannot be made."""
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("PRAGMA schema_version").close()
    except sqlite3.Error as error:
        connection.close()
        unopened = isinstance(error, sqlite3.OperationalError)
        # Locked, its writer is there, and what it has half written would be read.
        locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        if not unopened or locked or Path(f"{path}-wal").exists():
            raise
        # A folder that cannot be written, and no writer: nothing changes under us.
        connection = _connect(path, "mode=ro&immutable=1")
    return connection


def _connect(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10,
    )
    connection.text_factory = _text
    return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _text(data: bytes) -> str | bytes:
    """Give a TEXT column's value; its bytes where they are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
