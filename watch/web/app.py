"""The web application: which address answers what."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from watch.web import api, asked_of_store, log_files, page, watching
from watch.web.guard import Guard, is_loopback, names_for
from watch.web.login import Login
from watch.web.ports import Away, Contradicted, NotFound, WrongValue
from watch.web.says import fault
from watch.web.service import Service

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Where:
    """The host that is bound, and further names that the server is asked by."""

    host: str = "127.0.0.1"
    names: Collection[str] = field(default=())


def web_app(service: Service, login: Login, where: Where) -> ASGIApp:
    """Give the application over one service."""

    def open_(path: str, answer: Answer) -> Route:
        return Route(path, answer, methods=["GET"])

    def shut(path: str, answer: Answer) -> Route:
        return Route(path, login.guarding(answer), methods=["GET"])

    routes = [
        *page.routes(),
        *log_files.routes(service),
        open_("/api/v1/openapi.json", api.document()),
        open_("/api/v1/status", api.status(service, login)),
        shut("/api/v1/machines", api.machines(service)),
        shut("/api/v1/machines/{device}", api.machine(service)),
        shut("/api/v1/alarms", api.alarms(service)),
        shut("/api/v1/pipeline", api.pipeline(service)),
        shut("/api/v1/log", api.log(service)),
        shut("/api/v1/devices", api.devices(service)),
        shut("/api/v1/readings", asked_of_store.readings(service)),
        shut("/api/v1/messages", asked_of_store.messages(service)),
        shut("/api/v1/corrections", asked_of_store.corrections(service)),
        shut("/api/v1/proof", asked_of_store.proof(service)),
        shut("/api/v1/policy", asked_of_store.policy(service)),
        shut("/api/v1/live", watching.live(service, login)),
        Route("/login", login.enter, methods=["POST"]),
        Route("/logout", login.leave, methods=["POST"]),
    ]
    # Around everything, what goes wrong in an answer included.
    return Guard(
        Starlette(routes=routes, exception_handlers=_HANDLERS),
        names=names_for(where.host, where.names),
        addresses=not is_loopback(where.host),
    )


async def _wrong(_request: Request, error: Exception) -> Response:
    return fault(400, str(error), getattr(error, "hint", ""))


async def _absent(_request: Request, error: Exception) -> Response:
    return fault(404, str(error), getattr(error, "hint", ""))


async def _contradicted(_request: Request, error: Exception) -> Response:
    return fault(409, str(error), getattr(error, "hint", ""))


async def _away(_request: Request, error: Exception) -> Response:
    return fault(503, str(error), "try again once it is there", {"retry-after": "2"})


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {
        404: f"there is nothing at {request.url.path[:100]!r}",
        405: f"{request.method} means nothing at {request.url.path[:100]!r}",
    }.get(error.status_code, str(error.detail))
    hint = "see /api/v1/openapi.json for what there is"
    headers = dict(error.headers) if error.headers else None
    return fault(error.status_code, what, hint, headers)


async def _fault(_request: Request, _error: Exception) -> Response:
    # The error goes on from here to the server, which logs it.
    return fault(500, "a fault of factoryledger", "report what the server's log says")


_HANDLERS = {
    WrongValue: _wrong,
    NotFound: _absent,
    Contradicted: _contradicted,
    Away: _away,
    HTTPException: _http,
    Exception: _fault,
}
