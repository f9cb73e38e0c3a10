"""The live collector: link to intake to ledger, acknowledged after commit.

Edge. The commit runs in a worker thread, one at a time, while the next batch gathers, so that
the network loop never waits for the disk (docs/decisions/commit-before-acknowledge.md).
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import structlog

from collector.account import Account, Moment
from collector.ahead import Ahead, Prepared
from collector.births import Births, rebirth_command
from collector.counting import Door
from collector.intake import Gathering, Intake
from collector.ledger import Ledger, Taken
from collector.limits import Gate, Limits
from collector.outgoing import Announcement, Outgoing
from collector.panel import Panel
from collector.patience import Patience
from collector.ports import AnchoredSize, Authority, IdentityFor, Requests
from collector.recorded_batches import COUNT
from collector.recorded_intake import RecordedIntake
from collector.resume import Opened, Resume
from collector.retaining import Keeping, Retaining
from collector.retention import Retention
from collector.stats import Stats
from collector.store import Store, open_store
from collector.store_reader import LedgerReader
from telemetry.link import Arrival, Link, Subscription
from telemetry.topic import collector_topic

_log = structlog.get_logger(__name__)

LinkFor = Callable[..., Link]
"""A `Link` with address and credentials filled in; the rest of its arguments are given here."""

FOR_EVER: Final = 0xFFFFFFFF
_RECEIPTS_EVERY = 0.25  # seconds between looks at what is due, where no commit comes
# One in the commit, two judged, the others to read on with while SQLite has let go of the
# interpreter: with half of them the network waits for the disk and the disk for the network.
_IN_FLIGHT_BATCHES = 8
_MAX_RECEIVE: Final = 0xFFFF


async def collect(  # noqa: PLR0913 - settings of one service, all by name
    *,
    store_url: str,
    link: LinkFor,
    filters: Sequence[str],
    identity_for: IdentityFor,
    authority: Authority,
    requests: Requests,
    stop: asyncio.Event,
    prefix: str = "",
    flush_count: int = 2000,
    flush_seconds: float = 0.25,
    anchored_within: float = 60.0,
    processes: int = 0,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    rebirth: bool = True,
    anchored_size: AnchoredSize | None = None,
    holds: Callable[[str], bool] = lambda _: True,
    keeping: Keeping | None = None,
    session_expiry: int = FOR_EVER,
    recorded_clock: bool = False,
    on_ready: Callable[[], None] | None = None,
    account: Account | None = None,
    last_tries: float = 10.0,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    now: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> Stats:
    """Collect until `stop` is set; then drain, commit, acknowledge and disconnect.

    `prefix` is where the collector's key entry is published; `anchored_within` (seconds) is
    what receipts promise; up to `processes` check signatures beside this one; what is over the
    `limits` is refused; with `rebirth`, Sparkplug nodes are asked for births that are missing;
    `keeping` says how long payloads are kept; the broker keeps what comes while the collector
    is away for `session_expiry` (seconds); with
    `recorded_clock`, receive times and batches are those of the recording that is replayed; an
    `account` is kept while it runs. Of the live collectors in the store it goes on with one
    whose key it `holds`. StoreLocked, StoreUnavailable and BrokerUnavailable at the start. A
    store that is away or full is waited out; CommitFailed where waiting cannot help, or when it
    is still away `last_tries` seconds after `stop`.
    """
    patience = Patience()
    with open_store(store_url, create=True) as store, ThreadPoolExecutor(1, "ledger") as worker:
        opened = Resume(
            store, identity_for, authority, requests, patience=patience, holds=holds
        ).live(new_id=new_id, anchored_size=anchored_size)
        opened.ledger.gate = gate = Gate(limits, time.monotonic)

        def give_up() -> None:
            patience.lose()
            store.interrupt()

        async with Panel(processes, opened.ledger.statements) as panel:
            service = Service(
                opened,
                link,
                worker,
                panel,
                gate,
                filters=filters,
                prefix=prefix,
                flush_count=flush_count,
                flush_seconds=flush_seconds,
                anchored_within=anchored_within,
                now=now,
                session_expiry=session_expiry,
                recorded_clock=recorded_clock,
                births=Births() if rebirth else None,
                account=Account() if account is None else account,
                give_up=give_up,
                last_tries=last_tries,
            )
            await service.run(stop, on_ready, _retaining(keeping, store, opened, worker, now))
    with LedgerReader(store_url) as reader:
        return reader.stats()


class Service:
    """The parts of one running collector, and who calls whom; `collect` puts them together."""

    def __init__(  # noqa: PLR0913 - settings of one service, all by name
        self,
        opened: Opened,
        link_for: LinkFor,
        worker: ThreadPoolExecutor,
        panel: Panel,
        gate: Gate,
        *,
        filters: Sequence[str],
        prefix: str,
        flush_count: int,
        flush_seconds: float,
        anchored_within: float,
        now: Callable[[], int],
        session_expiry: int,
        recorded_clock: bool,
        births: Births | None,
        account: Account,
        give_up: Callable[[], None],
        last_tries: float,
    ) -> None:
        self._births = births
        self._ledger: Ledger = opened.ledger
        self._worker = worker
        self._ending = asyncio.Event()
        self._anchored_within = int(anchored_within * 1_000_000)
        self._now = now
        self._link = link_for(
            client_id=f"factoryledger-collector-{opened.session}",
            subscriptions=[_subscription(pattern) for pattern in filters],
            on_arrivals=self._arrived,
            on_connected=self._connected,
            clean_start=False,
            session_expiry=session_expiry,
            receive_maximum=min(
                _IN_FLIGHT_BATCHES * (COUNT if recorded_clock else flush_count), _MAX_RECEIVE
            ),
        )
        self._outgoing = Outgoing(self._link)
        key_topic = collector_topic(prefix, opened.ledger.head.collector)
        self._announced = Announcement(self._outgoing, key_topic, opened.key_entry)
        pause, resume = self._link.pause_reading, self._link.resume_reading
        self._intake: Gathering = (
            RecordedIntake(now=now, pause=pause, resume=resume)
            if recorded_clock
            else Intake(
                count=flush_count, seconds=flush_seconds, now=now, pause=pause, resume=resume
            )
        )
        self._ahead = Ahead(self._intake, panel.judge, gate.bars)
        self._give_up = give_up
        self._last_tries = last_tries
        self._account = account
        account.look = self._look

    async def run(
        self,
        stop: asyncio.Event,
        on_ready: Callable[[], None] | None,
        retaining: Retaining | None,
    ) -> None:
        """Collect until `stop`, or until the link or the store gives up."""
        # Before the link: a broker that has kept much for us sends it before it answers the
        # subscriptions, and we would not read on to that answer with our hands full.
        flushing = asyncio.create_task(self._flush())
        try:
            async with self._link:
                _log.info("collector ready", collector=self._ledger.head.collector)
                if on_ready is not None:
                    on_ready()
                async with _beside(retaining, self._ending):
                    await self._until(stop, flushing)
        finally:
            self._intake.close()
            await flushing
        _log.info("collector stopped", collector=self._ledger.head.collector)

    async def _until(self, stop: asyncio.Event, flushing: asyncio.Task[None]) -> None:
        """Wait for the end; then commit what has arrived, while it can be acknowledged."""
        watching = asyncio.create_task(self._link.run_until(stop))
        pacing = asyncio.create_task(self._pace())
        try:
            await asyncio.wait((flushing, watching, pacing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when cancelled, and when the link gave up.
            self._intake.close()
            self._ending.set()
            # A store that is away may take its time, but not a stop.
            giving_up = asyncio.get_running_loop().call_later(self._last_tries, self._give_up)
            try:
                await flushing
                await pacing
                await self._tell_the_rest()
                survey = partial(self._ledger.survey, everything=True)
                await asyncio.get_running_loop().run_in_executor(self._worker, survey)
            finally:
                giving_up.cancel()
                given_up = watching.done()
                watching.cancel()
                pacing.cancel()
                # What either failed of is told here or nowhere, whatever else is failing.
                await asyncio.gather(watching, pacing, return_exceptions=True)
        if given_up:
            watching.result()

    async def _flush(self) -> None:
        preparing = asyncio.create_task(self._ahead.run())
        try:
            await self._commit_all()
            await preparing
        finally:
            preparing.cancel()

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while (batch := await self._ahead.next()) is not None:
            begun = time.monotonic()
            self._account.begin(len(batch.arrivals), begun)
            taken = await loop.run_in_executor(self._worker, self._take, batch)
            # Committed. Not a line earlier: an acknowledged message is gone from the broker.
            self._link.acknowledge(batch.arrivals)
            self._account.settle(taken, seconds=time.monotonic() - begun, now=self._now())
            await self._tell(self._ledger.receipts)
            if self._births is not None:
                self._births.hear([one.topic for one in batch.arrived], time.monotonic())
            if taken.refused:
                _log.error("messages refused: `stats --refused` shows why", count=taken.refused)

    async def _pace(self) -> None:
        """Send the receipts that fall due while no commit comes."""
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_RECEIPTS_EVERY):
                    await self._ending.wait()
            self._announced.look()
            await self._tell(self._ledger.receipts)
            self._ask_for_births()
            if self._ledger.restless:
                await asyncio.get_running_loop().run_in_executor(self._worker, self._ledger.survey)
                self._account.standing = self._ledger.standing

    def _ask_for_births(self) -> None:
        """Ask the Sparkplug nodes whose births are missing; at QoS 0, as Sparkplug has it."""
        if self._births is not None and self._outgoing.room:
            for topic in self._births.due(time.monotonic()):
                _log.info("births asked for", node=topic.node, group=topic.group)
                self._outgoing.post(str(topic), rebirth_command(self._now() // 1000), qos=0)

    async def _tell(self, receipts: Callable[[int], Sequence[tuple[str, bytes]]]) -> None:
        """Publish what is due; in the worker thread, as signing takes its time."""
        if self._ledger.owes and (room := self._outgoing.room):
            loop = asyncio.get_running_loop()
            for topic, payload in await loop.run_in_executor(self._worker, receipts, room):
                self._outgoing.post(topic, payload)
                self._account.receipts += 1

    async def _tell_the_rest(self) -> None:
        """Receipt all that is committed, as long as the broker takes it."""
        while self._ledger.owes and self._outgoing.room:
            await self._tell(self._ledger.last_receipts)
            await self._outgoing.settle()
        await self._outgoing.settle()

    def _take(self, batch: Prepared) -> Taken:
        """Commit a batch; in the worker thread."""
        # Before any of it is judged: what was revoked before a message came counts for it.
        self._ledger.refresh_keys()
        anchored_by = self._now() + self._anchored_within
        return self._ledger.take(
            batch.arrived, batch.door, ahead=batch.ahead, anchored_by=anchored_by
        )

    def _arrived(self, arrivals: list[Arrival]) -> None:
        self._intake.arrived(arrivals)

    def _look(self) -> Moment:
        intake = self._intake
        return Moment(
            door=Door(intake.door.received, intake.door.in_flight + self._ahead.messages),
            waiting_bytes=intake.waiting_bytes,
            paused=intake.paused,
            connected=self._link.connected,
            unanswered=self._outgoing.unanswered,
        )

    def _connected(self, session_present: bool) -> None:
        if self._account.connections and not session_present:
            self._account.sessions_lost += 1
            _log.warning("the broker has lost this session: what it held for us is gone")
        self._account.connections += 1
        _log.info("connected", session_present=session_present)
        self._announced.publish()


def _retaining(
    keeping: Keeping | None,
    store: Store,
    opened: Opened,
    worker: ThreadPoolExecutor,
    now: Callable[[], int],
) -> Retaining | None:
    if keeping is None:
        return None
    retention = Retention(store, keeping.ages, opened.ledger.statements, holds=keeping.holds)
    return Retaining(retention, keeping, opened.ledger, worker, now)


@asynccontextmanager
async def _beside(retaining: Retaining | None, ending: asyncio.Event) -> AsyncIterator[None]:
    """Let retention run meanwhile; whatever ends the rest ends it."""
    if retaining is None:
        yield
        return
    task = asyncio.create_task(retaining.run(ending))
    try:
        yield
    finally:
        ending.set()
        await task


def _subscription(pattern: str) -> Subscription:
    """Not our own words, retained ones only for a new subscription (MQTT 5 section 3.8.3.1)."""
    # No Local on a shared subscription is a protocol error.
    shared = pattern.startswith("$share/")
    return Subscription(pattern, qos=1, no_local=not shared, retain_handling=1)
