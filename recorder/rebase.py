"""Times inside of payloads, moved: bytes in, bytes out, all other bytes as they are. Pure."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

# A whole string of JSON that is an ISO 8601 time with a zone; others mean what nobody knows.
_TIME: Final = re.compile(
    rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?((?:Z|[+-]\d\d:?\d\d)")', re.ASCII
)
_MICRO_DIGITS: Final = 6


def moved(payload: bytes, delta: int) -> bytes:
    """Move every time in a JSON text by so many µs; each keeps its zone and its digits."""
    return _TIME.sub(_moved_by(delta), payload)


def _moved_by(delta: int) -> Callable[[re.Match[bytes]], bytes]:
    def one(match: re.Match[bytes]) -> bytes:
        digits = match[2] or b""
        micros = int(digits[:_MICRO_DIGITS].ljust(_MICRO_DIGITS, b"0"))
        try:
            moment = datetime.fromisoformat(match[1].decode("ascii"))
            moment += timedelta(microseconds=micros + delta)
        except (ValueError, OverflowError):
            return match[0]  # no calendar has it, before or after
        second, fraction = moment.isoformat(timespec="microseconds").encode("ascii").split(b".")
        shown = fraction[: len(digits)] + digits[_MICRO_DIGITS:]
        return b'"' + second + (b"." + shown if digits else b"") + match[3]

    return one
