"""Shifts and breaks: who is on duty, against a plain reading of the plan."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.work.calendar import Calendar
from simulator.work.job import Break, Shift

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WEEKDAYS = (0, 1, 2, 3, 4)
EARLY = Shift("early", 6 * HOUR, 14 * HOUR, WEEKDAYS, (Break(9 * HOUR, 15 * MINUTE),))
NIGHT = Shift("night", 22 * HOUR, 6 * HOUR, (0, 6), (Break(1 * HOUR, 30 * MINUTE),))
CALENDAR = Calendar((EARLY, NIGHT))


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("text", "shift", "paused"),
    [
        ("2026-01-05T05:59:59", "night", False),  # a Monday; Sunday's night shift
        ("2026-01-05T06:00:00", "early", False),
        ("2026-01-05T09:00:00", "early", True),
        ("2026-01-05T09:14:59", "early", True),
        ("2026-01-05T09:15:00", "early", False),
        ("2026-01-05T14:00:00", None, False),
        ("2026-01-05T22:00:00", "night", False),
        ("2026-01-06T01:10:00", "night", True),
        ("2026-01-06T06:00:00", "early", False),
        ("2026-01-06T22:00:00", None, False),  # Tuesday has no night shift
        ("2026-01-10T09:00:00", None, False),  # nor Saturday any
        ("2026-01-11T23:00:00", "night", False),  # but Sunday
        ("1970-01-01T07:00:00", "early", False),  # a Thursday
    ],
)
def test_who_is_on_duty(text, shift, paused):
    duty = CALENDAR.at(at(text))
    assert (duty.shift, duty.paused) == (shift, paused)
    assert duty.working == (shift is not None and not paused)


def plainly(now):
    """The same from a calendar of the standard library, day by day."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    for shift in (EARLY, NIGHT):
        for back in (0, 1):
            begin = (now // DAY - back) * DAY + shift.start
            end = begin + (shift.end - shift.start) % DAY
            if begin <= now < end and (moment.weekday() - back) % 7 in shift.days:
                pauses = [
                    (begin + (pause.start - shift.start) % DAY, pause.lasts)
                    for pause in shift.breaks
                ]
                return shift.name, any(0 <= now - start < lasts for start, lasts in pauses)
    return None, False


@given(st.integers(0, 4_000_000_000_000))
def test_duty_is_what_a_plain_reading_gives_and_holds_until_it_says(now):
    duty = CALENDAR.at(now)
    assert (duty.shift, duty.paused) == plainly(now)
    assert duty.until > now
    assert plainly(duty.until - 1) == (duty.shift, duty.paused)


def test_without_shifts_somebody_is_always_there():
    duty = Calendar(()).at(0)
    assert duty.working
    assert duty.shift == ""
    assert duty.until > 4_000_000_000_000
