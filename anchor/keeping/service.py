"""The anchor and the witness as long-running services.

Here the clock, sockets and processes come in; the rules are in the modules it wires.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from anchor.account import AnchorAccount, LedgerAccount, WitnessAccount
from anchor.errors import AnchorError, DiskFailed, Malformed, Missing
from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.durable import Durable, held
from anchor.keeping.impatient import SECONDS, Door
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.publisher import Announce, Clocks, Publisher
from anchor.keeping.rounds import Outside, Rounds
from anchor.keeping.tail import Refusal, Requests, Tail
from anchor.keeping.witness import Limits, create_app
from anchor.keeping.witness_client import WitnessClient
from anchor.keeping.witness_db import WitnessState
from anchor.keeping.witness_mark import WitnessMark, keys_that_remember
from anchor.keeping.writer import Writer
from anchor.key_entry import OperatorAuthority
from anchor.note import SignerKey, VerifierKey
from anchor.policy import Policy
from anchor.ports import Batches
from anchor.schedule import Schedule
from telemetry.backoff import Backoff

_TRIES_ONCE = 4
MOST_CLIENTS = 1000
_log = structlog.get_logger("anchor")


async def run_anchor(  # noqa: PLR0913 - the roof names every part that it wires
    *,
    batches: Batches,
    requests: Requests,
    folder: Path,
    db: Path,
    key: SignerKey,
    policy: Policy,
    stop: asyncio.Event,
    every: float = 1.0,
    every_batches: int = 0,
    once: bool = False,
    publish: Announce | None = None,
    on_ready: Callable[[], None] | None = None,
    durable: Durable | None = None,
    http: httpx.AsyncClient | None = None,
    account: AnchorAccount | None = None,
    on_published: Callable[[], None] | None = None,
    ledgers: Sequence[Outside] = (),
) -> None:
    """Append what collectors committed and operators requested; publish cosigned checkpoints.

    Runs until `stop` is set, or with `once` until nothing is left to do; looks again after
    `every` seconds when there was nothing, or as soon as `every_batches` wait. `publish` is
    told of every published checkpoint, after a start of the last one again; `on_published` is
    called in a thread, once it is so. `ledgers` are given the published checkpoints, each by a
    task of its own; with `once` each is asked once, at the end.
    An `account` is kept while it runs. Errors: Locked when another anchor writes the log,
    Diverged when an older copy of it would fork, Malformed for a policy of another log,
    Missing with `once` when a quorum cannot be had.
    """
    authority = OperatorAuthority(_operator(policy, key))
    async with AsyncExitStack() as stack:
        log = LogFolder(folder, durable)
        stack.enter_context(log.lock())
        database = AnchorDb(db, key.name, durable)
        stack.callback(database.close)
        if http is None:
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=5.0))
        writer = Writer(log, database, key, policy.former)
        clients = [
            WitnessClient(
                witness=witness, log=key.verifier, tree=writer, http=http, former=policy.former
            )
            for witness in policy.witnesses.values()
            if witness.url is not None
        ]
        clocks = Clocks(_microseconds, time.monotonic)
        publisher = Publisher(writer, policy, clients, clocks, publish)
        kept = AnchorAccount() if account is None else account
        rounds = _rounds(ledgers, log, database, clocks, kept)
        anchor = _Anchor(batches, requests, writer, authority, publisher, kept, on_published)
        anchor.wake = [one.wake for one in rounds]
        await anchor.start()
        if not once:
            await stack.enter_async_context(_beside(rounds, stop))
        if on_ready is not None:
            on_ready()
        await anchor.run(Schedule(every, every_batches), once=once, stop=stop)
        if once:
            await _asked_once(rounds, stop)


def _rounds(
    ledgers: Sequence[Outside], log: LogFolder, db: AnchorDb, clocks: Clocks, kept: AnchorAccount
) -> list[Rounds]:
    found = list[Rounds]()
    for outside in ledgers:
        account = kept.ledgers[outside.ledger.name] = LedgerAccount()
        found.append(Rounds(outside, log, db, clocks, account))
    return found


async def _asked_once(rounds: Sequence[Rounds], stop: asyncio.Event) -> None:
    """Ask each ledger once; whoever is told to stop waits for none, they may be cut off."""
    asking = asyncio.gather(*(one.once() for one in rounds))
    stopping = asyncio.create_task(stop.wait())
    both: tuple[asyncio.Future[Any], ...] = (asking, stopping)
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        ends = await asyncio.gather(*both, return_exceptions=True)
    if isinstance(ends[0], AnchorError):
        raise ends[0]


@asynccontextmanager
async def _beside(rounds: Sequence[Rounds], stop: asyncio.Event) -> AsyncIterator[None]:
    """Let rounds run as tasks of their own; they may be cut off at any step.

    One that ends by itself, which a failed disk alone makes it do, stops the anchor.
    """
    tasks = [asyncio.create_task(one.run()) for one in rounds]
    for task in tasks:
        task.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, AnchorError):
            raise end


class _Anchor:
    """The loop: what is new is appended, then published."""

    def __init__(  # noqa: PLR0913, PLR0917 - its parts
        self,
        batches: Batches,
        requests: Requests,
        writer: Writer,
        authority: OperatorAuthority,
        publisher: Publisher,
        account: AnchorAccount,
        on_published: Callable[[], None] | None,
    ) -> None:
        self._batches = batches
        self._requests = requests
        self._writer = writer
        self._authority = authority
        self._publisher = publisher
        self._account = account
        self._on_published = on_published
        self.wake: Sequence[Callable[[], None]] = ()
        self._tail: Tail | None = None
        self._delays: Iterator[float] | None = None

    async def start(self) -> None:
        """Recover, and ask the witnesses before anything is signed."""
        await asyncio.to_thread(self._recover)
        await self._publisher.hear()
        self._account.started = True
        self._note(0)

    async def run(self, schedule: Schedule, *, once: bool, stop: asyncio.Event) -> None:
        """Go on until told to stop, or with `once` until nothing is left."""
        tries = 0
        while not stop.is_set():
            try:
                appended = await asyncio.to_thread(self._step)
                settled = await self._advance(appended)
            except (OSError, SQLAlchemyError) as error:
                if once:
                    raise
                wait = self._failed(error)
            else:
                self._delays = None
                if once and settled and not appended:
                    return
                tries = tries + 1 if self._publisher.failure else 0
                if once and tries >= _TRIES_ONCE:
                    raise Missing(f"no checkpoint was published: {self._publisher.failure}")
                if settled and not appended:
                    await self._rest(schedule, stop)
                    continue
                wait = 0 if appended else min(schedule.every, self._publisher.wait)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)

    async def _rest(self, schedule: Schedule, stop: asyncio.Event) -> None:
        """Wait until the schedule wants a look, or the end has come."""
        clock = asyncio.get_running_loop().time
        began, waiting = clock(), 0
        while not stop.is_set() and not schedule.is_due(clock() - began, waiting):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), schedule.pause(clock() - began))
            if schedule.batches and not stop.is_set():
                try:
                    waiting = await asyncio.to_thread(self._waiting, schedule.batches)
                except (AnchorError, OSError, SQLAlchemyError):
                    # The look itself reports what is wrong, and when.
                    return

    def _waiting(self, enough: int) -> int:
        """How many batches are not in the log yet; counted no further than `enough`."""
        found = 0
        for row in self._batches.collectors() if self._tail is not None else ():
            assert self._tail is not None
            first = self._tail.contents.end(row.id).number
            found += sum(1 for _ in islice(self._batches.batches(row.id, first), enough - found))
            if found >= enough:
                break
        return found

    async def _advance(self, appended: int) -> bool:
        """Publish what is due and note what came of it; whether nothing is due any more."""
        before, tried = self._writer.published, not self._publisher.wait
        settled = await self._publisher.advance()
        self._account.failures += bool(tried and self._publisher.failure)
        self._note(appended)
        if self._writer.published is not before:
            self._account.checkpoints += 1
            self._account.last_published = _microseconds()
            for wake in self.wake:
                wake()
            if self._on_published is not None:
                await asyncio.to_thread(self._on_published)
        return settled

    def _note(self, appended: int) -> None:
        account, published = self._account, self._writer.published
        account.appended += appended
        account.size = self._writer.size
        account.published = published.checkpoint.size if published else 0
        account.failure, account.trouble = self._publisher.failure, None
        account.witness_failures = self._publisher.witness_failures

    def _failed(self, error: Exception) -> float:
        # What reached the disk is unknown: the next step starts from a recovery.
        self._tail = None
        self._delays = self._delays or Backoff(first=0.5, limit=30.0).delays()
        delay = next(self._delays)
        self._account.interruptions += 1
        self._account.trouble = str(error)
        _log.error("anchor-interrupted", reason=str(error), again_in=round(delay, 1))
        return delay

    def _step(self) -> int:
        if self._tail is None:
            self._recover()
        assert self._tail is not None
        entries = self._tail.next(self._batches, self._requests)
        if entries:
            self._writer.append(entries)
            _log.info("appended", entries=len(entries), size=self._writer.size)
        return len(entries)

    def _recover(self) -> None:
        contents = self._writer.recover(self._authority, _microseconds())
        self._tail = Tail(contents, self._report)

    def _report(self, refusal: Refusal) -> None:
        if refusal.unread:
            _log.error("store-unread", collector=refusal.collector, reason=refusal.reason)
            return
        self._account.refused += 1
        _log.error(
            "entry-refused", collector=refusal.collector, item=refusal.what, reason=refusal.reason
        )


def _operator(policy: Policy, key: SignerKey) -> VerifierKey:
    if policy.log != key.verifier:
        raise Malformed(
            f"the policy is for the log {policy.log}, the key signs for {key.verifier}: give the "
            "policy and the key of one log"
        )
    if policy.operator is None:
        raise Malformed("the policy names no operator, so no key entry can be checked")
    return policy.operator


async def run_witness(  # noqa: PLR0913 - the roof names every part that it wires
    *,
    db: Path,
    key: SignerKey,
    logs: Sequence[VerifierKey],
    host: str,
    port: int,
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None = None,
    more_keys: Sequence[SignerKey] = (),
    sockets: Sequence[socket.socket] | None = None,
    account: WitnessAccount | None = None,
    limits: Limits | None = None,
    patience: float = SECONDS,
    most_clients: int = MOST_CLIENTS,
    mark: Path | None = None,
) -> None:
    """Serve a witness for `logs` (each key's name is its origin) until `stop` is set.

    `more_keys` (of ML-DSA-44, say) cosign beside `key`; `sockets` that listen already take
    the place of host and port. A request that takes longer than `patience` seconds to arrive is
    cut off; beyond `most_clients` at once a client is told to come again (503). Errors: Locked
    when another witness has this database, OSError when the address cannot be had, DiskFailed
    when its state did not reach the disk: then it has answered 503 and sets `stop`; Diverged
    when the state is older than what each key has cosigned by the file `mark`.
    """
    origins: dict[str, list[VerifierKey]] = {}
    for log in logs:
        origins.setdefault(log.name, []).append(log)
    with ExitStack() as stack:
        stack.enter_context(held(db.with_name(f"{db.name}.lock"), f"the witness state {db}"))
        state = WitnessState(db)
        stack.callback(state.close)
        if mark is not None:
            # Of two that write one mark, with a state each, either would take the other's back.
            stack.enter_context(held(mark.with_name(f"{mark.name}.lock"), f"the mark {mark}"))
        reached = None if mark is None else WitnessMark(mark)
        keys: Sequence[SignerKey] = [key, *more_keys]
        if reached is not None:
            keys = keys_that_remember(keys, logs, state, reached)
        kept = WitnessAccount() if account is None else account
        broken = list[DiskFailed]()

        def failed(error: DiskFailed) -> None:
            broken.append(error)
            stop.set()

        app = create_app(
            keys=keys,
            logs=origins,
            state=state,
            clock=lambda: int(time.time()),
            account=kept,
            limits=limits,
            on_failed=failed,
            mark=reached,
        )
        if sockets is None:
            sockets = [stack.enter_context(_listen(host, port))]

        def listening() -> None:
            kept.listening = True
            if on_ready is not None:
                on_ready()

        def refused() -> None:
            kept.answers[503] += 1

        door = Door(most_clients, patience, refused)
        await _serve(app, list(sockets), stop, listening, door)
        if broken:
            raise broken[0]


async def _serve(
    app: Starlette,
    sockets: list[socket.socket],
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None,
    door: Door,
) -> None:
    config = uvicorn.Config(
        app,
        http=door.protocol(),  # type: ignore[arg-type]  # any factory of a protocol will do
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    server = _Server(config, on_ready)
    stopping = asyncio.create_task(stop.wait())
    serving = asyncio.create_task(server.serve(sockets))
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        stopping.cancel()
        await serving


class _Server(uvicorn.Server):
    """A server that says when it listens and leaves signals to whoever runs it."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _microseconds() -> int:
    return time.time_ns() // 1000
