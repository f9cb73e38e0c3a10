"""One machine's way to the broker: a link, its outbox, and what is to be sent.

The edge between `simulator.delivery` and `telemetry.link`: publishes what is durable, takes
receipts, starts over on every new connection. A PUBACK frees nothing.
"""

import asyncio
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from simulator.chain import Entry
from simulator.delivery import Delivery
from simulator.edge import again_topic
from simulator.faults.fault import FAIR, Weather
from simulator.faults.street import Street
from simulator.machine import Machine
from simulator.outbox import Outbox
from simulator.trust import Trust
from telemetry.address import Address, Credentials
from telemetry.header import header_properties
from telemetry.link import Arrival, Link, Subscription, Will
from telemetry.properties import NO_PROPERTIES
from telemetry.sparkplug_topic import receipt_topic
from telemetry.topic import checkpoint_topic, collector_topic, matches

REFUSED_FROM: Final = 0x80
NO_SUBSCRIBER: Final = 0x10


@dataclass(frozen=True, slots=True)
class Wire:
    """Where the machines of a fleet meet their broker."""

    address: Address
    credentials: Credentials
    prefix: str
    resend_after: float


class Courier:
    """Carries one machine's messages; `async with` connects, `run` carries until cancelled."""

    def __init__(
        self,
        machine: Machine,
        outbox: Outbox,
        trust: Trust,
        wire: Wire,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.outbox = outbox
        self._topic = replace(machine.topic, prefix=wire.prefix)
        self._trust = trust
        self._clock = clock
        self._delivery = Delivery(chance=random.random, resend_after=wire.resend_after)
        self._acknowledged: dict[tuple[str, int], Entry] = {}
        self._retained: dict[str, Entry] = {}
        self._work = asyncio.Event()
        self._anew = True
        self.refused = 0
        # Where faults may befall the machine: what becomes of its messages on their way.
        self.street: Street | None = None
        self._weather = FAIR
        self._checkpoint = checkpoint_topic(wire.prefix)
        self._collectors = collector_topic(wire.prefix, "+")
        self._receipts = [str(self._topic.with_kind("receipt"))]
        if any(entry.header is not None for entry in outbox.waiting()):
            self._receipts.append(receipt_topic(wire.prefix, self._topic.machine))
        self.link = self._link(wire)

    @property
    def outboxes(self) -> tuple[Outbox, ...]:
        """Its one outbox."""
        return (self.outbox,)

    @property
    def delivered(self) -> int:
        """Messages that came to a subscriber: receipted, or at least acknowledged."""
        return self.outbox.receipted + sum(map(self.outbox.holds, self._acknowledged.values()))

    @property
    def resent(self) -> int:
        """Publications beyond the first of each message."""
        return self._delivery.resent

    @property
    def withheld(self) -> int:
        """Messages that a fault keeps back for good."""
        return 0 if self.street is None else self.street.channel.withheld

    def feel(self, weather: Weather) -> None:
        """Have these conditions on the way to the broker from now on."""
        before, self._weather = self._weather, weather
        if weather.closed and not before.closed:
            self.link.cut(hold=True)
        elif before.closed and not weather.closed:
            self.link.restore()
        elif weather.breaks > before.breaks:
            self.link.cut()
        self._work.set()

    def connection(self) -> Link:
        """What is entered to be connected."""
        return self.link

    def send_ready(self) -> None:
        """Send what became durable since the last call."""
        entries = self.outbox.ready()
        for entry in entries:
            if entry.retain:
                self._retained[entry.kind] = entry
        self._delivery.offer(entries)
        self._work.set()

    async def run(self) -> None:
        """Publish, and resend what no receipt frees, until cancelled."""
        while True:
            await self.link.wait_connected()
            self._work.clear()
            if self._anew and self.link.connected:
                self._start_over()
            self._delivery.resend_due(self._clock())
            self._publish_due()
            self._publish_out()
            due = self._due()
            timeout = None if due is None else max(0.01, due - self._clock())
            try:
                async with asyncio.timeout(timeout):
                    await self._work.wait()
            except TimeoutError:
                continue

    def _link(self, wire: Wire) -> Link:
        topics = (*self._receipts, self._checkpoint, self._collectors)
        device, session = self._topic.machine, self.outbox.session
        death = json.dumps({"device": device, "session": session}, separators=(",", ":"))
        return Link(
            wire.address,
            client_id=client_id(wire.prefix, device),
            username=wire.credentials.username,
            password=wire.credentials.password,
            subscriptions=[Subscription(topic) for topic in topics],
            on_arrivals=self._take,
            on_connected=self._connected,
            will=Will(str(self._topic.with_kind("death")), death.encode("ascii")),
            clean_start=True,
        )

    def _connected(self, _session_present: bool) -> None:
        self._anew = True
        self._work.set()

    def _start_over(self) -> None:
        """On a new connection: all that is held is sent, and what is retained set again.

        A broker that came back without its files has lost the retained messages; the same
        signed bytes again are a duplicate to a collector, and news to whoever watches.
        """
        self._anew = False
        if self.street is not None:
            self.street.channel.clear()
        for entry in self._retained.values():
            if not self.outbox.holds(entry):
                self._post(entry)
        self._delivery.restart(self.outbox.waiting())

    def _publish_due(self) -> None:
        while self.link.connected and (entry := self._delivery.next(self._clock())) is not None:
            if self.outbox.holds(entry):
                self._post(entry)
            else:
                self._delivery.gone([entry], receipted=False)

    def _due(self) -> float | None:
        """When there will be something to send again, or something comes out of the street."""
        out = None if self.street is None else self.street.channel.next_due
        again = self._delivery.resend_at()
        return min(out, again) if out is not None and again is not None else again or out

    def _publish_out(self) -> None:
        """Publish what comes out of the street now; what is lost with the link comes again."""
        if self.street is not None and self.link.connected:
            for entry in self.street.out(self._clock()):
                if self.link.connected:
                    self._publish(entry)

    def _post(self, entry: Entry) -> None:
        if self.street is None:
            self._publish(entry)
        else:
            self.street.send([entry], self._clock())

    def _publish(self, entry: Entry) -> None:
        if entry.header is None:
            topic, properties = str(self._topic.with_kind(entry.kind)), NO_PROPERTIES
        else:
            # From a run in which it spoke Sparkplug: no host waits for it any more.
            topic = str(again_topic(self._topic, entry.kind))
            properties = header_properties(entry.header)
        posted = self.link.post(
            topic, entry.payload, qos=1, retain=entry.retain, properties=properties
        )
        posted.add_done_callback(lambda future: self._acknowledge(entry, future))

    def _acknowledge(self, entry: Entry, future: "asyncio.Future[int]") -> None:
        """Count what the broker said; only a receipt means anything to the outbox."""
        if future.cancelled() or future.exception() is not None:
            return  # the connection went; the next one sends it again
        code = future.result()
        if code == NO_SUBSCRIBER or code >= REFUSED_FROM:
            self.refused += 1
        elif self.outbox.holds(entry):
            self._acknowledged[entry.place] = entry

    def _take(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            if arrival.topic in self._receipts:
                self._take_receipt(arrival.payload)
            elif arrival.topic == self._checkpoint:
                self._trust.take_checkpoint(arrival.payload)
            elif matches(self._collectors, arrival.topic):
                self._trust.take_collector(arrival.payload)
        self.link.acknowledge(arrivals)

    def _take_receipt(self, payload: bytes) -> None:
        leaf = self._trust.check(payload)
        if leaf is None:
            return
        freed = self.outbox.release(leaf)
        self._delivery.gone(freed, receipted=True)
        for entry in freed:
            self._acknowledged.pop(entry.place, None)
        self._work.set()


def client_id(prefix: str, device: str) -> str:
    """A client id that every server takes in characters: the prefix's made safe, the device."""
    return re.sub(r"[^0-9A-Za-z_-]", "-", f"{prefix}-{device}" if prefix else device)
