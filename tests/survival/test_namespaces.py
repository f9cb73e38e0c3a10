"""Broker, collector and machines each on a host of their own, and silence between them.

A proxy on loopback always says something: it accepts, it closes. Here a cable is pulled, one
way goes nowhere, an address changes under a connection: no RST, no FIN, and nobody is told.
"""

from contextlib import contextmanager

import pytest
from namespaces import HostBroker, Net, why_not
from survival_line import hold, until

from factoryledger.broker import find_mosquitto

pytestmark = [pytest.mark.e2e, pytest.mark.long]

# Mosquitto's least: 7.5 s of quiet, then 10 s for an answer (telemetry.keep_alive).
KEEP_ALIVE = "max_keepalive 10"
FOUND = 40.0  # s: until a dead peer is found, on a busy machine
BACK = 60.0  # s: until something comes through again


@pytest.fixture
def hosts():
    if reason := why_not():
        pytest.skip(reason)
    with Net() as net:
        names = ("broker", "collect", "machines")
        yield [net.host(name, number) for number, name in enumerate(names, 2)]


def test_whatever_silence_comes_between_them_nothing_is_lost(hosts, lay, tmp_path):
    at_broker, at_collector, at_machines = hosts
    mosquitto = find_mosquitto()
    if mosquitto is None:
        pytest.skip("no Mosquitto here")
    line = lay(broker=HostBroker(at_broker, mosquitto, tmp_path / "far", KEEP_ALIVE))
    collector, machines = line.collector(), line.machines(5)
    collector.inside, machines.inside = at_collector.inside, at_machines.inside
    collector.start()
    machines.start()
    silences = {
        "the collector's cable": (collector, pulled(at_collector)),
        "the machines' cable": (machines, pulled(at_machines)),
        "both cables": (collector, pulled(at_collector, at_machines)),
        "what the broker says to the collector": (collector, lost(at_broker, at_collector)),
        "what the collector says to the broker": (collector, lost(at_collector, at_broker)),
        "what the broker says to the machines": (machines, lost(at_broker, at_machines)),
        "what the machines say to the broker": (machines, lost(at_machines, at_broker)),
        "the collector's address": (collector, moved(at_collector, 103)),
        "the machines' address": (machines, moved(at_machines, 104)),
    }
    for what, (part, silence) in silences.items():
        grown(line, "something comes through before")
        with silence:
            missed(part, what)
        grown(line, f"something comes through after {what}")
    machines.stop()
    collector.stop()
    hold(line.sum(machines.results()), f"{len(silences)} silences between hosts")


@contextmanager
def pulled(*hosts):
    """Cables without a carrier at the bridge: nothing passes, and no host is told of it."""
    for host in hosts:
        host.down()
    yield
    for host in hosts:
        host.up()


@contextmanager
def lost(sender, receiver):
    """One way alone: what one sends to the other goes nowhere."""
    receiver.deaf_to(sender)
    yield
    receiver.hears(sender)


@contextmanager
def moved(host, number):
    """Another address from now on; who answers to the old one answers nobody."""
    host.move(number)
    yield


def troubles(part):
    """How often a part has said that it lost its broker."""
    return sum("10.77.0.2:1883" in row for row in part.said().splitlines())


def missed(part, what):
    """Wait until it has found out by itself."""
    before = troubles(part)
    until(lambda: troubles(part) > before, f"{part.name} misses {what}", FOUND)


def grown(line, what):
    """Wait until more is stored than now."""
    before = line.accepted()
    until(lambda: line.accepted() > before, what, BACK)
