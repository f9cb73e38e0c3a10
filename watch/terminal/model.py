"""What the terminal shows, and what comes in: the tree, the connection's state, a recording.

It runs whether anything is drawn or not; a message costs a few microseconds here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from telemetry.link import Arrival
from watch.terminal.tape import Tape
from watch.topics.tree import TopicTree


class Model:
    """Counts and keeps what is heard; `trouble` says why the connection is away, if it is."""

    def __init__(self, origin: str, filters: Sequence[str], clock: Callable[[], int]) -> None:
        self.origin = origin
        self.filters = tuple(filters)
        self.clock = clock
        self.tree = TopicTree(clock())
        self.trouble: str | None = None
        self.away_since = 0
        self.again_at = 0
        self.connects = 0
        self.tape: Tape | None = None
        self.tape_trouble: str | None = None

    def hear(self, arrivals: list[Arrival]) -> None:
        """Take what came in one read."""
        now = self.clock()
        if self.tape is not None:
            try:
                self.tape.take(arrivals, now)
            except OSError as error:
                self.tape_trouble = f"{self.tape.path}: {error.strerror or error}"
                self.tape.abandon()
                self.tape = None
        self.tree.hear(arrivals, now)

    def connected(self, _: bool) -> None:
        """The broker took us."""
        self.trouble = None
        self.connects += 1

    def lost(self, error: Exception) -> None:
        """The connection went, or a try failed."""
        if self.trouble is None:
            self.away_since = self.clock()
        self.trouble = str(error)

    def waits(self, seconds: float) -> None:
        """The next try is in so many seconds."""
        self.again_at = self.clock() + round(seconds * 1e6)

    def record(self, path: Path) -> None:
        """Begin a recording; OSError where the file cannot be made."""
        self.tape = Tape(path, self.origin, self.filters, self.clock())

    def end_recording(self) -> tuple[Path, int] | None:
        """End the recording, if there is one: its file and how many messages it holds."""
        tape, self.tape = self.tape, None
        if tape is None:
            return None
        tape.end()
        return tape.path, tape.count
