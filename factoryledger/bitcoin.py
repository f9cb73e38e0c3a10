"""OpenTimestamps as the ledgers file pins it: for who verifies, for who anchors, its headers."""

import asyncio
from collections.abc import Iterable

import httpx

from anchor.errors import Malformed, Refused
from anchor.ledgers.ots.asking import asked
from anchor.ledgers.ots.block import read_headers
from anchor.ledgers.ots.chain import HeaderSource
from anchor.ledgers.ots.ledger import OtsLedger
from anchor.ledgers.ots.voucher import OtsVoucher
from anchor.ledgers.ots.web import TIMEOUT, open_client
from factoryledger.errors import WrongUsage
from factoryledger.ledger_file import OtsPins


def ots_voucher(name: str, pins: OtsPins) -> OtsVoucher:
    """What checks receipts by the pinned headers, offline; WrongUsage where those do not hold."""
    if pins.headers is None:
        return OtsVoucher(name)
    try:
        return OtsVoucher(name, read_headers(pins.headers.read_bytes(), 1 << pins.work))
    except FileNotFoundError as error:
        raise WrongUsage(f"ledger {name}: {pins.headers}: no block headers there") from error
    except (Malformed, Refused) as error:
        raise WrongUsage(f"ledger {name}: {pins.headers}: {error}") from error


def ots_voucher_asking(voucher: OtsVoucher, pins: OtsPins, receipts: Iterable[bytes]) -> OtsVoucher:
    """The same, with a server's word on the blocks of these receipts; errors as for `asked`."""

    async def ask() -> OtsVoucher:
        async with open_client() as http:
            source = _source(pins, http)
            return voucher if source is None else await asked(voucher, source, receipts)

    return asyncio.run(ask())


def ots_ledger(name: str, pins: OtsPins, voucher: OtsVoucher) -> OtsLedger:
    """What gives to those calendars; WrongUsage where there are none, or of no use."""
    if not pins.calendars:
        raise WrongUsage(
            f"ledger {name}: no calendars; give --ledger {name}=URL, or write them down"
        )
    http, seconds = open_client(), min(TIMEOUT, pins.timeout / 4)
    try:
        source = _source(pins, http, seconds)
        return OtsLedger(
            name,
            pins.calendars,
            http,
            source=source,
            headers=voucher.headers,
            # One that is slow must not take the time of the whole call.
            seconds=seconds,
        )
    except Malformed as error:
        raise WrongUsage(f"ledger {name}: {error}") from error


def _source(
    pins: OtsPins, http: httpx.AsyncClient, seconds: float = TIMEOUT
) -> HeaderSource | None:
    """Who is asked for block headers: a node before an Esplora server; None where nobody is."""
    url = pins.node or pins.esplora
    if url is None:
        return None
    return HeaderSource(
        url, http, node=pins.node is not None, least_work=1 << pins.work, seconds=seconds
    )
