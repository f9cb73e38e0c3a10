"""What a payload is made of: JSON by its paths, Sparkplug by its topic. Pure.

Whatever is in a payload, this gives less and no error.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from telemetry.decoding import Names, names_of, readings_of
from telemetry.sparkplug_topic import SparkplugTopic
from watch.topics.node import Kept

DEPTH: Final = 12
NUMBERS: Final = 256  # of one payload
_FIRST: Final = ("readings.", "scans[0].readings.")

Births = Callable[[str], Kept | None]
"""Gives a topic's newest message: where a Sparkplug node's or device's birth is looked up."""


def json_of(payload: bytes) -> Any:
    """Parse JSON; `msgspec.UNSET` where it is none, or too deep to be read."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return msgspec.UNSET


def sparkplug_of(topic: str) -> SparkplugTopic | None:
    """Read a topic of Sparkplug B; None for any other."""
    return SparkplugTopic.parse(topic)


def birth_names(place: SparkplugTopic, births: Births) -> Names:
    """Give what the births of a node and its device name, as far as they were heard."""
    names = Names()
    for kind, device in (("NBIRTH", None), ("DBIRTH", place.device)):
        if kind == "DBIRTH" and device is None:
            continue
        birth = births(str(place.of(kind, device)))
        if birth is not None:
            found = names_of(birth.payload)
            names.aliases.update(found.aliases)
            names.types.update(found.types)
    return names


def numbers(topic: str, kept: Kept, births: Births) -> dict[str, float]:
    """Give the numbers of a message by path, at most 256: `readings.speed`, `a[0].b`.

    A payload that is a number has the path `value`. No booleans, nothing infinite.
    """
    place = sparkplug_of(topic)
    if place is not None:
        found = readings_of(place.type, kept.payload, kept.received, birth_names(place, births))
        return {one.metric: one.value for one in found[:NUMBERS]}
    value = json_of(kept.payload)
    if value is msgspec.UNSET:
        return {}
    result: dict[str, float] = {}
    for path, number in _numbers(value, "", 0):
        result[path or "value"] = number
        if len(result) == NUMBERS:
            break
    return result


def likely(paths: list[str]) -> str | None:
    """Choose the path that a person wants to see first: a reading before any counter."""
    return next((path for path in paths if path.startswith(_FIRST)), paths[0] if paths else None)


def _numbers(value: Any, path: str, depth: int) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool) or depth > DEPTH:
        return
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return
        if math.isfinite(number):
            yield path, number
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _numbers(member, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _numbers(member, f"{path}[{place}]", depth + 1)
