"""Recordings: MQTT messages as JSON Lines, written and read in a stream.

A reader refuses every line that the writer would not write; a recording without its end
mark was cut short. Pure but for the file that it is handed.
"""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Self

from telemetry.canonical import time_text
from telemetry.errors import MalformedRecording, NotCanonical
from telemetry.foreign import FORMATS, Foreign, PieceTooLong, guess
from telemetry.packing import Sink, unpacked
from telemetry.recording_line import CLOCKS, Header, Line

__all__ = ["CLOCKS", "Header", "Line", "Reading", "Writer", "read"]

# Above what the largest MQTT payload (256 MiB) can become in a line; a bound on memory.
_MAX_LINE: Final = 2**31
_OURS: Final = b'{"factoryledger":'
_REASONS: Final = 10
_BOM: Final = b"\xef\xbb\xbf"
_END: Final = b'{"end":'


class Writer:
    """Writes a recording: the header at once, a line a message, the end mark at `close`.

    Does not close the file. As a context manager it writes no end mark after an exception.
    """

    def __init__(self, file: Sink, header: Header) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._closed = False
        self.count = 0
        self._put(header.to_bytes())

    def write(self, line: Line, *, sealed: bool = False) -> None:
        """Append a message; NotCanonical, and nothing written, for what MQTT cannot carry.

        `sealed`: the payload comes from `telemetry.signature.seal`, so it is compact JSON.
        """
        if self._closed:
            raise ValueError("the recording has its end mark; start another one")
        self._put(line.to_bytes(sealed=sealed))
        self.count += 1

    def write_lines(self, count: int, lines: bytes) -> None:
        """Append so many messages as `Line.to_bytes` wrote them, each with its newline."""
        if self._closed:
            raise ValueError("the recording has its end mark; start another one")
        self._hash.update(lines)
        self._file.write(lines)
        self.count += count

    def close(self) -> None:
        """Write the end mark, once."""
        if not self._closed:
            self._closed = True
            self._file.write(_end_mark(self.count, self._hash.hexdigest()) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    def _put(self, line: bytes) -> None:
        line += b"\n"
        self._hash.update(line)
        self._file.write(line)


class Reading:
    """A recording being read, once: iterate for `(line number from 1, Line)`.

    `header` is None for a third party's recording. `complete`, after the last message:
    True with a good end mark, False for one that was cut short or has a broken line, None
    where the format has no end mark. MalformedRecording comes after all that stood before
    the broken line; with `keep_going` such lines are `skipped`, the first ones in `reasons`.
    `cut` says on which line a recording without an end mark ends. `ordered` refuses times that
    go back; with `keep_going` those lines come all the same, and are counted in `disordered`.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        *,
        foreign: Foreign | None = None,
        keep_going: bool = False,
        ordered: bool = False,
    ) -> None:
        self.header: Header | None = None
        self.complete: bool | None = None
        self.cut: MalformedRecording | None = None
        self.skipped = self.disordered = 0
        self.reasons: list[MalformedRecording] = []
        self._name = name
        self._keep_going = keep_going
        self._ordered = ordered
        self._file = unpacked(file)
        try:
            self._first = self._file.readline(_MAX_LINE)
        except NotCanonical as error:
            raise MalformedRecording(name, 1, str(error)) from None
        if self._first.startswith(_BOM):
            raise MalformedRecording(name, 1, "begins with a byte order mark: save it without one")
        own = self._first.startswith(_OURS)
        if own and self._first.endswith(b"\r\n"):
            raise MalformedRecording(
                name, 1, "its lines end in CR LF, so a program rewrote it: make each end in LF"
            )
        self._foreign = foreign or (None if own or not self._first else guess(self._first))
        if self._foreign is None and self._first.endswith(b"\n"):
            try:
                self.header = Header.from_bytes(self._first[:-1])
            except NotCanonical as error:
                raise MalformedRecording(name, 1, str(error)) from None

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        lines = self._ours() if self._foreign is None else self._theirs(self._foreign)
        return self._in_order(lines) if self._ordered else lines

    def _in_order(self, lines: Iterator[tuple[int, Line]]) -> Iterator[tuple[int, Line]]:
        before: Line | None = None
        for number, line in lines:
            if before is None or line.received >= before.received:
                before = line
            else:
                self._disorder(number, line.received, before.received)
            yield number, line

    def _ours(self) -> Iterator[tuple[int, Line]]:
        self.complete, number = False, 1
        seen, count = hashlib.sha256(self._first), 0
        for number, raw in self._lines(2) if self.header is not None else ():
            # Without its newline a line is not whole: the recording was cut short there.
            if not raw.endswith(b"\n"):
                self._cut_short(number)
                return
            if raw.startswith(_END):
                self._end(raw[:-1], number, count, seen.hexdigest())
                return
            seen.update(raw)
            count += 1
            try:
                line = Line.from_bytes(raw[:-1])
            except NotCanonical as error:
                self._broken(number, str(error))
                continue
            yield number, line
        self._cut_short(number if self.header is None else number + 1)

    def _theirs(self, foreign: Foreign) -> Iterator[tuple[int, Line]]:
        for number, raw in self._pieces(foreign):
            try:
                found = list(foreign.read(raw, number == 1))
            except ValueError as error:
                self._broken(number, str(error))
                continue
            for line in found:
                yield number, line

    def _pieces(self, foreign: Foreign) -> Iterator[tuple[int, bytes]]:
        try:
            yield from foreign.cut(self._numbered())
        except PieceTooLong as error:
            raise MalformedRecording(self._name, error.line, str(error)) from None

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        if self._first:
            yield 1, self._checked(1, self._first)
            yield from self._lines(2)

    def _lines(self, number: int) -> Iterator[tuple[int, bytes]]:
        while True:
            try:
                raw = self._file.readline(_MAX_LINE)
            except NotCanonical as error:
                # What follows cannot be read either: there is nothing to go on with.
                raise MalformedRecording(self._name, number, str(error)) from None
            if not raw:
                return
            yield number, self._checked(number, raw)
            number += 1

    def _end(self, raw: bytes, number: int, count: int, digest: str) -> None:
        if raw != _end_mark(count, digest):
            same = raw.startswith(f'{{"end":{{"count":{count},'.encode("ascii"))
            reason = (
                f"the end mark's SHA-256 is not that of the {count} messages before it: one of "
                "them was changed"
                if same
                else f"the end mark is not that of the {count} messages before it: some are "
                "missing, or were added"
            )
            self._broken(number, reason)
        elif self._goes_on():
            self._broken(number + 1, "there is more after the end mark")
        else:
            self.complete = not self.skipped

    def _goes_on(self) -> bool:
        try:
            return bool(self._file.read(1))
        except NotCanonical:
            # Packed, and damaged there: whatever it is, it is more.
            return True

    def _cut_short(self, number: int) -> None:
        reason = "the recording was cut short here, it has no end mark"
        self.cut = MalformedRecording(self._name, number, reason)

    def _disorder(self, number: int, received: int, before: int) -> None:
        reason = f"wrong order: received {time_text(received)}, after one of {time_text(before)}"
        self._wrong(number, reason)
        self.disordered += 1

    def _broken(self, number: int, reason: str) -> None:
        self._wrong(number, reason)
        self.skipped += 1

    def _wrong(self, number: int, reason: str) -> None:
        error = MalformedRecording(self._name, number, reason)
        if not self._keep_going:
            raise error from None
        if len(self.reasons) < _REASONS:
            self.reasons.append(error)

    def _checked(self, number: int, raw: bytes) -> bytes:
        if len(raw) == _MAX_LINE:
            raise MalformedRecording(self._name, number, f"longer than {_MAX_LINE} bytes")
        return raw


def read(
    file: BinaryIO,
    name: str,
    *,
    form: str | None = None,
    keep_going: bool = False,
    ordered: bool = False,
) -> Reading:
    """Read a recording of our own or of a third party's, packed or not.

    `name` is what errors call the file; `form` one of `foreign.FORMATS`, None to go by the
    first line. MalformedRecording at once for a false header. The rest as in `Reading`.
    """
    foreign = None if form is None else FORMATS[form]
    return Reading(file, name, foreign=foreign, keep_going=keep_going, ordered=ordered)


def _end_mark(count: int, digest: str) -> bytes:
    return f'{{"end":{{"count":{count},"sha256":"{digest}"}}}}'.encode("ascii")
