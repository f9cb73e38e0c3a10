"""The addresses that answer from what is known already: floor, pipeline, log, keys."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from telemetry.canonical import time_text
from watch.web import asked, openapi, spoken
from watch.web.answers import Status
from watch.web.login import Login
from watch.web.ports import Away, NotFound
from watch.web.says import JSON, said
from watch.web.service import Service
from watch.web.stored import Devices

Answer = Callable[[Request], Awaitable[Response]]


def document() -> Answer:
    """Give the OpenAPI document."""
    written = msgspec.json.encode(openapi.document())

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        return Response(written, media_type=JSON)

    return answer


def status_of(service: Service, login: str) -> Status:
    """Say what can be had."""
    why = dict(service.seen.why)
    if not service.ear.live:
        why["live"] = service.ear.why
    return Status(
        name=service.about.name,
        origin=service.about.origin,
        live=service.ear.live,
        store=service.seen.pipeline is not None and "store" not in why,
        log=service.seen.log is not None and "log" not in why,
        version=service.about.version,
        login=login,  # type: ignore[arg-type]  # Login says one of the three
        time=time_text(service.clock()),
        not_shown=service.floor.not_shown,
        why=why,
    )


def status(service: Service, login: Login) -> Answer:
    """Say what can be had; of nobody a password is asked for it, and no reasons are told."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        found = status_of(service, login.state(request))
        if found.login == "needed":
            found = msgspec.structs.replace(found, why={}, not_shown=0)
        return said(found)

    return answer


def machines(service: Service) -> Answer:
    """Give every machine."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        floor = service.floor
        return said(spoken.machines(floor.machines.values(), service.clock(), floor.not_shown))

    return answer


def machine(service: Service) -> Answer:
    """Give one, whole."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        name = request.path_params["device"]
        found = service.floor.machines.get(name)
        if found is None:
            raise NotFound(f"no machine {name[:64]!r} was heard", "see /api/v1/machines")
        return said(spoken.whole(found, service.clock()))

    return answer


def alarms(service: Service) -> Answer:
    """Give alarms, and the store's gaps."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        return said(spoken.alarms(service.floor, service.seen.gaps))

    return answer


def pipeline(service: Service) -> Answer:
    """Give the collector's numbers."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        found = service.seen.pipeline
        if found is None:
            raise Away(service.seen.why.get("store", "the store was not looked at yet"))
        return said(found)

    return answer


def log(service: Service) -> Answer:
    """Give the anchor log."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        found = service.seen.log
        if found is None:
            raise Away(service.seen.why.get("log", "nothing is anchored yet: has an anchor run?"))
        return said(found)

    return answer


def devices(service: Service) -> Answer:
    """Give the keys that the log brings."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        if service.seen.log is None:
            raise Away(service.seen.why.get("log", "nothing is anchored yet: has an anchor run?"))
        return said(Devices(service.seen.devices))

    return answer
