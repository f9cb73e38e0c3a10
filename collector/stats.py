"""What `stats` shows: counters, their sum, statuses and gaps. Plain values."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from telemetry.canonical import time_text


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a session that no accepted message has taken, `first` to `last` inclusive.

    `since` (microseconds) is when a later number came; 0 where that is not known.
    """

    device: str
    session: str
    first: int
    last: int
    since: int = 0

    def without(self, numbers: Iterable[int]) -> Iterator["Gap"]:
        """What of it is missing once these numbers, in order, are there."""
        first = self.first
        for number in numbers:
            if first < number:
                yield replace(self, first=first, last=number - 1)
            first = number + 1
        if first <= self.last:
            yield replace(self, first=first)

    def to_dict(self) -> dict[str, Any]:
        """Give it as `stats --json` does."""
        named = {"device": self.device, "session": self.session}
        return {**named, "first": self.first, "last": self.last, "since": time_text(self.since)}


@dataclass(frozen=True, slots=True)
class Break:
    """A message that does not follow on.

    `kind` is `link` (it names another one than the one before it in its session), `start` (a
    session's first message names one that is not here), `lost` (it names none, though its
    machine had a session before: its outbox was lost) or `fork` (another message, `other_seq`
    of `other_session`, names the same one: the machine's key is in two places).
    """

    device: str
    session: str
    seq: int
    kind: str
    since: int
    other_session: str | None = None
    other_seq: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give it as `stats --json` does."""
        other = {"other_session": self.other_session, "other_seq": self.other_seq}
        return {
            "device": self.device,
            "session": self.session,
            "seq": self.seq,
            "kind": self.kind,
            "since": time_text(self.since),
            **(other if self.kind == "fork" else {}),
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was refused, and why; `kept` bytes of its payload are there to look at."""

    received: int
    topic: str
    kept: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as `stats --refused --json` does."""
        received = {"received": time_text(self.received)}
        return {**received, "topic": self.topic, "kept": self.kept, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Standing:
    """How many gaps a store shows, how many messages are missing in them, and how many forks."""

    gaps: int
    missing: int
    forks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """A store, counted; `anchored` (records under a checkpoint of the anchor log) is the roof's.

    `refused` are messages kept out of the log, by `causes` (collector.limits, or `failed` where
    judging raised); `own` is what the ledger wrote itself; `copies` are accepted messages that
    another store has accepted too.
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
    breaks: tuple[Break, ...] = ()
    anchored: int | None = None
    copies: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many numbers are in gaps."""
        return sum(gap.last + 1 - gap.first for gap in self.gaps)

    @property
    def conserved(self) -> bool:
        """Whether received = stored + duplicates + refused + in flight."""
        return self.received == self.stored + self.duplicates + self.refused + self.in_flight

    def to_dict(self) -> dict[str, Any]:
        """Give it as `stats --json` does."""
        return {
            "received": self.received,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "causes": dict(self.causes),
            "in_flight": self.in_flight,
            "own": self.own,
            "copies": self.copies,
            "batches": self.batches,
            "anchored": self.anchored,
            "statuses": dict(self.statuses),
            "gaps": [gap.to_dict() for gap in self.gaps],
            "breaks": [one.to_dict() for one in self.breaks],
        }
