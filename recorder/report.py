"""What became of a replay. Pure."""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a recording.

    `sent` lines, of them `acknowledged` by the broker (at QoS 0 there is nothing to), of
    those `unheard` because nobody subscribes; `refused` by it. `late_…`: seconds behind the
    line's moment, percentiles over all lines (to 1 %) and the last line's; 0 at full speed.
    `skipped` broken lines, `disordered` ones whose time goes back, the first ones' `reasons`;
    `whole`: everything that was asked for was sent, and none was refused. `complete` as in
    `Reading`; `cut` the line on which a recording without an end mark ends, in words.
    """

    sent: int
    acknowledged: int
    unheard: int
    refused: int
    late_p50: float
    late_p99: float
    late_max: float
    late_last: float
    skipped: int
    disordered: int
    whole: bool
    complete: bool | None
    reasons: tuple[str, ...] = ()
    cut: str | None = None


class Lateness:
    """How late lines were, in seconds, in memory that does not grow with them.

    Counted by steps of 1 %, from 1 µs on: a percentile is so much too high at most, and never
    too low. `most` and `last` are exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.most = 0.0
        self.last = 0.0
        self._steps: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count a line."""
        self.count += 1
        self.last = seconds
        self.most = max(self.most, seconds)
        step = 0 if seconds <= _FINEST else math.ceil(math.log(seconds / _FINEST) / _STEP)
        self._steps[step] = self._steps.get(step, 0) + 1

    def percentile(self, percent: int) -> float:
        """Give what `percent` of all are not above (nearest rank); 0 of none."""
        rank = -(-self.count * percent // 100)
        for step, count in sorted(self._steps.items()):
            rank -= count
            if rank <= 0:
                return min(self.most, math.exp(step * _STEP) * _FINEST)
        return 0.0


_FINEST: Final = 1e-6
_STEP: Final = math.log(1.01)
