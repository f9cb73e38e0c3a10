"""What corrections say of a message, in values and in plain sentences; they cover nothing.

Whose word it is stands in each: the operator's key signed it, the name in it is what the
operator wrote. Text of theirs is quoted, so that it is taken for none of ours. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from anchor.correction import Correction
from anchor.correction_order import CorrectionOrder
from telemetry.canonical import plain, time_text

_VERBS = {"correction": "Corrected", "annotation": "Annotated", "withdrawal": "Withdrawn"}


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction at its place in the anchor log; `superseded_by` is a later one's hash."""

    index: int
    correction: Correction
    superseded_by: bytes | None = None

    @property
    def standing(self) -> bool:
        """Whether nothing took its place, as far as is seen here."""
        return self.superseded_by is None

    def line(self) -> str:
        """It as a sentence."""
        said = self.correction
        verb, what = _VERBS[said.kind], ""
        if said.change is not None:
            change = said.change
            unit = "" if change.unit is None else f" {plain(change.unit)}"
            what = (
                f"{plain(change.metric)} at {time_text(change.scan)} "
                f"{change.original} -> {change.value}{unit}; "
            )
        if said.supersedes is not None:
            what += f"in place of {said.supersedes.hex()[:16]}; "
        ended = (
            ""
            if self.superseded_by is None
            else " It does not stand: " + (f"{self.superseded_by.hex()[:16]} superseded it.")
        )
        return (
            f"{verb} by {in_quotes(said.by)} on {time_text(said.time)} ({said.meaning}): {what}"
            f"reason: {in_quotes(said.reason)}. It is {said.hash.hex()[:16]}, entry {self.index} "
            f"of the log.{ended}"
        )

    def to_json(self) -> dict[str, Any]:
        """The same for programs: hashes in hexadecimal, numbers as they were written."""
        said, change = self.correction, self.correction.change
        return {
            "hash": said.hash.hex(),
            "index": self.index,
            "kind": said.kind,
            "by": said.by,
            "meaning": said.meaning,
            "reason": said.reason,
            "time": time_text(said.time),
            "metric": None if change is None else change.metric,
            "scan": None if change is None else time_text(change.scan),
            "original": None if change is None else change.original,
            "value": None if change is None else change.value,
            "unit": None if change is None else change.unit,
            "supersedes": None if said.supersedes is None else said.supersedes.hex(),
            "superseded_by": None if self.superseded_by is None else self.superseded_by.hex(),
        }


@dataclass(frozen=True, slots=True)
class Corrections:
    """Those that a proof carries, in the log's order, and the log's size that it shows them at."""

    size: int
    found: tuple[Corrected, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Each for programs."""
        return [one.to_json() for one in self.found]


def in_order(found: Iterable[tuple[int, Correction]]) -> tuple[Corrected, ...]:
    """Corrections with their places, in the log's order; Refused where one may not follow."""
    order, placed = CorrectionOrder(), list(found)
    for _, correction in placed:
        order.add(correction)
    return tuple(
        Corrected(index, correction, order.superseded.get(correction.hash))
        for index, correction in placed
    )


def open_about_corrections(found: Corrections | None, *, seen: bool) -> Iterator[str]:
    """What corrections leave open, a sentence each; also where a proof carries none.

    `seen` says whether what was stored is there to compare.
    """
    if found is None:
        yield "that nobody corrected it since; `factoryledger audit` shows every correction."
        return
    yield (
        f"that nobody corrected it otherwise; shown is what this proof carries of the log up to "
        f"entry {found.size - 1}, and later ones, or ones that were left out, are not seen here."
    )
    if not seen and any(one.correction.change for one in found.found):
        yield "what was stored, but for what a correction says of it; the payload is not here."
    yield (
        "that who is named in a correction wrote it, or when: the operator's one key signs for all."
    )


def in_quotes(text: str) -> str:
    """Somebody's words, quoted and without what would not be seen."""
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
