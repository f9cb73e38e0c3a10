"""Several stores' counts as one: what is missing in each of them is missing.

Pure. Machines whose messages are shared out among collectors have gaps in every store; a gap
of the whole is what no store has. What two stores have counts once, as a copy of the other.
Breaks are those that each store sees: whoever joins them settles what another store answers.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from collector.stats import Break, Gap, Stats

Session = tuple[str, str]
"""Device and session."""

_Span = tuple[int, float, int]
"""First and last, infinite for all that follow, and since when (microseconds)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One store: its counts, gaps included, its claims, and each session's highest number."""

    stats: Stats
    claims: int
    highest: Mapping[Session, int]


def joined(parts: Sequence[Part]) -> Stats:
    """Count stores together."""
    stats = [part.stats for part in parts]
    gaps, numbers = _missing(parts)
    breaks = {one for part in stats for one in part.breaks}
    statuses, causes = Counter[str](), Counter[str]()
    for one in stats:
        statuses.update(one.statuses)
        causes.update(one.causes)
    return Stats(
        received=sum(one.received for one in stats),
        stored=sum(one.stored for one in stats),
        duplicates=sum(one.duplicates for one in stats),
        refused=sum(one.refused for one in stats),
        in_flight=sum(one.in_flight for one in stats),
        own=sum(one.own for one in stats),
        batches=sum(one.batches for one in stats),
        statuses=dict(statuses),
        gaps=tuple(gaps),
        breaks=tuple(sorted(breaks, key=_order)),
        causes=dict(causes),
        copies=sum(part.claims for part in parts) - numbers,
    )


def _missing(parts: Sequence[Part]) -> tuple[list[Gap], int]:
    """What no store has, and how many numbers one or more of them have."""
    spans = [_spans(part.stats.gaps) for part in parts]
    gaps, numbers = list[Gap](), 0
    for session in sorted({session for part in parts for session in part.highest}):
        each = [
            [*found.get(session, ()), (part.highest.get(session, -1) + 1, math.inf, 0)]
            for found, part in zip(spans, parts, strict=True)
        ]
        # The last span is what lies beyond every store's highest number.
        *within, (end, _, _) = reduce(_both, each)
        gaps += [Gap(*session, first, int(last), since) for first, last, since in within]
        numbers += end - sum(int(last) - first + 1 for first, last, _ in within)
    return gaps, numbers


def _order(one: Break) -> tuple[str, int, str, int, str]:
    return one.device, one.since, one.session, one.seq, one.kind


def _spans(gaps: Sequence[Gap]) -> dict[Session, list[_Span]]:
    found = dict[Session, list[_Span]]()
    for gap in gaps:
        found.setdefault((gap.device, gap.session), []).append((gap.first, gap.last, gap.since))
    return found


def _both(left: Sequence[_Span], right: Sequence[_Span]) -> list[_Span]:
    """Where two ascending lists of spans overlap."""
    found, i, j = list[_Span](), 0, 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            # Missing in both only since the later of them was.
            found.append((first, last, max(left[i][2], right[j][2])))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found
