"""The fleet: machines that step, sign, keep and publish, until told to stop.

Readings go into the outboxes at the beat of the clock whether a broker is there or not; one
thread makes them durable, many with each round; couriers carry them. At the end no reading
is made any more and the fleet waits for receipts.
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

from simulator.courier import Courier, Wire
from simulator.delivery import RESEND_AFTER
from simulator.faults.schedule import Occurrence
from simulator.intruders import Intruders
from simulator.machine import Machine
from simulator.misfortune import Misfortune
from simulator.orderly import hearing, wall_clock
from simulator.outbox import Outbox
from simulator.ports import CheckpointChecker, CommandChecker, ReceiptChecker
from simulator.sparkplug.courier import EdgeCourier
from simulator.sparkplug.station import edge_stations
from simulator.station import Member, Station, befall, stations_of
from simulator.trust import Trust
from telemetry.address import NOBODY, Address, Credentials

# A beat missed by more than this (a laptop that slept) is not made up for.
CATCH_UP: Final = 5.0  # s
# Twenty files in eight threads: about twice the rate of one (docs/decisions/outbox-file.md).
SYNC_THREADS: Final = 8
# As fast as possible a machine is so many messages ahead of its receipts, not more.
HELD_AT_MOST: Final = 256


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the messages, counted since the outboxes began.

    `recorded` = `receipted` + `held` + `evicted`; `delivered` are those that a receipt or a
    good PUBACK speaks for. This run's alone: PUBACKs that are no delivery (`refused`),
    publications beyond a message's first (`resent`), and receipts, checkpoints and key
    entries that did not hold (`distrusted`). Of those held, faults keep back `withheld`.
    """

    recorded: int
    delivered: int
    receipted: int
    held: int
    evicted: int = 0
    refused: int = 0
    resent: int = 0
    distrusted: int = 0
    withheld: int = 0


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


Carrier = Courier | EdgeCourier


async def simulate(  # noqa: PLR0913 - the fleet's whole surface, all keywords
    *,
    address: Address,
    machines: Sequence[Machine],
    outboxes: Mapping[str, Outbox],
    receipts: ReceiptChecker,
    checkpoints: CheckpointChecker,
    credentials: Credentials = NOBODY,
    prefix: str = "",
    interval: float = 1.0,
    duration: float | None = None,
    drain: float = 30.0,
    resend_after: float = RESEND_AFTER,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[], None] | None = None,
    clock: Callable[[], int] = wall_clock,
    speed: float | None = None,
    begin: int | None = None,
    faults: Sequence[Occurrence] = (),
    commands: CommandChecker | None = None,
    primary_host: str | None = None,
    account: FleetAccount | None = None,
) -> Tally:
    """Run the machines for `duration` seconds (None: until `stop`), then drain.

    With a `speed` the machines' clock is a simulated one that starts at `begin` (µs; None:
    now) and goes so many times as fast as the wall's, or as the receipts allow where it is
    infinite; then `duration` is simulated seconds too, and every beat is made.
    `outboxes` by device name, those of edge nodes too; the caller opened them and closes
    them. Edge nodes say nothing live without their `primary_host`. With `commands` the
    operator may let more faults come over them, meanwhile. An `account` can be asked
    while it runs. BrokerUnavailable where no broker answers at the start; later ones are
    waited for. OutboxUnwritable ends it.
    """
    stopped = asyncio.Event() if stop is None else stop
    trust, wire = Trust(receipts, checkpoints), Wire(address, credentials, prefix, resend_after)
    simulated = None if speed is None else SimulatedClock(clock() if begin is None else begin)
    clock = clock if simulated is None else simulated
    stations = stations_of(machines, outboxes, clock, faults, open_to_more=commands is not None)
    alone = [station for station in stations if not isinstance(station, Member)]
    members = [station for station in stations if isinstance(station, Member)]
    single = [
        Courier(station.machine, station.outbox, trust, wire, clock=time.monotonic)
        for station in alone
    ]
    edges = [
        EdgeCourier(edge, outboxes, trust, wire, clock=time.monotonic, host=primary_host)
        for edge in edge_stations(members, outboxes, lambda: trust.cited, clock)
    ]
    couriers: list[Carrier] = [*single, *edges]
    attacked = commands is not None or any(f.spec.group == "security" for f in faults)
    intruders = Intruders(wire) if attacked else None
    misfortune = Misfortune(alone, single, intruders)
    async with (
        intruders or nullcontext(),
        hearing(wire, commands, machines, partial(befall, stations), len(faults) + 1),
        _connected(couriers),
        _carried(couriers) as dirty,
    ):
        for station in stations:
            station.open(trust)
        for edge in edges:
            edge.recorded = dirty.set
            edge.open()
        dirty.set()
        (account or FleetAccount()).tally = partial(_tally, couriers, trust)
        if on_ready is not None:
            on_ready()
        async for number in _beats(interval, duration, stopped, speed or 1.0):
            if simulated is not None:
                simulated.elapsed = number * interval
            for edge in edges:
                edge.station.beat()
            for station in stations:
                station.beat(interval, trust)
            misfortune.strike()
            dirty.set()
            if speed == math.inf:
                await _relieved(stations, stopped)
        misfortune.end()
        for edge in edges:
            edge.station.close()
            edge.recorded()
        await _drained(couriers, drain)
    return _tally(couriers, trust)


async def _relieved(stations: Sequence[Station], stopped: asyncio.Event) -> None:
    """Wait until the outboxes hold little: receipts set the pace where no clock does."""
    while not stopped.is_set() and any(s.outbox.held > HELD_AT_MOST for s in stations):  # noqa: ASYNC110 - many outboxes, one end
        await asyncio.sleep(0.005)


async def _beats(
    interval: float, duration: float | None, stopped: asyncio.Event, speed: float
) -> AsyncIterator[int]:
    """Beat every `interval` seconds at this speed, the first at once, as long as it lasts."""
    begun, number = time.monotonic(), 0
    while not stopped.is_set() and (duration is None or number * interval < duration):
        yield number
        number += 1
        late = time.monotonic() - (begun + number * interval / speed)
        if late > CATCH_UP:
            begun += late
        try:
            async with asyncio.timeout(max(0.0, -late)):
                await stopped.wait()
        except TimeoutError:
            continue


async def _keep_durable(couriers: Sequence[Carrier], dirty: asyncio.Event) -> None:
    """Put on the disk what was recorded, and hand it to the couriers.

    What is recorded while a round is on the disk goes with the next one: a slow disk makes
    rounds longer, not more. Several files at a time: the file system commits them together.
    """
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(SYNC_THREADS, "outbox") as pool:
        while True:
            await dirty.wait()
            dirty.clear()
            boxes = [box for courier in couriers for box in courier.outboxes if box.dirty]
            await asyncio.gather(*(loop.run_in_executor(pool, box.sync) for box in boxes))
            for courier in couriers:
                courier.send_ready()


async def _drained(couriers: Sequence[Carrier], drain: float) -> None:
    """Wait until no outbox holds anything that may go, at most `drain` seconds."""
    end = time.monotonic() + drain
    while any(_held(c) > c.withheld for c in couriers) and time.monotonic() < end:  # noqa: ASYNC110 - many outboxes, one end
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _connected(couriers: Sequence[Carrier]) -> AsyncIterator[None]:
    """Connect all; if one cannot, all that did are closed and its error is raised."""
    async with AsyncExitStack() as stack:
        entering = (stack.enter_async_context(courier.connection()) for courier in couriers)
        outcomes = await asyncio.gather(*entering, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        yield


@asynccontextmanager
async def _carried(couriers: Sequence[Carrier]) -> AsyncIterator[asyncio.Event]:
    """Make durable and carry, in the background; the event says that something is recorded.

    What a task group gathers is raised as the one error that it was.
    """
    dirty = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(courier.run()) for courier in couriers]
            tasks.append(group.create_task(_keep_durable(couriers, dirty)))
            yield dirty
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _held(courier: Carrier) -> int:
    return sum(box.held for box in courier.outboxes)


def _tally(couriers: Sequence[Carrier], trust: Trust) -> Tally:
    boxes = [box for courier in couriers for box in courier.outboxes]
    return Tally(
        recorded=sum(box.recorded for box in boxes),
        delivered=sum(courier.delivered for courier in couriers),
        receipted=sum(box.receipted for box in boxes),
        held=sum(box.held for box in boxes),
        evicted=sum(box.evicted for box in boxes),
        refused=sum(courier.refused for courier in couriers),
        resent=sum(courier.resent for courier in couriers),
        distrusted=trust.refused,
        withheld=sum(min(courier.withheld, _held(courier)) for courier in couriers),
    )
