"""Taking up a collector where the store says it stands, or starting a new one.

Edge. A log is never continued on doubt: where the anchored log, the key or the tiles differ
from what the store says, a new collector id begins, and the old log stays as it is for `audit`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from collector.claims import StoredClaims
from collector.commit import Shelf, StoreShelf, key_values
from collector.continuity import Link
from collector.counting import Counts
from collector.decoding import Decoding
from collector.errors import CollectorError, LogInDoubt, StoreLocked
from collector.keys import Keys
from collector.ledger import Head, Ledger
from collector.naming import prev_of
from collector.patience import Patience
from collector.ports import AnchoredSize, Authority, Identity, IdentityFor, Requests
from collector.survey import Survey
from collector.verdict import Judge
from collector.writing import Store
from telemetry.judgement import judge
from telemetry.keyring import KeyStatement
from telemetry.rows import BatchRow, KeyRow

_log = structlog.get_logger(__name__)

_COLUMNS = "id, origin, vkey, source_line, session"
_BY_ID = f"SELECT {_COLUMNS} FROM collectors WHERE id = ?"  # noqa: S608 - a constant
_LIVE = """
    SELECT id, origin, vkey, source_line, coalesce(session, first_value(id) OVER (ORDER BY ordinal))
        AS session
    FROM collectors WHERE kind = 'live' ORDER BY ordinal DESC
"""
# Of a backup that was put back: what they signed since is elsewhere, so none of them goes on.
_RESTORED = """
    SELECT id, coalesce(session, first_value(id) OVER (ORDER BY ordinal)) AS session
    FROM collectors WHERE kind = 'restored' ORDER BY ordinal DESC
"""
_ADD = (
    "INSERT INTO collectors "
    "(id, ordinal, origin, vkey, kind, source_sha256, source_line, session) "
    "SELECT ?, coalesce(max(ordinal), -1) + 1, ?, ?, ?, ?, ?, ? FROM collectors"
)
_ADD_ENTRY = "INSERT INTO key_entries (collector, number, hash, entry) VALUES (?, ?, ?, ?)"
_LAST_BATCH = (
    "SELECT collector, number, start, size, root, checkpoint, keys FROM batches "
    "WHERE collector = ? ORDER BY number DESC LIMIT 1"
)
_RECEIVED = "SELECT received_at FROM messages WHERE collector = ? AND position = ?"
_TILE = "SELECT hashes FROM tiles WHERE collector = ? AND level = ? AND number = ?"
_ENTRIES = (
    "SELECT collector, number, hash, entry FROM key_entries WHERE collector = ? ORDER BY number"
)
_ACCEPTED = (
    "SELECT device, session, seq, body_hash, position, topic, payload, properties FROM messages "
    "WHERE collector = ? AND position >= ? AND status = 'accepted' ORDER BY position"
)
_COUNTERS = "SELECT name, value FROM counters WHERE collector = ?"


@dataclass(frozen=True, slots=True)
class Source:
    """The file that a collector ingests: SHA-256 of its bytes."""

    sha256: bytes

    @property
    def collector(self) -> str:
        """The id of its collector."""
        return f"file-{self.sha256.hex()[:32]}"


@dataclass(frozen=True, slots=True)
class Opened:
    """A collector, ready to take; `key_entry` is the one that enrolled its key.

    `session` names the broker's session: whatever collector id goes on with it, it is named
    after the first of them.
    """

    ledger: Ledger
    key_entry: bytes
    session: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Opens collectors of one store; `shelf`, `judge` and `monotonic` only differ in tests.

    `holds` says whether a collector's key is here: where several installations share a
    database, each goes on with its own.
    """

    store: Store
    identity_for: IdentityFor
    authority: Authority
    requests: Requests
    shelf: Shelf | None = None
    judge: Judge = judge
    patience: Patience | None = None
    holds: Callable[[str], bool] = lambda _: True
    monotonic: Callable[[], float] = time.monotonic

    def live(self, *, new_id: Callable[[], str], anchored_size: AnchoredSize | None) -> Opened:
        """Go on with a live collector whose key is here and that nobody runs, or start one.

        CollectorError when a new one's key entry is refused or the store's are.
        """
        for row in self._resting():
            try:
                return self._continued(row, anchored_size)
            except StoreLocked as running:
                _log.info("another process runs this collector", why=str(running))
            except LogInDoubt as doubt:
                _log.error("a new collector starts", collector=row.id, why=str(doubt))
                return self._started(new_id(), kind="live", session=row.session)
        return self._started(new_id(), kind="live", session=self._restored_session())

    def file(self, source: Source) -> Opened:
        """Go on with the collector of an ingested file, or start it.

        LogInDoubt where the store's part of its log cannot be gone on with.
        """
        with self.store.reading() as connection:
            row = connection.exec_driver_sql(_BY_ID, (source.collector,)).first()
        if row is None:
            return self._started(source.collector, kind="file", source=source)
        return self._continued(row, None)

    def _resting(self) -> list[Row[Any]]:
        """The newest live collector of each of the broker's sessions, the newest first."""
        with self.store.reading() as connection:
            rows = connection.exec_driver_sql(_LIVE).all()
        newest: dict[str, Row[Any]] = {}
        for row in rows:
            if self.holds(row.id):
                newest.setdefault(row.session, row)
        return list(newest.values())

    def _restored_session(self) -> str | None:
        """The broker's session of a collector of a restored store that nobody took over yet."""
        with self.store.reading() as connection:
            taken = {row.session for row in connection.exec_driver_sql(_LIVE)}
            rows = connection.exec_driver_sql(_RESTORED).all()
        for row in rows:
            if self.holds(row.id) and row.session not in taken:
                try:
                    self.store.own(row.id)
                except StoreLocked:
                    continue
                _log.warning("restored: a new collector starts", collector=row.id)
                return str(row.session)
        return None

    def _continued(self, row: Row[Any], anchored_size: AnchoredSize | None) -> Opened:
        identity = self.identity_for(row.id)
        statement = self._own_statement(row.id, identity)
        # The row keeps the key that the log began with: what came after stands in its entries.
        same = identity.vkey == row.vkey or statement.action == "rotate"
        if identity.origin != row.origin or not same:
            raise LogInDoubt(
                f"the key that is there for collector {row.id} is not the one that signed its log"
            )
        # From here on nobody else moves its log: only now is what is read its end.
        self.store.own(row.id)
        head = self._head(row.id, identity, row.source_line or 0)
        if anchored_size is not None and (anchored := anchored_size(row.id)) > head.log.size:
            raise LogInDoubt(
                f"the anchored log of collector {row.id} has {anchored} records, the store "
                f"{head.log.size}: was an old copy of the store put back?"
            )
        return self._opened(head, identity, row.session or row.id)

    def _started(
        self, collector: str, *, kind: str, source: Source | None = None, session: str | None = None
    ) -> Opened:
        """Write down a new collector and its own key entry, its first, before anything else."""
        identity = self.identity_for(collector)
        entry = self._own_entry(collector, identity)
        sha256, line = (None, None) if source is None else (source.sha256, 0)
        session = session or collector
        self.store.own(collector)
        with self.store.writing() as connection:
            self.store.alone(connection, "collectors")
            values = (collector, identity.origin, identity.vkey, kind, sha256, line, session)
            connection.exec_driver_sql(_ADD, values)
            connection.exec_driver_sql(_ADD_ENTRY, key_values(entry))
        return self._opened(self._head(collector, identity, 0), identity, session)

    def _own_entry(self, collector: str, identity: Identity) -> KeyRow:
        statement = self._own_statement(collector, identity)
        if statement.action != "enrol":
            raise CollectorError(
                f"the key of collector {collector} was rotated, and its log is not in this store"
            )
        return KeyRow(collector, 0, statement.hash, identity.key_entry)

    def _own_statement(self, collector: str, identity: Identity) -> KeyStatement:
        """What certifies the collector's key; CollectorError where that is something else."""
        try:
            statement = self.authority.read(identity.key_entry)
        except ValueError as error:
            raise CollectorError(
                f"the key entry of collector {collector} is refused: {error}"
            ) from error
        said = (statement.kind, statement.name, statement.key is not None)
        if said != ("collector", collector, True):
            raise CollectorError(
                f"the key entry of collector {collector} says {statement.action} "
                f"{statement.kind} {statement.name} instead of enrolling it"
            )
        return statement

    def _head(self, collector: str, identity: Identity, line: int) -> Head:
        """Give how far it has committed; LogInDoubt where the tiles do not give that root."""
        with self.store.reading() as connection:
            values = connection.exec_driver_sql(_LAST_BATCH, (collector,)).first()
            last = None if values is None else BatchRow(*values)
            size = 0 if last is None else last.start + last.size
            try:
                log = identity.log(size, lambda *tile: _tile(connection, collector, tile))
            except ValueError as error:
                raise LogInDoubt(f"the tiles of collector {collector}: {error}") from error
            if last is not None and log.root != last.root:
                raise LogInDoubt(
                    f"the tiles of collector {collector} do not give the root of its batch "
                    f"{last.number}: the store was changed"
                )
            floor = connection.exec_driver_sql(_RECEIVED, (collector, size - 1)).scalar()
        return Head(
            collector=collector,
            log=log,
            number=0 if last is None else last.number + 1,
            floor=floor or 0,
            source_line=line,
        )

    def _opened(self, head: Head, identity: Identity, session: str) -> Opened:
        with self.store.reading() as connection:
            entries = [
                KeyRow(*row) for row in connection.exec_driver_sql(_ENTRIES, (head.collector,))
            ]
            counters = {
                str(name): int(value)
                for name, value in connection.exec_driver_sql(_COUNTERS, (head.collector,))
            }
        keys = Keys(self.authority, self.requests, collector=head.collector)
        keys.replay(entries)
        keys.refresh()
        self._check_certified(head.collector, identity, keys)
        ledger = Ledger(
            head,
            Counts(counters),
            shelf=self.shelf or StoreShelf(self.store),
            claims=StoredClaims(self.store),
            keys=keys,
            receipts=identity.receipts,
            judge=self.judge,
            survey=Survey(self.store, head.collector),
            decoding=Decoding(self.store, head.collector, head.log.size),
            patience=self.patience,
            monotonic=self.monotonic,
        )
        ledger.resurvey(self._links(head.collector, counters.get("surveyed", head.log.size)))
        return Opened(ledger, identity.key_entry, session)

    def _check_certified(self, collector: str, identity: Identity, keys: Keys) -> None:
        """LogInDoubt unless the newest key that was applied is the one that is here."""
        newest = keys.keyring.collector_key(collector)
        if newest is None or newest.entry != self._own_statement(collector, identity).hash:
            raise LogInDoubt(
                f"the key that is there for collector {collector} is not the one that its entries "
                "certify now"
            )

    def _links(self, collector: str, since: int) -> list[Link]:
        """Give the accepted messages from a position on: whom each of them names."""
        with self.store.reading() as connection:
            rows = connection.exec_driver_sql(_ACCEPTED, (collector, since)).all()
        return [
            Link(device, session, seq, prev_of(topic, payload, properties), body, position)
            for device, session, seq, body, position, topic, payload, properties in rows
            if payload is not None
        ]


def _tile(connection: Connection, collector: str, tile: tuple[int, int]) -> bytes:
    hashes = connection.exec_driver_sql(_TILE, (collector, *tile)).scalar()
    return hashes if isinstance(hashes, bytes) else b""
