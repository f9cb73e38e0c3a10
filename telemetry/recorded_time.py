"""The receive time of a recording, on its way through a broker: a reserved user property.

`replay --send-times` adds it, `collect --clock recording` takes it off (docs/formats.md,
Recording). Its value is the time as text, and ` last` behind the recording's last one. Pure.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from telemetry.canonical import time_text, time_us
from telemetry.errors import NotCanonical
from telemetry.properties import NO_PROPERTIES, Properties

NAME: Final = "factoryledger-received"
_LAST: Final = " last"


class Stamp(NamedTuple):
    """When a message was received (µs since 1970), and whether the recording ends with it."""

    received: int
    last: bool


def stamped(properties: Properties, received: int, *, last: bool) -> Properties:
    """Add the property, behind all others; one that is there already goes."""
    value = time_text(received) + (_LAST if last else "")
    pairs = (*_others(properties), (NAME, value))
    return replace(properties, user_properties=pairs)


def unstamped(properties: Properties) -> tuple[Properties, Stamp | None]:
    """Take the property off; as they are, and None, where there is not exactly one true one."""
    values = [value for name, value in properties.user_properties if name == NAME]
    if len(values) != 1:
        return properties, None
    text = values[0]
    last = text.endswith(_LAST)
    try:
        stamp = Stamp(time_us(text.removesuffix(_LAST)), last)
    except NotCanonical:
        return properties, None
    rest = replace(properties, user_properties=_others(properties))
    return (NO_PROPERTIES if rest == NO_PROPERTIES else rest), stamp


def _others(properties: Properties) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in properties.user_properties if pair[0] != NAME)
