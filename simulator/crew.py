"""Everybody in a fleet: machines with their outboxes, who carries for them, who befalls them.

Built once; what each does at a beat is in the parts. No waiting here: that is the fleet's.
"""

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.beats import spread
from simulator.courier import Courier
from simulator.faults.schedule import Occurrence
from simulator.herald import Herald
from simulator.intruders import Intruders
from simulator.machine import Machine
from simulator.misfortune import Misfortune
from simulator.outbox import Outbox
from simulator.shut_out import tell_return, tell_shut_out
from simulator.sparkplug.courier import EdgeCourier
from simulator.sparkplug.station import edge_stations
from simulator.station import Member, stations_of
from simulator.trust import Trust
from simulator.uplink import Uplink, gateway_uplinks, machine_uplink
from simulator.wire import Wire
from telemetry.bundle import Bundle
from telemetry.signature import SigningKey

LOOK_EVERY: Final = 5.0  # s

Carrier = Courier | EdgeCourier
Keys = Callable[[str], tuple[SigningKey, Collection[str]]]


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the messages, counted since the outboxes began.

    `recorded` = `receipted` + `held` + `evicted`; `delivered` are those that a receipt or a
    good PUBACK speaks for. This run's alone: PUBACKs that are no delivery (`refused`),
    publications beyond a message's first (`resent`), and receipts, checkpoints and key
    entries that did not hold (`distrusted`); connections that were lost (`disconnects`),
    tries to connect that failed, and those of them to which the broker said no; scans that
    were missed and not made up for (`skipped`). Of those held, faults keep back `withheld`.
    `shut_out` are the clients that the broker will not have at the end: machines, gateways and
    edge nodes that were revoked, or whose certificate has ended; what they hold stays with them.
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
    disconnects: int = 0
    failed_connects: int = 0
    refused_connects: int = 0
    skipped: int = 0
    shut_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a fleet is to do beside making readings.

    `faults` befall it, more may come while it runs where it is `commanded`. `gateway` is the
    level (line, area, site) whose machines share a connection, None where each has its own.
    Edge nodes say nothing live without their `primary_host`.
    """

    faults: Sequence[Occurrence] = ()
    commanded: bool = False
    gateway: str | None = None
    primary_host: str | None = None


class Crew:
    """The parts of one fleet."""

    def __init__(  # noqa: PLR0913, PLR0917 - who they are, and what they share
        self,
        machines: Sequence[Machine],
        outboxes: Mapping[str, Outbox],
        trust: Trust,
        wire: Wire,
        clock: Callable[[], int],
        parts: int,
        conditions: Conditions,
        keys: Keys | None = None,
    ) -> None:
        """`clock` is the machines', in µs; they beat in so many `parts`.

        `keys` gives a machine's key as it is now, and the ids of those of its keys that have
        ended, for one that is enrolled again.
        """
        self._trust, self._keys = trust, keys
        self.stations = stations_of(
            machines, outboxes, clock, conditions.faults, open_to_more=conditions.commanded
        )
        alone = [station for station in self.stations if not isinstance(station, Member)]
        members = [station for station in self.stations if isinstance(station, Member)]
        self.couriers = [
            Courier(station.machine, station.outbox, trust, wire, clock=time.monotonic)
            for station in alone
        ]
        nodes = edge_stations(members, outboxes, lambda: trust.cited, clock)
        self.edges = [
            EdgeCourier(
                node,
                outboxes,
                trust,
                wire,
                clock=time.monotonic,
                host=conditions.primary_host,
                keys=keys,
            )
            for node in nodes
        ]
        attacked = conditions.commanded or any(
            f.spec.group == "security" for f in conditions.faults
        )
        self.intruders = Intruders(wire) if attacked else None
        self.misfortune = Misfortune(alone, self.couriers, self.intruders)
        self._stations_by_courier = dict(zip(self.couriers, alone, strict=True))
        uplinks = (
            [machine_uplink(courier, wire) for courier in self.couriers]
            if conditions.gateway is None
            else gateway_uplinks(self.couriers, wire, conditions.gateway)
        )
        self._uplinks = {uplink.opening.client_id: uplink for uplink in uplinks}
        self.bundle = _bundle(wire, trust, uplinks, self._let_in)
        by_station = dict(zip(alone, self.couriers, strict=True))
        turns = [(station, by_station.get(station)) for station in self.stations]
        self._turns = spread(turns, [station.machine for station in self.stations], parts)

    @property
    def carriers(self) -> list[Carrier]:
        """All who carry messages."""
        return [*self.couriers, *self.edges]

    @property
    def syncing(self) -> list[Carrier]:
        """Those of them whose messages have to be made durable before they go."""
        return [*(c for c in self.couriers if not c.outbox.instant), *self.edges]

    def open(self, recorded: Callable[[], None]) -> None:
        """Begin every session; `recorded` is called when something has to become durable."""
        for station in self.stations:
            station.open(self._trust)
        for edge in self.edges:
            edge.recorded = recorded
            edge.open()
        _send(self.couriers, recorded)

    def beat(self, part: int, dt: float, recorded: Callable[[], None]) -> None:
        """Let `dt` seconds pass for the machines of a part, and send what came of it."""
        turn = self._turns[part]
        if not part:
            for edge in self.edges:
                edge.station.beat()
        for station, _ in turn:
            station.beat(dt, self._trust)
        if not part:
            self.misfortune.strike()
        _send((courier for _, courier in turn if courier is not None), recorded)
        if self.edges:
            recorded()

    def close(self) -> None:
        """No reading is made any more."""
        self.misfortune.end()
        for edge in self.edges:
            edge.station.close()
            edge.recorded()

    def _let_in(self, client: str) -> None:
        """One that was shut out is back: with the key that its machines have by now."""
        tell_return(client)
        uplink = self._uplinks.get(client)
        if uplink is None or self._keys is None:
            return
        for courier in uplink.couriers:
            key, ended = self._keys(courier.outbox.device)
            if key.public_key != courier.outbox.public_key:
                courier.outbox.take_key(key, ended)
                self._stations_by_courier[courier].open(self._trust)
        uplink.tell_sessions()

    def held(self) -> bool:
        """Whether some outbox holds what may go, and has a way to go."""
        return any(
            _held(carrier) > carrier.withheld and not carrier.shut_out for carrier in self.carriers
        )

    def tally(self, skipped: int) -> Tally:
        """What became of all, with so many scans `skipped`."""
        carriers, counts = self.carriers, self.bundle.counts
        boxes = [box for carrier in carriers for box in carrier.outboxes]
        return Tally(
            recorded=sum(box.recorded for box in boxes),
            delivered=sum(carrier.delivered for carrier in carriers),
            receipted=sum(box.receipted for box in boxes),
            held=sum(box.held for box in boxes),
            evicted=sum(box.evicted for box in boxes),
            refused=sum(carrier.refused for carrier in carriers),
            resent=sum(carrier.resent for carrier in carriers),
            distrusted=self._trust.refused,
            withheld=sum(min(carrier.withheld, _held(carrier)) for carrier in carriers),
            disconnects=counts.lost,
            failed_connects=counts.failed,
            refused_connects=counts.refused,
            skipped=skipped,
            shut_out=counts.shut_out + sum(edge.shut_out for edge in self.edges),
        )


def _bundle(
    wire: Wire, trust: Trust, uplinks: Sequence[Uplink], let_in: Callable[[str], None]
) -> Bundle:
    """The connections of a fleet: the herald's, and one a machine or one a gateway."""
    # What is looked at is late for a resend by so much at the most; ten thousand looks take
    # a tenth of a second.
    often = min(LOOK_EVERY, 0.5 + sum(len(uplink.couriers) for uplink in uplinks) / 2000)
    bundle = Bundle(
        wire.address,
        look_every=min(often, wire.resend_after / 4),
        seldom=wire.seldom,
        on_shut_out=tell_shut_out,
        on_return=let_in,
    )
    # Random: two fleets on one broker have a herald each.
    herald = Herald(trust, wire, f"herald-{secrets.token_hex(4)}")
    herald.strand = bundle.add(herald.opening, herald)
    for uplink in uplinks:
        uplink.strand = bundle.add(uplink.opening, uplink)
    return bundle


def _send(couriers: Iterable[Courier], recorded: Callable[[], None]) -> None:
    """Send what is durable already, and ask for what is not."""
    for courier in couriers:
        if courier.outbox.dirty:
            recorded()
        else:
            courier.send_ready()


def _held(carrier: Carrier) -> int:
    return sum(box.held for box in carrier.outboxes)
