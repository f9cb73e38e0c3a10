"""What a store holds, looked through by people: a machine's readings by time, the newest messages.

Read-only, a page at a time, by indices: however long the time asked for, a page costs what a
page costs. Columns come as they stand, as from `collector.store_reader`.
"""

from dataclasses import dataclass
from typing import Any, Final

from collector import tables
from collector.store_reader import LedgerReader

ReadingPlace = tuple[int, str, int, str]
"""Time, collector, position, metric: the order of readings."""

_CHUNK: Final = 5000
_MOST_CHUNKS: Final = 10

# The times of the next so many messages and scans, each arm an index search.
_TIMES: Final = (
    "SELECT time FROM messages WHERE status = 'accepted' AND device = ?",
    "SELECT time FROM scans WHERE device = ?",
    "SELECT time FROM decoded WHERE device = ?",
)
_FIRST: Final = "SELECT time FROM ({} AND time >= ? AND time <= ? ORDER BY time LIMIT ?) AS a{}"
_WINDOW: Final = "SELECT time FROM ({}) AS t ORDER BY time LIMIT 1 OFFSET ?"
_PLACES: Final = "time, collector, position, metric"
_READINGS: Final = (
    "SELECT r.collector, r.position, r.time, r.metric, r.value, "  # noqa: S608 - constants
    "m.session, m.seq, m.received_at, m.status FROM ("
    "SELECT collector, position, time, metric, value FROM readings "
    "WHERE device = ? AND time >= ? AND time <= ?{} "
    f"ORDER BY {_PLACES} LIMIT ?) AS r "
    "JOIN messages AS m ON m.collector = r.collector AND m.position = r.position "
    "ORDER BY r.time, r.collector, r.position, r.metric"
)
_MESSAGES: Final = (
    "SELECT collector, position, received_at, topic, length(payload), device, session, seq, "
    "time, status, key, payload_hash, body_hash FROM messages "
    "WHERE collector = ? AND position < ? AND position >= ?{} ORDER BY position DESC LIMIT ?"
)
_TOP: Final = "SELECT max(position) FROM messages WHERE collector = ?"


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """A row of the view `readings`, and of the message that it stands in."""

    collector: str
    position: int
    time: int
    metric: str
    value: float
    session: str | None
    seq: int | None
    received_at: int
    status: str

    @property
    def place(self) -> ReadingPlace:
        """Where it stands among readings."""
        return self.time, self.collector, self.position, self.metric


@dataclass(frozen=True, slots=True)
class MessageHead:
    """A row of `messages` without its payload; `size` is that of the payload, if it is there."""

    collector: str
    position: int
    received_at: int
    topic: str
    size: int | None
    device: str | None
    session: str | None
    seq: int | None
    time: int | None
    status: str
    key: str | None
    payload_hash: bytes
    body_hash: bytes | None


def readings(  # noqa: PLR0913 - what is asked, each by name
    store: LedgerReader,
    *,
    device: str,
    start: int,
    stop: int,
    limit: int,
    metric: str | None = None,
    after: ReadingPlace | None = None,
) -> tuple[list[ReadingRow], int | None]:
    """A machine's readings from `start` to `stop` (inclusive), in order, at most `limit`.

    Only those beyond the place `after`. With them the time up to which they are all there: None
    says that `stop` was reached, and `limit` rows that there may be more of the last one's time.
    """
    reached = _window(store, device, start, stop, limit)
    until = stop if reached is None else reached
    narrowed, values = "", list[Any]()
    if metric is not None:
        narrowed += " AND metric = ?"
        values.append(metric)
    if after is not None:
        narrowed += f" AND ({_PLACES}) > (?, ?, ?, ?)"
        values += after
    query = _READINGS.format(narrowed)
    rows = store.rows(query, (device, start, until, *values, limit))
    found = [ReadingRow(*row) for row in rows if isinstance(row[4], float)]
    return found, reached


def newest(  # noqa: PLR0913 - as above
    store: LedgerReader,
    collector: str,
    *,
    limit: int,
    device: str | None = None,
    status: str | None = None,
    below: int | None = None,
) -> tuple[list[MessageHead], int]:
    """A collector's newest messages below a position, the newest first, at most `limit`.

    With them the position below which to go on: 0 at the end. Where few of many messages are
    meant it looks through so many, and gives what it found.
    """
    top = below if below is not None else _above_top(store, collector)
    narrowed, values = "", list[Any]()
    for column, value in (("device", device), ("status", status)):
        if value is not None:
            narrowed += f" AND {column} = ?"
            values.append(value)
    found = list[MessageHead]()
    for _ in range(_MOST_CHUNKS):
        if top <= 0 or len(found) >= limit:
            break
        bottom = max(0, top - _CHUNK)
        rest = limit - len(found)
        rows = store.rows(_MESSAGES.format(narrowed), (collector, top, bottom, *values, rest))
        found += [MessageHead(*row) for row in rows]
        top = found[-1].position if len(rows) == rest else bottom
    return found, top


def _window(store: LedgerReader, device: str, start: int, stop: int, limit: int) -> int | None:
    arms = _TIMES if store.has(tables.decoded) else _TIMES[:2]
    each = (_FIRST.format(arm, number) for number, arm in enumerate(arms))
    query = _WINDOW.format(" UNION ALL ".join(each))
    found = store.rows(query, (*(device, start, stop, limit) * len(arms), limit - 1))
    return int(found[0][0]) if found else None


def _above_top(store: LedgerReader, collector: str) -> int:
    top = store.rows(_TOP, (collector,))[0][0]
    return 0 if top is None else int(top) + 1
