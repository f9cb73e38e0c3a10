"""JSON Pointer (RFC 6901): the way to one value of a JSON text. Pure."""

import re
from typing import Any, Final

_INDEX: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_WRONG: Final = re.compile(r"~(?![01])")

ABSENT: Final = object()
"""Nothing is there."""


def steps(pointer: str) -> tuple[str, ...]:
    """Cut a pointer into its reference tokens; ValueError where it is none."""
    if pointer and not pointer.startswith("/"):
        raise ValueError("a JSON pointer starts with / (RFC 6901), or is empty for the whole")
    if _WRONG.search(pointer):
        raise ValueError("in a JSON pointer ~ is written ~0, and / in a name ~1")
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:])


def find(document: Any, way: tuple[str, ...]) -> Any:
    """Give the value at the end of the way; ABSENT where there is none."""
    for step in way:
        if isinstance(document, dict):
            document = document.get(step, ABSENT)
        elif isinstance(document, list) and _INDEX.fullmatch(step) and len(step) < 10:  # noqa: PLR2004
            document = document[int(step)] if int(step) < len(document) else ABSENT
        else:
            return ABSENT
    return document
