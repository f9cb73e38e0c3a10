"""The operator's corrections of the messages of a package: which reading each is about. Pure.

A correction stands beside what it is about and changes nothing of it.
"""

from collections.abc import Iterator
from typing import Any

from anchor.correction import Correction
from anchor.merkle import leaf_hash
from dossier.entries import CORRECTIONS
from dossier.errors import Untrue
from telemetry.canonical import time_text


class Corrections:
    """Corrections by the place of their message, in the log's order."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, int], list[tuple[int, Correction]]] = {}
        self._superseded: dict[bytes, int] = {}
        self._unmet: dict[int, None] = {}
        self._device: dict[int, str] = {}
        self._all: list[tuple[int, Correction]] = []

    def add(self, index: int, correction: Correction) -> None:
        """Take the next one."""
        place = (correction.subject.collector, correction.subject.position)
        self._by_place.setdefault(place, []).append((index, correction))
        if correction.supersedes is not None:
            self._superseded[correction.supersedes] = index
        self._unmet[index] = None
        self._all.append((index, correction))

    def meet(self, device: str, collector: str, position: int, record: bytes) -> None:
        """A message of the package was proved; Untrue where a correction is of another record."""
        for index, correction in self._by_place.get((collector, position), ()):
            if correction.subject.leaf != leaf_hash(record):
                raise Untrue(f"{CORRECTIONS}/{index}: it is about another record at its place")
            self._unmet.pop(index, None)
            self._device[index] = device

    def of(self, collector: str, position: int, metric: str, scan: int) -> str:
        """What they say of one reading, for a cell; empty where there is none."""
        found = self._by_place.get((collector, position))
        return "" if found is None else "; ".join(self._said(found, metric, scan))

    def _said(self, found: list[tuple[int, Correction]], metric: str, scan: int) -> Iterator[str]:
        for index, correction in found:
            change = correction.change
            if change is not None and (change.metric, change.scan) != (metric, scan):
                continue
            value = "" if change is None else f": {change.value}"
            ended = " (superseded)" if correction.hash in self._superseded else ""
            yield f"{correction.kind} {index}{value}{ended}"

    def check_met(self) -> None:
        """Untrue where one is about no message that was proved."""
        for index in self._unmet:
            raise Untrue(f"{CORRECTIONS}/{index}: it is about no message of this package")

    def told(self) -> list[dict[str, Any]]:
        """All of them, as the figures say it."""
        return [self._told(index, correction) for index, correction in self._all]

    def _told(self, index: int, said: Correction) -> dict[str, Any]:
        change = said.change
        return {
            "index": index,
            "device": self._device.get(index),
            "kind": said.kind,
            "message": said.subject.place,
            "metric": None if change is None else change.metric,
            "scan": None if change is None else time_text(change.scan),
            "stored": None if change is None else change.original,
            "corrected": None if change is None else change.value,
            "unit": None if change is None else change.unit,
            "by": said.by,
            "meaning": said.meaning,
            "reason": said.reason,
            "time": time_text(said.time),
            "superseded_by": self._superseded.get(said.hash),
            "entry": said.hash.hex(),
        }
