"""An edge node's way to the broker: live to hosts, out of the outboxes to the ledger.

Live messages go once, in the order of their numbers, at QoS 0 as Sparkplug has it. Until a
receipt frees them they are sent again under `ledger/outbox/`, at QoS 1: there no host sees a
number out of order. The edge between the session's rules and `telemetry.link`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

from simulator.outbox import Outbox
from simulator.shut_out import tell_return, tell_shut_out
from simulator.sparkplug.lane import Lane
from simulator.sparkplug.primary_host import PrimaryHost
from simulator.sparkplug.session import asks_rebirth
from simulator.sparkplug.station import EdgeStation
from simulator.trust import Trust
from simulator.wire import Wire
from telemetry.errors import LinkLost, MalformedPayload
from telemetry.link import Arrival, Link, Subscription, Will
from telemetry.signature import SigningKey
from telemetry.sparkplug import Payload
from telemetry.sparkplug_topic import state_topic
from telemetry.topic import checkpoint_topic, collector_topic, matches

# Whoever may command may not fill the outboxes with births.
BIRTH_PAUSE: Final = 1.0  # s

_LOG: Final = logging.getLogger("simulator.sparkplug")


class EdgeCourier:
    """Carries one edge node's messages; `connection` connects, `run` carries until cancelled."""

    withheld = 0

    def __init__(  # noqa: PLR0913 - what any courier needs, and the host
        self,
        station: EdgeStation,
        outboxes: Mapping[str, Outbox],
        trust: Trust,
        wire: Wire,
        *,
        clock: Callable[[], float],
        host: str | None = None,
        keys: Callable[[str], tuple[SigningKey, Collection[str]]] | None = None,
    ) -> None:
        """`outboxes` by device name; `clock` is monotonic, in seconds.

        `host` is the id of the primary host application. `keys` as of the crew.
        """
        self.station = station
        # Called when something is recorded that has to become durable.
        self.recorded: Callable[[], None] = _nothing
        self._trust, self._keys, self._out = trust, keys, False
        self._clock = clock
        self._topic = station.edge.sparkplug(wire.prefix)
        self._host = PrimaryHost(host)
        devices = [None, *(machine.name for machine in station.edge.machines)]
        self._lanes = {device: self._lane(outboxes, device, wire) for device in devices}
        self._work = asyncio.Event()
        self._epoch = 0
        self._born_at = -BIRTH_PAUSE
        self._checkpoint = checkpoint_topic(wire.prefix)
        self._collectors = collector_topic(wire.prefix, "+")
        self._command = str(self._topic.of("NCMD"))
        self._state = None if host is None else state_topic(wire.prefix, host)
        self._receipts = {topic: lane for lane in self._lanes.values() for topic in lane.receipts}
        self.link = self._link(wire)

    @property
    def outboxes(self) -> tuple[Outbox, ...]:
        """Those of the node and its devices."""
        return tuple(lane.outbox for lane in self._lanes.values())

    @property
    def delivered(self) -> int:
        """Messages that a receipt or a PUBACK speaks for."""
        return sum(lane.delivered for lane in self._lanes.values())

    @property
    def shut_out(self) -> bool:
        """Whether the broker will not have the edge node."""
        return self.link.shut_out

    @property
    def refused(self) -> int:
        """PUBACKs that are no delivery."""
        return sum(lane.refused for lane in self._lanes.values())

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
            lane.take_ready()
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
                lane.publish_again(self.link, self._clock())
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._work.wait()

    def _lane(self, outboxes: Mapping[str, Outbox], device: str | None, wire: Wire) -> Lane:
        own = self.station.edge.topic
        machine = replace(own, prefix=wire.prefix, machine=device or own.machine)
        topic = self._topic if device is None else self._topic.of("DDATA", device)
        return Lane(outboxes[machine.machine], topic, machine, wire.resend_after)

    def _link(self, wire: Wire) -> Link:
        topics = [*self._receipts, self._checkpoint, self._collectors, self._command]
        if self._state is not None:
            topics.append(self._state)
        who = wire.who(self.station.edge.name)
        return Link(
            wire.address,
            client_id=wire.client_id(self.station.edge.name),
            username=who.username,
            password=who.password,
            tls=who.tls,
            subscriptions=[Subscription(topic) for topic in topics],
            on_arrivals=self._take,
            on_connected=self._connected,
            will=self._will,
            clean_start=True,
            seldom=wire.seldom,
            on_trouble=self._hear_of_trouble,
        )

    def _hear_of_trouble(self, error: Exception) -> None:
        name = self.station.edge.name
        if self.link.shut_out:
            self._out = True
            tell_shut_out([name], str(error))
        else:
            _LOG.warning("%s: %s", name, error)

    def _will(self) -> Will:
        payload = self.station.session.connecting().to_bytes()
        return Will(str(self._topic.of("NDEATH")), payload)

    def _connected(self, _session_present: bool) -> None:
        if self._out:
            self._let_in()
        self._host.forget()
        self._work.set()

    def _let_in(self) -> None:
        """It was shut out and is back: with the keys that it and its devices have by now."""
        self._out = False
        tell_return(self.station.edge.name)
        keys, changed = self._keys, False
        if keys is None:
            return
        for box in self.outboxes:
            key, ended = keys(box.device)
            if key.public_key != box.public_key:
                box.take_key(key, ended)
                changed = True
        if changed:
            self._begin(0)  # for the ledger; hosts hear of it when there is one

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
            if lane.waits(first.entry):
                return
            queue.popleft()
            if first.epoch == self.link.epoch and self.link.connected:
                lane.publish_live(self.link, first.entry, self._clock())
            else:
                lane.publish_later(first.entry)

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
                leaf = self._trust.check(arrival.payload)
                if leaf is not None:
                    lane.release(leaf)
                    self._work.set()
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
