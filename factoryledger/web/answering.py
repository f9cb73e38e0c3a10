"""A person's questions to the stores: a machine's history, the newest messages. Read only."""

import base64
import heapq
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from anchor.corrected import Corrected
from collector.history import MessageHead, ReadingPlace, ReadingRow, newest, readings
from factoryledger.installation import Installation
from factoryledger.web.corrected import Board, LoggedCorrections
from factoryledger.web.looking import told_as_away
from telemetry.canonical import END_OF_TIME, time_text
from watch.web.ports import MessagesAsked, ReadingsAsked, WrongValue
from watch.web.stored import (
    CorrectedMessage,
    Correction,
    Corrections,
    Message,
    Messages,
    Reading,
    Readings,
)

_MOST_COLLECTORS: Final = 64
_MOST: Final = 1000

Value = TypeVar("Value")


class Answers:
    """`watch.web.ports.Answering` over an installation of its own."""

    def __init__(self, place: Installation, board: Board | None = None) -> None:
        self._place = place
        self._board = board or Board()

    def readings(self, asked: ReadingsAsked) -> Readings:
        """Readings of a machine's time, of all stores together."""
        after, start = _place(asked)
        found, reached = list[ReadingRow](), list[int]()
        with told_as_away():
            for store in self._place.ledger.stores:
                rows, until = readings(
                    store,
                    device=asked.device,
                    start=start,
                    stop=asked.stop,
                    limit=asked.limit,
                    metric=asked.metric,
                    after=after,
                )
                found += rows
                reached += [] if until is None else [until]
                if len(rows) == asked.limit:
                    reached.append(rows[-1].time)
        # Within a message in the database's own order, by which it goes on after a cursor.
        found.sort(key=lambda row: row.place[:3])
        return _page(found, reached, asked, self._board.now)

    def messages(self, asked: MessagesAsked) -> Messages:
        """Messages, the newest first; collectors' rows are merged by when they were received."""
        below = {} if asked.after is None else _read(asked.after, dict[str, int])
        if not all(0 <= end < 2**63 for end in below.values()):  # what a database's column holds
            raise _no_cursor()
        pages, ends = list[list[MessageHead]](), dict[str, int]()
        with told_as_away():
            known = [row.id for row in self._place.ledger.collectors()][-_MOST_COLLECTORS:]
            for collector in known if asked.after is None else (c for c in known if c in below):
                rows, ends[collector] = newest(
                    self._place.ledger.holding(collector),
                    collector,
                    limit=asked.limit,
                    device=asked.device,
                    status=asked.status,
                    below=below.get(collector),
                )
                pages.append(rows)
        merged = heapq.merge(*pages, key=lambda row: row.received_at, reverse=True)
        shown = list(islice(merged, asked.limit))
        for page in pages:
            taken = sum(1 for row in shown if row.collector == page[0].collector) if page else 0
            if page and taken < len(page):
                # What is not shown now comes next.
                ends[page[0].collector] = page[taken].position + 1
        rest = {collector: end for collector, end in ends.items() if end > 0}
        known_now = self._board.now
        said = [_message(row, known_now) for row in shown]
        return Messages(said, _cursor(rest) if rest else None)

    def corrections(self, device: str | None) -> Corrections:
        """Those that the log was seen to hold, the newest first."""
        return Corrections([_corrected(one) for one in self._board.now.newest(device, _MOST)])


def _corrected(one: Corrected) -> CorrectedMessage:
    subject = one.correction.subject
    device, session, seq = subject.machine or (None, None, None)
    said = Correction(**one.to_json())
    return CorrectedMessage(subject.collector, subject.position, device, session, seq, said)


def _page(
    found: list[ReadingRow], reached: list[int], asked: ReadingsAsked, known: LoggedCorrections
) -> Readings:
    """Cut to what is whole: up to the least time that every store has reached."""
    until = min(reached, default=None)
    shown = [row for row in found if until is None or row.time <= until][: asked.limit]
    said = [_reading(row, asked.device, known) for row in shown]
    if len(shown) == asked.limit:
        return Readings(said, _cursor(shown[-1].place))
    if until is None or until >= asked.stop:
        return Readings(said, None)
    return Readings(said, _cursor((until + 1, "", -1, "")))


def _place(asked: ReadingsAsked) -> tuple[ReadingPlace | None, int]:
    if asked.after is None:
        return None, asked.start
    place = _read(asked.after, tuple[int, str, int, str])
    if not 0 <= place[0] < END_OF_TIME or not -1 <= place[2] < 2**63 or "\0" in place[1] + place[3]:
        raise _no_cursor()
    return place, max(asked.start, place[0])


def _reading(row: ReadingRow, device: str, known: LoggedCorrections) -> Reading:
    return Reading(
        collector=row.collector,
        position=row.position,
        device=device,
        session=row.session,
        seq=row.seq,
        time=_text(row.time) or "",
        received_at=_text(row.received_at) or "",
        metric=str(row.metric),
        value=row.value,
        status=row.status,
        corrections=[
            Correction(**one.to_json())
            for one in known.of(row.collector, row.position)
            if (change := one.correction.change) is not None
            and (change.metric, change.scan) == (row.metric, row.time)
        ],
    )


def _message(row: MessageHead, known: LoggedCorrections) -> Message:
    return Message(
        collector=row.collector,
        position=row.position,
        received_at=_text(row.received_at) or "",
        topic=str(row.topic),
        size=row.size,
        device=row.device,
        session=row.session,
        seq=row.seq,
        time=_text(row.time),
        status=str(row.status),
        key=row.key,
        payload_hash=_hex(row.payload_hash) or "",
        body_hash=_hex(row.body_hash),
        corrections=[Correction(**one.to_json()) for one in known.of(row.collector, row.position)],
    )


def _text(time: Any) -> str | None:
    """A time as text; none where the column holds no time now."""
    return time_text(time) if type(time) is int and 0 <= time < END_OF_TIME else None


def _hex(value: Any) -> str | None:
    return value.hex() if isinstance(value, bytes) else None


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


def _read(cursor: str, kind: type[Value]) -> Value:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(data, type=kind)
    except (ValueError, msgspec.DecodeError) as error:
        raise _no_cursor() from error


def _no_cursor() -> WrongValue:
    return WrongValue("after is no cursor", "take it from next of the answer before")
