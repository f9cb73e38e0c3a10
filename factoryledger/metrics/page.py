"""`/metrics`, `/healthz` and `/readyz` of a running command, over HTTP.

Edge: one small server in the command's own event loop, there before the command is ready and
gone with it. It changes nothing and asks for no password: keep it on a private address.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from factoryledger.metrics.spelling import Probe
from factoryledger.running import say


@asynccontextmanager
async def served(command: str, address: tuple[str, int], probe: Probe) -> AsyncIterator[None]:
    """Serve a command's metrics for as long as it runs, and say where."""
    with _listening(*address) as listener:
        config = uvicorn.Config(page(probe), log_config=None, access_log=False, lifespan="off")
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        host, port = listener.getsockname()[:2]
        say(f"{command}: metrics on http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def page(probe: Probe) -> Starlette:
    """Give the web application over one running command."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(probe))
    ProcessCollector(registry=registry)

    # Coroutines, so that they run in the loop that writes the counts, between two of its turns.
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        why = probe.impediment()
        return PlainTextResponse("ok\n") if why is None else PlainTextResponse(f"{why}\n", 503)

    routes = [Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)]
    return Starlette(routes=routes)


class _Families:
    """A probe as prometheus-client wants it."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def collect(self) -> Iterator[Metric]:
        return self._probe.families()


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
