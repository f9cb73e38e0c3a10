"""What the store knows already: numbers taken, bodies seen.

Edge. A high-water mark for each device and session, kept in the process, spares a query for
every message that is new. It is exact where one process writes the store; where collectors
share a database, the commit finds what another has taken, and the mark is `forget`ed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import Connection

from collector.batch import Claim, Sighting
from collector.verdict import Number
from collector.writing import Store

_MARKS = 200_000  # sessions remembered, some 30 MB; forgetting costs one query each
_CHUNK = 500  # parameters of one statement, below every SQLite's limit
_SPARSE = 4  # rows of a range read for each number wanted, before single look-ups are cheaper

_HIGHEST = "SELECT max(seq) FROM claims WHERE device = ? AND session = ?"
_RANGE = (
    "SELECT seq, body_hash, collector FROM claims "
    "WHERE device = ? AND session = ? AND seq BETWEEN ? AND ?"
)
_SEEN = "SELECT body_hash, status FROM sightings WHERE body_hash IN ({})"


class StoredClaims:
    """`collector.batch.Taken` on the store; tell it of each batch once that is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._highest: dict[tuple[str, str], int] = {}

    def numbers(self, wanted: Collection[Number]) -> dict[Number, Claim]:
        """Which of these are claimed, and by whom."""
        sessions: dict[tuple[str, str], list[int]] = defaultdict(list)
        for device, session, seq in wanted:
            sessions[device, session].append(seq)
        self._learn(sessions)
        old = {
            session: below
            for session, seqs in sessions.items()
            if (below := [seq for seq in seqs if seq <= self._highest[session]])
        }
        taken: dict[Number, Claim] = {}
        if old:
            with self._store.reading() as connection:
                for place, seqs in old.items():
                    taken.update(_bodies(connection, place, seqs))
        return taken

    def sightings(self, wanted: Collection[Sighting]) -> set[Sighting]:
        """Which of these are stored."""
        if not wanted:
            return set()
        bodies = sorted({body for body, _ in wanted})
        found: set[Sighting] = set()
        with self._store.reading() as connection:
            for chunk in _chunks(bodies):
                query = _SEEN.format(",".join("?" * len(chunk)))
                rows = connection.exec_driver_sql(query, tuple(chunk))
                found.update((body, status) for body, status in rows)
        return found & set(wanted)

    def renew(self) -> None:
        """After a failure: ask over a new connection."""
        self._store.renew()

    def forget(self) -> None:
        """Somebody else has taken numbers: look again."""
        self._highest.clear()

    def committed(self, numbers: Iterable[Number]) -> None:
        """Take note of numbers that a commit has claimed."""
        for device, session, seq in numbers:
            known = self._highest.get((device, session))
            if known is not None and seq > known:
                self._highest[device, session] = seq

    def _learn(self, sessions: Collection[tuple[str, str]]) -> None:
        if len(self._highest) + len(sessions) > _MARKS:
            self._highest.clear()  # always safe: what is needed is learned again
        fresh = [session for session in sessions if session not in self._highest]
        if not fresh:
            return
        with self._store.reading() as connection:
            for session in fresh:
                highest = connection.exec_driver_sql(_HIGHEST, session).scalar()
                self._highest[session] = -1 if highest is None else highest


def _bodies(
    connection: Connection, session: tuple[str, str], seqs: list[int]
) -> dict[Number, Claim]:
    """Look numbers of one session up: as one range where they lie close, else one by one."""
    low, high = min(seqs), max(seqs)
    dense = high - low < _SPARSE * len(seqs)
    ranges = [(low, high)] if dense else [(seq, seq) for seq in seqs]
    wanted = set(seqs)
    found: dict[Number, Claim] = {}
    for first, last in ranges:
        rows = connection.exec_driver_sql(_RANGE, (*session, first, last))
        for seq, body, collector in rows:
            if seq in wanted:
                found[(*session, seq)] = Claim(body, collector)
    return found


def _chunks(items: list[bytes]) -> Iterator[list[bytes]]:
    for first in range(0, len(items), _CHUNK):
        yield items[first : first + _CHUNK]
