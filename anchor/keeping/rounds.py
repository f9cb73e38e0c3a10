"""Gives published checkpoints to one outside ledger, and stores the receipts that hold.

A task beside the log, which it never stops or slows: a ledger that hangs is cut off, one
that fails is tried again later. A row in anchor.db comes first, the receipt's file before the
row says that it is there; so a kill at any step loses no checkpoint, and what a ledger was
asked once it is asked again only with the ticket that it kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from anchor.account import LedgerAccount
from anchor.errors import AnchorError, DiskFailed, Malformed, Refused
from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.publisher import Clocks
from anchor.keeping.submissions import Submission, Submissions
from anchor.ledgers.ledger import Ledger, Stamp, Voucher
from telemetry.backoff import Backoff

SECOND = 1_000_000
_INTERRUPTED = Backoff(first=1.0, limit=60.0)
_log = structlog.get_logger("anchor")


@dataclass(frozen=True, slots=True)
class Outside:
    """A ledger as it is configured.

    `every` (seconds) is how far apart the checkpoints are that it is given, 0 for each one;
    `patience` (seconds) bounds one call. `again` says when to try after a failure, `look` when
    to ask for a receipt that is not there yet.
    """

    ledger: Ledger
    voucher: Voucher
    every: float = 0.0
    patience: float = 60.0
    again: Backoff = field(default_factory=lambda: Backoff(first=1.0, limit=600.0))
    look: Backoff = field(default_factory=lambda: Backoff(first=0.5, limit=300.0))


class Rounds:
    """One ledger's rounds over the checkpoints of a log; `wake` tells of a new one."""

    def __init__(
        self,
        outside: Outside,
        folder: LogFolder,
        db: AnchorDb,
        clocks: Clocks,
        account: LedgerAccount,
    ) -> None:
        self._outside = outside
        self._folder = folder
        self._db = db
        self._clocks = clocks
        self._account = account
        self._name = outside.ledger.name
        self._file = f"{outside.ledger.name}.{outside.ledger.kind}"
        self._rows = Submissions(db, self._name)
        self._news = asyncio.Event()
        # By checkpoint: when to look for its receipt again, and the delays that follow.
        self._looks: dict[bytes, tuple[float, Iterator[float]]] = {}
        self._delays: Iterator[float] | None = None
        self._not_before = 0.0
        self._begun = False

    def wake(self) -> None:
        """A checkpoint was published."""
        self._news.set()

    async def run(self) -> None:
        """Go on until cancelled; nothing ends it but a disk that failed."""
        delays = _INTERRUPTED.delays()
        while True:
            self._news.clear()
            wait = await self.once()
            if wait is None:
                wait = next(delays)
            else:
                delays = _INTERRUPTED.delays()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait)

    async def once(self) -> float | None:
        """One round, whatever happens in it; None where it was cut short, which is said.

        DiskFailed: nobody goes on after that.
        """
        try:
            return await self.round()
        except DiskFailed:
            raise
        except Exception as error:  # noqa: BLE001 - the log must go on whatever happens here
            self._account.failures += 1
            self._account.failure = f"{type(error).__name__}: {error}"
            _log.error("ledger-interrupted", ledger=self._name, reason=self._account.failure)
            return None

    async def round(self) -> float:
        """Take every checkpoint that is due a step further; seconds until the next is."""
        if not self._begun:
            # Whoever starts the anchor again may have put right why the newest was refused.
            await asyncio.to_thread(self._rows.again)
            self._begun = True
        wait = await asyncio.to_thread(self._begin)
        now = self._clocks.steady()
        if now < self._not_before:
            return min(wait, self._not_before - now)
        for row in await asyncio.to_thread(self._rows.pending):
            look, _ = self._looks.get(row.hash, (0.0, None))
            if look <= self._clocks.steady() and not await self._advance(row):
                break
        await asyncio.to_thread(self._note)
        return self._until(wait)

    def _until(self, wait: float) -> float:
        now = self._clocks.steady()
        if now < self._not_before:
            return self._not_before - now
        return max(0.0, min([wait, *(look - now for look, _ in self._looks.values())]))

    # -- what is due ------------------------------------------------------------------

    def _begin(self) -> float:
        """Make rows of the checkpoints that are due; seconds until the next one is."""
        newest, last = self._db.newest(), self._rows.last()
        forever = 3600.0
        if newest is None or (last is not None and last[0] == newest[0]):
            return forever
        if self._outside.every:
            counted, now = self._rows.last(but_refused=True), self._clocks.wall()
            due = counted[1] + int(self._outside.every * SECOND) if counted else now
            if counted is not None and counted[1] <= now < due:
                return min(forever, (due - now) / SECOND)
            found = [newest]
        elif last is None:
            # What was published before this ledger was named is under the newest.
            found = [newest]
        else:
            found = self._db.published_after(last[0]) or [newest]
        for note_hash, size in found:
            self._rows.begin(note_hash, size, self._clocks.wall())
            self._account.submitted += 1
        return min(forever, self._outside.every or forever)

    # -- one step ----------------------------------------------------------------------

    async def _advance(self, row: Submission) -> bool:
        """Take one checkpoint a step further; False when the ledger is to be left alone."""
        try:
            stamp = await asyncio.to_thread(self._stored, row)
            if stamp is None:
                stamp = await self._ask(row)
        except (Malformed, Refused) as error:
            await self._refuse(row, " ".join(str(error).split()))
        except TimeoutError:
            return await self._fail(row, f"no answer within {self._outside.patience:g} s")
        except DiskFailed:
            raise
        except (AnchorError, OSError) as error:
            return await self._fail(row, " ".join(str(error).split()))
        else:
            self._delays, self._account.failure = None, None
            if stamp is not None:
                await self._stamp(row, stamp)
            return True
        return False

    def _stored(self, row: Submission) -> Stamp | None:
        """A receipt that was stored just before a crash."""
        receipt = self._folder.receipt(row.hash, self._file)
        if receipt is None:
            return None
        return self._outside.voucher.check(self._folder.kept(row.hash), receipt)

    async def _ask(self, row: Submission) -> Stamp | None:
        note = await asyncio.to_thread(self._folder.kept, row.hash)
        async with asyncio.timeout(self._outside.patience):
            receipt = await self._outside.ledger.advance(note, row.ticket, self._keeper(row.hash))
        if receipt is None:
            _, delays = self._looks.get(row.hash, (0.0, self._outside.look.delays()))
            self._looks[row.hash] = self._clocks.steady() + next(delays), delays
            return None
        stamp = await asyncio.to_thread(self._outside.voucher.check, note, receipt)
        await asyncio.to_thread(self._folder.keep_receipt, row.hash, self._file, receipt)
        # Crash here: the next round finds the file, checks it and asks for nothing.
        return stamp

    def _keeper(self, note_hash: bytes) -> Callable[[bytes], Awaitable[None]]:
        async def keep(ticket: bytes) -> None:
            await asyncio.to_thread(self._rows.keep, note_hash, ticket, self._clocks.wall())

        return keep

    async def _stamp(self, row: Submission, stamp: Stamp) -> None:
        self._looks.pop(row.hash, None)
        # A time that the stamp cannot show yet is none.
        time = stamp.time if stamp.lacking is None else None
        await asyncio.to_thread(self._rows.stamped, row.hash, time, self._clocks.wall())
        self._account.stamped += 1
        _log.info("checkpoint-stamped", ledger=self._name, size=row.size, by=stamp.voucher)

    async def _fail(self, row: Submission, reason: str) -> bool:
        """The ledger cannot be had: leave it alone for a while, whatever waits for it."""
        await asyncio.to_thread(self._rows.fail, row.hash, reason, self._clocks.wall())
        _log.warning("ledger-failed", ledger=self._name, reason=reason, again_in=self._pause())
        self._account.failures += 1
        self._account.failure = reason
        return False

    async def _refuse(self, row: Submission, reason: str) -> None:
        """Never this one: the next checkpoint contains all that it did."""
        self._looks.pop(row.hash, None)
        await asyncio.to_thread(self._rows.refused, row.hash, reason, self._clocks.wall())
        _log.error("ledger-refused", ledger=self._name, size=row.size, reason=reason)
        self._pause()
        self._account.refused += 1
        self._account.failures += 1
        self._account.failure = reason

    def _pause(self) -> float:
        self._delays = self._delays or self._outside.again.delays()
        delay = next(self._delays)
        self._not_before = self._clocks.steady() + delay
        return round(delay, 1)

    def _note(self) -> None:
        state = self._rows.state()
        self._account.pending, self._account.newest = state.pending, state.newest
