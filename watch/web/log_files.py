"""The anchor log as any C2SP client reads it: `/checkpoint`, `/tile/…`, and what we keep beside.

Public, and the same for everyone. Full tiles never change; the checkpoint and what is partial
are asked for anew. Sources: C2SP tlog-tiles and tlog-checkpoint.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watch.web.ports import NotFound
from watch.web.service import Service

_FOREVER: Final = "public, max-age=31536000, immutable"
_SHORT: Final = "public, max-age=60"
_NEVER: Final = "no-cache"
_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"


def routes(service: Service) -> list[Route]:
    """Give the routes of the log's files."""

    async def answer(request: Request) -> Response:
        path = request.url.path.removeprefix("/")
        data = await service.questions.ask(lambda: service.publishing.read(path))
        if data is None:
            raise NotFound("the log has no such file", "see /checkpoint")
        headers = {
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
            "cache-control": _caching(path),
        }
        return Response(data, media_type=_type(path), headers=headers)

    paths = ("/checkpoint", "/tile/{path:path}", "/checkpoints/{path:path}")
    return [Route(path, answer, methods=["GET"]) for path in paths]


def _caching(path: str) -> str:
    if path == "checkpoint":
        return _NEVER
    return _SHORT if ".p/" in path else _FOREVER


def _type(path: str) -> str:
    return _BYTES if path.startswith("tile/") else _TEXT
