"""OpenTimestamps as a ledger: a checkpoint goes to calendars, and comes back with Bitcoin's word.

A receipt is a receipt only with a Bitcoin attestation, held to its block's header where a
source of headers is given; a calendar's promise is none. One calendar that is down, late or
lying stands in nobody's way, and is said.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

import httpx
import structlog

from anchor.errors import AnchorError, Malformed, Missing, Refused, Unreachable
from anchor.ledgers.ledger import Keep
from anchor.ledgers.ots.block import BlockHeader
from anchor.ledgers.ots.calendar import Calendar
from anchor.ledgers.ots.chain import HeaderSource
from anchor.ledgers.ots.file import OtsFile, Timestamp
from anchor.ledgers.ots.path import Path
from anchor.ledgers.ots.ticket import NONCE, Ticket
from anchor.ledgers.ots.voucher import KIND, OtsVoucher, attested
from anchor.ledgers.ots.web import TIMEOUT, place

PATIENCE = 3 * 86400
_log = structlog.get_logger("anchor.ledgers.ots")


class OtsLedger:
    """One or several calendars under one name; `http` is closed with it.

    `headers` and, for others, `source` give what attestations are held to; without them they
    are taken unseen, and a calendar that lies is found out by whoever verifies. What `source`
    gave is added to `headers`. `patience` is after how many seconds a promise is called late;
    a call takes twice `seconds` at most, and what `source` takes.
    """

    kind = KIND

    def __init__(  # noqa: PLR0913 - each is a choice of the operator or of a test
        self,
        name: str,
        calendars: Sequence[str],
        http: httpx.AsyncClient,
        *,
        source: HeaderSource | None = None,
        headers: dict[int, BlockHeader] | None = None,
        patience: float = PATIENCE,
        seconds: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if not calendars or len(set(calendars)) != len(calendars):
            raise Malformed(f"ledger {name} needs the addresses of calendars, each once")
        self.name = name
        self._calendars = [Calendar(address, http, seconds) for address in calendars]
        self._http, self._source, self._patience = http, source, patience
        self._clock, self._chance = clock, chance
        self._said: dict[str, str] = {}
        self._headers = {} if headers is None else headers

    async def advance(self, note: bytes, ticket: bytes | None, keep: Keep) -> bytes | None:
        """Take a checkpoint a step further, as `Ledger.advance` says.

        Missing while no calendar has taken it, or while none can be reached. Once one holds
        it, what a calendar answers falsely is said and asked again, and stops nothing.
        """
        if ticket is None:
            state = Ticket.begin(note, self._chance(NONCE), int(self._clock()))
            await keep(state.to_bytes())
        else:
            state = Ticket.from_bytes(ticket, note)
        failures: dict[str, AnchorError] = {}
        holders = [one for one in self._calendars if one.address in state.held]
        state = await self._submit(state, keep, failures)
        receipt = await self._collect(note, state, holders, failures)
        if receipt is None:
            self._late(state, failures)
        self._say(failures)
        away = all(isinstance(error, Unreachable) for error in failures.values())
        if receipt is None and (not state.held or (away and len(failures) == len(self._calendars))):
            raise Missing(f"ledger {self.name}: {'; '.join(map(str, failures.values()))}")
        return receipt

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _submit(self, state: Ticket, keep: Keep, failures: dict[str, AnchorError]) -> Ticket:
        """Ask every calendar that holds nothing yet; each answer is kept as it comes."""
        asked = [one for one in self._calendars if one.address not in state.held]
        answers = [asyncio.create_task(_answer(one, state.commitment)) for one in asked]
        try:
            for answer in asyncio.as_completed(answers):
                address, timestamp = await answer
                if isinstance(timestamp, Timestamp):
                    state = state.holding(address, timestamp)
                    await keep(state.to_bytes())
                else:
                    failures[address] = timestamp
        finally:
            for task in answers:
                task.cancel()
        return state

    async def _collect(
        self,
        note: bytes,
        state: Ticket,
        holders: Sequence[Calendar],
        failures: dict[str, AnchorError],
    ) -> bytes | None:
        """The receipt of all Bitcoin attestations that are there and hold."""
        rounds = await asyncio.gather(
            *(self._attested(note, state, one) for one in holders), return_exceptions=True
        )
        paths: list[Path] = []
        for calendar, found in zip(holders, rounds, strict=True):
            if isinstance(found, AnchorError):
                failures[calendar.address] = found
            elif isinstance(found, BaseException):
                raise found
            else:
                paths += found
        if not paths:
            return None
        return _file(state, paths)

    async def _attested(self, note: bytes, state: Ticket, calendar: Calendar) -> tuple[Path, ...]:
        """The Bitcoin paths that this calendar's promise has become, each held to its block."""
        timestamp = state.timestamp(calendar.address)
        upgraded = await calendar.upgrade(state.commitment, timestamp)
        paths = upgraded.after(*state.steps).bitcoin()
        if not paths:
            return ()
        receipt = _file(state, paths)
        claims = attested(note, receipt)
        headers = dict(self._headers)
        if self._source is not None:
            unknown = (claim.height for claim in claims if claim.height not in headers)
            headers.update(await self._source.headers(unknown))
        try:
            OtsVoucher(self.name, headers).check(note, receipt)
        except Refused as error:
            raise Refused(f"calendar {calendar.place} answers falsely: {error}") from error
        # Only now: a block that is gone again must not be remembered.
        self._headers.update(headers)
        return paths

    def _say(self, failures: dict[str, AnchorError]) -> None:
        """Each calendar's failure once, until it is another or gone."""
        now = {address: str(error) for address, error in failures.items()}
        for address, reason in now.items():
            if self._said.get(address) != reason:
                host = place(address)
                _log.warning("calendar-failed", ledger=self.name, calendar=host, reason=reason)
        self._said = now

    def _late(self, state: Ticket, failures: dict[str, AnchorError]) -> None:
        """Say that promises are not kept, once they are older than anybody's patience."""
        waited = self._clock() - state.since
        if waited <= self._patience:
            return
        for calendar in self._calendars:
            if calendar.address in state.held:
                late = Missing(
                    f"calendar {calendar.place} has not led a checkpoint to Bitcoin for "
                    f"{waited // 86400:.0f} days; it is asked again, another may be added"
                )
                failures.setdefault(calendar.address, late)


async def _answer(calendar: Calendar, commitment: bytes) -> tuple[str, Timestamp | AnchorError]:
    try:
        return calendar.address, await calendar.submit(commitment)
    except AnchorError as error:
        return calendar.address, error


def _file(state: Ticket, paths: Sequence[Path]) -> bytes:
    digest = bytes.fromhex(state.digest)
    data = OtsFile(digest, Timestamp.of(paths)).to_bytes()
    OtsFile.from_bytes(data)  # whoever verifies must be able to read it
    return data
