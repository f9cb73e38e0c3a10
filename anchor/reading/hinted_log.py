"""Where in the anchor log what stands, by the hints of somebody who indexed it: no scan.

Rule: a hint is nobody's word. Each place that is named is read from the log, checked against
its root, and used only where what stands there is what was asked for; else Refused, and who
asked scans the log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from anchor.correction import is_correction
from anchor.errors import Malformed, Missing, Refused
from anchor.key_entry import is_key_entry
from anchor.ports import Batches
from anchor.reading.log_index import AnchoredCheckpoint, anchored_at, not_anchored
from anchor.reading.log_view import LogView


class Hints(Protocol):
    """Somebody's index of the anchor log, which may be false, old or of another log."""

    def size(self) -> int:
        """How many entries it knows."""

    def place(self, digest: bytes) -> int | None:
        """The entry of this SHA-256, or None."""

    def containing(self, collector: str, position: int) -> int | None:
        """The entry with a collector's smallest checkpoint that contains a position, or None."""

    def kept_after(self, size: int) -> Iterator[tuple[int, bytes]]:
        """The published checkpoints larger than `size`: size and SHA-256, the smallest first."""

    def corrections(self) -> Iterator[int]:
        """The entries that are corrections, in order."""

    def kept_until(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Those up to `size`, the largest first."""


@dataclass(frozen=True, slots=True)
class HintedLog:
    """Answers as `LogIndex` does, entry by entry; `store` says which key entries there are."""

    view: LogView
    hints: Hints
    store: Batches

    def key(self, digest: bytes) -> int | None:
        """The entry of this SHA-256, if the log has it; Refused for a hint that is false."""
        place = self._in_tree(self.hints.place(digest))
        if place is not None and sha256(self.view.entry(place)).digest() != digest:
            raise Refused(f"entry {place} of the log is not the key entry that was expected there")
        return place

    def certified(self, collector: str) -> list[int]:
        """The entries that say they bring a key of this collector, in order."""
        named = (f"enrol collector {collector}", f"rotate collector {collector}")
        places = (
            self.key(sha256(row.entry).digest())
            for row in self.store.key_entries(collector)
            if type(row.entry) is bytes and _subject(row.entry) in named
        )
        return sorted({place for place in places if place is not None})

    @property
    def corrections(self) -> list[int]:
        """The entries that are corrections, in order; Refused for a hint that is false.

        One that was left out is not missed: only a scan, as `audit` does, would find it.
        """
        places = [place for place in self.hints.corrections() if self._in_tree(place) is not None]
        for place in places:
            if not is_correction(self.view.entry(place)):
                raise Refused(f"entry {place} of the log is no correction, as was expected there")
        return places

    def containing(self, collector: str, position: int) -> AnchoredCheckpoint:
        """The smallest anchored checkpoint of a collector that contains `position`.

        Missing when there is none yet, Refused where a hint is false.
        """
        if self.hints.size() < self.view.size:
            raise Refused("the hints are older than the log")
        place = self._in_tree(self.hints.containing(collector, position))
        if place is None:
            raise Missing(not_anchored(collector, position))
        try:
            found = anchored_at(self.view, place)
        except Malformed as error:
            raise Refused(f"entry {place} of the log is no checkpoint") from error
        mine = f"{self.view.checkpoint.origin}/collector/{collector}"
        if found.checkpoint.origin != mine or found.checkpoint.size <= position:
            raise Refused(f"entry {place} of the log does not hold message {collector}:{position}")
        return found

    def _in_tree(self, place: int | None) -> int | None:
        """None for what the log's checkpoint does not cover: the anchor may be ahead of it."""
        return place if place is not None and 0 <= place < self.view.size else None


def _subject(entry: bytes) -> str:
    lines = entry.split(b"\n", 2)
    return lines[1].decode(errors="replace") if is_key_entry(entry) and len(lines) > 1 else ""
