"""A store in PostgreSQL: each collector locked by itself, rows by COPY, room made ahead.

Edge. A collector's lock is held by the very session that writes for it. So a session that
could take the lock again knows that nothing of the one before is still on its way
(docs/decisions/postgresql.md).
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import psycopg
from alembic.util import CommandError
from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Table
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from collector.database import postgres_url, shown
from collector.disguises import refuse_disguises
from collector.errors import StoreLocked, StoreUnavailable
from collector.postgres import hang_up, postgres_engine, prepare_writer
from collector.schema import is_made, upgrade
from collector.tables import PARTITION
from collector.writing import Store

_SCHEMA_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('factoryledger schema', 0))"
# A lock's name: the collector, within this store's own table of collectors.
_NAME: Final = "hashtextextended(%s, 'collectors'::regclass::oid::bigint)"
_TAKE: Final = f"SELECT pg_try_advisory_lock({_NAME})"
_ALONE: Final = f"SELECT pg_advisory_xact_lock({_NAME})"
_HOLDER: Final = f"""
    SELECT a.application_name, host(a.client_addr), a.pid
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (l.classid::bigint << 32) | l.objid::bigint = {_NAME}
"""  # noqa: S608 - built of constants
_COPIED: Final = {BigInteger: "int8", Integer: "int4", LargeBinary: "bytea"}


class PostgresStore(Store):
    """A database that several collectors may write, each for itself."""

    def __init__(self, url: URL) -> None:
        self._owned: list[str] = []
        self._room = 0  # rows below this position have their partition
        self._raw: psycopg.Connection[Any] | None = None
        self._processes: set[int] = set()  # the server's, of this store's sessions
        super().__init__(postgres_engine(url, self._prepare))

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, each in the order of the table's columns, by a binary COPY."""
        if not rows:
            return
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        try:
            with raw.cursor().copy(
                f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
            ) as copy:
                copy.set_types([_COPIED.get(type(c.type), "text") for c in table.columns])
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            # As SQLAlchemy gives every other failure of the database.
            raise DBAPIError.instance(f"COPY {table.name}", None, error, psycopg.Error) from error

    def own(self, collector: str) -> None:
        """Take the collector's lock for this session and every later one of this store."""
        if collector in self._owned:
            return
        with self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)
            holder = _take(raw, collector)
        if holder is not None:
            raise StoreLocked(
                f"collector {collector} is being written by another process ({holder.said}): stop "
                "that one first, only one may write"
            )
        self._owned.append(collector)

    def alone(self, connection: Connection, what: str) -> None:
        """Until the transaction ends, be the one writer of this database that does `what`."""
        connection.exec_driver_sql(_ALONE, (what,))

    def make_room(self, position: int) -> None:
        """Make the partitions of the rows up to here, and the next one ahead."""
        while self._room <= position + PARTITION // 2:
            number = self._room // PARTITION
            with self.writing() as connection:
                self.alone(connection, "partitions")
                _make_partition(connection, number)
            self._room = (number + 1) * PARTITION

    def renew(self) -> None:
        """Drop a session that is lost; one that stands is kept, and with it the locks.

        What the server answers is what is in the store: a transaction that failed left nothing.
        To let go of the locks meanwhile would let another process take the log.
        """
        if self._raw is None or not _answers(self._raw):
            super().renew()

    def interrupt(self) -> None:
        """End the connection under whoever waits for the server."""
        if self._raw is not None:
            hang_up(self._raw)

    def close(self) -> None:
        """Close the connection; the server lets go of its locks."""
        self._engine.dispose()

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        """Make a new session safe, and take back what this store owns."""
        prepare_writer(connection)
        self._raw = connection
        for collector in self._owned:
            holder = _take(connection, collector)
            if holder is None:
                continue
            if holder.process is not None and holder.process not in self._processes:
                # Ours has ended, and somebody has gone on with the log: what is known of it
                # here is its past.
                raise StoreLocked(
                    f"collector {collector} was taken over by another process ({holder.said}) "
                    "while the database was away: start this one again, and it takes another"
                )
            # The session before is ending still: this is for the caller to wait out.
            raise psycopg.OperationalError(
                f"collector {collector} is held by another session ({holder.said})"
            )
        self._processes.add(connection.info.backend_pid)
        self.sessions += 1


def open_postgres(url: str, *, create: bool) -> PostgresStore:
    """Connect, bring the schema up to date, and give the store to one of its writers.

    StoreUnavailable when the server cannot be reached or cannot hold a store, when there is
    none (and none is to be created), or when it is of a newer release.
    """
    parsed = postgres_url(url)
    store = PostgresStore(parsed)
    try:
        with store.writing() as connection:
            # Two collectors that start at once: one migrates, the other finds it done.
            connection.exec_driver_sql(_SCHEMA_LOCK)
            # First of all: to bring a view forward need never end.
            refuse_disguises(connection, shown(parsed))
            if create or is_made(connection):
                upgrade(connection, shown(parsed))
                return store
    except (DBAPIError, CommandError) as error:
        store.close()
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(f"{shown(parsed)} cannot be used as a store: {reason}") from error
    except BaseException:
        store.close()
        raise
    store.close()
    raise StoreUnavailable(f"no store at {shown(parsed)}: run `factoryledger collect` first")


def _answers(connection: psycopg.Connection[Any]) -> bool:
    """Whether a session still stands."""
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        return False
    return True


class _Holder(NamedTuple):
    """Who holds a collector's lock: in words, and the server's process for it."""

    said: str
    process: int | None


def _take(connection: psycopg.Connection[Any], collector: str) -> _Holder | None:
    """Take a collector's lock for the session; who holds it, where somebody else does."""
    row = connection.execute(_TAKE, (collector,)).fetchone()
    if row is not None and row[0]:
        return None
    found = connection.execute(_HOLDER, (collector,)).fetchone()
    if found is None:
        return _Holder("it has just ended", None)
    name, address, pid = found
    said = f"{name or 'a session'} from {address or 'this machine'}, PostgreSQL process {pid}"
    return _Holder(said, pid)


def _make_partition(connection: Connection, number: int) -> None:
    """Make a partition beside the table, then attach it: nobody who reads or writes waits."""
    name, first = f"messages_{number}", number * PARTITION
    if connection.exec_driver_sql("SELECT to_regclass(?)", (name,)).scalar() is not None:
        return
    connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE messages INCLUDING ALL)")
    connection.exec_driver_sql(
        f"ALTER TABLE messages ATTACH PARTITION {name} "
        f"FOR VALUES FROM ({first}) TO ({first + PARTITION})"
    )
