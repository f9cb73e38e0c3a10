"""Where in the anchor log what stands: one scan of its entries, built once a run.

Entries come checked from the reader; what they claim about themselves is taken as it is:
whether a checkpoint's or a key entry's own signature holds is for the caller to check.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from anchor.correction import is_correction
from anchor.errors import Malformed, Missing
from anchor.key_entry import is_key_entry
from anchor.note import Note
from anchor.reading.log_view import LogView
from anchor.tree_head import Checkpoint

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AnchoredCheckpoint:
    """A collector's checkpoint in the anchor log: the entry's index, its bytes, what it says."""

    index: int
    note: bytes
    checkpoint: Checkpoint


@dataclass(slots=True)
class LogIndex:
    """The anchor log's entries by kind, as indices; 8 bytes for each checkpoint.

    `checkpoints` by collector id, in order; `keys` by the key entry's hash; `corrections`
    are no key entries; `strange` are entries that are none of these, or of another origin's
    collector.
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
    corrections: list[int] = field(default_factory=list)
    """The entries that say they are corrections, in order; `reading.corrections` reads them."""
    strange: list[int] = field(default_factory=list)

    @classmethod
    def scan(cls, view: LogView, progress: Progress | None = None) -> Self:
        """Read every entry once. Refused, Missing or Malformed where a file does not hold."""
        index = cls(view)
        for place, entry in enumerate(view.entries()):
            if is_key_entry(entry):
                index._add_key(place, entry)
            elif is_correction(entry):
                index.corrections.append(place)
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
            raise Missing(not_anchored(collector, position))
        return self._at(places[found])

    def key(self, digest: bytes) -> int | None:
        """The first key entry of this SHA-256, or None."""
        return self.keys.get(digest)

    def _at(self, place: int) -> AnchoredCheckpoint:
        return anchored_at(self.view, place)


def anchored_at(view: LogView, place: int) -> AnchoredCheckpoint:
    """A collector's checkpoint that stands at a place; Malformed where none does."""
    note = view.entry(place)
    return AnchoredCheckpoint(place, note, _checkpoint(note))


def not_anchored(collector: str, position: int) -> str:
    """What to say of a message that no anchored checkpoint contains, and what to do."""
    return (
        f"message {collector}:{position} is not anchored yet: wait for the anchor, or "
        "run `factoryledger anchor --once`"
    )


def _checkpoint(note: bytes) -> Checkpoint:
    return Checkpoint.from_text(Note.from_bytes(note).text)
