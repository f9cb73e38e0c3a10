"""The gateway's one connection to the ledger's broker: messages up, receipts and keys down.

The edge between couriers and `telemetry.strand`, for devices that come to be known as it runs.
"""

import json
from collections.abc import Iterable
from typing import Final

from gateway.mapping import LEVELS, Mapping
from simulator.chain import Entry
from simulator.courier import Courier
from simulator.trust import Trust
from simulator.wire import Wire
from telemetry.canonical import is_segment
from telemetry.mqtt_packets import Arrival, Opening, Will
from telemetry.strand import Strand
from telemetry.topic import KINDS, checkpoint_topic, collector_topic, matches, under

_RECEIPT: Final = "receipt"


class Uplink:
    """Listens to the strand that is set once the gateway is connected."""

    def __init__(self, mapping: Mapping, trust: Trust, wire: Wire, session: str) -> None:
        """`session` is named by the gateway's will, which is published when it is cut off."""
        self._trust = trust
        self._by_receipt: dict[str, Courier] = {}
        self._strand: Strand | None = None
        self._checkpoint = checkpoint_topic(wire.prefix)
        self._collectors = collector_topic(wire.prefix, "+")
        receipts = sorted({f"{place}/{_RECEIPT}" for place in own_places(mapping, wire.prefix)})
        death = under(wire.prefix, f"{mapping.place}/{mapping.gateway}/death")
        said = json.dumps({"device": mapping.gateway, "session": session}, separators=(",", ":"))
        self.opening: Opening = wire.opening(
            f"gateway.{mapping.gateway}",
            (self._checkpoint, self._collectors, *receipts),
            Will(death, said.encode("ascii")),
        )

    @property
    def couriers(self) -> Iterable[Courier]:
        """All that use it."""
        return self._by_receipt.values()

    @property
    def strand(self) -> Strand | None:
        """Its connection, once there is one."""
        return self._strand

    @strand.setter
    def strand(self, strand: Strand) -> None:
        self._strand = strand
        for courier in self.couriers:
            courier.attach(strand, alone=False)

    def join(self, courier: Courier) -> None:
        """Carry for one more device; what it holds goes at once, or once there is a connection."""
        for topic in courier.receipts:
            self._by_receipt[topic] = courier
        if self._strand is not None:
            courier.attach(self._strand, alone=False)
            courier.start_over()

    def ready(self) -> None:
        """A new connection: all that is held goes again."""
        for courier in self.couriers:
            courier.start_over()

    def take(self, arrivals: list[Arrival]) -> None:
        """Hand out receipts; believe checkpoints and collectors' keys that hold."""
        for arrival in arrivals:
            courier = self._by_receipt.get(arrival.topic)
            if courier is not None:
                courier.take_receipt(arrival.payload)
            elif arrival.topic == self._checkpoint:
                self._trust.take_checkpoint(arrival.payload)
            elif matches(self._collectors, arrival.topic):
                self._trust.take_collector(arrival.payload)
        assert self._strand is not None, "who hears has a strand"
        self._strand.acknowledge(arrivals)

    def settled(self, token: tuple[Courier, Entry], code: int) -> None:
        """What the broker said of a message."""
        courier, entry = token
        courier.acknowledged(entry, code)

    def tick(self, now: float) -> None:
        """Let each look at what it waits for."""
        for courier in self.couriers:
            courier.tick(now)


def own_places(mapping: Mapping, prefix: str) -> list[str]:
    """Filters for where this gateway's devices speak, their kind left out."""
    found = []
    for speaks in mapping.speakers:
        levels = mapping.levels(speaks)
        named = (levels[one] if is_segment(levels[one]) else "+" for one in LEVELS)
        found.append(under(prefix, "/".join(named)))
    return list(dict.fromkeys(found))


def own_filters(mapping: Mapping, prefix: str) -> list[str]:
    """Filters for all that this gateway or the ledger says: never to be signed again."""
    spoken = [f"{place}/{kind}" for place in own_places(mapping, prefix) for kind in KINDS]
    return [*spoken, under(prefix, "ledger/#")]
