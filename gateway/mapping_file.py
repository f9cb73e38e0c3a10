"""Reading a mapping file: TOML in, a checked `Mapping` out, or what is wrong and where.

Every problem names the file and the line or the key, what is allowed there, and of a field that
there is not the one that was meant.
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import BadMapping
from gateway.mapping import Mapping
from telemetry.canonical import shown

LARGEST: Final = 1 << 20
_SHORT: Final = 60


def load_mapping(path: Path) -> Mapping:
    """Read the file; BadMapping."""
    try:
        with path.open("rb") as file:
            data = file.read(4 * LARGEST + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadMapping(f"{path}: {error}; allowed: a TOML file in UTF-8") from error
    return read_mapping(text, str(path))


def read_mapping(text: str, file: str) -> Mapping:
    """Read its text; BadMapping names all that is wrong with it."""
    if len(text) > LARGEST:
        raise BadMapping(f"{file}: {len(text)} characters; allowed: {LARGEST}")
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadMapping(f"{file}: {error}; allowed: TOML 1.0") from error
    try:
        return Mapping.model_validate(data)
    except ValidationError as error:
        told = [_problem(one) for one in error.errors(include_url=False)]
        raise BadMapping("; ".join(f"{file}: {one}" for one in dict.fromkeys(told))) from error


def _problem(found: ErrorDetails) -> str:
    loc, kind = found["loc"], found["type"]
    where = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in loc)
    where = where or "the file"
    if kind == "extra_forbidden":
        fields = _fields(loc[:-1])
        near = get_close_matches(str(loc[-1]), fields, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"{where}: no such field{meant}; allowed: {', '.join(fields)}"
    if kind == "missing":
        return f"{where}: is not there, and has to be"
    context = found.get("ctx", {})
    if kind == "value_error":
        said = str(context.get("error", found["msg"]))
        return said if where == "the file" else f"{where}: {said}{_given(found['input'])}"
    allowed = context.get("expected") or context.get("pattern")
    said = f"allowed: {allowed}" if allowed else found["msg"][0].lower() + found["msg"][1:]
    return f"{where}: {said}{_given(found['input'])}"


def _given(value: object) -> str:
    if isinstance(value, dict | list):
        return ""
    text = shown(value)
    if "://" in text and "@" in text:
        return ""  # a password may stand there
    return f", not {text if len(text) <= _SHORT else f'{text[: _SHORT - 3]}...'}"


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    """The fields that a table may have at this place, from the models' schema."""
    whole = Mapping.model_json_schema()
    node: dict[str, Any] = whole
    for part in loc:
        node = _resolved(whole, node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            more = node.get("additionalProperties")
            other = more if isinstance(more, dict) else {}
            node = node.get("properties", {}).get(part, other)
    return list(_resolved(whole, node).get("properties", ()))


def _resolved(whole: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node or "anyOf" in node:
        node = (
            whole["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node["anyOf"][0]
        )
    return node
