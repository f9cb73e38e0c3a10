"""The store for everyone else: read-only, and every column as it is.

Edge. Whoever reads may be looking for tampering, so nothing here trusts a type: a column that
was overwritten comes out as whatever stands there now, and no row makes a query fail.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.exc import DBAPIError

from collector import tables
from collector.continuity_report import gaps_and_breaks
from collector.database import postgres_url, shown, sqlite_path
from collector.disguises import Disguise, postgres_disguises, sqlite_disguises
from collector.errors import StoreDisguised, StoreUnavailable, StoreUnmade
from collector.joining import Part
from collector.refusing import causes
from collector.stats import Refusal, Stats
from telemetry.record import STATUSES
from telemetry.rows import BatchRow, CollectorRow, DecodedRow, KeyRow, MessageRow

_PAGE = 1000
_ASK_AGAIN = 60  # s

_COLLECTORS = "SELECT id, origin, vkey FROM collectors ORDER BY ordinal, id"
_TILE = "SELECT hashes FROM tiles WHERE collector = ? AND level = ? AND number = ?"
_COUNTERS = "SELECT name, CAST(sum(value) AS BIGINT) AS total FROM counters GROUP BY name"
_STORED = "SELECT count(*) FROM messages"
_COUNT = "SELECT count(*) FROM messages WHERE collector = ?"
_COUNT_BELOW = f"{_COUNT} AND position >= 0 AND position < ?"
_BATCHES = "SELECT count(*) FROM batches"
_CLAIMED = "SELECT count(*) FROM claims WHERE CAST(seq AS BIGINT) = seq"
_HIGHEST = (
    "SELECT device, session, max(seq) FROM claims WHERE CAST(seq AS BIGINT) = seq "
    "GROUP BY device, session"
)
_REFUSALS = (
    "SELECT received_at, topic, payload, reason FROM refusals "
    "ORDER BY received_at DESC, collector, hash"
)


def _columns(table: Table, alias: str = "") -> str:
    return ", ".join(f'{alias}"{column.name}"' for column in table.columns)


_FIND = (
    f"SELECT {_columns(tables.messages, 'm.')} FROM claims AS c "  # noqa: S608 - constants
    "JOIN messages AS m ON m.collector = c.collector AND m.position = c.position "
    "WHERE c.device = ? AND c.session = ? AND c.seq = ?"
)


_BETWEEN = (
    f"SELECT {_columns(tables.messages, 'm.')} FROM ("  # noqa: S608 - constants
    "SELECT collector, position FROM messages "
    "WHERE status = 'accepted' AND device = ? AND time >= ? AND time < ? "
    "UNION SELECT collector, position FROM scans WHERE device = ? AND time >= ? AND time < ?"
    ") AS p JOIN messages AS m ON m.collector = p.collector AND m.position = p.position "
    "WHERE m.status = 'accepted' AND m.device = ? ORDER BY m.collector, m.position"
)
_DISPUTED = (
    f"SELECT {_columns(tables.messages, 'm.')} FROM ("  # noqa: S608 - constants
    "SELECT collector, position, "
    "row_number() OVER (PARTITION BY device ORDER BY collector, position) AS place "
    "FROM messages WHERE status IN ('conflict', 'revoked') AND time >= ? AND time < ?) AS d "
    "JOIN messages AS m ON m.collector = d.collector AND m.position = d.position "
    "WHERE d.place <= ? ORDER BY m.collector, m.position"
)
_DECODED = (
    f"SELECT {_columns(tables.decoded)} FROM decoded "  # noqa: S608 - constants
    "WHERE collector = ? AND (position, number) > (?, ?) AND position < ? "
    "ORDER BY position, number LIMIT ?"
)
_DECODED_UNTIL = "SELECT next FROM decodings WHERE collector = ?"
_REDECODED = "SELECT seq, next FROM redecodings WHERE device = ? AND session = ?"


class LedgerReader:
    """What the anchor tails and an auditor reads; safe beside a running collector.

    `url` is SQLAlchemy's (`sqlite:///path`). StoreUnavailable when there is no store, StoreUnmade
    while it has no table yet, StoreDisguised, at any reading, where a table is none any more;
    with `disguised` that is for the caller to ask (`disguises`), who is an auditor. Rows are read
    in pages, each in a transaction of its own, so that a long reading never holds up the writer's
    log.
    """

    def __init__(self, url: str, *, disguised: bool = False) -> None:
        path = sqlite_path(url)
        self._disguised = disguised
        self._schema: object = None  # of which no table is a disguise
        self._file = path is not None
        self._there: set[str] = set()  # tables; one that is there stays
        if path is None:
            # On demand: psycopg is not loaded where a file is the store.
            from collector.postgres import postgres_engine, prepare_reader  # noqa: PLC0415

            self._name = shown(postgres_url(url))
            self._engine = postgres_engine(postgres_url(url), prepare_reader)
        else:
            from collector.sqlite_reading import reading_engine  # noqa: PLC0415 - as above

            self._name = str(path)
            if not path.is_file():
                raise StoreUnavailable(f"no store at {path}: has a collector run here?")
            self._engine = reading_engine(path)
        try:
            with self._reading() as connection:
                connection.exec_driver_sql("SELECT 1 FROM messages, batches, collectors LIMIT 0")
            self._check_collectors()
        except StoreUnavailable as error:
            unmade = not isinstance(error, StoreDisguised) and self._is_unmade()
            self.close()
            if unmade:
                raise StoreUnmade(f"{self._name} has no table yet: has a collector run?") from error
            raise

    def _is_unmade(self) -> bool:
        try:
            with self._reading() as connection:
                return not inspect(connection).get_table_names()
        except StoreUnavailable:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def collectors(self) -> list[CollectorRow]:
        """Every collector of the store, in order of creation."""
        with self._reading() as connection:
            return [CollectorRow(*row) for row in connection.exec_driver_sql(_COLLECTORS)]

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        """A collector's batches from number `first`, in order."""
        for row in self._paged(tables.batches, "number", collector, first):
            yield BatchRow(*row)

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        """What a collector applied, from number `first`, in order."""
        for row in self._paged(tables.key_entries, "number", collector, first):
            yield KeyRow(*row)

    def messages(
        self, collector: str, start: int = 0, stop: int | None = None
    ) -> Iterator[MessageRow]:
        """Rows by position, start inclusive, stop exclusive; streamed."""
        for page in self.message_pages(collector, start, stop):
            for row in page:
                yield MessageRow(*row)

    def message_pages(
        self, collector: str, start: int, stop: int | None = None
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """The same rows as plain columns, page by page."""
        return self._pages(tables.messages, "position", collector, start, stop)

    def count(self, collector: str, stop: int | None = None) -> int:
        """How many messages of this collector there are; with `stop`, at 0 up to that position."""
        if stop is None:
            return int(self._page(_COUNT, (collector,))[0][0])
        return int(self._page(_COUNT_BELOW, (collector, stop))[0][0])

    def find(self, device: str, session: str, seq: int) -> MessageRow | None:
        """The row that claimed this number, or None."""
        with self._reading() as connection:
            row = connection.exec_driver_sql(_FIND, (device, session, seq)).first()
        return None if row is None else MessageRow(*row)

    def between(self, device: str, start: int, stop: int) -> Iterator[MessageRow]:
        """A machine's accepted messages made in that time, start inclusive, stop exclusive.

        By its clock, of the message or of one of its scans; in order of position.
        """
        made = (device, start, stop)
        for row in self._page(_BETWEEN, (*made, *made, device)):
            yield MessageRow(*row)

    def disputed(self, start: int, stop: int, most: int) -> Iterator[MessageRow]:
        """Every machine's `conflict` and `revoked` messages of that time, so many of each at most.

        By its clock; no index knows them, so the table is read through once.
        """
        for row in self._page(_DISPUTED, (start, stop, most)):
            yield MessageRow(*row)

    def tile(self, collector: str, level: int, number: int) -> bytes | None:
        """The stored tile's hashes, as stored."""
        with self._reading() as connection:
            found: bytes | None = connection.exec_driver_sql(
                _TILE, (collector, level, number)
            ).scalar()
        return found

    def claims(self) -> Iterator[tuple[str, str, int, str, int, bytes]]:
        """Rows of `claims`: device, session, seq, collector, position, body hash."""
        query = f"SELECT {_columns(tables.claims)} FROM claims "  # noqa: S608 - constants
        order = "ORDER BY device, session, seq LIMIT ?"
        page = self._page(query + order, (_PAGE,))
        while page:
            yield from map(tuple, page)
            after = "WHERE (device, session, seq) > (?, ?, ?) "
            page = self._page(query + after + order, (*page[-1][:3], _PAGE))

    def decoded(self, collector: str, stop: int, start: int = 0) -> Iterator[DecodedRow]:
        """Decoded readings below position `stop`, by position and number; streamed."""
        if not self.has(tables.decoded):
            return
        after = (start, -(2**63))
        while page := self._page(_DECODED, (collector, *after, stop, _PAGE)):
            for row in page:
                yield DecodedRow(*row)
            after = (page[-1][1], page[-1][2])

    def decoded_until(self, collector: str) -> int:
        """Below which position this collector's messages are decoded; 0 in an older store."""
        if not self.has(tables.decoded):
            return 0
        found = self._page(_DECODED_UNTIL, (collector,))
        return found[0][0] if found and type(found[0][0]) is int else 0

    def redecoded_until(self, device: str, session: str) -> dict[int, int]:
        """The late births of a session, by number; below which number each was heeded."""
        if not self.has(tables.redecodings):
            return {}
        found = self._page(_REDECODED, (device, session))
        return {seq: until for seq, until in found if type(seq) is type(until) is int}

    def has(self, table: Table) -> bool:
        """Whether the store has this table: one of an older release may not."""
        if table.name not in self._there:
            with self._reading() as connection:
                if not inspect(connection).has_table(table.name):
                    return False
            self._there.add(table.name)
        return True

    def strangers(self) -> Iterator[object]:
        """Values of `collector` in messages and batches that `collectors` lacks.

        One index search for each value there is, not one step for each row.
        """
        known = {row.id for row in self.collectors()}
        for table in (tables.messages, tables.batches):
            query = f"SELECT min(collector) FROM {table.name}"  # noqa: S608 - constants
            found = self._page(query, ())[0][0]
            while found is not None:
                if found not in known:
                    known.add(found)
                    yield found
                found = self._page(f"{query} WHERE collector > ?", (found,))[0][0]

    def disagreements(self) -> Iterator[str]:
        """What SQLite says of rows and indexes that do not fit; nothing of another database.

        Table by table, so that no writer's log is held up for the whole of it.
        """
        for table in tables.metadata.sorted_tables if self._file else ():
            if self.has(table):
                for (said,) in self._page(f"PRAGMA integrity_check('{table.name}')", ()):
                    if said != "ok":
                        yield f"table {table.name}, by SQLite's own check: {said}"

    def disguises(self) -> list[Disguise]:
        """What of the schema lets a table show other rows than it holds, or than were written."""
        with self._reading() as connection:
            return list((sqlite_disguises if self._file else postgres_disguises)(connection))

    def _refuse_disguises(self, connection: Connection) -> None:
        """Before anything is read of it: a view in a table's place need never end."""
        # SQLite counts its schema's changes. PostgreSQL does not: there it is asked now and then.
        if self._file:
            schema = connection.exec_driver_sql("PRAGMA schema_version").scalar()
        else:
            schema = time.monotonic() // _ASK_AGAIN
        if schema == self._schema:
            return
        found = sqlite_disguises if self._file else postgres_disguises
        for disguise in found(connection):
            if disguise.hides:
                raise StoreDisguised(
                    f"{self._name}: {disguise.detail}: nothing of it is read; "
                    "`factoryledger audit` says all that is wrong"
                )
        self._schema = schema

    def _check_collectors(self) -> None:
        """What everybody asks first must be a table: a view there need never end."""
        for disguise in self.disguises():
            if disguise.hides and disguise.detail.startswith("collectors "):
                raise StoreUnavailable(f"{self._name} is no store any more: {disguise.detail}")

    def refusals(self) -> Iterator[Refusal]:
        """What was refused, as far as it is kept, the newest first."""
        for received, topic, payload, reason in self._page(_REFUSALS, ()):
            yield Refusal(received, bytes(topic).decode(errors="replace"), len(payload), reason)

    def stats(self, *, gaps: bool = True) -> Stats:
        """Count the store, all collectors together; `gaps` brings breaks too."""
        with self._reading() as connection:
            counters = {row.name: row.total for row in connection.exec_driver_sql(_COUNTERS)}
            stored = connection.exec_driver_sql(_STORED).scalar_one()
            batches = connection.exec_driver_sql(_BATCHES).scalar_one()
            found, breaks = gaps_and_breaks(connection) if gaps else ((), ())
        return Stats(
            received=counters.get("received", 0),
            stored=stored,
            duplicates=counters.get("duplicates", 0),
            refused=counters.get("refused", 0),
            causes=causes(counters),
            in_flight=counters.get("in_flight", 0),
            own=counters.get("own", 0),
            batches=batches,
            statuses={status: counters.get(status, 0) for status in STATUSES},
            gaps=found,
            breaks=breaks,
        )

    def part(self) -> Part:
        """Count the store as one of several."""
        with self._reading() as connection:
            claims = connection.exec_driver_sql(_CLAIMED).scalar_one()
            rows = connection.exec_driver_sql(_HIGHEST).all()
        highest = {(device, session): seq for device, session, seq in rows}
        return Part(self.stats(), claims, highest)

    def _paged(
        self, table: Table, key: str, collector: str, first: int, stop: int | None = None
    ) -> Iterator[Sequence[Any]]:
        for page in self._pages(table, key, collector, first, stop):
            yield from page

    def _pages(
        self, table: Table, key: str, collector: str, first: int, stop: int | None = None
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Give rows of one collector in order of `key`, whatever type a key has become."""
        query = f"SELECT {_columns(table)} FROM {table.name} WHERE collector = ? AND {key} "  # noqa: S608 - constants
        order = f" ORDER BY {key} LIMIT ?"
        until, bound = ("", ()) if stop is None else (f" AND {key} < ?", (stop,))
        place = list(table.columns.keys()).index(key)
        page = self._page(query + ">= ?" + until + order, (collector, first, *bound, _PAGE))
        while page:
            yield page
            if stop is not None and len(page) < _PAGE:
                return
            after = (collector, page[-1][place], *bound, _PAGE)
            page = self._page(query + "> ?" + until + order, after)

    def rows(self, query: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """What a query of SQL gives, its values as `?`; as it stands."""
        return self._page(query, tuple(values))

    def _page(self, query: str, values: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
        with self._reading() as connection:
            # Plain tuples, as the driver gives them: an audit reads rows by the million.
            cursor = connection.exec_driver_sql(query, values).cursor
            return cursor.fetchall()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                if not self._disguised:
                    self._refuse_disguises(connection)
                yield connection
        # A damaged name in the schema may make what sqlite3 says of it no UTF-8.
        except (DBAPIError, sqlite3.Error, UnicodeDecodeError) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise StoreUnavailable(f"{self._name} cannot be read as a store: {reason}") from error
