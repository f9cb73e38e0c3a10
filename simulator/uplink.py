"""One connection to the broker and the machines whose messages it carries.

A machine has an uplink of its own, or shares that of a gateway. The edge between couriers and
`telemetry.strand`: what the broker says goes to the courier whose it is.
"""

import json
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from simulator.chain import Entry
from simulator.courier import Courier
from simulator.wire import Wire
from telemetry.mqtt_packets import Arrival, Opening, Will
from telemetry.strand import Strand
from telemetry.topic import MachineTopic

GATEWAY_LEVELS: Final = ("line", "area", "site")
_NO_LEVEL: Final = "_"
_GATEWAY: Final = "gateway"


class Uplink:
    """What comes over one strand, for one courier or many; `strand` is set when it is connected."""

    def __init__(self, couriers: Iterable[Courier], opening: Opening) -> None:
        self.couriers = tuple(couriers)
        self.opening = opening
        self._by_receipt = {topic: c for c in self.couriers for topic in c.receipts}
        self._strand: Strand | None = None

    @property
    def alone(self) -> bool:
        """Whether one courier has it to itself, for good."""
        return len(self.couriers) == 1

    @property
    def strand(self) -> Strand | None:
        """Its connection, once there is one."""
        return self._strand

    @strand.setter
    def strand(self, strand: Strand) -> None:
        self._strand = strand
        for courier in self.couriers:
            courier.attach(strand, alone=self.alone)

    def tell_sessions(self) -> None:
        """Let the will name its machine's newest session, from the next connection on."""
        will = self.opening.will
        if self._strand is not None and isinstance(will, Will):
            first = self.couriers[0]
            place = replace(first.topic, machine=will.topic.split("/")[-2])
            self.opening = replace(self.opening, will=_death(place, first.outbox.session))
            self._strand.opening = self.opening

    def ready(self) -> None:
        """A new connection: all that is held goes again."""
        for courier in self.couriers:
            courier.start_over()

    def take(self, arrivals: list[Arrival]) -> None:
        """Hand out receipts."""
        for arrival in arrivals:
            courier = self._by_receipt.get(arrival.topic)
            if courier is not None:
                courier.take_receipt(arrival.payload)
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


def machine_uplink(courier: Courier, wire: Wire) -> Uplink:
    """A machine's own connection: its will is the machine's death."""
    will = _death(courier.topic, courier.outbox.session)
    return Uplink([courier], wire.opening(courier.topic.machine, courier.receipts, will))


def gateway_uplinks(couriers: Sequence[Courier], wire: Wire, level: str) -> list[Uplink]:
    """A connection for each line, area or site, for all machines there.

    A gateway is told of by its own will, since a connection has one: under the name
    `gateway`, on the level on which it stands; its session is that of its first machine.
    A machine that has that name keeps it, and gateways get another.
    """
    uplinks: list[Uplink] = []
    own_name = _unlike(_GATEWAY, {courier.topic.machine for courier in couriers}, "_")
    taken: set[str] = set()
    for gateway, behind in _grouped(couriers, lambda courier: _gateway(courier.topic, level)):
        topic = replace(gateway, machine=own_name)
        everyone = str(topic.with_kind("receipt")).split("/")
        wanted = [part if part != _NO_LEVEL else "+" for part in everyone[:-2]]
        own = "/".join([*wanted, "+", "receipt"])
        odd = [r for c in behind for r in c.receipts[1:]]
        # Line `b-c` of area `a` and line `c` of area `a-b` would be one client, and fight for ever.
        name = "-".join(part for part in _places(topic) if part != _NO_LEVEL)
        name = _unlike(name, taken, "-2")
        taken.add(name)
        opening = wire.opening(name, (own, *odd), _death(topic, behind[0].outbox.session))
        uplinks.append(Uplink(behind, opening))
    return uplinks


def connections(machines: Iterable[MachineTopic], level: str | None) -> int:
    """How many connections these machines take: one each, or one for each gateway."""
    topics = list(machines)
    return len(topics) if level is None else len({_gateway(topic, level) for topic in topics})


def _gateway(topic: MachineTopic, level: str) -> MachineTopic:
    """Where the gateway of a machine stands; levels below its own have no name."""
    area = topic.area if level in {"line", "area"} else _NO_LEVEL
    line = topic.line if level == "line" else _NO_LEVEL
    return MachineTopic(
        topic.prefix, topic.enterprise, topic.site, area, line, _GATEWAY, "telemetry"
    )


def _unlike(name: str, others: Container[str], suffix: str) -> str:
    """Give the name, with the suffix as often as it takes to be none of the others."""
    while name in others:
        name += suffix
    return name


def _places(topic: MachineTopic) -> tuple[str, ...]:
    return topic.enterprise, topic.site, topic.area, topic.line, topic.machine


def _grouped(
    couriers: Iterable[Courier], key: Callable[[Courier], MachineTopic]
) -> Iterable[tuple[MachineTopic, list[Courier]]]:
    groups: dict[Hashable, tuple[MachineTopic, list[Courier]]] = {}
    for courier in couriers:
        topic = key(courier)
        groups.setdefault(topic, (topic, []))[1].append(courier)
    return groups.values()


def _death(topic: MachineTopic, session: str) -> Will:
    said = json.dumps({"device": topic.machine, "session": session}, separators=(",", ":"))
    return Will(str(topic.with_kind("death")), said.encode("ascii"))
