"""The fleet: machines that step, sign, keep and publish, until told to stop.

Readings go into the outboxes at the beat of the clock whether a broker is there or not; those
on a disk are made durable by threads, many with each round; couriers carry them. At the end
no reading is made any more and the fleet waits for receipts.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final

from simulator.beats import Beats, parts_for
from simulator.crew import Carrier, Conditions, Crew, Keys, Tally
from simulator.delivery import RESEND_AFTER
from simulator.machine import Machine
from simulator.orderly import hearing, wall_clock
from simulator.outbox import Outbox
from simulator.ports import CheckpointChecker, CommandChecker, ReceiptChecker
from simulator.sparkplug.courier import EdgeCourier
from simulator.station import Station, befall
from simulator.trust import Trust
from simulator.wire import SELDOM, Wire
from telemetry.address import NOBODY, Address, Credentials

# Twenty files in eight threads: about twice the rate of one (docs/decisions/outbox-file.md).
SYNC_THREADS: Final = 8
# As fast as possible a machine is so many messages ahead of its receipts, not more.
HELD_AT_MOST: Final = 256
_LOOK: Final = 0.05  # s


@dataclass(slots=True)
class FleetAccount:
    """What a running fleet can say of itself: its tally as it stands, once it is ready."""

    tally: Callable[[], Tally] | None = None


class SimulatedClock:
    """The machines' clock where it is not the wall's: seconds that passed since it began."""

    def __init__(self, begin: int) -> None:
        """`begin` in microseconds since the epoch."""
        self._begin = begin
        self.elapsed = 0.0

    def __call__(self) -> int:
        """Microseconds since the epoch."""
        return self._begin + round(self.elapsed * 1_000_000)


async def simulate(  # noqa: PLR0913 - the fleet's whole surface, all keywords
    *,
    address: Address,
    machines: Sequence[Machine],
    outboxes: Mapping[str, Outbox],
    receipts: ReceiptChecker,
    checkpoints: CheckpointChecker,
    who: Callable[[str], Credentials] = lambda _name: NOBODY,
    prefix: str = "",
    ids: str | None = None,
    interval: float = 1.0,
    duration: float | None = None,
    drain: float = 30.0,
    resend_after: float = RESEND_AFTER,
    seldom: float = SELDOM,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[], None] | None = None,
    clock: Callable[[], int] = wall_clock,
    speed: float | None = None,
    begin: int | None = None,
    commands: CommandChecker | None = None,
    account: FleetAccount | None = None,
    keys: Keys | None = None,
    conditions: Conditions = Conditions(),  # noqa: B008 - frozen
) -> Tally:
    """Run the machines for `duration` seconds (None: until `stop`), then drain.

    With a `speed` the machines' clock is a simulated one that starts at `begin` (µs; None:
    now) and goes so many times as fast as the wall's, or as the receipts allow where it is
    infinite; then `duration` is simulated seconds too, and every beat is made.
    `outboxes` by device name, those of edge nodes too; the caller opened them and closes
    them. With `commands` the operator may let more faults come over them, meanwhile; the
    conditions say so too. An `account` can be asked while it runs. BrokerUnavailable where no
    broker answers at the start; later ones are waited for. A client that the broker shuts out is
    tried every `seldom` seconds, up to twice as many; once it is let in again, its machines sign
    with what `keys` then gives. OutboxUnwritable ends it.
    """
    stopped = asyncio.Event() if stop is None else stop
    trust = Trust(receipts, checkpoints)
    wire = Wire(address, who, prefix, resend_after, ids, seldom)
    simulated = None if speed is None else SimulatedClock(clock() if begin is None else begin)
    parts = parts_for(len(machines)) if simulated is None else 1
    crew = Crew(machines, outboxes, trust, wire, simulated or clock, parts, conditions, keys)
    beats = Beats(interval, duration, stopped, parts, speed or 1.0)
    befallen, first = partial(befall, crew.stations), len(conditions.faults) + 1
    async with (
        crew.intruders or nullcontext(),
        hearing(wire, commands, machines, befallen, first),
        _hurried(crew, stopped),
        crew.bundle,
        _connected(crew.edges),
        _carried(crew) as dirty,
    ):
        crew.open(dirty.set)

        def tally() -> Tally:
            return crew.tally(beats.skipped * len(machines) // parts)

        (account or FleetAccount()).tally = tally
        if on_ready is not None:
            on_ready()
        async for number, part in beats.run():
            if simulated is not None:
                simulated.elapsed = number * interval
            crew.beat(part, interval, dirty.set)
            if speed == math.inf:
                await _relieved(crew.stations, stopped)
        crew.close()
        await _drained(crew, drain)
        # Before the goodbyes, which are no losses.
        return tally()


async def _relieved(stations: Sequence[Station], stopped: asyncio.Event) -> None:
    """Wait until the outboxes hold little: receipts set the pace where no clock does."""
    while not stopped.is_set() and any(s.outbox.held > HELD_AT_MOST for s in stations):  # noqa: ASYNC110 - many outboxes, one end
        await asyncio.sleep(0.005)


async def _keep_durable(carriers: Sequence[Carrier], dirty: asyncio.Event) -> None:
    """Put on the disk what was recorded, and hand it to those who carry it.

    What is recorded while a round is on the disk goes with the next one: a slow disk makes
    rounds longer, not more. Several files at a time: the file system commits them together.
    """
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(SYNC_THREADS, "outbox") as pool:
        while True:
            await dirty.wait()
            dirty.clear()
            boxes = [box for carrier in carriers for box in carrier.outboxes if box.dirty]
            await asyncio.gather(*(loop.run_in_executor(pool, box.sync) for box in boxes))
            for carrier in carriers:
                carrier.send_ready()


async def _drained(crew: Crew, drain: float) -> None:
    """Wait until no outbox holds anything that may go, at most `drain` seconds."""
    end = time.monotonic() + drain
    while crew.held() and time.monotonic() < end:  # noqa: ASYNC110 - many outboxes, one end
        await asyncio.sleep(_LOOK)


@asynccontextmanager
async def _hurried(crew: Crew, stopped: asyncio.Event) -> AsyncIterator[None]:
    """Who is told to stop does not wait until all are connected, which may never come."""

    async def hurry() -> None:
        await stopped.wait()
        crew.bundle.hurry()

    task = asyncio.create_task(hurry())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _connected(couriers: Sequence[EdgeCourier]) -> AsyncIterator[None]:
    """Connect all; if one cannot, all that did are closed and its error is raised."""
    async with AsyncExitStack() as stack:
        entering = (stack.enter_async_context(courier.connection()) for courier in couriers)
        outcomes = await asyncio.gather(*entering, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        yield


@asynccontextmanager
async def _carried(crew: Crew) -> AsyncIterator[asyncio.Event]:
    """Make durable and carry, in the background; the event says that something is recorded.

    What a task group gathers is raised as the one error that it was.
    """
    dirty = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(edge.run()) for edge in crew.edges]
            tasks.append(group.create_task(crew.bundle.run()))
            tasks.append(group.create_task(_keep_durable(crew.syncing, dirty)))
            yield dirty
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
