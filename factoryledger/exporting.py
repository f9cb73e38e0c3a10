"""A recording out of the store: what was received, in the order and at the times it was.

The store keeps neither QoS nor the retain flag, so a recording from it has QoS 1, not retained.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from pathlib import Path

from factoryledger.errors import NotThere
from factoryledger.installation import Installation
from recorder.convert import packed, part_of
from telemetry.errors import NotCanonical
from telemetry.properties import Properties
from telemetry.recording import Header, Line, Writer
from telemetry.rows import MessageRow
from telemetry.topic import matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which messages: topic filters, machines, statuses, collectors (none: all); a time (µs).

    The time is that of receipt, `start` inclusive, `stop` exclusive.
    """

    topics: Sequence[str] = ()
    devices: Sequence[str] = ()
    statuses: Sequence[str] = ()
    collectors: Sequence[str] = ()
    start: int = 0
    stop: int = 2**63

    def takes(self, row: MessageRow) -> bool:
        """Whether a row is one of them."""
        return (
            self.start <= row.received_at < self.stop
            and (not self.devices or row.device in self.devices)
            and (not self.statuses or row.status in self.statuses)
            and (not self.topics or any(matches(one, row.topic) for one in self.topics))
        )


@dataclass(frozen=True, slots=True)
class Exported:
    """How many messages were `written`, and how many left out since their payload is `erased`."""

    written: int
    erased: int


def export_recording(place: Installation, choice: Choice, out: Path) -> Exported:
    """Write the messages of all collectors in the order of receipt; the file whole or not at all.

    A recording packed where its name ends in `.zst`. NotThere names a row that is no message;
    FileExistsError where `out` is no plain file.
    """
    part = part_of(out)
    written = erased = 0
    writer: Writer | None = None
    try:
        with part.open("wb") as file, packed(file, out) as sink:
            for row in _rows(place, choice):
                if row.payload is None:
                    erased += 1
                    continue
                line = _line(row)
                writer = writer or Writer(sink, _header(place, choice, line.received))
                writer.write(line)
                written += 1
            (writer or Writer(sink, _header(place, choice, 0))).close()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return Exported(written, erased)


def _rows(place: Installation, choice: Choice) -> Iterable[MessageRow]:
    """The rows of each collector, which never go back in time, as one sequence."""
    names = [row.id for row in place.ledger.collectors()]
    chosen = [name for name in names if not choice.collectors or name in choice.collectors]
    return merge(
        *(_of(place, choice, name) for name in chosen),
        key=lambda row: (row.received_at, row.collector, row.position),
    )


def _of(place: Installation, choice: Choice, collector: str) -> Iterator[MessageRow]:
    for row in place.ledger.messages(collector):
        if row.received_at >= choice.stop:
            return
        if choice.takes(row):
            yield row


def _line(row: MessageRow) -> Line:
    received = row.received_at if row.original_at is None else row.original_at
    try:
        properties = Properties.from_text(row.properties)
        line = Line(received, row.topic, row.payload or b"", 1, properties=properties)
        line.to_bytes()
    except (NotCanonical, TypeError, AttributeError) as error:
        raise NotThere(
            f"collector {row.collector} position {row.position} is no message: {error} "
            "(`factoryledger audit` says more)"
        ) from None
    return line


def _header(place: Installation, choice: Choice, started: int) -> Header:
    origin = f"exported from {place.data.origin}"
    return Header(origin, tuple(choice.topics) or ("#",), "recorded", started)
