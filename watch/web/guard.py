"""What every request passes: whose name it asks for, and what browsers are told of the answer.

The Host header is checked so that no stranger's page, by a name that it points at this machine,
reads what is meant for this machine (DNS rebinding). Pure ASGI.
"""

import ipaddress
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watch.web.says import fault

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """Answers wrong names itself, and adds the headers to everything."""

    def __init__(self, app: ASGIApp, *, names: Collection[str], addresses: bool = False) -> None:
        """`names` are hosts that may be asked for; `addresses` lets any IP address pass too."""
        self._app = app
        self._names = {name.lower() for name in names}
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        asked = Headers(scope=scope).get("host", "")
        if self._may(asked):
            await self._app(scope, receive, sending)
            return
        answer = fault(
            400,
            f"this server is not called {asked[:100]!r}",
            "start it with --name NAME for each name that it is asked by",
        )
        await answer(scope, receive, sending)

    def _may(self, asked: str) -> bool:
        name = host_of(asked)
        if name in self._names:
            return True
        return self._addresses and is_address(name)


def host_of(asked: str) -> str:
    """Give the host of a Host header, without its port; "" where it is none."""
    if asked.startswith("["):
        name, bracket, rest = asked[1:].partition("]")
        return name.lower() if bracket and _is_port(rest) else ""
    name, colon, port = asked.partition(":")
    return name.lower() if not colon or port.isdecimal() else ""


def names_for(host: str, named: Collection[str] = ()) -> frozenset[str]:
    """Give the names that a server on this address answers to."""
    own = _LOOPBACK if is_loopback(host) else _LOOPBACK | {host.lower()}
    return own | {name.lower() for name in named}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def is_address(name: str) -> bool:
    """Whether it is an IP address, which no name server can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_port(rest: str) -> bool:
    return not rest or (rest.startswith(":") and rest[1:].isdecimal())
