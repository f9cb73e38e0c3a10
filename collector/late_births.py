"""Births that come late: which messages above each are to be decoded anew, and how far that is.

Edge. A session may be long, so that it is done a piece at a time, each in one transaction with
its mark. A message is always decoded by the births of that moment: to do one again, or in
another order, changes nothing, and what ends between two pieces goes on at the mark.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from telemetry.sparkplug_topic import NAMESPACE

LIKE: Final = f"%{NAMESPACE}/%"
COLUMNS: Final = "m.collector, m.position, m.topic, m.payload, m.device, m.session, m.seq, m.time"

_WINDOW: Final = 1_000  # numbers of a session looked at in one transaction
_BEYOND: Final = 2**63 - 1

_BORN = text(
    "INSERT INTO births (device, session, seq, collector, position) "
    "VALUES (:device, :session, :seq, :collector, :position) "
    "ON CONFLICT (device, session, seq) DO NOTHING"
)
_NEXT_BIRTH = text(
    "SELECT min(seq) FROM births WHERE device = :device AND session = :session AND seq > :seq"
)
_WINDOW_END = text(
    "SELECT seq FROM claims WHERE device = :device AND session = :session "
    "AND seq >= :start AND seq < :end ORDER BY seq LIMIT 1 OFFSET :window"
)
# Only what was passed already: the rest is still to come, and will find the birth.
_PASSED = (
    "FROM claims AS c "
    "JOIN decodings AS d ON d.collector = c.collector AND c.position < d.next "
    "JOIN messages AS m ON m.collector = c.collector AND m.position = c.position "
    "WHERE c.device = :device AND c.session = :session AND c.seq >= :start AND c.seq < :end "
    "AND m.topic LIKE :like ORDER BY c.seq LIMIT :most"
)
_ANY_PASSED = text(f"SELECT c.seq {_PASSED}")
_ALL_PASSED = text(f"SELECT {COLUMNS} {_PASSED}")
_MARK = text(
    "INSERT INTO redecodings (device, session, seq, next) VALUES (:device, :session, :seq, :next) "
    "ON CONFLICT (device, session, seq) DO UPDATE SET next = excluded.next"
)
_FIRST_MARK = text(
    "SELECT device, session, seq, next FROM redecodings ORDER BY device, session, seq LIMIT 1"
)
_DONE = text("DELETE FROM redecodings WHERE device = :device AND session = :session AND seq = :seq")


class Span(NamedTuple):
    """Numbers of a session from `start`, below `end`; whether more of the birth's follow."""

    start: int
    end: int
    more: bool


def keep_birth(connection: Connection, row: Any) -> bool:
    """Keep a birth; True where messages above it are to be decoded anew (or may be)."""
    named = {"device": row.device, "session": row.session, "seq": row.seq}
    whose = {"collector": row.collector, "position": row.position}
    connection.execute(_BORN, {**named, **whose})
    span = _span(connection, named, row.seq + 1)
    if _rows_of(connection, _ANY_PASSED, named, span, 1):
        start = span.start
    elif span.more:
        start = span.end
    else:
        return False
    connection.execute(_MARK, {**named, "next": start})
    return True


def take_late(connection: Connection, most: int) -> Sequence[Any] | None:
    """Give the next messages to be decoded anew, at most so many, and move the mark past them.

    In the transaction that decodes them. None where no birth waits.
    """
    mark = connection.execute(_FIRST_MARK).first()
    if mark is None:
        return None
    named = {"device": mark.device, "session": mark.session, "seq": mark.seq}
    span = _span(connection, named, mark.next)
    rows = _rows_of(connection, _ALL_PASSED, named, span, most)
    if len(rows) == most:
        connection.execute(_MARK, {**named, "next": rows[-1].seq + 1})
    elif span.more:
        connection.execute(_MARK, {**named, "next": span.end})
    else:
        connection.execute(_DONE, named)
    return rows


def _span(connection: Connection, named: Mapping[str, Any], start: int) -> Span:
    """Give what to look at from `start` on: up to the next birth, or as far as a window goes."""
    birth = connection.execute(_NEXT_BIRTH, named).scalar()
    end = _BEYOND if birth is None else birth
    window = {**named, "start": start, "end": end, "window": _WINDOW}
    beyond = connection.execute(_WINDOW_END, window).scalar()
    return Span(start, end, more=False) if beyond is None else Span(start, beyond, more=True)


def _rows_of(
    connection: Connection, query: Any, named: Mapping[str, Any], span: Span, most: int
) -> Sequence[Any]:
    values = {**named, "start": span.start, "end": span.end, "like": LIKE, "most": most}
    return connection.execute(query, values).all()
