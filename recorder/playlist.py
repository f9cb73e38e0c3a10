"""A recording's lines in the order in which they are played: round after round, from where asked.

Edge of the file, which is read in a stream; a place that was sought is found from its start.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Self

from recorder.pace import Controls
from recorder.score import Moment, Score, played
from telemetry.recording import Line, Reading, read

_BETWEEN = 1_000_000  # µs from the last message of a round to the first of the next


class Playlist:
    """Iterate once for `(line number, line, whether time begins anew with it)`.

    `rounds` None goes on for ever. `reading` is that of the round that is read, or was last.
    MalformedRecording names the line that cannot be played.
    """

    def __init__(
        self,
        file: Path,
        score: Score,
        rounds: int | None,
        controls: Controls,
        *,
        keep_going: bool = False,
    ) -> None:
        self.name = str(file)
        self.reading: Reading | None = None
        self._file = file
        self._opened = file.open("rb")
        self._score = score
        self._rounds = rounds
        self._controls = controls
        self._keep_going = keep_going
        self._begun = False
        self._again = 0  # by how much the next round is later

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __iter__(self) -> Iterator[tuple[int, Line, bool]]:
        for number in count() if self._rounds is None else range(self._rounds):
            if not (yield from self._round(anew=number == 0)):
                return

    def _round(self, *, anew: bool) -> Generator[tuple[int, Line, bool], None, bool]:
        """One round, and as many more as places are sought; gives whether there was a line."""
        score, some = self._score, False
        while True:
            first: int | None = None
            last = 0
            sought: int | None = None
            for number, line in self._lines(score):
                first = line.received if first is None else first
                if (sought := self._controls.target()) is not None:
                    break
                some, last = True, line.received
                yield number, line, anew
                anew = False
            else:
                sought = self._controls.target()
            if sought is None:
                self._again += 0 if first is None else last - first + _BETWEEN
                return some
            anew = True
            score = replace(self._score, start=Moment(sought, relative=True))

    def _lines(self, score: Score) -> Iterator[tuple[int, Line]]:
        if self._begun:
            self._opened.seek(0)
        self._begun = True
        self.reading = read(self._opened, self.name, keep_going=self._keep_going, ordered=True)
        yield from played(score, self.reading, self.name, self._again)
