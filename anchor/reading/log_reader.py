"""Reads any C2SP tiled log, ours or a stranger's, from a folder or over HTTP.

A checkpoint counts once the pinned key's signature on it holds; whatever else the log says
counts once it leads to that checkpoint's root (`anchor.reading.log_view`).
"""

from collections.abc import Iterator, Sequence

from anchor.note import VerifierKey
from anchor.policy_text import FormerLog, open_by_log
from anchor.reading.log_files import C2SP, Layout, LogFiles
from anchor.reading.log_source import FolderSource, LogSource
from anchor.reading.log_view import LogView
from anchor.tree_head import Checkpoint

__all__ = [
    "C2SP",
    "FolderSource",
    "Layout",
    "LogReader",
    "LogSource",
    "LogView",
]


class LogReader:
    """A tiled log whose key is known.

    `origin` is what its checkpoints must say, by default the key's name; `former` are keys that
    it was signed with before. Raises what
    `LogView` raises.
    """

    def __init__(
        self,
        source: LogSource,
        key: VerifierKey,
        *,
        layout: Layout = C2SP,
        origin: str | None = None,
        former: Sequence[FormerLog] = (),
    ) -> None:
        self.source = source
        self.key = key
        self.files = LogFiles(source, layout)
        self._origin = origin
        self._former = former
        self._head: tuple[bytes, LogView] | None = None

    def checkpoint(self) -> tuple[bytes, Checkpoint]:
        """Read the newest checkpoint: its bytes, and what the log's signature vouches for.

        Missing where the log has none yet; Malformed or Refused where it does not hold.
        """
        note = self.files.checkpoint()
        return note, self.open(note)

    def open(self, note: bytes) -> Checkpoint:
        """Check a checkpoint's signature by this log's key, or a former one up to its size."""
        return open_by_log(note, self.key, self._former, self._origin)

    def at(self, checkpoint: Checkpoint) -> LogView:
        """The log's tree at a checkpoint that was opened."""
        return LogView(self.files, checkpoint)

    @property
    def head(self) -> tuple[bytes, LogView]:
        """The checkpoint that the log had when it was first asked for: its bytes, its tree."""
        if self._head is None:
            note, checkpoint = self.checkpoint()
            self._head = note, self.at(checkpoint)
        return self._head

    @property
    def view(self) -> LogView:
        """The tree of `head`."""
        return self.head[1]

    def entry(self, index: int) -> bytes:
        """One entry, checked."""
        return self.view.entry(index)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Entries, start inclusive, stop exclusive, each checked; streamed."""
        return self.view.entries(start, stop)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """The path of entry `index` in the tree of `size`."""
        return self.view.inclusion(index, size)

    def consistency(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """The path from the tree of `old` entries to that of `size`."""
        return self.view.consistency(old, size)
