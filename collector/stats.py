"""What `stats` shows: counters, their sum, statuses and gaps. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a session that no accepted message has taken, `first` to `last` inclusive."""

    device: str
    session: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """A store, counted; `anchored` (records under a checkpoint of the anchor log) is the roof's.

    `refused` are messages kept beside the log because judging them failed; `own` is what the
    ledger wrote itself.
    """

    received: int
    stored: int
    duplicates: int
    refused: int
    in_flight: int
    own: int
    batches: int
    statuses: Mapping[str, int]
    gaps: tuple[Gap, ...] = ()
    anchored: int | None = None

    @property
    def conserved(self) -> bool:
        """Whether received = stored + duplicates + refused + in flight."""
        return self.received == self.stored + self.duplicates + self.refused + self.in_flight

    def to_dict(self) -> dict[str, Any]:
        """Give it as `stats --json` does."""
        gaps = [
            {"device": gap.device, "session": gap.session, "first": gap.first, "last": gap.last}
            for gap in self.gaps
        ]
        return {
            "received": self.received,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "in_flight": self.in_flight,
            "own": self.own,
            "batches": self.batches,
            "anchored": self.anchored,
            "statuses": dict(self.statuses),
            "gaps": gaps,
        }
