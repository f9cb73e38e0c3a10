"""How often messages come: counts in slots of five seconds, over a minute. Pure.

A node's `slots` is a ring: the slot of a time is its number modulo the ring's length, and
`slot` the newest number written.
"""

from array import array
from typing import Final

from watch.topics.node import Node

WIDTH: Final = 5_000_000  # microseconds a slot
SLOTS: Final = 12
_RECENT: Final = 2  # whole slots that a rate goes by, beside the one that is filling
_MOST: Final = 0xFFFFFFFF
_BARS: Final = " ▁▂▃▄▅▆▇"


def note(node: Node, count: int, now: int) -> None:
    """Count so many messages of this node at a time."""
    slot = now // WIDTH
    slots = node.slots
    if slots is None:
        slots = node.slots = array("I", bytes(4 * SLOTS))
        node.slot = slot
    elif slot > node.slot:
        for empty in range(max(node.slot + 1, slot - SLOTS + 1), slot + 1):
            slots[empty % SLOTS] = 0
        node.slot = slot
    place = node.slot % SLOTS  # a clock that was put back counts into the newest
    slots[place] = min(_MOST, slots[place] + count)


def spread(node: Node, count: int, since: int, now: int) -> None:
    """Count messages that came evenly between two times: what came while nothing was folded."""
    first, last = max(since // WIDTH + 1, now // WIDTH - SLOTS + 1), now // WIDTH
    parts = last - first + 1
    if parts <= 1:
        note(node, count, now)
        return
    each, rest = divmod(count, parts)
    for number, slot in enumerate(range(first, last + 1)):
        share = each + (number < rest)
        if share:
            note(node, share, slot * WIDTH)


def counts(node: Node, now: int) -> list[int]:
    """Give the counts of the last minute's slots, the oldest first."""
    slots = node.slots
    if slots is None:
        return [0] * SLOTS
    last = max(now // WIDTH, node.slot)
    return [
        slots[slot % SLOTS] if node.slot - SLOTS < slot <= node.slot else 0
        for slot in range(last - SLOTS + 1, last + 1)
    ]


def rate(node: Node, now: int, since: int) -> float:
    """Messages a second over the last ten to fifteen, or since the watching began."""
    recent = counts(node, now)[-1 - _RECENT :]
    start = max((now // WIDTH - _RECENT) * WIDTH, since)
    # In the first second a rate would be a guess.
    return sum(recent) * 1e6 / max(now - start, 1_000_000)


def sparkline(values: list[int]) -> str:
    """Draw counts as bars, a character each; what is not 0 is never blank."""
    most = max(values, default=0)
    if not most:
        return " " * len(values)
    top = len(_BARS) - 1
    return "".join(_BARS[-(-value * top // most)] for value in values)
