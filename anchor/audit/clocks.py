"""Machines whose own clock lies outside of what witnesses and ledgers bound.

No finding: a clock that is wrong changes no message, and whoever reads exit codes should not
learn to pass them by. Said of each machine once for each side, with the message that is
farthest outside.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from anchor.audit.findings import Audit
from anchor.audit.receipts import Outside, Stamped
from anchor.audit.remarks import Side, WrongClock
from anchor.errors import AnchorError
from anchor.ledgers.ledger import Stamp
from anchor.policy import Cosigned, Policy
from anchor.reading.kept_checkpoints import KeptCheckpoints
from anchor.reading.log_reader import LogReader
from anchor.time_bounds import Bound, not_after, not_before
from telemetry.rows import MessageRow

_SECOND = 1_000_000
_MOST = 100_000


class Told(NamedTuple):
    """Where a message stands, whose it is, when it was made by their clock, what it cites."""

    collector: str
    position: int
    device: str
    key: str
    time: int
    cited: bytes | None


@dataclass(slots=True)
class Clocks:
    """Compares each message's own time with its bounds; `log` None compares nothing."""

    policy: Policy
    log: LogReader | None
    outside: Outside
    stamped: Sequence[Stamped]
    audit: Audit
    _kept: KeptCheckpoints | None = None
    _before: dict[bytes, int | None] = field(default_factory=dict)
    # By device: the message with the latest time since the last batch's end.
    _latest: dict[str, Told] = field(default_factory=dict)
    # Until which size the bound from above is the one that is known.
    _span: tuple[int, int, int | None] = (0, 0, None)
    _found: dict[tuple[str, Side], WrongClock] = field(default_factory=dict)

    # Sizes of stamped checkpoints, and for each what it and all larger ones say at the earliest.
    _sizes: list[int] = field(default_factory=list)
    _from: list[tuple[Cosigned, tuple[Stamp, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        times, stamps = dict[str, int](), dict[str, Stamp]()
        for one in sorted(self.stamped, key=lambda one: -one.cosigned.checkpoint.size):
            for name, time in one.cosigned.times.items():
                times[name] = min(time, times.get(name) or time) or time
            known = stamps.get(one.stamp.ledger)
            if known is None or one.stamp.time < known.time:
                stamps[one.stamp.ledger] = one.stamp
            self._sizes.append(one.cosigned.checkpoint.size)
            self._from.append((replace(one.cosigned, times=dict(times)), tuple(stamps.values())))
        self._sizes.reverse()
        self._from.reverse()
        if self.log is not None and (self.stamped or self.policy.lacking(())):
            self._kept = KeptCheckpoints(self.log, self.policy)

    @property
    def compare(self) -> bool:
        """Whether there is anything to compare with."""
        return self._kept is not None

    def add(self, row: MessageRow, cited: bytes | None) -> None:
        """A message that holds, and the checkpoint that it cites."""
        if self._kept is not None and row.time is not None and row.device is not None:
            told = Told(row.collector, row.position, row.device, row.key or "", row.time, cited)
            self.hear(told)

    def hear(self, told: Told) -> None:
        """The same, of one that is known to say its time; only where there is a `compare`."""
        before = None if told.cited is None else self._not_before(told.cited)
        if before is not None and told.time < before:
            self._note(told, "behind", before)
        known = self._latest.get(told.device)
        if known is None or told.time > known.time:
            self._latest[told.device] = told

    def close(self, anchored: int | None) -> None:
        """A batch ends, whose checkpoint is this entry of the anchor log."""
        latest, self._latest = self._latest, {}
        bound = None if anchored is None or not latest else self._not_after(anchored)
        if bound is None:
            return
        for told in latest.values():
            if told.time > bound:
                self._note(told, "ahead", bound)

    def finish(self) -> None:
        """Say what was found, the farthest first."""
        found = (w for w in self._found.values() if w.seconds > self.outside.tolerance)
        self.audit.clocks += sorted(found, key=lambda one: (-one.seconds, one.device))

    def _note(self, told: Told, side: Side, bound: int) -> None:
        seconds = abs(told.time - bound) / _SECOND
        known = self._found.get((told.device, side))
        if known is None or seconds > known.seconds:
            self._found[told.device, side] = WrongClock(
                told.device,
                told.key,
                side,
                seconds,
                told.collector,
                told.position,
                told.time,
                bound,
            )

    def _not_before(self, cited: bytes) -> int | None:
        if cited not in self._before:
            if len(self._before) >= _MOST:
                self._before.clear()
            self._before[cited] = self._read_not_before(cited)
        return self._before[cited]

    def _read_not_before(self, cited: bytes) -> int | None:
        assert self.log is not None
        note = self.log.source.published(cited)
        if note is None:
            return None
        try:
            return _us(not_before(self.policy, self.policy.open(note)))
        except AnchorError:
            return None

    def _not_after(self, index: int) -> int | None:
        if not self._span[0] <= index < self._span[1]:
            self._span = self._read_not_after(index)
        return self._span[2]

    def _read_not_after(self, index: int) -> tuple[int, int, int | None]:
        assert self._kept is not None
        try:
            own = self._kept.earliest(index)
        except AnchorError:
            return index, index + 1, None
        # Messages of the next batches cite it: it need not be opened again for them.
        self._before.setdefault(own.hash, _us(not_before(self.policy, own)))
        place = bisect_right(self._sizes, index)
        merged, stamps = self._from[place] if place < len(self._from) else (own, ())
        found = not_after(self.policy, (own, merged), stamps)
        return index, own.checkpoint.size, _us(found)


def _us(bound: Bound | None) -> int | None:
    return None if bound is None else bound.time * _SECOND
