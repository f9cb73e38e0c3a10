"""The gateway's one connection to the ledger's broker: messages up, receipts and keys down.

The edge between couriers and `telemetry.strand`, for devices that come to be known as it runs.
"""

import json
from typing import Final

import simulator.uplink
from gateway.mapping import LEVELS, Mapping
from simulator.courier import Courier
from simulator.trust import Trust
from simulator.wire import Wire
from telemetry.canonical import is_segment
from telemetry.mqtt_packets import Arrival, Will
from telemetry.topic import KINDS, checkpoint_topic, collector_topic, matches, under

_RECEIPT: Final = "receipt"


class Uplink(simulator.uplink.Uplink):
    """As a machine's, for devices that come to be known; hears the log and the keys, too."""

    def __init__(self, mapping: Mapping, trust: Trust, wire: Wire, session: str) -> None:
        """`session` is named by the gateway's will, which is published when it is cut off."""
        self._trust = trust
        self._checkpoint = checkpoint_topic(wire.prefix)
        self._collectors = collector_topic(wire.prefix, "+")
        receipts = sorted({f"{place}/{_RECEIPT}" for place in own_places(mapping, wire.prefix)})
        death = under(wire.prefix, f"{mapping.place}/{mapping.gateway}/death")
        said = json.dumps({"device": mapping.gateway, "session": session}, separators=(",", ":"))
        opening = wire.opening(
            f"gateway.{mapping.gateway}",
            (self._checkpoint, self._collectors, *receipts),
            Will(death, said.encode("ascii")),
        )
        super().__init__((), opening)

    @property
    def alone(self) -> bool:
        """Never: another device may join at any time."""
        return False

    def join(self, courier: Courier) -> None:
        """Carry for one more device; what it holds goes at once, or once there is a connection."""
        self.couriers = (*self.couriers, courier)
        for topic in courier.receipts:
            self._by_receipt[topic] = courier
        if self._strand is not None:
            courier.attach(self._strand, alone=self.alone)
            courier.start_over()

    def take(self, arrivals: list[Arrival]) -> None:
        """Hand out receipts; believe checkpoints and collectors' keys that hold."""
        for arrival in arrivals:
            if arrival.topic == self._checkpoint:
                self._trust.take_checkpoint(arrival.payload)
            elif matches(self._collectors, arrival.topic):
                self._trust.take_collector(arrival.payload)
        super().take(arrivals)


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
