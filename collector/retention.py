"""Payloads that are old enough: asked for, and erased once everybody can see that they were.

Edge. Three steps, each of which may be the last before a crash: the operator's signed word is
written down; the anchor log publishes it; only then payloads become NULL, a piece at a time,
each piece with the mark of how far it is. An entry without its erasure is fine, an erasure
without its entry is what `audit` finds (docs/decisions/retention.md).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from sqlalchemy import Connection

from collector.decoding import DECODING
from collector.writing import Store
from telemetry.keyring import KeyStatement
from telemetry.record import STATUSES

_log = structlog.get_logger(__name__)

_PIECE: Final = 500  # positions of one transaction: a commit waits some milliseconds for it

_SIZE = "SELECT coalesce(max(start + size), 0) FROM batches WHERE collector = ?"
_RECEIVED = (
    "SELECT received_at FROM messages WHERE collector = ? AND position >= ? "
    "ORDER BY position LIMIT 1"
)
_KEPT = (
    "SELECT position FROM messages WHERE collector = ? AND position >= ? AND position < ? "
    "AND payload IS NOT NULL AND status IN ({}) ORDER BY position {} LIMIT 1"
)
_DONE = "SELECT hash, next FROM erasures"
_NEXT = "SELECT next FROM erasures WHERE hash = ?"
_ERASE = (
    "UPDATE messages SET payload = NULL WHERE collector = ? AND position >= ? AND position < ? "
    "AND payload IS NOT NULL AND status IN ({})"
)
# What was decoded from a payload goes with it.
_ERASE_DECODED = (
    "DELETE FROM decoded WHERE collector = ? AND position >= ? AND position < ? AND EXISTS ("
    "SELECT 1 FROM messages AS m WHERE m.collector = decoded.collector "
    "AND m.position = decoded.position AND m.payload IS NULL)"
)
_MARK = (
    "INSERT INTO erasures (hash, collector, next, erased) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (hash) DO UPDATE SET next = excluded.next, "
    "erased = erasures.erased + excluded.erased"
)
_COLLECTORS = "SELECT id FROM collectors ORDER BY ordinal"


class Wanted(NamedTuple):
    """An erasure that the ages ask for: positions, first and last, and whose."""

    collector: str
    first: int
    last: int
    statuses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Erasure:
    """An erasure that the operator has signed."""

    hash: bytes
    collector: str
    first: int
    last: int
    statuses: tuple[str, ...]

    @classmethod
    def of(cls, statement: KeyStatement) -> "_Erasure":
        collector, _, positions = statement.name.partition(":")
        first, _, last = positions.partition("-")
        statuses = statement.statuses or STATUSES
        return cls(statement.hash, collector, int(first), int(last), tuple(statuses))


class Retention:
    """What a store's payloads are kept for; one worker thread uses it, between commits.

    `ages` gives for a status how old, in microseconds by the receive time, its payloads may
    become. `statements` are the key entries applied so far; it grows by itself. `holds` says
    which collectors' logs are this installation's to ask for.
    """

    def __init__(
        self,
        store: Store,
        ages: Mapping[str, int],
        statements: Sequence[KeyStatement],
        *,
        holds: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._store = store
        self._statements = statements
        self._holds = holds
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for status in STATUSES:
            if status in ages:
                groups[ages[status]].append(status)
        self._groups = [(age, tuple(statuses)) for age, statuses in groups.items()]
        # Below these positions nothing of that kind is left, as was seen by looking.
        self._looked: dict[tuple[str, tuple[str, ...]], int] = {}
        self._published: set[bytes] = set()
        self._done: set[bytes] | None = None

    def wanted(self, now: int) -> list[Wanted]:
        """Give the erasures that are due at `now` (microseconds) and that nobody has signed."""
        if not self._groups:
            return []
        with self._store.reading() as connection:
            return list(self._wanted(connection, now))

    def waiting(self) -> list[bytes]:
        """Give the hashes of erasures of which it is not known that they are published."""
        return [erasure.hash for erasure in self._open() if erasure.hash not in self._published]

    def publish(self, entries: AbstractSet[bytes]) -> None:
        """Take note that the anchor log has published these: their payloads may go."""
        self._published |= entries

    def erase_some(self) -> bool:
        """Erase one piece of what is published; False where there is nothing left to do."""
        for erasure in self._open():
            if erasure.hash in self._published:
                self._erase_piece(erasure)
                return True
        return False

    def _open(self) -> list[_Erasure]:
        """Give signed erasures that are not done, in the order in which they were applied."""
        signed = [_Erasure.of(s) for s in self._statements if s.action == "erase"]
        if self._done is None:
            with self._store.reading() as connection:
                reached = {row.hash: row.next for row in connection.exec_driver_sql(_DONE)}
            self._done = {e.hash for e in signed if reached.get(e.hash, e.first) > e.last}
        return [erasure for erasure in signed if erasure.hash not in self._done]

    def _wanted(self, connection: Connection, now: int) -> Iterator[Wanted]:
        for (collector,) in connection.exec_driver_sql(_COLLECTORS).all():
            if not self._holds(collector):
                continue
            for age, statuses in self._groups:
                start = max(
                    self._signed_until(collector, statuses),
                    self._looked.get((collector, statuses), 0),
                )
                end = _first_since(connection, collector, start, now - age)
                first = _kept(connection, collector, start, end, statuses, "ASC")
                if first is None:
                    self._looked[collector, statuses] = end
                    continue
                last = _kept(connection, collector, start, end, statuses, "DESC")
                assert last is not None
                yield Wanted(collector, first, last, statuses)

    def _signed_until(self, collector: str, statuses: tuple[str, ...]) -> int:
        """Give the position up to which payloads of these statuses are signed away already."""
        ends = [
            erasure.last + 1
            for erasure in map(_Erasure.of, filter(_is_erasure, self._statements))
            if erasure.collector == collector and set(erasure.statuses) >= set(statuses)
        ]
        return max(ends, default=0)

    def _erase_piece(self, erasure: _Erasure) -> None:
        assert self._done is not None
        with self._store.writing() as connection:
            # Another collector of the database may be at the same one.
            self._store.alone(connection, "retention")
            # Nor may one decode, meanwhile, what goes here.
            self._store.alone(connection, DECODING)
            reached = connection.exec_driver_sql(_NEXT, (erasure.hash,)).scalar()
            start = erasure.first if reached is None else int(reached)
            size = connection.exec_driver_sql(_SIZE, (erasure.collector,)).scalar_one()
            # Positions that the log does not have yet are none that the operator has seen.
            end = min(start + _PIECE, erasure.last + 1, max(size, start))
            self._store.shred(connection)
            marks = ",".join("?" * len(erasure.statuses))
            values = (erasure.collector, start, end, *erasure.statuses)
            erased = connection.exec_driver_sql(_ERASE.format(marks), values).rowcount
            connection.exec_driver_sql(_ERASE_DECODED, values[:3])
            done = end > erasure.last or end >= size
            mark = (erasure.hash, erasure.collector, erasure.last + 1 if done else end, erased)
            connection.exec_driver_sql(_MARK, mark)
        if done:
            self._done.add(erasure.hash)
            _log.info(
                "payloads erased",
                collector=erasure.collector,
                first=erasure.first,
                last=erasure.last,
                statuses=",".join(erasure.statuses),
            )


Sign = Callable[[Wanted], object]
"""Writes the operator's signed word for an erasure into the requests folder, durably."""

Published = Callable[[Collection[bytes]], AbstractSet[bytes]]
"""Which of these key entries, by hash, the anchor log has published."""


def _is_erasure(statement: KeyStatement) -> bool:
    return statement.action == "erase"


def _first_since(connection: Connection, collector: str, start: int, time: int) -> int:
    """Give the first position from `start` on that was received at `time` or later.

    Receive times never go back within a collector, so that halving finds it.
    """
    low, high = start, connection.exec_driver_sql(_SIZE, (collector,)).scalar_one()
    while low < high:
        middle = (low + high) // 2
        received = connection.exec_driver_sql(_RECEIVED, (collector, middle)).scalar()
        if isinstance(received, int) and received < time:
            low = middle + 1
        else:
            high = middle
    return low


def _kept(  # noqa: PLR0913, PLR0917 - a range and what is asked of it
    connection: Connection,
    collector: str,
    start: int,
    end: int,
    statuses: tuple[str, ...],
    order: str,
) -> int | None:
    """Give the first or last position of a range that has a payload of these statuses."""
    if start >= end:
        return None
    query = _KEPT.format(",".join("?" * len(statuses)), order)
    found = connection.exec_driver_sql(query, (collector, start, end, *statuses)).scalar()
    return None if found is None else int(found)
