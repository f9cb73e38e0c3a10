"""Recordings: MQTT messages as JSON Lines, written and read in a stream.

A reader refuses every line that the writer would not write; a recording without its end
mark was cut short. Pure but for the file that it is handed.
"""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Self

from telemetry.errors import MalformedRecording, NotCanonical
from telemetry.recording_line import CLOCKS, Header, Line
from telemetry.session_log import read_session

__all__ = ["CLOCKS", "Header", "Line", "Reading", "Writer", "read"]

# Above what the largest MQTT payload (256 MiB) can become in a line; a bound on memory.
_MAX_LINE: Final = 2**31
_OURS: Final = b'{"factoryledger":'
_END: Final = b'{"end":'


class Writer:
    """Writes a recording: the header at once, a line a message, the end mark at `close`.

    Does not close the file. As a context manager it writes no end mark after an exception.
    """

    def __init__(self, file: BinaryIO, header: Header) -> None:
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
    True with a good end mark, False for one that was cut short, None where the format has
    no end mark. MalformedRecording comes after all that stood before the broken line.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.header: Header | None = None
        self.complete: bool | None = None
        self._name = name
        self._file = file
        self._first = file.readline(_MAX_LINE)
        if self._first.startswith(_OURS) and self._first.endswith(b"\n"):
            try:
                self.header = Header.from_bytes(self._first[:-1])
            except NotCanonical as error:
                raise MalformedRecording(name, 1, str(error)) from None

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        if self.header is not None:
            return self._ours()
        if not self._first or self._first.startswith(_OURS):
            self.complete = False
            return iter(())
        return self._theirs()

    def _ours(self) -> Iterator[tuple[int, Line]]:
        self.complete = False
        seen, number, count = hashlib.sha256(self._first), 1, 0
        while (raw := self._file.readline(_MAX_LINE)).endswith(b"\n"):
            number += 1
            if raw.startswith(_END):
                self._check_end(raw[:-1], number, count, seen.hexdigest())
                self.complete = True
                return
            seen.update(raw)
            count += 1
            yield number, self._line(raw[:-1], number)
        # Without its newline a line is not whole: the recording was cut short there.
        self._check_length(raw, number + 1)

    def _theirs(self) -> Iterator[tuple[int, Line]]:
        number, raw = 1, self._first
        while raw:
            self._check_length(raw, number)
            try:
                found = read_session(raw, first=number == 1)
                line = None if found is None else Line(*found)
            except ValueError as error:
                raise MalformedRecording(self._name, number, str(error)) from None
            if line is not None:
                yield number, line
            number, raw = number + 1, self._file.readline(_MAX_LINE)

    def _line(self, raw: bytes, number: int) -> Line:
        try:
            return Line.from_bytes(raw)
        except NotCanonical as error:
            raise MalformedRecording(self._name, number, str(error)) from None

    def _check_end(self, raw: bytes, number: int, count: int, digest: str) -> None:
        if raw != _end_mark(count, digest):
            reason = f"the end mark is not that of the {count} messages before it"
            raise MalformedRecording(self._name, number, reason)
        if self._file.read(1):
            reason = "there is more after the end mark"
            raise MalformedRecording(self._name, number + 1, reason)

    def _check_length(self, raw: bytes, number: int) -> None:
        if len(raw) == _MAX_LINE:
            raise MalformedRecording(self._name, number, f"longer than {_MAX_LINE} bytes")


def read(file: BinaryIO, name: str) -> Reading:
    """Read a recording of our own or of a third party's session format.

    `name` is what errors call the file. MalformedRecording at once for a false header.
    """
    return Reading(file, name)


def _end_mark(count: int, digest: str) -> bytes:
    return f'{{"end":{{"count":{count},"sha256":"{digest}"}}}}'.encode("ascii")
