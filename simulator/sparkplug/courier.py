"""An edge node's way to the broker: live to hosts, out of the outboxes to the ledger.

Live messages go once, in the order of their numbers, at QoS 0 as Sparkplug has it. Until a
receipt frees them they are sent again under `ledger/outbox/`, at QoS 1: there no host sees a
number out of order. The edge between the session's rules and `telemetry.link`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.chain import Entry
from simulator.courier import NO_SUBSCRIBER, REFUSED_FROM, Wire, client_id
from simulator.delivery import Delivery
from simulator.outbox import Outbox
from simulator.sparkplug.primary_host import PrimaryHost
from simulator.sparkplug.session import asks_rebirth
from simulator.sparkplug.station import EdgeStation
from simulator.trust import Trust
from telemetry.errors import LinkLost, MalformedPayload
from telemetry.header import header_properties
from telemetry.link import Arrival, Link, Subscription, Will
from telemetry.properties import NO_PROPERTIES
from telemetry.sparkplug import Payload
from telemetry.sparkplug_topic import SparkplugTopic, receipt_topic, state_topic
from telemetry.topic import MachineTopic, checkpoint_topic, collector_topic, matches

# Whoever may command may not fill the outboxes with births.
BIRTH_PAUSE: Final = 1.0  # s


@dataclass(slots=True)
class Lane:
    """The outbox of the node or of one device, and what of it is on its way."""

    outbox: Outbox
    machine: MachineTopic
    device: str | None
    delivery: Delivery
    durable: set[tuple[str, int]] = field(default_factory=set)
    acknowledged: dict[tuple[str, int], Entry] = field(default_factory=dict)


class EdgeCourier:
    """Carries one edge node's messages; `connection` connects, `run` carries until cancelled."""

    withheld = 0

    def __init__(
        self,
        station: EdgeStation,
        trust: Trust,
        wire: Wire,
        *,
        clock: Callable[[], float],
        host: str | None = None,
    ) -> None:
        """`clock` is monotonic, in seconds; `host` the id of the primary host application."""
        self.station = station
        self.refused = 0
        # Called when something is recorded that has to become durable.
        self.recorded: Callable[[], None] = _nothing
        self._trust = trust
        self._clock = clock
        self._prefix = wire.prefix
        self._topic = station.edge.sparkplug(wire.prefix)
        self._host = PrimaryHost(host)
        self._lanes = {device: self._lane(device, wire) for device in station.outboxes}
        self._work = asyncio.Event()
        self._epoch = 0
        self._born_at = -BIRTH_PAUSE
        self._checkpoint = checkpoint_topic(wire.prefix)
        self._collectors = collector_topic(wire.prefix, "+")
        self._command = str(self._topic.of("NCMD"))
        self._state = None if host is None else state_topic(wire.prefix, host)
        self._receipts = {
            topic: lane for lane in self._lanes.values() for topic in self._receipt_topics(lane)
        }
        self.link = self._link(wire)

    @property
    def outboxes(self) -> tuple[Outbox, ...]:
        """Those of the node and its devices."""
        return tuple(lane.outbox for lane in self._lanes.values())

    @property
    def delivered(self) -> int:
        """Messages that a receipt speaks for, or a PUBACK of a copy out of the outbox."""
        return sum(
            lane.outbox.receipted + sum(map(lane.outbox.holds, lane.acknowledged.values()))
            for lane in self._lanes.values()
        )

    @property
    def resent(self) -> int:
        """Publications beyond the first of each message."""
        return sum(lane.delivery.resent for lane in self._lanes.values())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        """Be connected; at the end say NDEATH before DISCONNECT, which drops the will."""
        async with self.link:
            try:
                yield
            finally:
                await self._say_death()

    def open(self) -> None:
        """Begin the first session, live where the primary host is there already."""
        if not self.station.epoch:
            self._begin(self._live_epoch())

    def send_ready(self) -> None:
        """Send what became durable since the last call."""
        for lane in self._lanes.values():
            for entry in lane.outbox.ready():
                if entry.header is None:
                    lane.delivery.offer([entry])  # an eviction's event: no host's business
                else:
                    lane.durable.add(entry.place)
        self._work.set()

    async def run(self) -> None:
        """Publish, and send again what no receipt frees, until cancelled."""
        while True:
            await self.link.wait_connected()
            self._work.clear()
            if self._epoch != self.link.epoch and self.link.connected:
                self._start_over()
            if self.station.epoch == self.link.epoch and not self._host.online:
                await self._leave()
                continue
            self._be_born()
            self._publish_live()
            for lane in self._lanes.values():
                self._publish_again(lane)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._work.wait()

    def _lane(self, device: str | None, wire: Wire) -> Lane:
        delivery = Delivery(chance=random.random, resend_after=wire.resend_after)
        own = self.station.edge.topic
        machine = replace(own, prefix=wire.prefix, machine=device or own.machine)
        return Lane(self.station.outboxes[device], machine, device, delivery)

    def _receipt_topics(self, lane: Lane) -> tuple[str, str]:
        """For what it says in Sparkplug, and for evictions and earlier runs in JSON."""
        own = receipt_topic(self._prefix, lane.machine.machine)
        return own, str(lane.machine.with_kind("receipt"))

    def _link(self, wire: Wire) -> Link:
        topics = [*self._receipts, self._checkpoint, self._collectors, self._command]
        if self._state is not None:
            topics.append(self._state)
        return Link(
            wire.address,
            client_id=client_id(wire.prefix, self.station.edge.name),
            username=wire.credentials.username,
            password=wire.credentials.password,
            subscriptions=[Subscription(topic) for topic in topics],
            on_arrivals=self._take,
            on_connected=self._connected,
            will=self._will,
            clean_start=True,
        )

    def _will(self) -> Will:
        payload = self.station.session.connecting().to_bytes()
        return Will(str(self._topic.of("NDEATH")), payload)

    def _connected(self, _session_present: bool) -> None:
        self._host.forget()
        self._work.set()

    def _live_epoch(self) -> int:
        return self.link.epoch if self.link.connected and self._host.online else 0

    def _begin(self, epoch: int) -> None:
        self._born_at = self._clock()
        self.station.begin(epoch)
        self.recorded()

    def _be_born(self) -> None:
        """Begin a session on a connection that has none, or answer a rebirth in time."""
        live = self._live_epoch()
        paused = self._clock() - self._born_at < BIRTH_PAUSE
        asked = self.station.rebirth and not paused
        if live and (self.station.epoch != live or asked):
            self._begin(live)

    def _start_over(self) -> None:
        """On a new connection: all that is durable and held goes out of the outboxes."""
        self._epoch = self.link.epoch
        for lane in self._lanes.values():
            lane.delivery.restart(lane.outbox.waiting())

    async def _leave(self) -> None:
        """The primary host is gone: say NDEATH, disconnect, and wait for it on a new connection."""
        await self._say_death()
        self.station.epoch = 0
        await self.link.reconnect()

    async def _say_death(self) -> None:
        if self.link.connected and self.station.epoch == self.link.epoch:
            payload = self.station.session.death().to_bytes()
            with suppress(LinkLost):
                await self.link.publish(str(self._topic.of("NDEATH")), payload, qos=1)

    def _publish_live(self) -> None:
        """What is queued goes in its order; what is not durable yet holds back all after it."""
        queue = self.station.queue
        while queue:
            first = queue[0]
            lane = self._lanes[first.device]
            if lane.outbox.holds(first.entry) and first.entry.place not in lane.durable:
                return
            queue.popleft()
            lane.durable.discard(first.entry.place)
            if not lane.outbox.holds(first.entry):
                continue
            if first.epoch == self.link.epoch and self.link.connected:
                self._post(lane, first.entry, self._topic.of(first.entry.kind, lane.device), qos=0)
                lane.delivery.sent(first.entry, self._clock())
            else:
                lane.delivery.offer([first.entry])

    def _publish_again(self, lane: Lane) -> None:
        lane.delivery.resend_due(self._clock())
        while self.link.connected and (entry := lane.delivery.next(self._clock())) is not None:
            if not lane.outbox.holds(entry):
                lane.delivery.gone([entry], receipted=False)
            elif entry.header is None:
                self._post(lane, entry, lane.machine.with_kind(entry.kind), qos=1)
            else:
                topic = replace(self._topic.of(entry.kind, lane.device), again=True)
                self._post(lane, entry, topic, qos=1)

    def _post(
        self, lane: Lane, entry: Entry, topic: SparkplugTopic | MachineTopic, *, qos: int
    ) -> None:
        known = NO_PROPERTIES if entry.header is None else header_properties(entry.header)
        retain = entry.header is None and entry.retain
        posted = self.link.post(str(topic), entry.payload, qos=qos, retain=retain, properties=known)
        if qos:
            posted.add_done_callback(lambda future: self._acknowledge(lane, entry, future))
        else:
            posted.add_done_callback(_look_away)

    def _acknowledge(self, lane: Lane, entry: Entry, future: "asyncio.Future[int]") -> None:
        if future.cancelled() or future.exception() is not None:
            return
        code = future.result()
        if code == NO_SUBSCRIBER or code >= REFUSED_FROM:
            self.refused += 1
        elif lane.outbox.holds(entry):
            lane.acknowledged[entry.place] = entry

    def _pause(self) -> float | None:
        """Until there is something to send again, or a birth that was asked for."""
        due = [lane.delivery.resend_at() for lane in self._lanes.values()]
        if self.station.rebirth:
            due.append(self._born_at + BIRTH_PAUSE)
        times = [one for one in due if one is not None]
        return max(0.01, min(times) - self._clock()) if times else None

    def _take(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            lane = self._receipts.get(arrival.topic)
            if lane is not None:
                self._take_receipt(lane, arrival.payload)
            elif arrival.topic == self._command:
                self._take_command(arrival)
            elif arrival.topic == self._state:
                self._host.take(arrival.payload)
                self._work.set()
            elif arrival.topic == self._checkpoint:
                self._trust.take_checkpoint(arrival.payload)
            elif matches(self._collectors, arrival.topic):
                self._trust.take_collector(arrival.payload)
        self.link.acknowledge(arrivals)

    def _take_receipt(self, lane: Lane, payload: bytes) -> None:
        leaf = self._trust.check(payload)
        if leaf is None:
            return
        freed = lane.outbox.release(leaf)
        lane.delivery.gone(freed, receipted=True)
        for entry in freed:
            lane.acknowledged.pop(entry.place, None)
        self._work.set()

    def _take_command(self, arrival: Arrival) -> None:
        """Take an NCMD; one that the broker kept was meant for another time."""
        try:
            asked = not arrival.retain and asks_rebirth(Payload.from_bytes(arrival.payload))
        except MalformedPayload:
            return
        if asked:
            self.station.rebirth = True
            self._work.set()


def _nothing() -> None:
    """Nobody is told."""


def _look_away(posted: "asyncio.Future[int]") -> None:
    """At QoS 0 nobody answers; what is lost with the link comes again out of the outbox."""
    if not posted.cancelled():
        posted.exception()
