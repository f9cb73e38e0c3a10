"""JSON (RFC 8259) that every reader takes for the same value, or an error.

Refused: a name twice in one object (compared after unescaping), U+0000 and lone surrogates,
more than 32 levels, numbers over 64 characters, integers beyond 64 bits, numbers that are
not finite, NaN. Python's json lets most of these through. Pure.
"""

import json
import math
import re
from collections import Counter
from typing import Any, Final, NoReturn

from telemetry.errors import NotStrictJson

MAX_DEPTH: Final = 32
MAX_NUMBER_LENGTH: Final = 64
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1

# A string, whole or cut off: one that is cut off must match too, or a search for the
# next one would start inside of it, again and again, in quadratic time.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS: Final = re.compile(r"[^\[\]{}]++")


def loads(text: str, *, max_depth: int = MAX_DEPTH, allow_nul: bool = False) -> Any:
    """Read one JSON value; NotStrictJson says why not.

    A `-0` comes back as the float -0.0, so that an integer is always its one literal.
    """
    # Before the parser, which would recurse as deep as the text says.
    _check_depth(text, max_depth)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"not JSON: {error}") from None
    # Only an escape can spell what UTF-8 cannot, or a NUL.
    if "\\u" in text:
        _check_strings(value, allow_nul=allow_nul)
    return value


def _check_depth(text: str, limit: int) -> None:
    if text.count("[") + text.count("{") <= limit:
        return
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", _STRING.sub("", text)):
        if bracket in "[{":
            depth += 1
            if depth > limit:
                raise NotStrictJson(f"nested more than {limit} deep")
        else:
            depth -= 1


def _check_strings(value: Any, *, allow_nul: bool) -> None:
    if isinstance(value, str):
        if "\0" in value and not allow_nul:
            raise NotStrictJson("a string holds U+0000")
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise NotStrictJson("a string holds a lone surrogate")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_strings(name, allow_nul=allow_nul)
            _check_strings(member, allow_nul=allow_nul)
    elif isinstance(value, list):
        for element in value:
            _check_strings(element, allow_nul=allow_nul)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # One look at each name: a message of 1 MiB holds 100,000 of them.
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise NotStrictJson(f"an object has two members {twice[:40]!r}")
    return members


def _check_length(literal: str) -> None:
    if len(literal) > MAX_NUMBER_LENGTH:
        raise NotStrictJson(f"a number of more than {MAX_NUMBER_LENGTH} characters")


def _integer(literal: str) -> int | float:
    _check_length(literal)
    if literal == "-0":
        return -0.0
    value = int(literal)
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise NotStrictJson(f"an integer beyond 64 bits: {literal}")
    return value


def _real(literal: str) -> float:
    _check_length(literal)
    value = float(literal)
    if not math.isfinite(value):
        raise NotStrictJson(f"a number that is not finite: {literal}")
    return value


def _constant(literal: str) -> NoReturn:
    raise NotStrictJson(f"{literal} is no JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
