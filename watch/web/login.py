"""Who may look: a password for a cookie. Sessions live in memory and end with the server.

Tries wait in line and a wrong one makes the next wait longer, whoever makes it: guessing does
not get quicker by many connections.
"""

import asyncio
import functools
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watch.web.answers import Done, Password
from watch.web.ports import Gate
from watch.web.says import fault, said

COOKIE: Final = "factoryledger"
_LASTS: Final = 12 * 3600.0
_MOST_SESSIONS: Final = 1000
_MOST_WAITING: Final = 8
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 8.0
_LONGEST_BODY: Final = 4096

Answer = Callable[[Request], Awaitable[Response]]
State = Literal["none", "needed", "done"]


class Login:
    """The gate's keeper; `clock` in seconds, `pause` waits so many."""

    def __init__(
        self,
        gate: Gate,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._pause = pause
        self._sessions: dict[str, float] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.wrong = 0
        self._in_a_row = 0

    def state(self, request: Request) -> State:
        """Whether this one has to log in, or has."""
        if not self._gate.closed:
            return "none"
        ends = self._sessions.get(request.cookies.get(COOKIE, ""))
        return "needed" if ends is None or ends < self._clock() else "done"

    def guarding(self, answer: Answer) -> Answer:
        """Let only those pass who have logged in, where that is needed."""

        @functools.wraps(answer)
        async def guarded(request: Request) -> Response:
            if self.state(request) == "needed":
                return fault(401, "a password is needed here", "POST it to /login")
            return await answer(request)

        return guarded

    async def enter(self, request: Request) -> Response:
        """`POST /login`."""
        given = await _password(request)
        if isinstance(given, Response):
            return given
        if not self._gate.closed:
            return said(Done())
        if self._waiting >= _MOST_WAITING:
            return fault(429, "too many try to log in", "wait a moment", {"retry-after": "10"})
        self._waiting += 1
        try:
            async with self._turn:
                right = await self._tried(given)
        finally:
            self._waiting -= 1
        if not right:
            return fault(401, "that is not the password", "it is in the file that the server names")
        answer = said(Done())
        answer.set_cookie(
            COOKIE,
            self._session(),
            max_age=int(_LASTS),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """`POST /logout`."""
        if not _is_ours(request):
            return fault(400, "this comes from another page", "log out on the page itself")
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        answer = said(Done())
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def _tried(self, password: str) -> bool:
        """Check it, after the pause that those before have earned."""
        if self._in_a_row:
            await self._pause(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._in_a_row - 1, 10)))
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(None, self._gate.check, password):
            self._in_a_row = 0
            return True
        self._in_a_row += 1
        self.wrong += 1
        return False

    def _session(self) -> str:
        now = self._clock()
        self._sessions = {name: ends for name, ends in self._sessions.items() if ends >= now}
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        token = secrets.token_urlsafe(32)
        self._sessions[token] = now + _LASTS
        return token


async def _password(request: Request) -> str | Response:
    """Read the body, JSON alone: no form of another page can send that unasked."""
    if not _is_ours(request):
        return fault(400, "this comes from another page", "log in on the page itself")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return fault(400, "the body is not JSON", 'send {"password": …} as application/json')
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            return fault(400, "the body is too long", 'send {"password": …}')
    try:
        return msgspec.json.decode(body, type=Password).password
    except (msgspec.DecodeError, UnicodeDecodeError):
        return fault(400, "the body is none that is known here", 'send {"password": …}')


def _is_ours(request: Request) -> bool:
    """Whether no browser says that another page asks."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    return (origin is None or origin.rpartition("//")[2] == request.headers.get("host")) and (
        site in {"same-origin", "none"}
    )
