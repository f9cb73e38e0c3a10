"""Machines whose messages one gateway carries: fewer connections, the same promises."""

import asyncio
import dataclasses

import pytest
from fleet_parts import LogKey, check_chains, keyring_of, memory_boxes, run

from simulator.courier import Courier
from simulator.crew import Conditions
from simulator.faults.afflicted import Afflicted
from simulator.faults.fault import FAIR
from simulator.fleet import simulate
from simulator.plant import build_plant
from simulator.station import BefallenStation, Station
from simulator.trust import Trust
from simulator.uplink import GATEWAY_LEVELS, connections, gateway_uplinks, machine_uplink
from simulator.wire import Wire
from telemetry.address import NOBODY, Address

SEED = 5


def couriers(machines, prefix=""):
    wire = Wire(Address("127.0.0.1", 1), lambda _name: NOBODY, prefix, 5.0)
    boxes, trust = memory_boxes(machines, SEED), Trust(None, None)
    made = [Courier(m, boxes[m.name], trust, wire, clock=lambda: 0.0) for m in machines]
    return made, wire


def renamed(one, **levels):
    """The same machine elsewhere, or under another name."""
    return dataclasses.replace(one, topic=dataclasses.replace(one.topic, **levels))


def test_a_machines_own_connection_has_its_receipts_and_its_death():
    (courier,), wire = couriers(build_plant(1, SEED), "lab")
    opening = machine_uplink(courier, wire).opening
    assert opening.client_id == "lab-mill-01"
    base = "lab/example-works/north/machining/line-1/mill-01"
    assert [one.pattern for one in opening.subscriptions] == [f"{base}/receipt"]
    assert opening.will.topic == f"{base}/death"
    assert courier.outbox.session.encode() in opening.will.payload


@pytest.mark.parametrize(
    ("level", "client", "receipts", "death"),
    [
        ("line", "example-works-north-machining-line-1-gateway",
         "example-works/north/machining/line-1/+/receipt",
         "example-works/north/machining/line-1/gateway/death"),
        ("area", "example-works-north-machining-gateway",
         "example-works/north/machining/+/+/receipt",
         "example-works/north/machining/_/gateway/death"),
        ("site", "example-works-north-gateway",
         "example-works/north/+/+/+/receipt",
         "example-works/north/_/_/gateway/death"),
    ],
)  # fmt: skip
def test_a_gateway_stands_on_its_level_and_hears_the_receipts_there(level, client, receipts, death):
    machines = build_plant(60, SEED)
    made, wire = couriers(machines)
    uplinks = gateway_uplinks(made, wire, level)
    place = {"line": lambda t: (t.area, t.line), "area": lambda t: t.area, "site": lambda t: t.site}
    assert len(uplinks) == len({place[level](m.topic) for m in machines})
    assert sorted(c.topic.machine for u in uplinks for c in u.couriers) == sorted(
        m.name for m in machines
    )
    assert len({uplink.opening.client_id for uplink in uplinks}) == len(uplinks)
    (own,) = [uplink for uplink in uplinks if uplink.opening.client_id == client]
    assert [one.pattern for one in own.opening.subscriptions] == [receipts]
    assert own.opening.will.topic == death


def test_a_machine_called_gateway_keeps_its_death_to_itself():
    first, *others = build_plant(3, SEED)
    machines = [renamed(first, machine="gateway"), *others]
    made, wire = couriers(machines)
    for uplink in gateway_uplinks(made, wire, "line"):
        assert uplink.opening.will.topic.endswith("/gateway_/death")


def test_gateways_whose_places_read_alike_are_two_clients():
    first, second, *_ = build_plant(2, SEED)
    machines = [renamed(first, area="a", line="b-c"), renamed(second, area="a-b", line="c")]
    made, wire = couriers(machines)
    names = [uplink.opening.client_id for uplink in gateway_uplinks(made, wire, "line")]
    assert names[1] == f"{names[0]}-2"


def test_connections_are_as_many_as_machines_or_as_gateways():
    topics = [machine.topic for machine in build_plant(60, SEED)]
    assert connections(topics, None) == 60
    for level in GATEWAY_LEVELS:
        made, wire = couriers(build_plant(60, SEED))
        assert connections(topics, level) == len(gateway_uplinks(made, wire, level)) < 60


@pytest.mark.e2e
@pytest.mark.parametrize("level", ["line", "site"])
def test_every_message_comes_once_and_is_receipted(broker, topic_prefix, receipt_giver, level):
    machines = build_plant(30, SEED)

    async def main():
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            tally = await simulate(
                address=broker.address,
                machines=machines,
                outboxes=memory_boxes(machines, SEED),
                receipts=giver.verifier(),
                checkpoints=LogKey(),
                prefix=topic_prefix,
                interval=0.05,
                duration=1.0,
                conditions=Conditions(gateway=level),
            )
            return giver, tally

    giver, tally = run(main)
    assert tally.held == tally.resent == tally.disconnects == 0
    assert tally.recorded == tally.delivered == tally.receipted == len(giver.stored)
    assert set(giver.statuses) == {"accepted"}
    check_chains(giver, machines)
    assert giver.deaths == []


class Strand:
    """A connection that remembers; ready from the first."""

    ready = True

    def __init__(self):
        self.posted, self.cuts = [], 0

    def post(self, topic, payload, token, **_):
        self.posted.append((topic, payload))

    def cut(self, *, hold=False):
        self.cuts += 1

    def acknowledge(self, arrivals):
        """Nothing came."""


def test_a_fault_of_one_machines_network_leaves_the_gateway_and_the_others_alone():
    machines = build_plant(40, SEED)[:2]
    made, wire = couriers(machines)
    (uplink,) = gateway_uplinks(made, wire, "site")
    uplink.strand = strand = Strand()
    faulty, fine = made
    afflicted = Afflicted(machines[0].start(), (), 0)
    befallen = BefallenStation(afflicted, faulty.outbox, lambda: 1_000_000)
    faulty.street = befallen.street
    stations = [befallen, Station(machines[1].start(), fine.outbox, lambda: 1_000_000)]

    def feel(weather):
        befallen.street.channel.weather = weather
        faulty.feel(weather)

    def posted(machine):
        return [topic.split("/")[-2] for topic, _ in strand.posted].count(machine.name)

    async def main():
        feel(FAIR._replace(closed=True))
        for station, courier in zip(stations, made, strict=True):
            station.open(Trust(None, None))
            courier.send_ready()
        assert [posted(machine) for machine in machines] == [0, 2]
        feel(FAIR)
        assert [posted(machine) for machine in machines] == [2, 2]
        # What was on its way is lost with the break, and goes again.
        feel(FAIR._replace(breaks=1))
        assert [posted(machine) for machine in machines] == [4, 2]
        assert strand.cuts == 0

    asyncio.run(main())
