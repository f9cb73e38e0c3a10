"""The collector's rounds of retention: asked for, signed, published, erased.

Edge of time and threads. Whatever touches the store runs in the ledger's one worker thread,
a piece at a time, so that batches go on in between; the anchor log is read beside it. A round
that fails is put off: retention is never a reason to stop storing.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from collector.errors import CollectorError
from collector.ledger import Ledger
from collector.patience import said
from collector.retention import Published, Retention, Sign

_log = structlog.get_logger(__name__)

_LOOK: Final = 5.0  # seconds between looks at the log while something waits for it

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long payloads are kept, and who says so.

    `ages` in microseconds by status; `every` is the seconds from one look to the next; `sign`
    writes the operator's word, `published` tells what of it the anchor log has published;
    `holds` says of which collectors' logs this installation may ask for erasures.
    """

    ages: dict[str, int]
    every: float
    sign: Sign
    published: Published
    holds: Callable[[str], bool] = lambda _: True


class Retaining:
    """Runs the rounds; `run` it beside the commits."""

    def __init__(
        self,
        retention: Retention,
        keeping: Keeping,
        ledger: Ledger,
        worker: ThreadPoolExecutor,
        now: Callable[[], int],
    ) -> None:
        self._retention = retention
        self._keeping = keeping
        self._ledger = ledger
        self._worker = worker
        self._now = now

    async def run(self, ending: asyncio.Event) -> None:
        """Go on until `ending` is set; it ends within a piece."""
        due = 0.0
        while not ending.is_set():
            now = asyncio.get_running_loop().time()
            asking = now >= due
            due = now + self._keeping.every if asking else due
            waits = await self._round(ending, asking=asking)
            pause = min(self._keeping.every, _LOOK) if waits else self._keeping.every
            try:
                await asyncio.wait_for(ending.wait(), pause)
            except TimeoutError:
                continue

    async def _round(self, ending: asyncio.Event, *, asking: bool) -> bool:
        """One round; whether something waits for the log, or was put off."""
        try:
            if asking:
                await self._in_worker(self._ask)
            else:
                await self._in_worker(self._ledger.refresh_keys)
            waiting = await self._in_worker(self._retention.waiting)
            if waiting:
                published = await asyncio.to_thread(self._keeping.published, waiting)
                self._retention.publish(published)
                # An auditor who read the log before finds the operator's word in the store.
                await self._in_worker(self._ledger.save_keys)
            while not ending.is_set() and await self._in_worker(self._retention.erase_some):
                pass
            return bool(await self._in_worker(self._retention.waiting))
        except (CollectorError, DBAPIError, OSError) as failure:
            why = str(failure) if isinstance(failure, CollectorError) else said(failure)
            _log.warning("retention put off", why=why)
            return True

    def _ask(self) -> None:
        # First what others have asked for: it need not be asked for again.
        self._ledger.refresh_keys()
        for wanted in self._retention.wanted(self._now()):
            self._keeping.sign(wanted)
            _log.info(
                "erasure asked for",
                collector=wanted.collector,
                first=wanted.first,
                last=wanted.last,
                statuses=",".join(wanted.statuses),
            )
        self._ledger.refresh_keys()

    async def _in_worker(self, step: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, step)
