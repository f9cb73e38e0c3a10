"""Recordings of other programs: which one a file is of, and where its messages begin and end.

Each format cuts a file into pieces, most often lines, and reads a piece. A piece of many
lines is held in memory, so it has a bound. Pure.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from telemetry.errors import NotCanonical
from telemetry.mosquitto_log import read_mosquitto
from telemetry.mqttx_log import read_mqttx
from telemetry.recorder_csv import COLUMNS, read_csv
from telemetry.recording_line import Line
from telemetry.session_log import read_session

Pieces = Iterator[tuple[int, bytes]]
"""Each with the number of its first line, from 1."""


class PieceTooLong(NotCanonical):
    """What begins on a `line` (from 1) goes on for longer than is held in memory."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format: `cut` makes pieces of lines, `read` messages of a piece (ValueError: why not).

    `read` also hears whether the piece is the file's first. `cut` raises PieceTooLong, after
    which nothing of the file can be read.
    """

    name: str
    cut: Callable[[Pieces], Pieces]
    read: Callable[[bytes, bool], Iterable[Line]]


def _session(raw: bytes, first: bool) -> Iterable[Line]:
    found = read_session(raw, first=first)
    return () if found is None else (Line(*found),)


def _mosquitto(raw: bytes, _first: bool) -> Iterable[Line]:
    return (read_mosquitto(raw),)


def _mqttx(raw: bytes, _first: bool) -> Iterable[Line]:
    return read_mqttx(raw)


def _row(raw: bytes, _first: bool, *, base64: bool) -> Iterable[Line]:
    return (read_csv(raw, base64=base64),)


def _rows(lines: Pieces) -> Pieces:
    """Rows of CSV: a line break inside of quotes ends none."""
    held: list[bytes] = []
    start, quotes, size = 1, 0, 0
    for number, raw in lines:
        start = start if held else number
        held.append(raw)
        size = _bounded(size + len(raw), start, _MAX_ROW, "a row of many lines and")
        quotes += raw.count(b'"')
        if quotes % 2 == 0:
            yield start, b"".join(held)
            held, quotes, size = [], 0, 0
    if held:
        yield start, b"".join(held)


def _values(lines: Pieces) -> Pieces:
    """Values of JSON as MQTTX prints them: over many lines, the last one not indented."""
    held: list[bytes] = []
    start, size = 1, 0
    for number, raw in lines:
        if not held and not raw.strip():
            continue
        start = start if held else number
        held.append(raw)
        size = _bounded(
            size + len(raw), start, _MAX_VALUE, "a JSON value, which is read as a whole, and"
        )
        if raw.startswith((b"}", b"]")) or (len(held) == 1 and raw.strip() not in _OPENINGS):
            yield start, b"".join(held)
            held, size = [], 0
    if held:
        yield start, b"".join(held)


def _bounded(size: int, start: int, most: int, what: str) -> int:
    if size > most:
        raise PieceTooLong(start, f"{what} over {most} bytes: is a quote or a bracket missing?")
    return size


_MAX_ROW: Final = 1 << 29  # MQTT's largest payload, every byte of it a quote
_MAX_VALUE: Final = 1 << 26
_OPENINGS: Final = (b"{", b"[")
FORMATS: Final = {
    one.name: one
    for one in (
        Foreign("session", iter, _session),
        Foreign("mosquitto", iter, _mosquitto),
        Foreign("mqttx", _values, _mqttx),
        Foreign("mqtt-recorder", _rows, partial(_row, base64=False)),
        Foreign("mqtt-recorder-base64", _rows, partial(_row, base64=True)),
    )
}


def guess(first: bytes) -> Foreign:
    """Say which format a file is of by its first line; `session` where nothing else fits."""
    if first.startswith(b'{"tst":'):
        return FORMATS["mosquitto"]
    if first.strip() in _OPENINGS:
        return FORMATS["mqttx"]
    if not first.startswith((b"{", b"[")) and _may_be_row(first):
        return FORMATS["mqtt-recorder"]
    return FORMATS["session"]


def _may_be_row(first: bytes) -> bool:
    """Whether a line is a row, or the beginning of one whose payload has line breaks."""
    return first.count(b'"') % 2 == 1 or first.count(b",") >= COLUMNS - 1
