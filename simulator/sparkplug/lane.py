"""The outbox of an edge node or of one of its devices, and what of it is on its way.

Live at QoS 0, once; then out of the outbox at QoS 1, under `ledger/outbox/`, until a receipt
frees it. The edge between an outbox and `telemetry.link`.
"""

import asyncio
import random
from dataclasses import replace

from simulator.chain import Entry
from simulator.delivery import Delivery
from simulator.outbox import Outbox
from simulator.wire import is_delivery
from telemetry.header import header_properties
from telemetry.link import Link
from telemetry.properties import NO_PROPERTIES
from telemetry.receipt import ReceiptLeaf
from telemetry.sparkplug_topic import SparkplugTopic, receipt_topic
from telemetry.topic import MachineTopic


class Lane:
    """One sender's way out."""

    def __init__(
        self, outbox: Outbox, topic: SparkplugTopic, machine: MachineTopic, resend_after: float
    ) -> None:
        """`topic` is any of the sender's in Sparkplug, `machine` its place in the ledger's JSON."""
        self.outbox = outbox
        self.delivery = Delivery(chance=random.random, resend_after=resend_after)
        self.refused = 0
        self._now = 0.0  # when it last published
        self._topic = topic
        self._machine = machine
        self._durable: set[tuple[str, int]] = set()
        self._acknowledged: dict[tuple[str, int], Entry] = {}

    @property
    def receipts(self) -> tuple[str, str]:
        """Its topics of receipts: for Sparkplug, and for evictions and earlier runs in JSON."""
        own = receipt_topic(self._machine.prefix, self._machine.machine)
        return own, str(self._machine.with_kind("receipt"))

    @property
    def delivered(self) -> int:
        """Messages that a receipt speaks for, or a PUBACK of a copy out of the outbox."""
        return self.outbox.receipted + sum(map(self.outbox.holds, self._acknowledged.values()))

    def take_ready(self) -> None:
        """Look at what became durable since the last call."""
        for entry in self.outbox.ready():
            if entry.header is None:
                self.delivery.offer([entry])  # an eviction's event: no host's business
            else:
                self._durable.add(entry.place)

    def waits(self, entry: Entry) -> bool:
        """Whether this is held, and not durable yet: then it may not be published."""
        return self.outbox.holds(entry) and entry.place not in self._durable

    def publish_live(self, link: Link, entry: Entry, now: float) -> None:
        """Publish for hosts, and wait for its receipt from now on."""
        self._durable.discard(entry.place)
        if self.outbox.holds(entry):
            self._post(link, entry, self._named(entry), qos=0)
            self.delivery.sent(entry, now)

    def publish_later(self, entry: Entry) -> None:
        """It is too late for hosts: it goes out of the outbox."""
        self._durable.discard(entry.place)
        if self.outbox.holds(entry):
            self.delivery.offer([entry])

    def publish_again(self, link: Link, now: float) -> None:
        """Send out of the outbox what is due."""
        self._now = now
        self.delivery.resend_due(now)
        while link.connected and (entry := self.delivery.next(now)) is not None:
            if not self.outbox.holds(entry):
                self.delivery.gone([entry], receipted=False)
            elif entry.header is None:
                self._post(link, entry, self._machine.with_kind(entry.kind), qos=1)
            else:
                self._post(link, entry, replace(self._named(entry), again=True), qos=1)

    def release(self, leaf: ReceiptLeaf) -> None:
        """Let go of what a receipt covers."""
        freed = self.outbox.release(leaf)
        self.delivery.gone(freed, receipted=True)
        for entry in freed:
            self._acknowledged.pop(entry.place, None)

    def _named(self, entry: Entry) -> SparkplugTopic:
        return self._topic.of(entry.kind, self._topic.device)

    def _post(
        self, link: Link, entry: Entry, topic: SparkplugTopic | MachineTopic, *, qos: int
    ) -> None:
        known = NO_PROPERTIES if entry.header is None else header_properties(entry.header)
        posted = link.post(
            str(topic), entry.payload, qos=qos, retain=entry.retain, properties=known
        )
        posted.add_done_callback(lambda future: self._acknowledge(entry, future, qos))

    def _acknowledge(self, entry: Entry, future: "asyncio.Future[int]", qos: int) -> None:
        """Count what the broker said; at QoS 0 it says nothing."""
        if future.cancelled() or future.exception() is not None or not qos:
            return  # what is lost with the link comes again out of the outbox
        if not is_delivery(future.result()):
            self.refused += 1
            self.delivery.bounced(entry, self._now)
        elif self.outbox.drop(entry):
            self.delivery.gone([entry], receipted=False)
        elif self.outbox.holds(entry):
            self._acknowledged[entry.place] = entry
