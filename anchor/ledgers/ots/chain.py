"""Where headers of Bitcoin blocks come from: a node's REST interface, or an Esplora server.

A server's word is held to the header's own work and to the hash that the server names for its
height; which chain has most work is the server's word, so ask one's own node where it matters.
Source: Bitcoin Core doc/REST-interface.md; Blockstream esplora API.md.
"""

import asyncio
import re
from collections.abc import Iterable

import httpx

from anchor.errors import Malformed, Missing, Refused, Unreachable
from anchor.ledgers.ots.block import LEAST_WORK, BlockHeader
from anchor.ledgers.ots.web import TIMEOUT, ask, checked_address, place, said

_OK = 200
_MAX_TEXT = 200
_HASH = re.compile(r"[0-9a-f]{64}")
ESPLORA = ("{at}/block-height/{height}", "{at}/block/{hash}/header")
NODE = ("{at}/rest/blockhashbyheight/{height}.hex", "{at}/rest/headers/1/{hash}.hex")


class HeaderSource:
    """Headers by height from a server; `node` says that it is Bitcoin Core with `-rest`."""

    def __init__(
        self,
        address: str,
        http: httpx.AsyncClient,
        *,
        node: bool = False,
        least_work: int = LEAST_WORK,
        seconds: float = TIMEOUT,
    ) -> None:
        self._at = checked_address(address, "a source of Bitcoin headers")
        self._host = place(self._at)
        self._http, self._urls = http, NODE if node else ESPLORA
        self._least_work, self._seconds = least_work, seconds

    async def header(self, height: int) -> BlockHeader:
        """The header of this height.

        Missing when it is not there, Unreachable when no answer comes, Malformed or Refused
        when what comes is no header, is not the one that was named, or not worth its work.
        """
        by_height, by_hash = self._urls
        named = await self._text(by_height.format(at=self._at, height=height), height)
        if not _HASH.fullmatch(named):
            raise Malformed(f"{self._host} names no hash for Bitcoin block {height}")
        text = await self._text(by_hash.format(at=self._at, hash=named), height)
        header = BlockHeader.from_hex(text, self._least_work)
        if header.hash != named:
            raise Refused(f"{self._host} gives another header than the one of {named}")
        return header

    async def headers(self, heights: Iterable[int]) -> dict[int, BlockHeader]:
        """The headers of these heights, one after the other; errors as for `header`."""
        try:
            async with asyncio.timeout(self._seconds):
                return {height: await self.header(height) for height in sorted(set(heights))}
        except TimeoutError as error:
            raise Unreachable(f"{self._host} gave no headers within {self._seconds:g} s") from error

    async def _text(self, url: str, height: int) -> str:
        status, body = await ask(
            self._http, url, self._host, limit=_MAX_TEXT, seconds=self._seconds
        )
        if status != _OK:
            what = said(body, self._at)
            raise Missing(f"{self._host} has no Bitcoin block {height}: status {status}, {what}")
        return body.decode("ascii", errors="replace").strip()
