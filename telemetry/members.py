"""The members of a body, each by its type (docs/formats.md, Message).

Every check gives the value, or raises MalformedMessage with the member's name. Pure.
"""

from typing import Any, Final, Never

import msgspec

from telemetry.canonical import is_key_id, is_segment, time_us, unb64
from telemetry.errors import MalformedMessage
from telemetry.strict_json import MAX_INTEGER, MIN_INTEGER

MAX_SEQ: Final = 2**63 - 1

_HASH_LENGTH: Final = 32
_KEY_LENGTH: Final = 32
_MAX_SEQ_DIGITS: Final = 19
_ZERO: Final = ord("0")


class Cited(msgspec.Struct, frozen=True, gc=False):
    """The cosigned checkpoint a message cites: tree size, SHA-256 of the checkpoint's bytes."""

    size: int
    note: bytes


class Scan(msgspec.Struct, frozen=True, gc=False):
    """Readings by metric name, of one time (microseconds since the epoch)."""

    time: int
    readings: dict[str, float]


def member(members: dict[str, Any], name: str) -> Any:
    """Give a member that must be there."""
    if name not in members:
        raise MalformedMessage(f"{name} is missing")
    return members[name]


def text_of(name: str, value: Any) -> str:
    """Check a string."""
    if not isinstance(value, str):
        _refuse(name, "a string")
    return value


def object_of(name: str, value: Any) -> dict[str, Any]:
    """Check an object."""
    if not isinstance(value, dict):
        _refuse(name, "an object")
    return value


def segment_of(name: str, value: Any) -> str:
    """Check a segment."""
    text = text_of(name, value)
    if not is_segment(text):
        _refuse(name, "1 to 64 of a-z, 0-9, _ and -")
    return text


def key_id_of(value: Any) -> str:
    """Check a key id."""
    text = text_of("key", value)
    if not is_key_id(text):
        _refuse("key", "a key id of 16 hexadecimal digits")
    return text


def count_of(name: str, value: Any) -> int:
    """Check a parsed integer from 0 to 2^63-1; the parser gives a `-0` as a float."""
    if type(value) is not int or not 0 <= value <= MAX_SEQ:
        _refuse(name, "an integer literal from 0 to 2^63-1")
    return value


def count_of_literal(name: str, literal: bytes) -> int:
    """Read an integer literal from 0 to 2^63-1: digits alone, none of them a leading zero."""
    plain = literal.isdigit() and len(literal) <= _MAX_SEQ_DIGITS
    if not plain or (literal[0] == _ZERO and literal != b"0") or int(literal) > MAX_SEQ:
        _refuse(name, "an integer literal from 0 to 2^63-1")
    return int(literal)


def time_of(members: dict[str, Any]) -> int:
    """Check and read the member `time`, in microseconds since the epoch."""
    return time_us(text_of("time", member(members, "time")))


def prev_of(value: Any) -> bytes | None:
    """Check and decode `prev`."""
    return None if value is None else unb64(text_of("prev", value), _HASH_LENGTH)


def anchor_of(value: Any) -> Cited | None:
    """Check and decode `anchor`."""
    if value is None:
        return None
    members = object_of("anchor", value)
    size = count_of("anchor.size", member(members, "size"))
    return Cited(size, unb64(text_of("anchor.note", member(members, "note")), _HASH_LENGTH))


def readings_of(readings: dict[str, Any]) -> dict[str, float]:
    """Check that all are numbers (a bool is none) and integers have 64 bits; give floats."""
    if {float}.issuperset(map(type, readings.values())):
        return readings
    for value in readings.values():
        kind = type(value)
        if kind is int:
            if not MIN_INTEGER <= value <= MAX_INTEGER:
                raise MalformedMessage(f"an integer beyond 64 bits: {value}")
        elif kind is not float:
            _refuse("a reading", "a number")
    return {name: float(value) for name, value in readings.items()}


def scans_of(members: dict[str, Any], time: int) -> tuple[Scan, ...]:
    """Check and read `readings` (as a scan of `time`) and `scans`, where they are there."""
    found: list[Scan] = []
    if "readings" in members:
        found.append(Scan(time, readings_of(object_of("readings", members["readings"]))))
    if "scans" in members:
        scans = members["scans"]
        if not isinstance(scans, list) or not scans:
            _refuse("scans", "a list of at least one scan")
        for scan in scans:
            readings = object_of("readings", member(object_of("a scan", scan), "readings"))
            found.append(Scan(time_of(scan), readings_of(readings)))
    return tuple(found)


def check_content(kind: str, value: Any) -> None:
    """Check the object that a birth, a state or an event carries."""
    content = object_of(kind, value)
    if kind == "birth":
        for metric in object_of("birth.metrics", member(content, "metrics")).values():
            members = object_of("a metric", metric)
            text_of("a metric's unit", member(members, "unit"))
            readings_of({name: member(members, name) for name in ("low", "high")})
        text_of("birth.kind", member(content, "kind"))
        unb64(text_of("birth.public_key", member(content, "public_key")), _KEY_LENGTH)
    else:
        text_of(f"{kind}.name", member(content, "name"))
    if kind == "state":
        count_of("state.number", member(content, "number"))


def _refuse(name: str, wanted: str) -> Never:
    raise MalformedMessage(f"{name} is not {wanted}")
