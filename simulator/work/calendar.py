"""Shifts and breaks: who is on duty at a moment, and until when that holds.

A week repeats, from Monday 00:00 UTC. Pure; times are whole milliseconds since 1970.
"""

from bisect import bisect_right
from functools import cache
from typing import Final, NamedTuple

from simulator.work.job import WEEK, Shift

_DAY: Final = WEEK // 7
# 1970-01-01 was a Thursday: a week begins so long before the first whole one.
_THURSDAY: Final = 3 * _DAY
_FOR_EVER: Final = 1 << 62


class Duty(NamedTuple):
    """The shift on duty (None: nobody, empty: no shifts, always), its break, and until when."""

    shift: str | None
    paused: bool
    until: int

    @property
    def working(self) -> bool:
        """Whether somebody is there and at work."""
        return self.shift is not None and not self.paused


class Calendar:
    """The week of a plan of shifts, cut where duty changes."""

    def __init__(self, shifts: tuple[Shift, ...]) -> None:
        spans = [
            ((day * _DAY + shift.start) % WEEK, shift) for shift in shifts for day in shift.days
        ]
        cuts = {0}
        for begin, shift in spans:
            cuts |= {begin, (begin + _length(shift)) % WEEK}
            for pause in shift.breaks:
                at = begin + (pause.start - shift.start) % _DAY
                cuts |= {at % WEEK, (at + pause.lasts) % WEEK}
        self._cuts = sorted(cuts)
        self._duties = [_duty_at(cut, spans) for cut in self._cuts]
        self._always = not shifts

    def at(self, now: int) -> Duty:
        """Who is on duty at this time; `until` is the next cut, where it may stay the same."""
        if self._always:
            return Duty("", paused=False, until=_FOR_EVER)
        place = (now + _THURSDAY) % WEEK
        index = bisect_right(self._cuts, place) - 1
        end = self._cuts[index + 1] if index + 1 < len(self._cuts) else WEEK
        shift, paused = self._duties[index]
        return Duty(shift, paused, now - place + end)


@cache
def calendar_of(shifts: tuple[Shift, ...]) -> Calendar:
    """The calendar of these shifts; machines of one plan share it."""
    return Calendar(shifts)


def _length(shift: Shift) -> int:
    return (shift.end - shift.start - 1) % _DAY + 1


def _duty_at(cut: int, spans: list[tuple[int, Shift]]) -> tuple[str | None, bool]:
    for begin, shift in spans:
        since = (cut - begin) % WEEK
        if since < _length(shift):
            paused = any(
                0 <= since - (pause.start - shift.start) % _DAY < pause.lasts
                for pause in shift.breaks
            )
            return shift.name, paused
    return None, False
