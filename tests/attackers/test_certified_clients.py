"""A hostile client on the shipped broker: with no certificate, and with a machine's own.

What no library sends, over mutual TLS and under the ACL. Another machine and a collector work
there meanwhile: nothing of theirs is lost, neither is displaced, and none of what the attacker
retains, wills or asks for reaches a topic that is not its own.
"""

import asyncio
import socket
import threading
from contextlib import ExitStack, suppress

import pytest
from raw_mqtt import Raw, connect, publish, subscribe
from shipped_broker import shipped_plant
from test_mqtt_clients import CHECKPOINT, COLLECTOR, POISON, games

from telemetry.errors import BrokerUnavailable, LinkLost
from telemetry.link import Subscription

pytestmark = pytest.mark.e2e

OWN, OTHER = "acme/berlin/milling/line1/m1", "acme/berlin/milling/line1/m2"
FOREIGN = (f"{OTHER}/receipt", f"{OTHER}/telemetry", f"{OWN}/receipt", CHECKPOINT, COLLECTOR)
COUNT = 150
PATTERNS = ("#", "+/#", "$SYS/#", "$share/g/#", f"{OTHER}/#", "ledger/#")


@pytest.fixture(scope="module")
def plant():
    with shipped_plant() as running:
        yield running


class RawTls(Raw):
    """The same bytes, inside of TLS under a machine's certificate."""

    def __init__(self, plant, user):
        super().__init__(plant.broker.tls_port)
        self.socket = plant.tls(user).wrap_socket(self.socket, server_hostname="127.0.0.1")


def of_its_own():
    """What a machine may publish, as no machine does."""
    yield [connect("m1"), publish(f"{OWN}/telemetry", b"x" * 2_000_000)]
    yield [connect("m1"), publish(f"{OWN}/telemetry", b"x" * 3_000_000)]
    yield [connect("m1"), *(publish(f"{OWN}/event", b"", number=n + 1) for n in range(500))]
    yield [connect("m1"), publish(f"{OWN}/birth", POISON, retain=True)]
    for topic in FOREIGN:
        yield [connect("m1", will=(topic, POISON, True)), b"\xff\xff\xff"]
        yield [connect("m1"), publish(topic, POISON, retain=True)]
        yield [connect("m1"), subscribe(topic), subscribe(f"$share/g/{topic}", number=2)]


def attack_with(plant, user):
    for packets in (*(packets for _, packets in games()), *of_its_own()):
        with suppress(OSError), RawTls(plant, user) as raw:
            raw.send(*packets).heard(0.02)
    for number in range(40):  # one certificate is one session: each displaces its own alone
        with suppress(OSError), RawTls(plant, user) as raw:
            raw.send(connect(f"another-{number}"))


def attack_without(plant):
    """Handshakes that are begun and not gone on with, and what is none."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)
    with ExitStack() as stack:
        for number in range(200):
            raw = stack.enter_context(Raw(plant.broker.tls_port))
            raw.send(hello[: 1 + number % len(hello)])
        for packets in ([connect("plain")], [b"\x16\x03\x01\xff\xff"], [bytes(100_000)]):
            stack.enter_context(Raw(plant.broker.tls_port)).send(*packets)
        yield


async def honest(plant, harm):
    """A machine's messages to a collector while that is done; gives what arrived, and troubles."""
    heard, troubles, arrived = set[int](), list[Exception](), asyncio.Event()

    def take(arrivals):
        for arrival in arrivals:
            if arrival.topic == f"{OTHER}/telemetry":
                heard.add(int(arrival.payload))
        collector.acknowledge(arrivals)
        if len(heard) == COUNT:
            arrived.set()

    more = {"on_trouble": troubles.append}
    wanted = [Subscription("acme/#", 1)]
    collector = plant.inside("collector.1", on_arrivals=take, subscriptions=wanted, **more)
    async with collector, plant.outside("m2", **more) as machine:
        thread = threading.Thread(target=harm)
        thread.start()
        for number in range(COUNT):
            await machine.post(f"{OTHER}/telemetry", b"%d" % number)
            await asyncio.sleep(0.005)
        await asyncio.to_thread(thread.join, 60)
        async with asyncio.timeout(20):
            await arrived.wait()
        # Who comes now is let in, too.
        async with plant.outside("watch.1"):
            pass
        return heard, troubles, (collector.epoch, machine.epoch)


def test_a_machine_s_certificate_is_good_for_its_own_topics_whatever_it_sends(plant):
    heard, troubles, epochs = asyncio.run(honest(plant, lambda: attack_with(plant, "m1")))
    assert (len(heard), troubles, epochs) == (COUNT, [], (1, 1))
    assert plant.broker.running
    assert retained(plant) == {f"{OWN}/birth"}, "what it may, and nothing else"


def test_handshakes_that_never_end_keep_nobody_out(plant):
    done = threading.Event()

    def harm():
        for _ in attack_without(plant):
            done.wait(30)

    async def run():
        asyncio.get_running_loop().call_later(1.5, done.set)
        return await honest(plant, harm)

    heard, troubles, epochs = asyncio.run(run())
    assert (len(heard), troubles, epochs) == (COUNT, [], (1, 1))


def test_whatever_it_subscribes_to_it_hears_nothing_of_others(plant):
    asked = [subscribe(pattern, number=n) for n, pattern in enumerate(PATTERNS, 1)]

    async def run():
        async with plant.outside("m2") as machine:
            with RawTls(plant, "m1") as raw:
                raw.send(connect("m1"), *asked).heard(0.1)
                for kind in ("telemetry", "event"):
                    await machine.post(f"{OTHER}/{kind}", b"a secret of m2")
                return raw.heard(0.3)

    said = asyncio.run(run())
    assert b"a secret" not in said
    assert b"$SYS" not in said


def test_without_a_certificate_nothing_is_heard_or_said(plant):
    with Raw(plant.broker.tls_port) as raw:
        assert b"\x20" not in raw.send(connect("x"), subscribe("#")).heard(0.3)[:1]
    with socket.create_connection(("127.0.0.1", plant.broker.port), timeout=5) as plain:
        plain.sendall(connect("x"))
        assert plain.recv(100)[3:4] != b"\0", "the internal listener wants a password"


def retained(plant):
    """Every topic that a broker keeps a message of, as who may read everything sees it."""

    async def run():
        found = set[str]()
        wanted = [Subscription("#", 1)]
        with suppress(LinkLost, BrokerUnavailable):
            async with plant.inside(
                "watch.1",
                clean_start=True,
                subscriptions=wanted,
                on_arrivals=lambda all_of: found.update(one.topic for one in all_of),
            ):
                await asyncio.sleep(0.5)
        return found

    return asyncio.run(run())
