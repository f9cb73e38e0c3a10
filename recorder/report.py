"""What became of a replay. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a recording.

    `sent` lines, of them `acknowledged` by the broker (at QoS 0 there is nothing to), of
    those `unheard` because nobody subscribes; `refused` by it. `late_…`: seconds behind the
    line's moment, percentiles over all lines and the last line's; 0 at full speed. `skipped`
    broken lines, `disordered` ones whose time goes back, the first ones' `reasons`; `whole`:
    everything that was asked for was sent, and none was refused. `complete` as in `Reading`;
    `cut` the line on which a recording without an end mark ends, in words.
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


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Give the value that `percent` of all are not above (nearest rank); 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
