"""Where in the anchor log what stands: one scan of its entries, built once a run.

Entries come checked from the reader; what they claim about themselves is taken as it is:
whether a checkpoint's or a key entry's own signature holds is for the caller to check.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Self

from anchor.errors import AnchorError, Malformed, Missing
from anchor.key_entry import is_key_entry
from anchor.note import Note
from anchor.policy import Cosigned, Policy
from anchor.reading.log_reader import LogReader, LogView
from anchor.tree_head import Checkpoint

Progress = Callable[[int, int], None]
_FOLDER = "checkpoints/"


@dataclass(frozen=True, slots=True)
class AnchoredCheckpoint:
    """A collector's checkpoint in the anchor log: the entry's index, its bytes, what it says."""

    index: int
    note: bytes
    checkpoint: Checkpoint


@dataclass(slots=True)
class LogIndex:
    """The anchor log's entries by kind, as indices; 8 bytes for each checkpoint.

    `checkpoints` by collector id, in order; `keys` by the key entry's hash; `strange` are
    entries that are neither, or of another origin's collector.
    """

    view: LogView
    checkpoints: dict[str, "array[int]"] = field(default_factory=dict)
    keys: dict[bytes, int] = field(default_factory=dict)
    enrolled: dict[str, int] = field(default_factory=dict)
    """By collector id, the first entry that says it enrols that collector."""
    rotated: dict[str, list[int]] = field(default_factory=dict)
    """By collector id, the entries that say they rotate its key, in order."""
    revoked: dict[str, list[int]] = field(default_factory=dict)
    """By collector id, the entries that say they revoke its key, in order."""
    erasures: list[int] = field(default_factory=list)
    strange: list[int] = field(default_factory=list)

    @classmethod
    def scan(cls, view: LogView, progress: Progress | None = None) -> Self:
        """Read every entry once. Refused, Missing or Malformed where a file does not hold."""
        index = cls(view)
        for place, entry in enumerate(view.entries()):
            if is_key_entry(entry):
                index._add_key(place, entry)
            else:
                index._add_checkpoint(place, entry)
            if progress and place % 4096 == 0:
                progress(place, view.size)
        return index

    def _add_key(self, place: int, entry: bytes) -> None:
        self.keys.setdefault(sha256(entry).digest(), place)
        words = entry.split(b"\n", 2)[1].split(b" ")
        if words[:2] == [b"enrol", b"collector"]:
            self.enrolled.setdefault(words[-1].decode(errors="replace"), place)
        elif words[:2] == [b"rotate", b"collector"]:
            self.rotated.setdefault(words[-1].decode(errors="replace"), []).append(place)
        elif words[:2] == [b"revoke", b"collector"]:
            self.revoked.setdefault(words[-1].decode(errors="replace"), []).append(place)
        elif words[:1] == [b"erase"]:
            self.erasures.append(place)

    def _add_checkpoint(self, place: int, entry: bytes) -> None:
        origin = entry.split(b"\n", 1)[0].decode(errors="replace")
        prefix = f"{self.view.checkpoint.origin}/collector/"
        try:
            _checkpoint(entry)
        except Malformed:
            self.strange.append(place)
            return
        if origin.startswith(prefix):
            indices = self.checkpoints.setdefault(origin.removeprefix(prefix), array("q"))
            indices.append(place)
        else:
            self.strange.append(place)

    def certified(self, collector: str) -> list[int]:
        """Give the entries that say they bring a key of this collector, in order; none if none."""
        enrolled = self.enrolled.get(collector)
        return [*(() if enrolled is None else (enrolled,)), *self.rotated.get(collector, ())]

    def batches(self, collector: str) -> Iterator[AnchoredCheckpoint]:
        """A collector's checkpoints in the order in which they stand in the log."""
        for place in self.checkpoints.get(collector, ()):
            yield self._at(place)

    def containing(self, collector: str, position: int) -> AnchoredCheckpoint:
        """The smallest anchored checkpoint of a collector that contains `position`.

        Missing when there is none yet. Relies on sizes that grow, as an honest log's do.
        """
        places: Sequence[int] = self.checkpoints.get(collector, ())
        found = bisect_right(places, position, key=lambda place: self._at(place).checkpoint.size)
        if found == len(places):
            raise Missing(
                f"message {collector}:{position} is not anchored yet: wait for the anchor, or "
                "run `factoryledger anchor --once`"
            )
        return self._at(places[found])

    def _at(self, place: int) -> AnchoredCheckpoint:
        note = self.view.entry(place)
        return AnchoredCheckpoint(place, note, _checkpoint(note))


@dataclass(slots=True)
class KeptCheckpoints:
    """The cosigned checkpoints that a log kept, by size; listed once a run."""

    reader: LogReader
    policy: Policy
    _sizes: list[tuple[int, str]] | None = None

    def earliest(self, index: int) -> Cosigned:
        """The earliest checkpoint known to contain entry `index` that the policy opens.

        The log's newest where its files cannot be listed. Refused if that does not hold.
        """
        view = self.reader.view
        after = bisect_right(self._listed(), index, key=lambda listed: listed[0])
        for size, group in groupby(self._listed()[after:], key=lambda listed: listed[0]):
            if size > view.size:
                break
            opened = [cosigned for _, path in group if (cosigned := self._opened(path))]
            ours = [c for c in opened if c.checkpoint.root == view.root(size)]
            if ours:
                # The same tree may have been cosigned again later.
                return min(ours, key=lambda c: self.policy.not_after(c) or 0)
        return self.policy.open(self.reader.head[0])

    def without(self, index: int) -> list[Cosigned]:
        """The largest checkpoint kept that does not contain entry `index`, each time it was kept.

        Empty where there is none, or where the log's files cannot be listed.
        """
        before = self._listed()[: bisect_right(self._listed(), index, key=lambda one: one[0])]
        for size, group in groupby(reversed(before), key=lambda listed: listed[0]):
            opened = [cosigned for _, path in group if (cosigned := self._opened(path))]
            root = self.reader.view.root(size)
            if ours := [c for c in opened if c.checkpoint.root == root]:
                return ours
        return []

    def _opened(self, path: str) -> Cosigned | None:
        try:
            return self.policy.open(self.reader.source.read(path))
        except AnchorError:
            return None

    def _listed(self) -> list[tuple[int, str]]:
        if self._sizes is None:
            self._sizes = sorted(self._list())
        return self._sizes

    def _list(self) -> Iterator[tuple[int, str]]:
        for path in self.reader.source.paths(_FOLDER) or ():
            try:
                lines = self.reader.source.read(path).split(b"\n", 2)
            except AnchorError:
                continue
            if len(lines) > 1 and lines[1].isdigit():
                yield int(lines[1][:20]), path


def _checkpoint(note: bytes) -> Checkpoint:
    return Checkpoint.from_text(Note.from_bytes(note).text)
