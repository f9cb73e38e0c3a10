"""Answers as HTTP has them: JSON, and errors that say what is wrong and what to try."""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from watch.web.answers import Error, Fault

JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder()


def said(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(_ENCODER.encode(value), status, headers, JSON)


def fault(
    status: int, what: str, hint: str = "", headers: dict[str, str] | None = None
) -> Response:
    """Answer with an error."""
    return said(Error(Fault(what, hint)), status, headers)
