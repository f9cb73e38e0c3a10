"""The link against a real Mosquitto, with paho, which shares no code with it, on the other side."""

import asyncio
import queue
import uuid

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from telemetry.errors import BrokerUnavailable, LinkLost, PacketTooLarge, SessionTakenOver
from telemetry.link import Address, Backoff, Link, Subscription, Will
from telemetry.properties import Properties

pytestmark = pytest.mark.e2e

QUICK = Backoff(first=0.02, limit=0.2)
RICH = Properties(
    payload_format_indicator=1,
    content_type="application/json",
    response_topic="answers/here",
    correlation_data=b"\x00\xff",
    user_properties=(("line", "3"), ("line", "4"), ("ä", "ö")),
)


class PahoPeer:
    """Paho, connected and subscribed, with what it got in a queue."""

    def __init__(self, address, *filters):
        self.got = queue.SimpleQueue()
        self._ready = queue.SimpleQueue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.on_message = lambda _client, _data, message: self.got.put(message)
        self.client.on_subscribe = lambda *_: self._ready.put(None)
        self.client.connect(address.host, address.port)
        self.client.loop_start()
        if filters:
            self.client.subscribe([(one, paho.SubscribeOptions(qos=1)) for one in filters])
            self._ready.get(timeout=5)

    def publish(self, topic, payload, **rest):
        self.client.publish(topic, payload, **rest).wait_for_publish(5)

    async def next(self):
        return await asyncio.to_thread(self.got.get, timeout=5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


class Inbox:
    """What a link got, to be waited for."""

    def __init__(self):
        self.all = []
        self.batches = []
        self._more = asyncio.Event()

    def __call__(self, arrivals):
        self.all.extend(arrivals)
        self.batches.append(len(arrivals))
        self._more.set()

    async def until(self, count):
        async with asyncio.timeout(10):
            while len(self.all) < count:
                self._more.clear()
                await self._more.wait()
        return self.all


def client_id():
    return f"test-{uuid.uuid4().hex[:12]}"


def link(broker, **rest):
    rest.setdefault("client_id", client_id())
    rest.setdefault("backoff", QUICK)
    rest.setdefault("on_trouble", lambda _: None)
    return Link(broker.address, **rest)


def test_messages_of_another_client_come_as_they_were_sent(broker, topic_prefix):
    async def run():
        inbox = Inbox()
        subscriptions = [Subscription(f"{topic_prefix}/#")]
        async with link(broker, subscriptions=subscriptions, on_arrivals=inbox):
            with PahoPeer(broker.address) as peer:
                extra = PahoProperties(PacketTypes.PUBLISH)
                extra.PayloadFormatIndicator = 1
                extra.ContentType = "application/json"
                extra.ResponseTopic = "answers/here"
                extra.CorrelationData = b"\x00\xff"
                extra.UserProperty = [("line", "3"), ("line", "4"), ("ä", "ö")]
                peer.publish(f"{topic_prefix}/a", bytes(range(256)), qos=1, properties=extra)
                peer.publish(f"{topic_prefix}/ü/$x", b"", qos=0)
                peer.publish(f"{topic_prefix}/c", b"2", qos=2)
                first, second, third = await inbox.until(3)
        assert first.topic == f"{topic_prefix}/a"
        assert (first.payload, first.qos, first.retain) == (bytes(range(256)), 1, False)
        assert first.properties == RICH
        assert (second.topic, second.payload) == (f"{topic_prefix}/ü/$x", b"")
        assert (second.qos, second.packet_id) == (0, None)
        assert third.qos == 1  # we subscribe at 1, the broker downgrades

    asyncio.run(run())


def test_another_client_gets_what_we_publish(broker, topic_prefix):
    async def run():
        with PahoPeer(broker.address, f"{topic_prefix}/#") as peer:
            async with link(broker) as us:
                code = await us.publish(f"{topic_prefix}/a", b"\x00\xff", properties=RICH)
                assert code == 0
                await us.publish(f"{topic_prefix}/b", b"", qos=0)
                assert await us.publish(f"{topic_prefix}/c", b"2", qos=2) == 0
                first, second, third = await peer.next(), await peer.next(), await peer.next()
        assert (first.payload, first.qos) == (b"\x00\xff", 1)
        assert first.properties.ContentType == "application/json"
        assert first.properties.CorrelationData == b"\x00\xff"
        assert first.properties.UserProperty == list(RICH.user_properties)
        assert (second.topic, second.qos) == (f"{topic_prefix}/b", 0)
        assert third.payload == b"2"

    asyncio.run(run())


def test_retained_messages_and_no_local(broker, topic_prefix):
    async def run():
        async with link(broker) as us:
            await us.publish(f"{topic_prefix}/kept", b"k", retain=True)
        inbox = Inbox()
        subscriptions = [Subscription(f"{topic_prefix}/#", no_local=True)]
        async with link(broker, subscriptions=subscriptions, on_arrivals=inbox) as us:
            (kept,) = await inbox.until(1)
            await us.publish(f"{topic_prefix}/own", b"o")
            with PahoPeer(broker.address) as peer:
                peer.publish(f"{topic_prefix}/kept", b"", qos=1, retain=True)
            await inbox.until(2)
        assert (kept.payload, kept.retain) == (b"k", True)
        assert [one.topic for one in inbox.all] == [f"{topic_prefix}/kept"] * 2

    asyncio.run(run())


def test_the_will_comes_after_a_cut_and_not_after_a_goodbye(broker, topic_prefix):
    async def run():
        will = Will(f"{topic_prefix}/death", b"gone")
        with PahoPeer(broker.address, f"{topic_prefix}/#") as peer:
            async with link(broker, will=will) as us:
                pass
            async with link(broker, will=will) as us:
                us._upkeep.wire.abort()
                assert (await peer.next()).payload == b"gone"
                await us.wait_connected()
            peer.publish(f"{topic_prefix}/last", b"", qos=1)
            assert (await peer.next()).topic == f"{topic_prefix}/last"

    asyncio.run(run())


def test_only_what_the_caller_acknowledged_is_done_with(broker, topic_prefix):
    async def run():
        who = {
            "client_id": client_id(),
            "subscriptions": [Subscription(f"{topic_prefix}/#", retain_handling=1)],
            "session_expiry": 60,
        }
        inbox, again = Inbox(), Inbox()
        async with link(broker, on_arrivals=inbox, **who) as us:
            async with link(broker) as other:
                for number in range(10):
                    await other.publish(f"{topic_prefix}/t", b"%d" % number)
            await inbox.until(10)
            us.acknowledge(inbox.all[:4])
            us.acknowledge(inbox.all[6:])  # waits for 4 and 5, which nobody acknowledges
        sessions = []
        async with link(
            broker, on_arrivals=again, on_connected=sessions.append, end_session=True, **who
        ) as us:
            await again.until(6)
            us.acknowledge(again.all)
        assert sessions == [True]
        assert [one.payload for one in again.all] == [b"%d" % number for number in range(4, 10)]
        assert all(one.duplicate for one in again.all)
        third = Inbox()
        async with link(broker, on_arrivals=third, on_connected=sessions.append, **who):
            pass
        assert sessions == [True, False]  # end_session ended it
        assert third.all == []

    asyncio.run(run())


def test_what_an_earlier_connection_brought_is_never_acknowledged(broker, topic_prefix):
    """Packet ids come again on the next connection, for other messages."""

    async def run():
        who = {
            "client_id": client_id(),
            "subscriptions": [Subscription(f"{topic_prefix}/#", retain_handling=1)],
            "session_expiry": 60,
        }
        inbox = Inbox()
        async with link(broker, on_arrivals=inbox, **who) as us, link(broker) as other:
            for number in range(3):
                await other.publish(f"{topic_prefix}/t", b"%d" % number)
            old = list(await inbox.until(3))
            us._upkeep.wire.abort()
            new = (await inbox.until(6))[3:]
            assert us.epoch == 2
            assert {one.packet_id for one in old} == {one.packet_id for one in new}
            us.acknowledge(old)
        again = Inbox()
        async with link(broker, on_arrivals=again, end_session=True, **who):
            await again.until(3)

    asyncio.run(run())


def test_nobody_listening_shows_in_the_answer(broker, topic_prefix):
    async def run():
        async with link(broker) as us:
            assert await us.publish(f"{topic_prefix}/void", b"") == 0x10

    asyncio.run(run())


def test_large_messages_up_to_the_brokers_limit(broker, topic_prefix):
    async def run():
        inbox = Inbox()
        large = bytes(range(256)) * 4096 * 2
        subscriptions = [Subscription(f"{topic_prefix}/#")]
        async with link(broker, subscriptions=subscriptions, on_arrivals=inbox) as us:
            assert await us.publish(f"{topic_prefix}/a", large[:-100]) == 0
            with pytest.raises(PacketTooLarge, match=r"2097152"):
                await us.publish(f"{topic_prefix}/a", large)
            assert await us.publish(f"{topic_prefix}/a", b"still here") == 0
            await inbox.until(2)
        assert inbox.all[0].payload == large[:-100]

    asyncio.run(run())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_thousands_posted_at_once_arrive_once_and_in_order(broker, topic_prefix, loop):
    factory = None if loop == "asyncio" else pytest.importorskip("uvloop").new_event_loop

    async def run():
        inbox, count = Inbox(), 5000
        subscriptions = [Subscription(f"{topic_prefix}/#")]

        def arrived(arrivals):
            inbox(arrivals)
            us.acknowledge(arrivals)

        us = link(broker, subscriptions=subscriptions, on_arrivals=arrived, receive_maximum=50)
        async with us, link(broker) as other:
            us.pause_reading()
            us.resume_reading()
            posted = [other.post(f"{topic_prefix}/t", b"%d" % n) for n in range(count)]
            assert set(await asyncio.gather(*posted)) == {0}
            await inbox.until(count)
        assert [one.payload for one in inbox.all] == [b"%d" % n for n in range(count)]
        assert len(inbox.batches) < count  # several messages of one read come together

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


def test_two_with_one_client_id_are_told_what_is_wrong(broker):
    """Mosquitto 2.0 closes the first one's connection and does not say why."""

    async def run():
        name, troubles = client_id(), []
        told = asyncio.Event()

        def trouble(error):
            troubles.append(str(error))
            if "does another client" in str(error):
                told.set()

        first = link(broker, client_id=name, on_trouble=trouble)
        async with first, link(broker, client_id=name):
            try:
                await first.run_until(told, seconds=10)
            except SessionTakenOver as error:  # Mosquitto 2.1 does
                trouble(error)
        assert repr(name) in troubles[-1] or "another client" in troubles[-1]

    asyncio.run(run())


def test_what_a_callback_raises_ends_the_link_loudly(broker, topic_prefix):
    async def run():
        def full(_):
            raise OSError("disk full")

        subscriptions = [Subscription(f"{topic_prefix}/#")]
        async with link(broker, subscriptions=subscriptions, on_arrivals=full) as us:
            async with link(broker) as other:
                await other.publish(f"{topic_prefix}/t", b"")
            with pytest.raises(OSError, match="disk full"):
                await us.run_until(asyncio.Event(), seconds=10)
            assert not us.connected

    asyncio.run(run())


def test_run_until_ends_with_any_of_its_events_or_its_time(broker):
    async def run():
        async with link(broker) as us:
            first, second = asyncio.Event(), asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, second.set)
            await us.run_until(first, second)
            await us.run_until(first, seconds=0.01)
            assert not first.is_set()

    asyncio.run(run())


def test_no_broker_names_the_address_and_what_to_try():
    from factoryledger.broker import free_port

    async def run():
        address = Address("127.0.0.1", free_port())
        with pytest.raises(BrokerUnavailable) as caught:
            async with Link(address, client_id="c"):
                pass
        assert str(address) in str(caught.value)
        assert "is it running" in str(caught.value)

    asyncio.run(run())


def test_a_broker_that_is_killed_and_started_again_is_found_again(tmp_path, topic_prefix):
    from factoryledger.broker import LocalBroker

    async def run(own):
        inbox, sessions, troubles = Inbox(), [], []
        subscriptions = [Subscription(f"{topic_prefix}/#")]
        us = link(
            own,
            subscriptions=subscriptions,
            on_arrivals=inbox,
            on_connected=sessions.append,
            on_trouble=troubles.append,
            session_expiry=60,
        )
        async with us, link(own) as other:
            for life in range(1, 4):
                await other.publish(f"{topic_prefix}/t", b"%d" % life)
                old = list(await inbox.until(life))
                own.kill()
                with pytest.raises(LinkLost):
                    await other.publish(f"{topic_prefix}/t", b"lost")
                await asyncio.to_thread(own.start)
                await us.wait_connected()
                await other.wait_connected()
                us.acknowledge(old)  # of an earlier connection: nothing happens
                assert us.epoch == life + 1
            await other.publish(f"{topic_prefix}/t", b"4")
            await inbox.until(4)
        assert [one.payload for one in inbox.all] == [b"1", b"2", b"3", b"4"]
        assert [one.epoch for one in inbox.all] == [1, 2, 3, 4]
        assert sessions == [False] * 4  # it keeps nothing on disk, so we subscribe anew
        assert troubles

    with LocalBroker(0, tmp_path, embedded=False) as own:
        asyncio.run(run(own))
