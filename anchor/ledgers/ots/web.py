"""Small questions to calendars and to whoever serves block headers, bounded in size and time.

https, or http on this machine; no redirect is followed, nothing packed is taken. An address may
hold a key in its path: its host alone is said.
"""

import asyncio
import ipaddress
import re
from urllib.parse import urlsplit

import httpx

from anchor.errors import Malformed, Refused, Unreachable

MAX_ANSWER = 10_000
TIMEOUT = 15.0
_HOST = re.compile(r"[A-Za-z0-9.-]+|::1")
_UNPRINTABLE = re.compile(r"[^A-Za-z0-9#.,:;/ -]")


def checked_address(address: str, what: str) -> str:
    """The address without its last slash; Malformed unless https, or http on loopback."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise Malformed(f"the address of {what} is none") from error
    host = f"{url.scheme}://{url.host}"
    if url.query or url.fragment or url.userinfo or not _HOST.fullmatch(url.host):
        raise Malformed(f"the address of {what} is scheme, host and path only: {host[:80]!r}")
    if url.scheme != "https" and not (url.scheme == "http" and _is_here(url.host)):
        raise Malformed(f"the address of {what} must be https, or http on this machine: {host}")
    return address.rstrip("/")


def place(address: str) -> str:
    """What may be said of an address: its scheme, host and port."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client for `ask`."""
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=False,
        headers={"accept-encoding": "identity", "user-agent": "factoryledger"},
    )


async def ask(  # noqa: PLR0913 - what is asked, of whom, within what
    client: httpx.AsyncClient,
    url: str,
    who: str,
    *,
    body: bytes | None = None,
    limit: int = MAX_ANSWER,
    seconds: float = TIMEOUT,
) -> tuple[int, bytes]:
    """Status and body of one GET, or POST where there is a `body`.

    Unreachable when no whole answer comes within `seconds`, Refused when it is longer than
    `limit` bytes or packed; `who` is named in both.
    """
    headers = {"accept": "application/vnd.opentimestamps.v1"} if limit == MAX_ANSWER else {}
    method = "GET" if body is None else "POST"
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream(method, url, content=body, headers=headers, timeout=seconds) as answer,
        ):
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise Refused(f"{who} answers packed, which was not asked for")
            read = bytearray()
            async for part in answer.aiter_raw():
                read += part
                if len(read) > limit:
                    raise Refused(f"{who} answers with more than {limit} bytes")
            return answer.status_code, bytes(read)
    except TimeoutError as error:
        raise Unreachable(f"{who} gave no whole answer within {seconds:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{who} does not answer: {str(error) or type(error).__name__}") from error


def said(body: bytes, address: str) -> str:
    """The beginning of what a server said, fit for one line, nothing of its address' path in it."""
    text = body.decode("ascii", errors="replace").strip()
    for part in filter(None, urlsplit(address).path.split("/")):
        text = text.replace(part, "_")
    return _UNPRINTABLE.sub("_", text[:160])
