"""The gateway: hears machines, signs for them, keeps it, and only then says that it heard.

A source's message is acknowledged once the outbox entry that stands for it is on the disk: a
gateway that is killed at any point loses nothing that its source keeps. What leaves the outbox
is decided by receipts alone, as for any machine.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.heard import Heard
from gateway.mapping import Mapping
from gateway.ports import Keys, Listening
from gateway.repeats import Repeats
from gateway.speakers import Speakers
from gateway.translate import Draft, Translator
from gateway.uplink import Uplink, own_filters
from simulator.outbox import LIMIT, LIMIT_BYTES
from simulator.ports import CheckpointChecker, ReceiptChecker
from simulator.shut_out import tell_return, tell_shut_out
from simulator.trust import Trust
from simulator.wire import Wire
from telemetry.bundle import Bundle
from telemetry.errors import MalformedMessage
from telemetry.topic import matches

SYNC_THREADS: Final = 8
TOLD: Final = 256
"""Topics that no rule matches are named once each, so many of them."""
_LOOK: Final = 0.05  # s
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the messages.

    `heard` = `signed` + `unmatched` + `repeated` + `own` + `unsignable`: this run's, of the
    sources. `recorded` = `receipted` + `held` + `evicted`: those of the outboxes since they
    began, births among them.
    """

    heard: int
    signed: int
    unmatched: int
    repeated: int
    own: int
    unsignable: int
    devices: int
    recorded: int
    delivered: int
    receipted: int
    held: int
    evicted: int
    refused: int
    resent: int
    distrusted: int
    disconnects: int
    source_losses: int
    shut_out: int


@dataclass(slots=True)
class GatewayAccount:
    """What a running gateway can say of itself, once it is ready."""

    tally: Callable[[], Tally] | None = None


@dataclass(slots=True)
class _Intake:
    """From what was heard to what is recorded and waits to be durable."""

    speakers: Speakers
    translator: Translator
    repeats: Repeats
    own: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    pending: list[tuple[Listening, list[Heard], list[Heard], int]] = field(default_factory=list)
    sessions: int = 0
    told: set[str] = field(default_factory=set)
    closed: bool = False
    settling: bool = False
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    failure: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def hear(self, source: Listening, heard: Sequence[Heard]) -> None:
        """Sign what is to be signed. What the disk does not take ends the gateway.

        Closed, it hears nothing any more: what its source keeps comes again.
        """
        if self.closed or self.failure.done():
            return
        taken: list[Heard] = []
        signed: list[Heard] = []
        try:
            for one in heard:
                self.counts["heard"] += 1
                if self._sign(one):
                    signed.append(one)
                taken.append(one)
        except Exception as error:  # noqa: BLE001 - raised again where the gateway waits
            self.failure.set_exception(error)
        self.pending.append((source, taken, signed, self.sessions))
        self.dirty.set()

    def forget(self) -> None:
        """A source's session began anew: what was signed before is no message's repeat there."""
        self.sessions += 1
        self.repeats.forget()

    def _sign(self, heard: Heard) -> bool:
        if any(matches(one, heard.topic) for one in self.own) and heard.values is None:
            self._count("own", heard, "it is what this gateway or the ledger says itself")
            return False
        if self.repeats.known(heard):
            self.counts["repeated"] += 1
            return False
        if heard.again:
            heard = _marked(heard)
        draft = self.translator.translate(heard)
        if draft is None:
            self._count("unmatched", heard, "no rule of the mapping matches; it is not signed")
            return False
        return self._record(heard, draft)

    def _record(self, heard: Heard, draft: Draft) -> bool:
        speaker = self.speakers.of(draft.topic, draft.topic.machine)
        if speaker is None:
            why = f"no key for device {draft.topic.machine}, or too many devices"
            other = self.translator.otherwise(heard)
            if other is not None:
                draft, speaker = other, self.speakers.of(other.topic, other.topic.machine)
            if speaker is None:
                self._count("unsignable", heard, why)
                return False
        try:
            self.speakers.record(speaker, draft)
        except MalformedMessage as error:
            self._count("unsignable", heard, str(error))
            return False
        self.counts["signed"] += 1
        return True

    def _count(self, what: str, heard: Heard, why: str) -> None:
        """Count it, and say so once for each topic, as long as there are few."""
        self.counts[what] += 1
        if heard.topic not in self.told and len(self.told) < TOLD:
            self.told.add(heard.topic)
            _log.warning("not signed", topic=heard.topic, why=why)


def _marked(heard: Heard) -> Heard:
    return replace(heard, marks={**heard.marks, "repeat": "possible"})


async def run_gateway(  # noqa: PLR0913 - the gateway's whole surface, all keywords
    *,
    mapping: Mapping,
    sources: Sequence[Listening],
    wire: Wire,
    folder: Path,
    keys: Keys,
    receipts: ReceiptChecker,
    checkpoints: CheckpointChecker,
    duration: float | None = None,
    drain: float = 30.0,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[], None] | None = None,
    account: GatewayAccount | None = None,
    limit: int = LIMIT,
    limit_bytes: int = LIMIT_BYTES,
) -> Tally:
    """Run for `duration` seconds (None: until `stop`), then wait `drain` seconds for receipts.

    BrokerUnavailable and SourceUnavailable where one of them does not answer at the start; later
    they are waited for. OutboxUnwritable ends it: nothing that was not kept is acknowledged.
    """
    stopped = asyncio.Event() if stop is None else stop
    trust = Trust(receipts, checkpoints)
    uplink = Uplink(mapping, trust, wire, secrets.token_hex(8))
    speakers = Speakers(
        mapping,
        folder=folder,
        keys=keys,
        trust=trust,
        wire=wire,
        joined=uplink.join,
        limit=limit,
        limit_bytes=limit_bytes,
    )
    intake = _Intake(
        speakers,
        Translator(mapping),
        Repeats(folder / "repeats"),
        own_filters(mapping, wire.prefix),
    )
    bundle = Bundle(
        wire.address,
        look_every=min(1.0, wire.resend_after / 4),
        seldom=wire.seldom,
        on_shut_out=tell_shut_out,
        on_return=tell_return,
    )
    uplink.strand = bundle.add(uplink.opening, uplink)

    def tally() -> Tally:
        return _tally(intake, uplink, bundle, trust, sources)

    try:
        speakers.open()
        intake.dirty.set()
        async with bundle, asyncio.TaskGroup() as group:
            keeping = group.create_task(_keep_durable(intake))
            tasks = [keeping, group.create_task(bundle.run())]
            hearing: list[asyncio.Task[None]] = []
            try:
                for source in sources:
                    await source.start(partial(intake.hear, source), intake.forget)
                    hearing.append(group.create_task(source.run()))
                (account or GatewayAccount()).tally = tally
                if on_ready is not None:
                    on_ready()
                await _until(stopped, intake.failure, duration)
                intake.closed = True
                await _settled(intake)
                # First: who keeps a connection up would take its end for a loss, and connect again.
                for task in hearing:
                    task.cancel()
                await asyncio.wait(hearing)
                for source in sources:
                    await source.close()
                await _drained(speakers, drain)
            finally:
                for task in [*tasks, *hearing]:
                    task.cancel()
            return tally()
    except BaseExceptionGroup as group_error:
        error: BaseException = group_error
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    finally:
        speakers.close()


async def _until(
    stopped: asyncio.Event, failure: asyncio.Future[None], duration: float | None
) -> None:
    """Wait for the end, whichever comes first; a failure is raised."""
    waiting = asyncio.ensure_future(stopped.wait())
    ends: list[asyncio.Future[Any]] = [waiting, failure]
    try:
        await asyncio.wait(ends, timeout=duration, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if failure.done():
        failure.result()


async def _keep_durable(intake: _Intake) -> None:
    """Put on the disk what was recorded, send it, and only then acknowledge it to its source."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(SYNC_THREADS, "outbox") as pool:
        while True:
            await intake.dirty.wait()
            intake.dirty.clear()
            intake.settling = True
            batch, intake.pending = intake.pending, []
            dirty = [one for one in intake.speakers if one.outbox.dirty]
            await asyncio.gather(*(loop.run_in_executor(pool, s.outbox.sync) for s in dirty))
            for speaker in dirty:
                speaker.courier.send_ready()
            for source, taken, signed, sessions in batch:
                if sessions == intake.sessions:
                    intake.repeats.remember(signed)
                source.settle(taken)
            intake.settling = False


async def _settled(intake: _Intake) -> None:
    """Until what was heard is durable, and acknowledged: else it would come again."""
    while intake.dirty.is_set() or intake.settling:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK)


async def _drained(speakers: Speakers, drain: float) -> None:
    end = time.monotonic() + drain
    while (  # noqa: ASYNC110 - many outboxes, one end
        any(one.outbox.held and not one.courier.shut_out for one in speakers)
        and time.monotonic() < end
    ):
        await asyncio.sleep(_LOOK)


def _tally(
    intake: _Intake, uplink: Uplink, bundle: Bundle, trust: Trust, sources: Sequence[Listening]
) -> Tally:
    boxes = [speaker.outbox for speaker in intake.speakers]
    couriers = list(uplink.couriers)
    counts = intake.counts
    resting = intake.speakers.resting.values()
    recorded = sum(box.recorded for box in boxes) + sum(one for one, _ in resting)
    evicted = sum(box.evicted for box in boxes) + sum(one for _, one in resting)
    held = sum(box.held for box in boxes)
    return Tally(
        heard=counts["heard"],
        signed=counts["signed"],
        unmatched=counts["unmatched"],
        repeated=counts["repeated"],
        own=counts["own"],
        unsignable=counts["unsignable"],
        devices=len(boxes) + len(resting),
        recorded=recorded,
        delivered=sum(courier.delivered for courier in couriers),
        receipted=recorded - evicted - held,
        held=held,
        evicted=evicted,
        refused=sum(courier.refused for courier in couriers),
        resent=sum(courier.resent for courier in couriers),
        distrusted=trust.refused,
        disconnects=bundle.counts.lost,
        source_losses=sum(source.losses for source in sources),
        shut_out=bundle.counts.shut_out,
    )
