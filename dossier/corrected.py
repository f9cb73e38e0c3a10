"""The operator's corrections of the messages of a package: which reading each is about. Pure.

A correction stands beside what it is about and changes nothing of it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from anchor.correction import Correction
from anchor.correction_order import CorrectionOrder
from anchor.errors import Refused
from anchor.proving.corrections import check_about, subject_of
from dossier.entries import CORRECTIONS
from dossier.errors import Untrue
from telemetry.canonical import time_text
from telemetry.members import Scan


class Corrections:
    """Corrections by the place of their message, in the log's order."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, int], list[tuple[int, Correction]]] = {}
        self._order = CorrectionOrder()
        self._superseded: dict[bytes, int] = {}
        self._unmet: dict[int, None] = {}
        self._device: dict[int, str] = {}
        self._all: list[tuple[int, Correction]] = []

    def add(self, index: int, correction: Correction) -> None:
        """Take the next one; Untrue where it may not follow those before it."""
        try:
            self._order.add(correction)
        except Refused as error:
            raise Untrue(f"{CORRECTIONS}/{index}: {error}") from error
        place = (correction.subject.collector, correction.subject.position)
        self._by_place.setdefault(place, []).append((index, correction))
        if correction.supersedes is not None:
            self._superseded[correction.supersedes] = index
        self._unmet[index] = None
        self._all.append((index, correction))

    def meet(
        self, device: str, place: tuple[str, int], record: bytes, scans: Sequence[Scan] | None
    ) -> None:
        """A message was proved at its place; Untrue where a correction of it is false.

        `scans` is what it measured, None where its payload is not here.
        """
        for index, correction in self._by_place.get(place, ()):
            try:
                check_about(correction, subject_of(*place, record), scans)
            except Refused as error:
                raise Untrue(f"{CORRECTIONS}/{index}: {error}") from error
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
