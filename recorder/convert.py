"""A recording in another format, message by message.

What the other format has no place for is an error that names the line, unless it may be left
out; then it is counted. The file written is whole or it is not there.
"""

import errno
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

from telemetry.canonical import quote, time_text
from telemetry.errors import MalformedRecording, NotKept
from telemetry.foreign import FORMATS
from telemetry.mosquitto_log import text_of, write_mosquitto
from telemetry.packing import SUFFIX, Packing, Sink
from telemetry.properties import NO_PROPERTIES
from telemetry.recorder_csv import write_csv
from telemetry.recording import Header, Line, Reading, Writer, read

OWN: Final = "recording"
WRITTEN: Final = (OWN, "session", "mosquitto", "mqtt-recorder", "mqtt-recorder-base64")
READ: Final = tuple(FORMATS)


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a recording: messages `written`, lines `skipped`, messages `reduced`.

    `reasons` say why the first ones were skipped; `complete` as in `Reading`.
    """

    written: int
    skipped: int
    reduced: int
    complete: bool | None
    reasons: tuple[str, ...]


class _Out(Protocol):
    def write(self, line: Line, /) -> object:
        """Write a message; NotKept where the format cannot hold it, and nothing is written."""

    def close(self) -> None:
        """Write what stands at the end."""


def convert(  # noqa: PLR0913 - by keyword, most with a default
    *,
    file: Path,
    out: Path,
    form: str | None = None,
    to: str = OWN,
    keep_going: bool = False,
    lossy: bool = False,
) -> Converted:
    """Write `file` to `out`, packed where its name ends in `.zst`.

    `form` and `to` are of `READ` and `WRITTEN`. MalformedRecording for a broken line, one that
    `to` cannot hold, or one on which the recording was cut short: with `keep_going` they are
    left out, and the end mark is that of what is written. `lossy` leaves out of a message
    what `to` has no place for. OSError; NotInstalled for a packed file without the library.
    """
    part = part_of(out)
    try:
        with file.open("rb") as opened, part.open("wb") as target, packed(target, out) as sink:
            reading = read(opened, str(file), form=form, keep_going=keep_going)
            work = _Work(reading, str(file), to, keep_going=keep_going, lossy=lossy)
            result = work.run(sink)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return result


def part_of(out: Path) -> Path:
    """Give the file to write, beside `out`, that takes its place once it is whole.

    FileExistsError for a device, a pipe or a folder, which it would remove.
    """
    if out.exists() and not out.is_file():
        reason = "not a plain file, and a whole one would take its place: give another name"
        raise FileExistsError(errno.EEXIST, reason, str(out))
    return out.with_name(f"{out.name}.part")


def packed(file: BinaryIO, name: Path) -> AbstractContextManager[Sink]:
    """Give what packs into a file whose name says so; the file itself otherwise."""
    return _Closing(file) if name.suffix == SUFFIX else nullcontext(file)


class _Closing(Packing):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()


class _Work:
    """One conversion."""

    def __init__(
        self, reading: Reading, name: str, to: str, *, keep_going: bool, lossy: bool
    ) -> None:
        self._reading = reading
        self._name = name
        self._to = to
        self._keep_going = keep_going
        self._lossy = lossy
        self._written = self._skipped = self._reduced = 0
        self._reasons: list[str] = []

    def run(self, sink: Sink) -> Converted:
        out: _Out | None = None
        for number, line in self._reading:
            out = out or self._opened(sink, line.received)
            self._one(out, number, line)
        out = out or self._opened(sink, 0)
        if self._reading.cut is not None and not self._keep_going:
            raise self._reading.cut
        out.close()
        sink.flush()
        reasons = [*map(str, self._reading.reasons), *self._reasons]
        skipped = self._skipped + self._reading.skipped
        complete = self._reading.complete
        return Converted(self._written, skipped, self._reduced, complete, tuple(reasons))

    def _one(self, out: _Out, number: int, line: Line) -> None:
        try:
            out.write(line)
        except NotKept as error:
            if self._lossy and self._without(out, line):
                self._reduced += 1
            else:
                self._skip(MalformedRecording(self._name, number, str(error)))
                return
        self._written += 1

    def _without(self, out: _Out, line: Line) -> bool:
        """Write a message without its properties; False where that does not help."""
        try:
            out.write(replace(line, properties=NO_PROPERTIES))
        except NotKept:
            return False
        return True

    def _skip(self, error: MalformedRecording) -> None:
        if not self._keep_going:
            raise error
        self._skipped += 1
        if len(self._reasons) < _REASONS:
            self._reasons.append(str(error))

    def _opened(self, sink: Sink, first: int) -> _Out:
        if self._to != OWN:
            return _Lines(sink, _WRITERS[self._to])
        there = self._reading.header
        return Writer(sink, there or Header(f"converted: {self._name}", ("#",), "recorded", first))


class _Lines:
    """Messages of another program's format, each as its writer spells it."""

    def __init__(self, sink: Sink, spell: Callable[[Line, int], bytes]) -> None:
        self._sink = sink
        self._spell = spell
        self._before: int | None = None

    def write(self, line: Line, /) -> None:
        before = line.received if self._before is None else self._before
        self._sink.write(self._spell(line, before))
        self._before = line.received

    def close(self) -> None:
        """These have no end."""


def _session(line: Line, _before: int) -> bytes:
    if line.properties != NO_PROPERTIES:
        raise NotKept("MQTT 5 properties, which the session format cannot hold")
    return (
        f'{{"topic":{quote(line.topic)},"payload":{quote(text_of(line.payload))}'
        f',"timestamp":"{time_text(line.received)}","qos":{line.qos}'
        f',"retain":{json.dumps(line.retain)}}}\n'
    ).encode("ascii")


def _mosquitto(line: Line, _before: int) -> bytes:
    return write_mosquitto(line) + b"\n"


def _rows(line: Line, before: int) -> bytes:
    return write_csv(line, before, base64=False)


def _base64_rows(line: Line, before: int) -> bytes:
    return write_csv(line, before, base64=True)


_WRITERS: Final = {
    "session": _session,
    "mosquitto": _mosquitto,
    "mqtt-recorder": _rows,
    "mqtt-recorder-base64": _base64_rows,
}
_REASONS: Final = 10
