"""Numbers as people read them in a column: short, with a unit. Pure."""

from typing import Final

_KILO: Final = 1000.0
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def count(number: int) -> str:
    """Write a count in at most five characters: `999`, `12.3k`, `4.5M`."""
    if number < 10_000:  # noqa: PLR2004 - four digits
        return str(number)
    return _scaled(float(number))


def size(number: int) -> str:
    """Write bytes in at most six characters: `999B`, `12.3kB`."""
    return f"{number}B" if number < _KILO else f"{_scaled(float(number))}B"


def rate(number: float) -> str:
    """Write a rate a second in at most five characters; nothing where there is none."""
    if number <= 0:
        return ""
    if number < 0.01:  # noqa: PLR2004 - two digits
        return "<0.01"
    if number < 10:  # noqa: PLR2004 - one digit before the point
        return f"{number:.2f}"
    return f"{number:.0f}" if number < _KILO else _scaled(number)


def age(microseconds: int) -> str:
    """Write how long ago something was in at most four characters: `now`, `59s`, `12m`."""
    seconds = max(0, microseconds) // 1_000_000
    if seconds < 1:
        return "now"
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def _scaled(number: float) -> str:
    for letter in "kMGTPE":
        number /= _KILO
        if number < 999.5:  # noqa: PLR2004 - else it has four digits
            return f"{number:.0f}{letter}" if number >= 99.95 else f"{number:.1f}{letter}"  # noqa: PLR2004
    return f"{number:.0f}E"
