"""Whose payloads the operator said are erased: nobody else withholds what a message says. Pure.

A proof holds without the payload, so that whoever makes a package could leave one out and call
it erased. The log says which are.
"""

from bisect import bisect_right
from collections.abc import Iterable

from telemetry.keyring import KeyStatement

_Ranges = tuple[list[int], list[int]]
"""First positions, sorted, and up to which all before the next are erased."""


class Erasures:
    """Erasures of the log, by collector and status; an empty status is of all messages."""

    def __init__(self, statements: Iterable[KeyStatement]) -> None:
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for statement in statements:
            if statement.action != "erase":
                continue
            collector, _, positions = statement.name.partition(":")
            first, _, last = positions.partition("-")
            for status in statement.statuses or ("",):
                found.setdefault((collector, status), []).append((int(first), int(last)))
        self._known = {place: _joined(ranges) for place, ranges in found.items()}

    def covers(self, collector: str, position: int, status: str) -> bool:
        """Whether one says that the payload of this message is erased."""
        return any(_holds(self._known.get((collector, which)), position) for which in ("", status))


def _joined(ranges: list[tuple[int, int]]) -> _Ranges:
    firsts, lasts = list[int](), list[int]()
    for first, last in sorted(ranges):
        firsts.append(first)
        lasts.append(max(last, lasts[-1]) if lasts else last)
    return firsts, lasts


def _holds(ranges: _Ranges | None, position: int) -> bool:
    if ranges is None:
        return False
    at = bisect_right(ranges[0], position)
    return at > 0 and position <= ranges[1][at - 1]
