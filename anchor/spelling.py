"""The one spelling of base64 and decimal numbers inside notes, proofs and policies.

Wraps the ground's rules so that every refusal is a `Malformed` that says which part it was.
"""

import re

from anchor.errors import Malformed
from telemetry.canonical import unb64
from telemetry.errors import NotCanonical

MAX_NUMBER = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def octets(text: str, what: str, length: int | None = None) -> bytes:
    """Decode canonical base64 (RFC 4648 section 4); Malformed names `what` it should have been."""
    try:
        return unb64(text, length)
    except NotCanonical as error:
        message = f"{what} is not canonical base64"
        if length is not None:
            message += f" of {length} bytes"
        raise Malformed(f"{message}: {error}") from error


def number(text: str, what: str) -> int:
    """Read an ASCII decimal from 0 to 2**63-1 without leading zeros; Malformed otherwise."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_NUMBER:
        raise Malformed(
            f"{what} is not a decimal from 0 to 2^63-1 without leading zeros: {text[:40]!r}"
        )
    return int(text)


def decoded(data: bytes, what: str) -> str:
    """Decode UTF-8 strictly; Malformed names `what` it should have been."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from error
