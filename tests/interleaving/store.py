"""A store in memory that two collectors share, and the shelf that fails on purpose.

The statements, the schema and its indexes are the product's, on SQLite in memory; what a
database server says of a claim that another collector took is said in its words. Held against
SQLite's and PostgreSQL's own stores in `test_store_double.py`.
"""

import sqlite3
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace

from interleaving.scheduler import Killed
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import StaticPool

from collector.commit import StoreShelf
from collector.errors import StoreLocked
from collector.schema import upgrade
from collector.sqlite_insert import insert_rows
from collector.writing import Store


@cache
def _database():
    """One connection for all worlds of this process, and what an empty store looks like."""
    live = sqlite3.connect(":memory:", check_same_thread=False)
    live.isolation_level = None
    engine = create_engine("sqlite+pysqlite://", creator=lambda: live, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with engine.begin() as connection:
        upgrade(connection, "memory")
    empty = sqlite3.connect(":memory:")
    live.backup(empty)
    return live, engine, empty


class Database:
    """An empty store that lives as long as its world; one at a time in a process."""

    def __init__(self):
        self.raw, self.engine, empty = _database()
        if self.raw.in_transaction:
            self.raw.rollback()
        empty.backup(self.raw)
        self.owners = {}

    def rows(self, statement, *values):
        return self.raw.execute(statement, values).fetchall()


class SharedStore(Store):
    """One collector's session with it."""

    def __init__(self, database, process):
        super().__init__(database.engine)
        self._database, self._process = database, process
        self.lost = False  # what the next failure finds

    @contextmanager
    def writing(self):
        if not self._process.alive:
            raise Killed
        try:
            with super().writing() as connection:
                yield connection
        except IntegrityError as error:
            raise _server_error(error) from error

    def insert(self, connection, table, rows):
        insert_rows(connection, table, rows)

    def own(self, collector):
        holder = self._database.owners.get(collector)
        if holder is not None and holder.alive and holder is not self._process:
            raise StoreLocked(f"collector {collector} is run by {holder.name}")
        self._database.owners[collector] = self._process

    def alone(self, connection, what):
        """Transactions come one after the other here."""

    def renew(self):
        """A session that is lost is made anew, with all locks taken; one that stands is kept."""
        self.sessions += self.lost
        self.lost = False

    def interrupt(self):
        """Nothing waits."""

    def close(self):
        """The database stays; what the process held is free with it."""
        for collector in [c for c, p in self._database.owners.items() if p is self._process]:
            del self._database.owners[collector]


def _server_error(error):
    """What psycopg would have raised: the code of a violated index, and whose it is."""
    table = str(error.orig).partition("failed: ")[2].partition(".")[0]
    original = _UniqueViolation(str(error.orig))
    original.diag = SimpleNamespace(table_name=table)
    return DBAPIError("INSERT", None, original)


class _UniqueViolation(Exception):  # noqa: N818 - PostgreSQL's name for it
    sqlstate = "23505"


class UnreliableShelf:
    """`collector.commit.Shelf` over the real one: slow, failing before, failing after, killed.

    `elapse` lets time pass for all others; `committed` hears what stands, the moment it does.
    """

    def __init__(self, store, process, world):
        self._real, self._store = StoreShelf(store), store
        self._process, self._world = process, world

    def put(self, commit):
        world, random = self._world, self._world.scheduler.random
        world.puts += 1
        if world.puts > 1_000:
            world.ghost.violate("livelock", "commits without an end")
            raise Killed
        world.elapse(world.slow_store or random.choice((0, 0.001, 0.01, 0.2)), self._process)
        if random.random() < world.failing_store / 2:
            world.events["commit failed, and did not persist"] += 1
            self._store.lost = random.random() < 0.5
            raise _disk_error()
        try:
            self._real.put(commit)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == "23505":
                world.events[f"unique index of {error.orig.diag.table_name}"] += 1
            raise
        world.ghost.committed(commit)
        world.ghost.check_order(self._process, commit)
        world.elapse(random.choice((0, 0, 0.001, 0.05)), self._process)
        if random.random() < world.failing_store / 2:
            world.events["commit failed, but did persist"] += 1
            self._store.lost = random.random() < 0.5
            raise _disk_error()

    def batch(self, collector, number):
        if self._world.scheduler.random.random() < self._world.failing_store / 2:
            self._world.events["commit not read back"] += 1
            raise _disk_error()
        return self._real.batch(collector, number)


def _disk_error():
    original = sqlite3.OperationalError("disk I/O error")
    original.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return OperationalError("COMMIT", None, original)
