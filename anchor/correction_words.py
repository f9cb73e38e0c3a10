"""The words that a correction is made of: what people write, numbers, hashes, times.

Each is read back as it was written, or is Malformed. What nobody would see is refused. Pure.
"""

import json
import math
import re
from typing import Final

from anchor.errors import Malformed
from telemetry.canonical import quote, time_text, time_us
from telemetry.errors import NotCanonical

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NUMBER = re.compile(
    r"-?(?:0|[1-9][0-9]{0,38})(?:\.[0-9]{1,38})?(?:[eE][+-]?[0-9]{1,4})?", re.ASCII
)
_MAX_NUMBER: Final = 48
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# Controls, line ends, and what Unicode has every reader ignore (Default_Ignorable_Code_Point):
# text that would not be seen, or would turn its neighbours round. By ranges, not by this
# Python's tables: whoever reads must refuse the same.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def check_plain(text: str, what: str, most: int) -> None:
    """Malformed unless text is there, short enough, and wholly seen by whoever reads it.

    Refused are controls, line ends, marks that turn text round, invisible characters, and
    spaces at either end.
    """
    if not text.strip():
        raise Malformed(f"{what} is empty")
    if (hidden := _HIDDEN.search(text)) is not None:
        raise Malformed(f"{what} has a character that nobody would see: U+{ord(hidden[0]):04X}")
    if text != text.strip():
        raise Malformed(f"{what} begins or ends with a space")
    if len(text.encode()) > most:
        raise Malformed(f"{what} has {len(text.encode())} bytes; at most {most}")


def number_of(text: str, what: str) -> float:
    """Read a JSON number of bounded length; Malformed where it is none, or not finite."""
    if len(text) > _MAX_NUMBER or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise Malformed(f"{what} {text[:60]!r} is not a finite number as JSON writes it")
    return float(text)


def quoted(text: str, what: str) -> str:
    """A string as JSON escapes it, in ASCII; Malformed where it holds a lone surrogate."""
    try:
        return quote(text)
    except NotCanonical as error:
        raise Malformed(f"{what}: {error}") from error


def unquoted(text: str, what: str) -> str:
    """Read a quoted string; Malformed unless `quoted` writes it."""
    try:
        found = json.loads(text) if _QUOTED.fullmatch(text) else None
    except ValueError as error:
        raise Malformed(f"{what} is not a string as JSON escapes it: {error}") from error
    if not isinstance(found, str) or quoted(found, what) != text:
        raise Malformed(f"{what} is not a string in its one spelling, as JSON escapes it")
    return found


def is_hash(value: bytes) -> bool:
    """Whether these are the bytes of a SHA-256."""
    return len(value) == 32  # noqa: PLR2004 - SHA-256


def hash_of(text: str, what: str) -> bytes:
    """Read a SHA-256 as lower-case hexadecimal digits; Malformed otherwise."""
    if not _HASH.fullmatch(text):
        raise Malformed(f"{what} is not 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


def time_spelled(us: int) -> str:
    """Spell a time; Malformed outside of 1970 to 9999."""
    try:
        return time_text(us)
    except NotCanonical as error:
        raise Malformed(f"a correction's time: {error}") from error


def time_of(text: str) -> int:
    """Read a time in microseconds; Malformed for any other text."""
    try:
        return time_us(text)
    except NotCanonical as error:
        raise Malformed(f"a correction's time: {error}") from error


class Lines:
    """The lines of a text, taken one after the other by their first word."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._next = 0

    def word(self) -> str:
        """The next line, whole."""
        if self._next == len(self._lines):
            raise Malformed("a correction that ends too early")
        self._next += 1
        return self._lines[self._next - 1]

    def needed(self, name: str) -> str:
        """What stands behind this name on the next line; Malformed where it is another."""
        found, _, value = self.word().partition(" ")
        if found != name:
            raise Malformed(f"a correction's line {found[:40]!r} stands where {name} is due")
        return value

    def optional(self, name: str) -> str | None:
        """The same, or None where the next line is another."""
        if self._next < len(self._lines) and self._lines[self._next].startswith(f"{name} "):
            return self.needed(name)
        return None
