"""Asks a time-stamp authority over HTTP (RFC 3161, section 3.4), and believes what holds.

An authority keeps nothing: the request, with its nonce, is kept before it is sent, so that
after a kill the very same one is sent again. The address may hold a key: what is said of
failures names its host alone.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from anchor.errors import Malformed, Missing, Refused
from anchor.ledgers.ledger import Keep
from anchor.ledgers.tsa.voucher import KIND, MAX_RESPONSE, NotGranted, TsaVoucher

_NONCE: Final = 32
_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"


@dataclass(slots=True)
class TsaLedger:
    """One authority by its URL; what it answers is checked by `voucher` at once."""

    url: str
    voucher: TsaVoucher
    http: httpx.AsyncClient
    kind: str = KIND

    @property
    def name(self) -> str:
        """The operator's name for it."""
        return self.voucher.name

    @property
    def _host(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    async def advance(self, note: bytes, ticket: bytes | None, keep: Keep) -> bytes:
        """Ask for a stamp; see `anchor.ledgers.ledger.Ledger.advance`."""
        if ticket is None:
            request = (
                TimestampRequestBuilder(nonce=True, cert_req=True)
                .data(note)
                .hash_algorithm(HashAlgorithm.SHA256)
                .build()
            )
            assert request.nonce is not None
            ticket = request.nonce.to_bytes(_NONCE, "big") + request.as_bytes()
            await keep(ticket)
        answer = await self._ask(ticket[_NONCE:])
        try:
            self.voucher.check_answer(note, answer, int.from_bytes(ticket[:_NONCE], "big"))
        except NotGranted as error:
            # Nothing in a hash is the authority's to dislike: later it may.
            raise Missing(f"{self._host}: {error}") from error
        except (Malformed, Refused) as error:
            raise Refused(f"{self._host} gave a stamp that is not kept: {error}") from error
        return answer

    async def aclose(self) -> None:
        """Let go of its connections."""
        await self.http.aclose()

    async def _ask(self, request: bytes) -> bytes:
        answer = b""
        try:
            async with self.http.stream(
                "POST", self.url, content=request, headers={"Content-Type": _QUERY}
            ) as response:
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                async for part in response.aiter_bytes():
                    answer += part
                    if len(answer) > MAX_RESPONSE:
                        raise Missing(f"{self._host} answers with more than {MAX_RESPONSE} bytes")
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Missing(f"{self._host} cannot be reached: {reason}") from error
        if response.status_code != httpx.codes.OK:
            raise Missing(f"{self._host} answers with HTTP status {response.status_code}")
        if kind != _REPLY:
            raise Missing(f"{self._host} answers with {kind or 'no type'}, which is no time stamp")
        return answer
