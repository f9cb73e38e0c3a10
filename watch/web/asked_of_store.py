"""The addresses that ask store and log anew: readings, messages, proofs, the policy."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from watch.web import asked
from watch.web.says import said
from watch.web.service import Service

Answer = Callable[[Request], Awaitable[Response]]


def readings(service: Service) -> Answer:
    """Give a machine's readings, by time."""

    async def answer(request: Request) -> Response:
        wanted = asked.readings(request.query_params, service.clock())
        return said(await service.questions.ask(lambda: service.answering.readings(wanted)))

    return answer


def messages(service: Service) -> Answer:
    """Give messages, the newest first."""

    async def answer(request: Request) -> Response:
        wanted = asked.messages(request.query_params)
        return said(await service.questions.ask(lambda: service.answering.messages(wanted)))

    return answer


def corrections(service: Service) -> Answer:
    """Give what the operator said of stored messages, the newest first."""

    async def answer(request: Request) -> Response:
        device = asked.device(request.query_params)
        return said(await service.questions.ask(lambda: service.answering.corrections(device)))

    return answer


def proof(service: Service) -> Answer:
    """Give a message's proof as a file."""

    async def answer(request: Request) -> Response:
        named = asked.message(request.query_params)
        found = await service.proofs.ask(lambda: service.proving.proof(named))
        return Response(
            found.data,
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{found.name}"'},
        )

    return answer


def policy(service: Service) -> Answer:
    """Give the policy's text; whoever trusts it takes it from elsewhere."""

    async def answer(request: Request) -> Response:
        asked.nothing(request.query_params)
        found = await service.questions.ask(service.publishing.policy)
        return Response(found, media_type="text/plain; charset=utf-8")

    return answer
