"""Base64, escaped strings, times and segments: one spelling each (docs/formats.md).

Decoding refuses every spelling that encoding would not give. Pure.
"""

import binascii
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final

from telemetry.errors import NotCanonical

SEGMENT: Final[re.Pattern[str]] = re.compile(r"[a-z0-9_-]{1,64}")

_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", re.ASCII)
_MICROSECONDS: Final = 1_000_000
_TIME_LENGTH: Final = 27
# The first microsecond of the year 10000: times end before it.
END_OF_TIME: Final = 253_402_300_800 * _MICROSECONDS


def b64(data: bytes) -> str:
    """Encode as base64, RFC 4648 section 4, padded."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def unb64(text: str, length: int | None = None) -> bytes:
    """Decode canonical base64; `length` demands that many bytes. NotCanonical otherwise."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise NotCanonical(f"not base64: {error}") from None
    # Python lets the unused bits of the last character be anything.
    if b64(data) != text:
        raise NotCanonical("base64 is not the canonical encoding of what it decodes to")
    if length is not None and len(data) != length:
        raise NotCanonical(f"base64 of {len(data)} bytes where {length} are wanted")
    return data


def quote(text: str) -> str:
    """Escape a string, quotes included; the result is ASCII. A lone surrogate is NotCanonical."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotCanonical("a string holds a lone surrogate, which no UTF-8 has") from None
    return encode_basestring_ascii(text)


def decoded(data: bytes) -> str:
    """Decode UTF-8; NotCanonical where it is none."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotCanonical(f"not UTF-8: {error}") from None


def plain(text: str) -> str:
    """Somebody's word within a line for people, without what a terminal would not just show."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def shown(value: object) -> str:
    """Somebody's value as Python writes it; of a number that it refuses to write, that it is long.

    TOML and YAML have hexadecimal numbers of any length, and no decimal of more than 4,300 digits
    is ever made of one.
    """
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


def time_text(us: int) -> str:
    """Spell microseconds since the epoch as text; NotCanonical outside of 1970 to 9999."""
    if not 0 <= us < END_OF_TIME:
        raise NotCanonical(f"time {us} is outside of the years 1970 to 9999")
    second, fraction = divmod(us, _MICROSECONDS)
    return f"{_second_text(second)}.{fraction:06d}Z"


def time_us(text: str) -> int:
    """Read a time as text, in microseconds since the epoch; NotCanonical for any other text."""
    fraction = text[20:26]
    if (
        len(text) != _TIME_LENGTH
        or text[19] != "."
        or text[26] != "Z"
        or not (fraction.isascii() and fraction.isdigit())
    ):
        raise NotCanonical(f"not a time like 2026-11-23T08:00:00.000000Z: {text[:40]!r}")
    return _second_number(text[:19]) * _MICROSECONDS + int(fraction)


def is_segment(text: str) -> bool:
    """Whether the text is a segment: a device, session, collector id or level of our topics."""
    return SEGMENT.fullmatch(text) is not None


def is_key_id(text: str) -> bool:
    """Whether the text is a key id: 16 lower-case hexadecimal digits."""
    return _KEY_ID.fullmatch(text) is not None


# Times come in runs of one second, so both directions keep the last few.
@lru_cache(maxsize=1024)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _second_number(text: str) -> int:
    match = _SECOND.fullmatch(text)
    if match is None:
        raise NotCanonical(f"not a date and time: {text!r}")
    try:
        moment = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError as error:
        raise NotCanonical(f"no calendar has {text}: {error}") from None
    if moment < _EPOCH:
        raise NotCanonical(f"time {text} is before 1970")
    return (moment - _EPOCH) // timedelta(seconds=1)
