"""Do the decoded readings say what the Sparkplug messages say? Derived again, row by row.

No record binds what is decoded: it follows from payloads and births that records do bind, by
the same rules (`telemetry.decoding`). What the store notes of births is not asked. A store may
be decoding meanwhile: where rows differ, they are read a second time before anything is found.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from anchor.audit.findings import STORE, Finding
from anchor.audit.inquiry import Inquiry
from anchor.ports import Decoded
from anchor.reading.row_record import shown
from telemetry.decoding import BIRTHS, UNBORN, Names, names_of, readings_of
from telemetry.rows import DecodedRow, MessageRow
from telemetry.sparkplug_topic import NAMESPACE, SparkplugTopic

_IN_A_TOPIC: Final = f"{NAMESPACE}/"
_REMEMBERED: Final = 1_000  # births, read

Birth = tuple[int, str, int]
"""Its number, its collector, its position."""


@dataclass(slots=True)
class DecodedCheck:
    """Compares one store's decoded readings with its messages; `note` each accepted row first."""

    inquiry: Inquiry
    starts: dict[str, int] = field(default_factory=dict)
    """Below which position an earlier audit has compared a collector's readings."""
    reached: dict[str, int] = field(default_factory=dict)
    """Below which position they are compared after `finish`, of who speaks Sparkplug."""
    _births: dict[tuple[Any, Any], list[Birth]] = field(default_factory=dict)
    _speaking: set[str] = field(default_factory=set)
    _names: dict[tuple[str, int], Names | None] = field(default_factory=dict)
    _unread: int = 0
    _waiting: int = 0
    _late: int = 0

    def note(self, row: MessageRow) -> None:
        """Take note of an accepted row."""
        place = _place(row)
        if place is None:
            return
        self._speaking.add(row.collector)
        if place.type in BIRTHS and type(row.seq) is int:
            found = self._births.setdefault((row.device, row.session), [])
            birth = (row.seq, row.collector, row.position)
            if birth not in found[bisect_left(found, birth) :][:1]:
                insort(found, birth)

    def births(self) -> list[list[Any]]:
        """All births noted, as JSON has it."""
        return [[*name, *birth] for name, found in self._births.items() for birth in found]

    def recall(self, births: Iterable[Sequence[Any]], starts: Mapping[str, int]) -> None:
        """Go on with what an earlier audit noted of this store's collectors."""
        self.starts.update(starts)
        self._speaking.update(starts)
        for device, session, seq, collector, position in births:
            if collector in starts:
                insort(self._births.setdefault((device, session), []), (seq, collector, position))

    def finish(self, ends: Mapping[str, int]) -> None:
        """Compare; `ends` is how far each collector was read."""
        if not isinstance(self.inquiry.ledger, Decoded):
            return
        self._read_on(ends)
        for collector, end in ends.items():
            self._compare(self.inquiry.ledger, collector, end, ends)
        if self._waiting:
            detail = f"{self._waiting} Sparkplug messages are not decoded yet: a collector will"
            self.inquiry.audit.notes.append(detail)
        if self._late:
            self.inquiry.audit.notes.append(
                f"{self._late} Sparkplug messages are still shown as an older birth names them: a "
                "collector is at it, for one that came late"
            )
        if self._unread:
            self.inquiry.audit.notes.append(
                f"the readings of {self._unread} Sparkplug messages cannot be derived again: the "
                "births that name them are erased"
            )

    def _read_on(self, ends: Mapping[str, int]) -> None:
        """Note what came since: a late birth gives older messages anew."""
        for collector in self._speaking & ends.keys():
            for row in self.inquiry.ledger.messages(collector, ends[collector]):
                if row.status == "accepted":
                    self.note(row)

    def _compare(self, ledger: Decoded, collector: str, end: int, ends: Mapping[str, int]) -> None:
        reached = ledger.decoded_until(collector)
        if collector in self._speaking:
            self.reached[collector] = min(end, reached)
        messages = self._messages(collector, end)
        due = next(messages, None)
        start = self.starts.get(collector, 0)
        pages = groupby(ledger.decoded(collector, end, start), key=lambda row: row.position)
        beyond = False
        for position, group in pages:
            stored = list(group)
            if not beyond and type(position) is int and position >= reached:
                beyond = True
                self._check_mark(ledger, collector, position)
            while due is not None and type(position) is int and due.position < position:
                self._check(due, [], reached, ends)
                due = next(messages, None)
            if due is not None and due.position == position:
                self._check(due, stored, reached, ends)
                due = next(messages, None)
            elif type(position) is not int or position < end:
                self._find("readings are there of no Sparkplug message", collector, position)
        while due is not None:
            self._check(due, [], reached, ends)
            due = next(messages, None)

    def _check_mark(self, ledger: Decoded, collector: str, position: int) -> None:
        """Nothing is decoded beyond the mark: it moves in the transaction that decodes."""
        # Read again, and after the readings: a collector may have gone on meanwhile.
        reached = ledger.decoded_until(collector)
        if position >= reached:
            detail = f"readings are there of it, but all is said to be decoded below {reached} only"
            self._find(f"{detail}: that mark was set back", collector, position)

    def _messages(self, collector: str, end: int) -> Iterator[MessageRow]:
        if collector not in self._speaking:
            return
        for row in self.inquiry.ledger.messages(collector, self.starts.get(collector, 0), end):
            if (
                row.status == "accepted"
                and isinstance(row.payload, bytes)
                and _place(row) is not None
            ):
                yield row

    def _check(
        self, row: MessageRow, stored: list[DecodedRow], reached: int, ends: Mapping[str, int]
    ) -> None:
        if not stored and row.position >= reached:
            self._waiting += 1
            return
        due = self._due(row, next(self._births_below(row)))
        if due is None:
            self._unread += 1
        elif due != stored and not self._agrees_now(row, ends):
            detail = f"{len(stored)} readings are stored of it, {len(due)} follow from it"
            if len(stored) == len(due):
                place = next(
                    i for i, pair in enumerate(zip(stored, due, strict=True)) if len({*pair}) > 1
                )
                detail = f"the reading {shown(stored[place].metric)} of it is another than it says"
            self._find(detail, row.collector, row.position, row)

    def _agrees_now(self, row: MessageRow, ends: Mapping[str, int]) -> bool:
        """Whether it was only being decoded, for a birth that came late.

        By the newest birth then, or by one before, if those after it were not heeded yet. The
        marks first, then the rows, then the births: what goes on meanwhile is no finding.
        """
        ledger = self.inquiry.ledger
        assert isinstance(ledger, Decoded)
        reached = {collector: ledger.decoded_until(collector) for collector in self._speaking}
        late = ledger.redecoded_until(row.device, row.session)  # type: ignore[arg-type]
        stored = list(ledger.decoded(row.collector, row.position + 1, row.position))
        self._read_on(ends)
        passed_over = False
        for birth in self._births_below(row):
            due = self._due(row, birth)
            if due is None or due == stored:
                self._unread += due is None
                self._late += passed_over
                return True
            if birth is None:
                break
            seq, collector, position = birth
            under_way = seq in late and row.seq is not None and row.seq >= late[seq]
            if not under_way and position < reached.get(collector, 0):
                break
            passed_over = passed_over or under_way
        return False

    def _births_below(self, row: MessageRow) -> Iterator[Birth | None]:
        """The births of its session below a message, the newest first, None after them all."""
        found = self._births.get((row.device, row.session), [])
        below = bisect_left(found, (row.seq,)) if type(row.seq) is int else 0
        for place in reversed(range(below)):  # no copy: a session may have many
            yield found[place]
        yield None

    def _due(self, row: MessageRow, birth: Birth | None) -> list[DecodedRow] | None:
        """What follows from a message as this birth names it; None where that one is erased."""
        place = _place(row)
        assert place is not None
        names = UNBORN if birth is None or place.type in BIRTHS else self._names_of(birth)
        if names is None:
            return None
        time = row.time if type(row.time) is int else 0
        found = readings_of(place.type, row.payload or b"", time, names)
        return [
            DecodedRow(row.collector, row.position, r.number, row.device, *r[1:]) for r in found
        ]

    def _names_of(self, birth: Birth) -> Names | None:
        _, collector, position = birth
        key = (collector, position)
        if key not in self._names:
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            found = next(self.inquiry.ledger.messages(collector, position, position + 1), None)
            payload = None if found is None else found.payload
            self._names[key] = names_of(payload) if isinstance(payload, bytes) else None
        return self._names[key]

    def _find(
        self, detail: str, collector: object, position: object, row: MessageRow | None = None
    ) -> None:
        number = (None, None, None) if row is None else (row.device, row.session, row.seq)
        finding = Finding("decoded-altered", detail, STORE, collector, position, *number)
        self.inquiry.audit.add(finding)


def _place(row: MessageRow) -> SparkplugTopic | None:
    """The topic of a row that may have readings to decode."""
    if type(row.topic) is not str or _IN_A_TOPIC not in row.topic or type(row.position) is not int:
        return None
    return SparkplugTopic.parse(row.topic)
