"""Bodies for those who make messages: the canonical order and spelling of the members.

Gives nothing that `telemetry.message.parse` would refuse once it is sealed. Pure.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from telemetry import strict_json
from telemetry.canonical import b64, time_text
from telemetry.errors import MalformedMessage, NotCanonical, NotStrictJson
from telemetry.members import Cited, Scan, check_content, count_of, key_id_of, segment_of
from telemetry.signature import SUFFIX_LENGTH

MAX_LENGTH: Final = 1 << 20

_HASH_LENGTH: Final = 32


class Author:
    """Whose bodies they are: device, session and key, checked once for all that it writes."""

    __slots__ = ("_ending", "_opening")

    def __init__(self, *, device: str, session: str, key: str) -> None:
        """MalformedMessage where one of them is not what a reader takes."""
        self._opening = _opening(device, session)
        self._ending = f',"key":"{key_id_of(key)}"'

    def compose(  # noqa: PLR0913 - one argument a member
        self,
        *,
        kind: str,
        seq: int,
        prev: bytes | None,
        anchor: Cited | None,
        time: int,
        readings: Mapping[str, float] | None = None,
        scans: Sequence[Scan] | None = None,
        content: Mapping[str, Any] | BaseModel | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Write a body: the JSON object without its closing brace.

        Telemetry takes exactly one of `readings` and `scans`, the other kinds `content`; any may
        have a `source`, as `telemetry.source` writes it.
        MalformedMessage where a reader would refuse what would come of it.
        """
        try:
            place = _place(seq, prev, anchor, time)
            said = _content(kind, readings, scans, content)
            if source is not None:
                said += f',"source":{_json("source", source)[0]}'
        except (NotCanonical, NotStrictJson) as error:
            raise MalformedMessage(str(error)) from None
        body = f"{self._opening}{place},{said}{self._ending}".encode("ascii")
        if len(body) + SUFFIX_LENGTH > MAX_LENGTH:
            raise MalformedMessage(f"a message has at most {MAX_LENGTH} bytes; send fewer scans")
        return body


def compose(*, device: str, session: str, key: str, **members: Any) -> bytes:
    """Write one body of this device, session and key; the members as `Author.compose` has them."""
    return Author(device=device, session=session, key=key).compose(**members)


def leading(  # noqa: PLR0913 - one argument a member
    *,
    device: str,
    session: str,
    seq: int,
    prev: bytes | None,
    anchor: Cited | None,
    time: int,
) -> str:
    """Write the members that every body begins with, its brace before them."""
    return _opening(device, session) + _place(seq, prev, anchor, time)


def _opening(device: str, session: str) -> str:
    return (
        f'{{"device":"{segment_of("device", device)}","session":"{segment_of("session", session)}"'
    )


def _place(seq: int, prev: bytes | None, anchor: Cited | None, time: int) -> str:
    return (
        f',"seq":{count_of("seq", seq)},"prev":{_hash(prev)},"anchor":{_anchor(anchor)}'
        f',"time":"{time_text(time)}"'
    )


def _content(
    kind: str,
    readings: Mapping[str, float] | None,
    scans: Sequence[Scan] | None,
    content: Mapping[str, Any] | BaseModel | None,
) -> str:
    if kind == "telemetry":
        if content is not None or (readings is None) == (scans is None):
            raise MalformedMessage("telemetry takes exactly one of readings and scans")
        return _scans(scans) if readings is None else f'"readings":{_readings(readings)}'
    if readings is not None or scans is not None or content is None:
        raise MalformedMessage(f"{kind} takes its content alone")
    if kind not in {"birth", "state", "event"}:
        raise MalformedMessage(f"{kind} is no kind of signed message")
    return f'"{kind}":{_object(kind, content)}'


def _scans(scans: Sequence[Scan] | None) -> str:
    if not scans:
        raise MalformedMessage("scans is not a list of at least one scan")
    parts = (
        f'{{"time":"{time_text(scan.time)}","readings":{_readings(scan.readings)}}}'
        for scan in scans
    )
    return f'"scans":[{",".join(parts)}]'


def _readings(readings: Mapping[str, float]) -> str:
    if not (
        _FLOAT.issuperset(map(type, readings.values())) and _STR.issuperset(map(type, readings))
    ):
        return _readings_with_care(readings)
    try:
        text = _FAST.encode(dict(readings)).decode()
    except UnicodeEncodeError:
        return _readings_with_care(readings)
    return _readings_with_care(readings) if _spelled_otherwise(text, readings) else text


def _spelled_otherwise(text: str, readings: Mapping[str, float]) -> bool:
    """Whether msgspec may have spelled readings otherwise than our JSON does.

    It writes other exponents, which small and large numbers have, null for what is no number,
    and plainly what we escape. A metric's name may look like that: then it may have.
    """
    values = readings.values()
    return (
        min(values, default=0.0) <= -_LARGE
        or max(values, default=0.0) >= _LARGE
        or "e-" in text
        or "null" in text
        or "\\" in text
        or "\x7f" in text
        or not text.isascii()
    )


def _readings_with_care(readings: Mapping[str, float]) -> str:
    for name, value in readings.items():
        if type(value) not in {int, float} or not math.isfinite(value):
            raise MalformedMessage(f"reading {name!r} is not a finite number: {value!r}")
    # The encoder would make a name of a number.
    if not _STR.issuperset(map(type, readings)):
        raise MalformedMessage("a reading's name is a string")
    text = _ENCODER.encode(dict(readings))
    # Only odd names and large integers need the strict reader's look.
    if "\\" in text or any(type(value) is int for value in readings.values()):
        strict_json.loads(text)
    return text


def _object(kind: str, content: Mapping[str, Any] | BaseModel) -> str:
    value = content.model_dump() if isinstance(content, BaseModel) else dict(content)
    text, read = _json(kind, value)
    check_content(kind, read)
    return text


def _json(what: str, value: Mapping[str, Any]) -> tuple[str, Any]:
    """Spell an object, and what a reader will take it for."""
    try:
        text = _ENCODER.encode(dict(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"the content of a {what} is no JSON: {error}") from None
    # One level is the message's own.
    return text, strict_json.loads(text, max_depth=strict_json.MAX_DEPTH - 1)


def _hash(value: bytes | None) -> str:
    if value is None:
        return "null"
    if len(value) != _HASH_LENGTH:
        raise MalformedMessage(f"prev and anchor.note are hashes of {_HASH_LENGTH} bytes")
    return f'"{b64(value)}"'


def _anchor(anchor: Cited | None) -> str:
    if anchor is None:
        return "null"
    return f'{{"size":{count_of("anchor.size", anchor.size)},"note":{_hash(anchor.note)}}}'


_FLOAT: Final = frozenset({float})
_STR: Final = frozenset({str})
_FAST: Final = msgspec.json.Encoder()
_LARGE: Final = 1e16
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
