"""How a scenario writes names and times: segments, spans (`8h`), times of day (`06:00`).

Types for pydantic models; each has one meaning, refuses the rest with what is allowed, and
shows editors its pattern. Pure.
"""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

MINUTE: Final = 60_000  # ms
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_LONGEST: Final = 1_000_000_000  # s

_SPAN: Final = re.compile(
    r"(?=[0-9])(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)s)?"
)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


def span_of(value: Any) -> int:
    """Milliseconds of a span: a number of seconds, or days, hours, minutes and seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LONGEST:
        return round(value * 1000)
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError(
            "span", "no span of time; allowed: seconds, or a text like '90s', '15m', '1h30m', '2d'"
        )
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return round(days * DAY + hours * HOUR + minutes * MINUTE + seconds * 1000)


def clock_of(value: Any) -> int:
    """Milliseconds since midnight of a time of day."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError(
            "clock", "no time of day; allowed: '00:00' to '24:00', hours and minutes, UTC"
        )
    if match[1] is None:
        return DAY
    return int(match[1]) * HOUR + int(match[2]) * MINUTE


Segment = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]

Span = Annotated[
    int,
    BeforeValidator(span_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "exclusiveMaximum": _LONGEST},
                {"type": "string", "pattern": f"^{_SPAN.pattern}$"},
            ],
            "description": "Seconds, or a text like 90s, 15m, 1h30m, 2d",
        }
    ),
]

Clock = Annotated[
    int,
    BeforeValidator(clock_of),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^(?:{_CLOCK.pattern})$",
            "description": "Time of day, UTC, like 06:00",
        }
    ),
]
