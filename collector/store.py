"""The store for its one writer: locked, migrated, and every commit on the disk.

Edge. SQLite in WAL with `synchronous=FULL`: what a commit has returned for survives a power
cut. A lock beside the file keeps writers to one (docs/decisions/sqlite-one-writer.md).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from collector.errors import StoreLocked, StoreUnavailable

_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """An open store that this process alone may write; close it to let another in."""

    def __init__(self, engine: Engine, lock: int) -> None:
        self._engine = engine
        self._lock = lock

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed, and on the disk, when the block ends well."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for look-ups; it writes nothing."""
        with self._engine.connect() as connection:
            yield connection.execution_options(reading=True)

    def renew(self) -> None:
        """Drop the connection, so that the next one reads what is really in the file."""
        self._engine.dispose()

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(url: str, *, create: bool) -> Store:
    """Lock the store, bring its schema up to date and give it to its one writer.

    `url` is SQLAlchemy's (`sqlite:///path`). StoreLocked when another process writes to it;
    StoreUnavailable when it is not there (and not to be created), is no store, or is of a
    newer release.
    """
    path = sqlite_path(url)
    if not create and not path.is_file():
        raise StoreUnavailable(f"no store at {path}: run `factoryledger init` or `collect` first")
    lock = _take_lock(path)
    engine = _engine(path)
    try:
        with engine.begin() as connection:
            _upgrade(connection, path)
    except (DBAPIError, CommandError) as error:
        engine.dispose()
        os.close(lock)
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(f"{path} cannot be used as a store: {reason}") from error
    except BaseException:
        engine.dispose()
        os.close(lock)
        raise
    return Store(engine, lock)


def sqlite_path(url: str) -> Path:
    """Give the file that a `sqlite:///` URL names; StoreUnavailable for any other URL."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable(f"database {url!r}: write sqlite:///PATH") from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.query:
        shown = parsed.render_as_string(hide_password=True)
        raise StoreUnavailable(f"database {shown}: this release stores in sqlite:///PATH only")
    return Path(parsed.database)


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


def _upgrade(connection: Connection, path: Path) -> None:
    """Run the migrations that this store has not seen, in the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {script.revision for script in _all(scripts)}:
        raise StoreUnavailable(
            f"{path} was written by a newer release (schema {current}): use that one"
        )
    command.upgrade(config, "head")


def _all(scripts: ScriptDirectory) -> list[Any]:
    return list(scripts.walk_revisions())
