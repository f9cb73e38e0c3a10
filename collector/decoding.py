"""Decodes committed Sparkplug messages into rows, once the births that name their metrics are here.

Edge. Everything it writes follows from what is committed, a piece at a time, each with the mark
of how far it is: a crash costs nothing. A birth that comes late gives the messages above it
anew, in turn with what is new (`late_births`). One collector of a store decodes at a time, so
that none misses another's birth.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from collector.late_births import COLUMNS, LIKE, keep_birth, take_late
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

_NEXT = text("SELECT next FROM decodings WHERE collector = :collector")
_MARK = text(
    "INSERT INTO decodings (collector, next) VALUES (:collector, :next) "
    "ON CONFLICT (collector) DO UPDATE SET next = excluded.next"
)
_MESSAGES = text(
    f"SELECT {COLUMNS} FROM messages AS m WHERE m.collector = :collector "  # noqa: S608 - constants
    "AND m.position >= :start AND m.position < :end AND m.status = 'accepted' "
    "AND m.topic LIKE :like ORDER BY m.position LIMIT :most"
)
_BIRTH = text(
    "SELECT b.collector, b.position, m.payload FROM births AS b JOIN messages AS m "
    "ON m.collector = b.collector AND m.position = b.position "
    "WHERE b.device = :device AND b.session = :session AND b.seq < :seq "
    "ORDER BY b.seq DESC LIMIT 1"
)
_CLEAR = text("DELETE FROM decoded WHERE collector = :collector AND position = :position")
_INSERT = text(
    "INSERT INTO decoded (collector, position, number, device, time, metric, value) "
    "VALUES (:collector, :position, :number, :device, :time, :metric, :value)"
)


class Decoding:
    """Decodes one collector's messages; `note` what is committed, `catch_up` now and then.

    `size` is how much of its log is committed: how much of that is decoded, the store says.
    """

    def __init__(self, store: Store, collector: str, size: int) -> None:
        self._store = store
        self._collector = collector
        self._next: int | None = None
        self._behind = size > 0
        self._late = True  # an earlier process may have left some
        self._births: dict[tuple[str, int], Names] = {}

    @property
    def due(self) -> bool:
        """Whether there may be something to decode."""
        return self._behind or self._late

    def note(self, topics: Iterable[str]) -> None:
        """Take note of messages that are committed."""
        if not self._behind:
            self._behind = _IN_A_TOPIC in "\n".join(topics)

    def catch_up(self, size: int, *, everything: bool, mark: bool) -> None:
        """Decode what is committed below `size`, or some of it; all with `everything`.

        `mark`, now and then, notes how far it is also where nothing was Sparkplug: a restart
        begins there. It looks for late births too.
        """
        # Another collector of the store may have left some, and not come back.
        self._late = self._late or mark
        pieces = 0
        while self.due and (everything or pieces < _AT_ONCE):
            pieces += 1
            # In turn: neither what is new nor a long session holds up the other.
            if self._late:
                self._late = self._late_piece()
            if self._behind:
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
            span = {**mine, "start": start, "end": end, "like": LIKE, "most": _PIECE}
            rows = connection.execute(_MESSAGES, span).all()
            if len(rows) == _PIECE:
                end = rows[-1].position + 1
            late = [keep_birth(connection, row) for row in rows if _is_birth(row)]
            connection.execute(_MARK, {**mine, "next": end})
            self._decode(connection, rows)
        self._late = self._late or any(late)
        return int(end)

    def _late_piece(self) -> bool:
        """One transaction, of what late births name; False where there is no more."""
        with self._store.writing() as connection:
            self._store.alone(connection, DECODING)
            rows = take_late(connection, _PIECE)
            self._decode(connection, rows or ())
        return rows is not None

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


def _is_birth(row: Any) -> bool:
    place = SparkplugTopic.parse(row.topic)
    return place is not None and place.type in BIRTHS
