"""A recording from here on: what is heard goes into a file, until it is ended.

The edge to the disk. Recorded is what the broker sends to a watcher, at QoS 0: `record` is
for recordings in which nothing may be missing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from telemetry.errors import NotCanonical
from telemetry.link import Arrival
from telemetry.recording import Header, Line, Writer


class Tape:
    """One recording; FileExistsError where the file is there already."""

    def __init__(self, path: Path, origin: str, filters: Sequence[str], now: int) -> None:
        self.path = path
        self.refused = 0
        self._file: BinaryIO = path.open("xb")
        self._newest = now
        try:
            self._writer = Writer(self._file, Header(origin, tuple(filters), "system", now))
        except BaseException:
            self._file.close()
            raise

    @property
    def count(self) -> int:
        """How many messages it holds."""
        return self._writer.count

    def take(self, arrivals: Sequence[Arrival], now: int) -> None:
        """Write messages; OSError where the disk does not take them."""
        # Where the clock was put back, time stands still: a recording's lines are in order.
        self._newest = received = max(self._newest, now)
        for one in arrivals:
            line = Line(received, one.topic, one.payload, one.qos, one.retain, one.properties)
            try:
                self._writer.write(line)
            except NotCanonical:
                self.refused += 1

    def end(self) -> None:
        """Write the end mark and close the file."""
        try:
            self._writer.close()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close the file without an end mark: it was not written whole."""
        try:
            self._file.close()
        except OSError:
            return
