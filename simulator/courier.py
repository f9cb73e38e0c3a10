"""One machine's way to the broker: its outbox, and what is to be sent when.

The edge between `simulator.delivery` and a strand of the fleet's bundle: publishes what is
durable, takes receipts, starts over on every new connection. A PUBACK frees nothing.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from simulator.chain import Entry
from simulator.delivery import Delivery
from simulator.edge import again_topic
from simulator.faults.fault import FAIR, Weather
from simulator.faults.street import Street
from simulator.outbox import Outbox
from simulator.ports import Placed
from simulator.trust import Trust
from simulator.wire import Wire, is_delivery
from telemetry.errors import NotOffered, PacketTooLarge
from telemetry.header import header_properties
from telemetry.properties import NO_PROPERTIES
from telemetry.sparkplug_topic import receipt_topic
from telemetry.strand import Strand


class Courier:
    """Carries one machine's messages over the strand that it is attached to.

    No task of its own: it works when something is durable, when the broker says something,
    and at the bundle's looks. `clock` is monotonic, in seconds.
    """

    __slots__ = (
        "_acknowledged", "_alone", "_base", "_clock", "_delivery", "_retained", "_strand", "_timer",
        "_trust", "_weather", "outbox", "receipts", "refused", "street", "topic",
    )  # fmt: skip

    def __init__(
        self,
        machine: Placed,
        outbox: Outbox,
        trust: Trust,
        wire: Wire,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.outbox = outbox
        self.topic = replace(machine.topic, prefix=wire.prefix)
        self._base = str(self.topic).removesuffix(self.topic.kind)
        self._trust = trust
        self._clock = clock
        self._delivery = Delivery(chance=random.random, resend_after=wire.resend_after)
        self._acknowledged: set[Entry] = set()
        self._retained: dict[str, Entry] = {}
        self.refused = 0
        # Where faults may befall the machine: what becomes of its messages on their way.
        self.street: Street | None = None
        self._weather = FAIR
        self._strand: Strand | None = None
        self._alone = True
        self._timer: asyncio.TimerHandle | None = None
        self.receipts = [f"{self._base}receipt"]
        if any(entry.header is not None for entry in outbox.waiting()):
            self.receipts.append(receipt_topic(wire.prefix, self.topic.machine))

    def attach(self, strand: Strand, *, alone: bool) -> None:
        """Publish over this strand; `alone`: no other machine does."""
        self._strand, self._alone = strand, alone

    @property
    def outboxes(self) -> tuple[Outbox, ...]:
        """Its one outbox."""
        return (self.outbox,)

    @property
    def delivered(self) -> int:
        """Messages that came to a subscriber: receipted, or at least acknowledged."""
        return self.outbox.receipted + sum(map(self.outbox.holds, self._acknowledged))

    @property
    def resent(self) -> int:
        """Publications beyond the first of each message."""
        return self._delivery.resent

    @property
    def shut_out(self) -> bool:
        """Whether the broker will not have the client that carries its messages."""
        return self._strand is not None and self._strand.shut_out

    @property
    def withheld(self) -> int:
        """Messages that a fault keeps back for good."""
        return 0 if self.street is None else self.street.channel.withheld

    def feel(self, weather: Weather) -> None:
        """Have these conditions on the way to the broker from now on.

        A connection that is the machine's own is cut; behind a gateway only what is on its
        way is lost with a break, and nothing comes through while it is closed.
        """
        before, self._weather = self._weather, weather
        opened, broken = before.closed and not weather.closed, weather.breaks > before.breaks
        if not self._alone:
            if opened or broken:
                self.start_over()
        elif self._strand is not None:
            if weather.closed and not before.closed:
                self._strand.cut(hold=True)
            elif opened:
                self._strand.restore()
            elif broken:
                self._strand.cut()
        self._publish_out()

    def send_ready(self) -> None:
        """Send what became durable since the last call."""
        entries = self.outbox.ready()
        for entry in entries:
            if entry.retain:
                self._retained[entry.kind] = entry
        self._delivery.offer(entries)
        self._publish_due(self._clock())

    def start_over(self) -> None:
        """On a new connection: all that is held is sent, and what is retained set again.

        A broker that came back without its files has lost the retained messages; the same
        signed bytes again are a duplicate to a collector, and news to whoever watches.
        """
        if self.street is not None:
            self.street.channel.clear()
        now = self._clock()
        for entry in self._retained.values():
            if not self.outbox.holds(entry):
                self._post(entry, now)
        self._delivery.restart(self.outbox.waiting())
        self._publish_due(now)

    def tick(self, now: float) -> None:
        """Send again what no receipt freed in time."""
        self._delivery.resend_due(now)
        self._publish_due(now)

    def take_receipt(self, payload: bytes) -> None:
        """Let go of what a receipt covers, if it holds; there is room for more then."""
        leaf = self._trust.check(payload)
        if leaf is None:
            return
        freed = self.outbox.release(leaf)
        self._delivery.gone(freed, receipted=True)
        self._acknowledged.difference_update(freed)
        self._publish_due(self._clock())

    def acknowledged(self, entry: Entry, code: int) -> None:
        """Count what the broker said; only a receipt means anything to the outbox."""
        if not is_delivery(code):
            self.refused += 1
            self._delivery.bounced(entry, self._clock())
        elif self.outbox.drop(entry):
            self._delivery.gone([entry], receipted=False)
            self._publish_due(self._clock())
        elif self.outbox.holds(entry):
            self._acknowledged.add(entry)

    def _publish_due(self, now: float) -> None:
        while self._open and (entry := self._delivery.next(now)) is not None:
            if self.outbox.holds(entry):
                self._post(entry, now)
            else:
                self._delivery.gone([entry], receipted=False)
                self._acknowledged.discard(entry)

    @property
    def _open(self) -> bool:
        return self._strand is not None and self._strand.ready

    def _post(self, entry: Entry, now: float) -> None:
        if self.street is None:
            self._publish(entry)
        else:
            self.street.send([entry], now)
            self._publish_out()

    def _publish_out(self) -> None:
        """Publish what comes out of the street now, and come back for what comes out later.

        What is lost with the connection comes again.
        """
        if self.street is None or not self._open:
            return
        for entry in self.street.out(self._clock()):
            self._publish(entry)
        if self._timer is not None:
            self._timer.cancel()
        due = self.street.channel.next_due
        if due is not None:
            pause = max(0.0, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(pause, self._publish_out)

    def _publish(self, entry: Entry) -> None:
        if entry.header is None:
            topic, properties = f"{self._base}{entry.kind}", NO_PROPERTIES
        else:
            # From a run in which it spoke Sparkplug: no host waits for it any more.
            topic = str(again_topic(self.topic, entry.kind))
            properties = header_properties(entry.header)
        assert self._strand is not None, "published only while it is open"
        token = (self, entry)
        try:
            self._strand.post(
                topic, entry.payload, token, retain=entry.retain, properties=properties
            )
        except (PacketTooLarge, NotOffered):
            self.refused += 1  # as CONNACK announced: it would cost the connection
