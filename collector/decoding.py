"""Decodes committed Sparkplug messages into rows, once the births that name their metrics are here.

Edge. Everything it writes follows from what is committed, a piece at a time, each with the mark
of how far it is: a crash costs nothing. A birth that comes late gives the messages above it
anew. One collector of a store decodes at a time, so that none misses another's birth.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from collector.writing import Store
from telemetry.decoding import BIRTHS, UNBORN, Names, names_of, readings_of
from telemetry.sparkplug_topic import NAMESPACE, SparkplugTopic

DECODING: Final = "decoding"
"""The lock of whoever writes what is decoded."""

_SPAN: Final = 20_000  # positions of one transaction, if few of them are Sparkplug
_PIECE: Final = 500  # messages of one transaction
_AT_ONCE: Final = 8  # transactions, then a commit may go between
_REMEMBERED: Final = 1_000  # births, read
_IN_A_TOPIC: Final = f"{NAMESPACE}/"
_LIKE: Final = f"%{NAMESPACE}/%"

_COLUMNS = "m.collector, m.position, m.topic, m.payload, m.device, m.session, m.seq, m.time"
_NEXT = text("SELECT next FROM decodings WHERE collector = :collector")
_MARK = text(
    "INSERT INTO decodings (collector, next) VALUES (:collector, :next) "
    "ON CONFLICT (collector) DO UPDATE SET next = excluded.next"
)
_MESSAGES = text(
    f"SELECT {_COLUMNS} FROM messages AS m WHERE m.collector = :collector "  # noqa: S608 - constants
    "AND m.position >= :start AND m.position < :end AND m.status = 'accepted' "
    "AND m.topic LIKE :like ORDER BY m.position LIMIT :most"
)
_BORN = text(
    "INSERT INTO births (device, session, seq, collector, position) "
    "VALUES (:device, :session, :seq, :collector, :position) "
    "ON CONFLICT (device, session, seq) DO NOTHING"
)
_BIRTH = text(
    "SELECT b.collector, b.position, m.payload FROM births AS b JOIN messages AS m "
    "ON m.collector = b.collector AND m.position = b.position "
    "WHERE b.device = :device AND b.session = :session AND b.seq < :seq "
    "ORDER BY b.seq DESC LIMIT 1"
)
_NEXT_BIRTH = text(
    "SELECT min(seq) FROM births WHERE device = :device AND session = :session AND seq > :seq"
)
# Only what was passed already: the rest is still to come.
_ABOVE = text(
    f"SELECT {_COLUMNS} FROM claims AS c "  # noqa: S608 - constants
    "JOIN decodings AS d ON d.collector = c.collector AND c.position < d.next "
    "JOIN messages AS m ON m.collector = c.collector AND m.position = c.position "
    "WHERE c.device = :device AND c.session = :session AND c.seq > :seq AND c.seq < :end "
    "AND m.topic LIKE :like"
)
_CLEAR = text("DELETE FROM decoded WHERE collector = :collector AND position = :position")
_INSERT = text(
    "INSERT INTO decoded (collector, position, number, device, time, metric, value) "
    "VALUES (:collector, :position, :number, :device, :time, :metric, :value)"
)
_BEYOND: Final = 2**63 - 1


class Decoding:
    """Decodes one collector's messages; `note` what is committed, `catch_up` now and then.

    `size` is how much of its log is committed: how much of that is decoded, the store says.
    """

    def __init__(self, store: Store, collector: str, size: int) -> None:
        self._store = store
        self._collector = collector
        self._next: int | None = None
        self._behind = size > 0
        self._births: dict[tuple[str, int], Names] = {}

    @property
    def due(self) -> bool:
        """Whether there may be something to decode."""
        return self._behind

    def note(self, topics: Iterable[str]) -> None:
        """Take note of messages that are committed."""
        if not self._behind:
            self._behind = _IN_A_TOPIC in "\n".join(topics)

    def catch_up(self, size: int, *, everything: bool, mark: bool) -> None:
        """Decode what is committed below `size`, or some of it; all with `everything`.

        `mark` notes how far it is also where nothing was Sparkplug: a restart begins there.
        """
        pieces = 0
        while self._behind and (everything or pieces < _AT_ONCE):
            pieces += 1
            reached = self._piece(size)
            self._behind = reached < size
            self._next = reached
        if mark and not self._behind and self._next != size:
            with self._store.writing() as connection:
                connection.execute(_MARK, {"collector": self._collector, "next": size})
            self._next = size

    def _piece(self, size: int) -> int:
        """One transaction; gives the position up to which all is decoded."""
        with self._store.writing() as connection:
            self._store.alone(connection, DECODING)
            mine = {"collector": self._collector}
            start = connection.execute(_NEXT, mine).scalar() or 0
            end = min(start + _SPAN, size)
            span = {**mine, "start": start, "end": end, "like": _LIKE, "most": _PIECE}
            rows = connection.execute(_MESSAGES, span).all()
            if len(rows) == _PIECE:
                end = rows[-1].position + 1
            again = [row for birth in rows for row in self._born(connection, birth)]
            connection.execute(_MARK, {**mine, "next": end})
            self._decode(connection, [*again, *rows])
        return int(end)

    def _born(self, connection: Connection, row: Any) -> Sequence[Any]:
        """Where a message is a birth, keep it, and give what it says anew."""
        place = SparkplugTopic.parse(row.topic)
        if place is None or place.type not in BIRTHS:
            return ()
        named = {"device": row.device, "session": row.session, "seq": row.seq}
        whose = {"collector": row.collector, "position": row.position}
        connection.execute(_BORN, {**named, **whose})
        end = connection.execute(_NEXT_BIRTH, named).scalar()
        above = {**named, "end": _BEYOND if end is None else end, "like": _LIKE}
        return connection.execute(_ABOVE, above).all()

    def _decode(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Write the readings of these messages in place of what was there."""
        single = {(row.collector, row.position): row for row in rows}
        found: list[dict[str, Any]] = []
        for (collector, position), row in single.items():
            where = {"collector": collector, "position": position}
            connection.execute(_CLEAR, where)
            place = SparkplugTopic.parse(row.topic)
            if place is None or row.payload is None:
                continue
            names = UNBORN if place.type in BIRTHS else self._names(connection, row)
            found += [
                {**where, "device": row.device, **one._asdict()}
                for one in readings_of(place.type, bytes(row.payload), row.time, names)
            ]
        if found:
            connection.execute(_INSERT, found)

    def _names(self, connection: Connection, row: Any) -> Names:
        """What the newest birth below a message says."""
        named = {"device": row.device, "session": row.session, "seq": row.seq}
        birth = connection.execute(_BIRTH, named).first()
        if birth is None or birth.payload is None:
            return UNBORN
        key = (birth.collector, birth.position)
        if key not in self._births:
            if len(self._births) >= _REMEMBERED:
                self._births.clear()
            self._births[key] = names_of(bytes(birth.payload))
        return self._births[key]
