"""What a store can do for its writer, whichever database it is.

A store is one connection: its transactions come one after the other. Statements are written
once, with `?` for values; each database gets its own spelling.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Connection, Engine, Table


class Store(ABC):
    """An open store, for one writer; close it to let another in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sessions = 0
        """How often a database in which others write was connected to, with all locks taken."""

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

    @abstractmethod
    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, each in the order of the table's columns, the fastest way there is."""

    @abstractmethod
    def own(self, collector: str) -> None:
        """Be the one writer of this collector's log; StoreLocked where another process is."""

    @abstractmethod
    def alone(self, connection: Connection, what: str) -> None:
        """Until the transaction ends, be the one writer that does `what`."""

    def shred(self, connection: Connection) -> None:  # noqa: B027 - only files can be told to
        """Let what this session erases be overwritten, where the database can do that."""

    def make_room(self, position: int) -> None:  # noqa: B027 - a database without partitions
        """Be ready for rows up to this position; for databases that divide their tables."""

    def renew(self) -> None:
        """Be sure that what is read next is really in the store, on a new connection if need be."""
        self._engine.dispose()

    @abstractmethod
    def interrupt(self) -> None:
        """From another thread: let what the store is waiting for fail."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection and let another writer in."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
