"""One OpenTimestamps calendar: a commitment goes to it, and its way to Bitcoin comes back.

What it answers is parsed strictly, and only addresses of its own or of the calendars that the
stock client knows are asked for more: an answer must not send us anywhere it likes.
"""

import asyncio
from urllib.parse import urlsplit

import httpx

from anchor.errors import AnchorError, Malformed, Missing, Refused, Unreachable
from anchor.ledgers.ots.file import Timestamp
from anchor.ledgers.ots.path import Path
from anchor.ledgers.ots.web import TIMEOUT, ask, checked_address, place, said

KNOWN = (
    ".calendar.opentimestamps.org",
    ".calendar.eternitywall.com",
    ".calendar.catallaxy.com",
)
"""What the hosts of calendars end in that a pool may hand a commitment on to, by https."""

MAX_HANDOVERS = 8
_OK, _NOT_FOUND = 200, 404


class Calendar:
    """A calendar or a pool of them at one address, https or http on loopback."""

    def __init__(self, address: str, http: httpx.AsyncClient, seconds: float = TIMEOUT) -> None:
        self.address = checked_address(address, "a calendar")
        self.place = place(self.address)
        self._http, self._seconds = http, seconds

    async def submit(self, commitment: bytes) -> Timestamp:
        """What it promises, or attests, of these 32 bytes.

        Unreachable if it gives no answer, Missing if it takes nothing now, Refused or
        Malformed for an answer that is of no use.
        """
        who = f"calendar {self.place}"
        url = f"{self.address}/digest"
        status, body = await ask(self._http, url, who, body=commitment, seconds=self._seconds)
        if status != _OK:
            raise Missing(f"{who} takes nothing: status {status}, {said(body, self.address)}")
        timestamp = _read(body, commitment, who)
        promises = timestamp.pending()
        if not promises and not timestamp.bitcoin():
            raise Refused(f"{who} promises nothing that leads to Bitcoin")
        for path in promises:
            self._allowed(path)
        return timestamp

    async def upgrade(self, commitment: bytes, timestamp: Timestamp) -> Timestamp:
        """The timestamp with what the promises in it have become by now.

        A promise that is not kept yet stays. Errors as for `submit`, if nothing at all came
        of it; all questions together have the time of one.
        """
        paths, failures = list(timestamp.paths), list[AnchorError]()
        end = asyncio.get_running_loop().time() + self._seconds
        for path in timestamp.pending()[:MAX_HANDOVERS]:
            try:
                async with asyncio.timeout_at(end):
                    more = await self._asked(path, commitment)
            except TimeoutError:
                failures.append(_late(self.place, self._seconds))
                break
            except AnchorError as error:
                failures.append(error)
                continue
            if more is not None:
                paths.remove(path)
                paths += more.after(*path.operations).paths
        upgraded = Timestamp.of(paths)
        if failures and upgraded == timestamp:
            raise failures[0]
        return upgraded

    async def _asked(self, path: Path, commitment: bytes) -> Timestamp | None:
        address = self._allowed(path)
        who = f"calendar {place(address)}"
        message = path.end(commitment)
        if message is None:
            raise Refused(f"{who} promises something that is not computed here")
        url = f"{address}/timestamp/{message.hex()}"
        status, body = await ask(self._http, url, who, seconds=self._seconds)
        if status == _NOT_FOUND:
            return None
        if status != _OK:
            raise Missing(
                f"{who} says nothing of what it has: status {status}, {said(body, address)}"
            )
        return _read(body, message, who)

    def _allowed(self, path: Path) -> str:
        address = path.attestation.address.rstrip("/")
        if address == self.address:
            return address
        url = urlsplit(address)
        if url.scheme == "https" and (url.hostname or "").endswith(KNOWN):
            return checked_address(address, "a calendar")
        raise Refused(
            f"calendar {self.place} hands over to {place(address)!r}, which is neither itself nor "
            "a calendar that OpenTimestamps' own client knows: name that one instead"
        )


def _late(host: str, seconds: float) -> Unreachable:
    return Unreachable(f"calendar {host} gave no whole answer within {seconds:g} s")


def _read(body: bytes, message: bytes, who: str) -> Timestamp:
    try:
        return Timestamp.from_bytes(body, len(message))
    except Malformed as error:
        raise Malformed(f"{who} answers with what is no timestamp: {error}") from error
