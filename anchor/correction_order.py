"""Which correction may follow which: none twice, and what stands is superseded by name.

The rules by which the anchor takes one into the log and by which `audit` reads it back. Pure.
"""

from dataclasses import dataclass, field

from anchor.correction import Correction, Subject
from anchor.errors import Refused

_Corrected = tuple[str, int, str, int]
"""A metric of a scan: collector, position, metric, time of the scan."""


@dataclass(slots=True)
class CorrectionOrder:
    """The corrections so far, in the log's order, as far as the next one depends on them."""

    known: dict[bytes, Correction] = field(default_factory=dict)
    superseded: dict[bytes, bytes] = field(default_factory=dict)
    """By hash, the entry that took its place."""
    _standing: dict[_Corrected, bytes] = field(default_factory=dict)

    def add(self, correction: Correction) -> None:
        """Take the next one; Refused, and nothing taken, if it may not come."""
        self._check(correction)
        before = correction.supersedes
        if before is not None:
            self.superseded[before] = correction.hash
            ended = _corrected(self.known[before])
            if ended is not None and self._standing.get(ended) == before:
                del self._standing[ended]
        if (corrected := _corrected(correction)) is not None:
            self._standing[corrected] = correction.hash
        self.known[correction.hash] = correction

    def standing(self, subject: Subject, metric: str, scan: int) -> bytes | None:
        """The correction of this metric of this scan that nothing superseded, by its hash."""
        return self._standing.get((subject.collector, subject.position, metric, scan))

    def _check(self, correction: Correction) -> None:
        name = correction.hash.hex()
        if correction.hash in self.known:
            raise Refused(f"correction {name} is in the log already")
        before = correction.supersedes
        if before is not None:
            self._check_superseded(correction, before)
        corrected = _corrected(correction)
        there = None if corrected is None else self._standing.get(corrected)
        if there is not None and there != before:
            raise Refused(
                f"correction {name} is of a metric that correction {there.hex()} corrected: it "
                "has to supersede that one"
            )

    def _check_superseded(self, correction: Correction, before: bytes) -> None:
        name, known = correction.hash.hex(), self.known.get(before)
        if known is None:
            raise Refused(
                f"correction {name} supersedes {before.hex()}, which is not in the log before it"
            )
        if _message(known.subject) != _message(correction.subject):
            raise Refused(f"correction {name} supersedes one of {known.subject.place}, no other's")
        if before in self.superseded:
            raise Refused(
                f"correction {name} supersedes {before.hex()}, which "
                f"{self.superseded[before].hex()} superseded already"
            )


def _message(subject: Subject) -> tuple[str, int, bytes]:
    return subject.collector, subject.position, subject.leaf


def _corrected(correction: Correction) -> _Corrected | None:
    subject, change = correction.subject, correction.change
    if change is None:
        return None
    return subject.collector, subject.position, change.metric, change.scan
