"""The values of a query, read strictly: what is unknown, twice or out of bounds is said. Pure."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeVar

from starlette.datastructures import QueryParams

from telemetry.canonical import END_OF_TIME, is_segment
from telemetry.record import STATUSES
from watch.web.ports import MessageNamed, MessagesAsked, ReadingsAsked, WrongValue

MOST: Final = 1000
FEW: Final = 100
_HOUR: Final = 3_600_000_000
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_CURSOR: Final = re.compile(r"[A-Za-z0-9_-]{1,8192}", re.ASCII)
_LONGEST: Final = 256
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Value = TypeVar("Value")


def readings(query: QueryParams, now: int) -> ReadingsAsked:
    """Read `device`, and what narrows it; the last hour where no time is named."""
    _only(query, ("device", "metric", "from", "to", "limit", "after"))
    stop = _read(query, "to", _time)
    start = _read(query, "from", _time)
    stop = now if stop is None else stop
    start = max(0, stop - _HOUR) if start is None else start
    if start > stop:
        raise WrongValue("from is after to", "write the earlier time as from")
    return ReadingsAsked(
        _needed(query, "device", _segment),
        _read(query, "metric", _text),
        start,
        stop,
        _limit(query),
        _read(query, "after", _cursor),
    )


def messages(query: QueryParams) -> MessagesAsked:
    """Read what narrows them."""
    _only(query, ("device", "status", "limit", "after"))
    return MessagesAsked(
        _read(query, "device", _segment),
        _read(query, "status", _status),
        _limit(query),
        _read(query, "after", _cursor),
    )


def message(query: QueryParams) -> MessageNamed:
    """Read a machine's number, or a place."""
    hint = "name device, session and seq, or collector and position"
    _only(query, ("device", "session", "seq", "collector", "position"))
    if query.keys() == {"device", "session", "seq"}:
        return MessageNamed(
            device=_needed(query, "device", _segment),
            session=_needed(query, "session", _segment),
            seq=_needed(query, "seq", _number),
        )
    if query.keys() == {"collector", "position"}:
        return MessageNamed(
            collector=_needed(query, "collector", _segment),
            position=_needed(query, "position", _number),
        )
    raise WrongValue("that names no message", hint)


def device(query: QueryParams) -> str | None:
    """Read the one device that is to be told of, if one is named."""
    _only(query, ("device",))
    return _read(query, "device", _segment)


def nothing(query: QueryParams) -> None:
    """Refuse any value where none means anything."""
    _only(query, ())


def _only(query: QueryParams, names: Iterable[str]) -> None:
    known = tuple(names)
    for name, _ in query.multi_items():
        if name not in known:
            hint = f"it may have {', '.join(known)}" if known else "it has none"
            raise WrongValue(f"there is no value {name[:40]!r} here", hint)
        if len(query.getlist(name)) > 1:
            raise WrongValue(f"{name} stands there twice", "write it once")


def _read(query: QueryParams, name: str, read: Callable[[str, str], Value]) -> Value | None:
    text = query.get(name)
    return None if text is None else read(name, text)


def _needed(query: QueryParams, name: str, read: Callable[[str, str], Value]) -> Value:
    found = _read(query, name, read)
    if found is None:
        raise WrongValue(f"{name} is missing", f"write {name}=…")
    return found


def _segment(name: str, text: str) -> str:
    if not is_segment(text):
        raise WrongValue(f"{name}={text[:40]!r} is no name", "1 to 64 of a-z, 0-9, _ and -")
    return text


def _text(name: str, text: str) -> str:
    if not text or len(text) > _LONGEST or "\0" in text or not _has_utf8(text):
        raise WrongValue(f"{name}={text[:40]!r} is no name", f"1 to {_LONGEST} characters")
    return text


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(name: str, text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise WrongValue(f"{name}={text[:40]!r} is no number", "write a whole number from 0")
    return int(text)


def _limit(query: QueryParams) -> int:
    found = _read(query, "limit", _number)
    if found is None:
        return FEW
    if not 1 <= found <= MOST:
        raise WrongValue(f"limit={found} is out of bounds", f"write 1 to {MOST}")
    return found


def _status(name: str, text: str) -> str:
    if text not in STATUSES:
        raise WrongValue(f"{name}={text[:40]!r} is no status", f"one of {', '.join(STATUSES)}")
    return text


def _cursor(name: str, text: str) -> str:
    if _CURSOR.fullmatch(text) is None:
        raise WrongValue(f"{name} is no cursor", "take it from next of the answer before")
    return text


def _time(name: str, text: str) -> int:
    hint = "write a time like 2026-11-25T08:00:00Z"
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongValue(f"{name}={text[:40]!r} is no time", hint) from error
    if given.tzinfo is None:
        raise WrongValue(f"{name}={text[:40]!r} does not say its zone", hint)
    since = given - _EPOCH
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if not 0 <= found < END_OF_TIME:
        raise WrongValue(f"{name}={text[:40]!r} is outside of 1970 to 9999", hint)
    return found
