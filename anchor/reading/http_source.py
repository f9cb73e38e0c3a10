"""A tiled log behind a web server that may stall, cut, be busy, or never end.

One connection, kept. A file that is not there is known at once; whatever else goes wrong on
the way is tried again a few times. Bounded in size and time; no redirect is followed.
"""

import asyncio
import os
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from anchor.errors import Malformed, Missing, Unreachable
from anchor.reading.log_source import MAX_FILE, FolderSource, published_in
from anchor.reading.unpacking import ACCEPTED, Unpacking
from telemetry.backoff import Backoff

_OK = 200
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    `silence` bounds the time until the next bytes, `whole` a file from the question to its
    last byte, both in seconds; `tries` is how often a file is asked for. A server that says
    when to come again is obeyed, up to `longest` seconds.
    """

    silence: float = 20.0
    whole: float = 120.0
    tries: int = 6
    longest: float = 60.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.2, limit=10.0, factor=3.0))


class _TryAgain(Exception):  # noqa: N818 - what to do
    """This answer is none; another time there may be one."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class HttpSource:
    """A log behind a web server; close it, or use it as a context manager.

    `url` is the log's prefix, `http://` or `https://`. Call it from where no event loop runs.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise Malformed(f"not the address of a log: {url!r}")
        self._prefix = url.rstrip("/") + "/"
        self._patience = patience or Patience()
        self._client = httpx.AsyncClient(
            timeout=self._patience.silence,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            transport=transport,
            trust_env=False,
            headers={"accept-encoding": ACCEPTED},
        )
        # A loop of its own: only there can a whole answer, headers and all, have a time limit.
        self._runner = asyncio.Runner()
        self._close = weakref.finalize(self, _close, self._runner, self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return self._prefix

    def close(self) -> None:
        """Close the connection."""
        self._close()

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """A file's bytes.

        Missing where the server says that it has none, Malformed beyond `limit` bytes,
        Unreachable where no whole answer came.
        """
        return self._runner.run(self._read(self._prefix + path, limit))

    def published(self, digest: bytes) -> bytes | None:
        """The checkpoint of this SHA-256 that the log kept, or None; unchecked."""
        return published_in(self, digest)

    def paths(self, under: str = "") -> Iterator[str] | None:  # noqa: ARG002  # the Protocol's
        """None: a web server does not list its files."""
        return None

    def names(self, under: str) -> list[str]:  # noqa: ARG002  # the Protocol's
        """Nothing: a web server does not list its files."""
        return []

    async def _read(self, address: str, limit: int) -> bytes:
        delays, reason, wait = self._patience.backoff.delays(), "", 0.0
        for attempt in range(self._patience.tries):
            if attempt:
                await asyncio.sleep(wait)
            try:
                async with asyncio.timeout(self._patience.whole):
                    return await self._ask(address, limit)
            except _TryAgain as error:
                reason, wait = str(error), max(error.after, next(delays))
            except TimeoutError:
                reason = f"no whole answer within {self._patience.whole:g} s"
                wait = next(delays)
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise Missing(f"{address} cannot be read: {error}") from error
            except httpx.HTTPError as error:
                reason, wait = f"{type(error).__name__} {error}".strip(), next(delays)
        raise Unreachable(f"{address} cannot be read, asked {self._patience.tries} times: {reason}")

    async def _ask(self, address: str, limit: int) -> bytes:
        async with self._client.stream("GET", address, follow_redirects=False) as answer:
            if answer.is_redirect:
                place = answer.headers.get("location", "")
                raise Missing(f"{address} redirects to {place!r}: give that address instead")
            if answer.status_code in _BUSY:
                raise _TryAgain(f"status {answer.status_code}", self._when(answer))
            if answer.status_code != _OK:
                raise Missing(f"{address} is not there: status {answer.status_code}")
            try:
                return await _bounded(answer, limit)
            except Malformed as error:
                raise Malformed(f"{address} {error}") from error

    def _when(self, answer: httpx.Response) -> float:
        """Seconds until the server wants to be asked again, as far as we go along with it."""
        said = answer.headers.get("retry-after", "")
        return min(float(said), self._patience.longest) if said.isdecimal() else 0.0


def _close(runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
    # Forgotten, it may be collected while some other loop runs, and none runs within another.
    with ThreadPoolExecutor(1) as beside:
        beside.submit(lambda: runner.run(client.aclose())).result()
        beside.submit(runner.close).result()


async def _bounded(answer: httpx.Response, limit: int) -> bytes:
    unpacking = Unpacking(answer.headers.get("content-encoding", "identity"), limit)
    async for part in answer.aiter_raw():
        unpacking.take(part)
    return unpacking.whole()


def open_source(
    place: str | os.PathLike[str], patience: Patience | None = None
) -> FolderSource | HttpSource:
    """The source for a folder's path or a log's address, as a person writes it."""
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        return HttpSource(place, patience=patience)
    return FolderSource(os.fspath(place))
