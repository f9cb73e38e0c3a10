"""Hears what the ledger tells all machines: collectors' keys, the newest checkpoint.

One client for the whole fleet: every machine would get the same, and one process believes it
once (`simulator.trust`). The edge to its strand.
"""

from simulator.trust import Trust
from simulator.wire import Wire
from telemetry.mqtt_packets import Arrival, Opening
from telemetry.strand import Strand
from telemetry.topic import checkpoint_topic, collector_topic, matches


class Herald:
    """Brings it to `trust`; `strand` is set by whoever connects it."""

    strand: Strand

    def __init__(self, trust: Trust, wire: Wire, name: str) -> None:
        """`name` tells it from the heralds of other fleets on the same broker."""
        self._trust = trust
        self._checkpoint = checkpoint_topic(wire.prefix)
        self._collectors = collector_topic(wire.prefix, "+")
        self.opening: Opening = wire.opening(name, (self._checkpoint, self._collectors))

    def ready(self) -> None:
        """Nothing to say: what is retained comes by itself."""

    def take(self, arrivals: list[Arrival]) -> None:
        """Believe what holds."""
        for arrival in arrivals:
            if arrival.topic == self._checkpoint:
                self._trust.take_checkpoint(arrival.payload)
            elif matches(self._collectors, arrival.topic):
                self._trust.take_collector(arrival.payload)
        self.strand.acknowledge(arrivals)

    def settled(self, token: object, code: int) -> None:
        """Nothing is published here."""

    def tick(self, now: float) -> None:
        """Nothing is waited for."""
