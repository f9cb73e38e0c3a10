"""What comes again after a reconnect is recognised; what only looks like it never is."""

from itertools import chain

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.mqtt_events import Arrived
from telemetry.mqtt_packets import Opening
from telemetry.mqtt_session import MqttSession
from telemetry.redelivery import NOTHING_LEFT


def publish(number, payload=b"21.5", *, topic="t", dup=False, qos=1, **rest):
    packet_id = number if qos else None
    return mqtt5.PublishPacket(
        topic, payload, qos=mqtt5.QoS(qos), packet_id=packet_id, duplicate=dup, **rest
    )


def connected(before=None, *, present=True):
    """Open a connection after another one."""
    left = NOTHING_LEFT if before is None else before.unacknowledged
    session = MqttSession(Opening(client_id="c"), epoch=1, now=0.0, before=left)
    session.outgoing(0.0)
    session.receive(mqtt5.ConnAckPacket(session_present=present).write(), 0.0)
    session.events()
    return session


def hear(session, *packets):
    session.receive(b"".join(packet.write() for packet in packets), 0.0)
    told = [event.arrivals for event in session.events() if isinstance(event, Arrived)]
    return list(chain.from_iterable(told))


def lost(*packets, acknowledged=0):
    """A connection that brought these and is gone; the first were acknowledged."""
    session = connected(present=False)
    arrivals = hear(session, *packets)
    assert not any(one.again for one in arrivals)
    session.acknowledge(arrivals[:acknowledged])
    session.lost()
    return session


def again(session, *packets):
    return [one.again for one in hear(session, *packets)]


def test_what_was_not_acknowledged_is_recognised_in_the_kept_session():
    before = lost(publish(1), publish(2), publish(3, b"22.0"))
    packets = [publish(1, dup=True), publish(2, dup=True), publish(3, b"22.0", dup=True)]
    assert again(connected(before), *packets) == [True] * 3


def test_a_fresh_session_forgets():
    before = lost(publish(1))
    assert again(connected(before, present=False), publish(1, dup=True)) == [False]


def test_what_was_acknowledged_may_have_given_its_id_away():
    before = lost(publish(1), publish(2), publish(3), acknowledged=2)
    assert again(connected(before), publish(2, dup=True), publish(3, dup=True)) == [False, True]


def test_a_broker_that_counts_from_1_on_each_connection_hides_nothing():
    """RabbitMQ: what it sent and we never had comes with DUP, under an id that was another's."""
    before = lost(publish(1), publish(2), publish(3), acknowledged=1)
    packets = [publish(1, dup=True), publish(2, dup=True), publish(3, dup=True)]
    assert again(connected(before), *packets) == [False] * 3


def test_one_id_with_other_content_ends_what_every_id_meant():
    before = lost(publish(1, retain=True), publish(2), publish(3))
    packets = [publish(1, dup=True), publish(2, dup=True), publish(3, dup=True)]
    assert again(connected(before), *packets) == [False] * 3


def test_an_acknowledgement_held_back_is_none():
    """In order of arrival: what waits for the one before it has not gone out."""
    session = connected(present=False)
    arrivals = hear(session, publish(1), publish(2))
    session.acknowledge(arrivals[1:])
    session.lost()
    packets = [publish(1, dup=True), publish(2, dup=True)]
    assert again(connected(session), *packets) == [True, True]


@pytest.mark.parametrize(
    "other",
    [
        publish(1, b"21.6", dup=True),
        publish(1, topic="u", dup=True),
        publish(2, dup=True),
        publish(1, dup=True, content_type="text/plain"),
        publish(1, dup=True, user_properties=[("a", "b")]),
        publish(1, dup=True, message_expiry_interval=60),
        publish(1, dup=True, qos=2),
        publish(1),
    ],
    ids=["payload", "topic", "id", "content type", "user property", "expiry", "qos", "no dup"],
)
def test_what_differs_in_anything_is_a_new_message(other):
    assert again(connected(lost(publish(1))), other) == [False]


def test_each_is_recognised_once():
    session = connected(lost(publish(1)))
    assert again(session, publish(1, dup=True), publish(1, dup=True)) == [True, False]


def test_other_content_under_an_id_ends_what_that_id_meant():
    session = connected(lost(publish(1)))
    assert again(session, publish(1, b"0", dup=True), publish(1, dup=True)) == [False, False]


def test_the_first_new_message_ends_it_but_not_one_at_qos_0():
    packets = [publish(0, qos=0), publish(1, dup=True), publish(9), publish(2, dup=True)]
    session = connected(lost(publish(1), publish(2)))
    assert again(session, *packets) == [False, True, False, False]


def test_what_may_expire_is_never_recognised():
    """The broker may drop it unacknowledged, and give its id to the next reading."""
    before = lost(publish(1, message_expiry_interval=60))
    assert again(connected(before), publish(1, dup=True)) == [False]


def test_it_outlasts_any_number_of_connections_that_brought_it():
    session = lost(publish(1), publish(2))
    for _ in range(3):
        session = connected(session)
        assert again(session, publish(1, dup=True), publish(2, dup=True)) == [True, True]
        session.lost()


def test_what_a_connection_did_not_bring_is_forgotten_with_it():
    """Only the connection right before: what the broker sent on a lost one, nobody knows."""
    session = connected(lost(publish(1), publish(2)))
    assert again(session, publish(1, dup=True)) == [True]
    session.lost()
    packets = [publish(1, dup=True), publish(2, dup=True)]
    assert again(connected(session), *packets) == [True, False]


def test_a_try_that_never_reached_the_broker_changes_nothing():
    before = lost(publish(1))
    tried = MqttSession(Opening(client_id="c"), epoch=1, now=0.0, before=before.unacknowledged)
    tried.lost()
    assert again(connected(tried), publish(1, dup=True)) == [True]


@pytest.mark.parametrize(("answer", "known"), [(0x88, True), (None, False)])
def test_a_try_that_was_refused_changes_nothing_and_one_without_answer_all(answer, known):
    before = lost(publish(1))
    tried = MqttSession(Opening(client_id="c"), epoch=1, now=0.0, before=before.unacknowledged)
    tried.outgoing(0.0)
    if answer:
        refusal = mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode(answer))
        tried.receive(refusal.write(), 0.0)
    tried.lost()
    assert again(connected(tried), publish(1, dup=True)) == [known]


class Broker:
    """A broker that keeps one session, gives the lowest free id, and says 21.5 again and again.

    `uid` tells apart for the test what the wire does not.
    """

    WINDOW = 4

    def __init__(self, *, renumbers=False):
        self.renumbers, self.next = renumbers, 1
        self.flying = {}  # packet id: uid, in order of sending
        self.queued, self.made = [], 0
        self.expiring = set()
        self.down, self.up = [], []

    def publish(self, *, expiring=False):
        self.made += 1
        if expiring:
            self.expiring.add(self.made)
        self.queued.append(self.made)

    def expire(self):
        """Drop what expires, sent or not, as brokers do; its id is free."""
        self.flying = {n: uid for n, uid in self.flying.items() if uid not in self.expiring}

    def send(self):
        while self.queued and len(self.flying) < self.WINDOW:
            number = self._number()
            self.flying[number] = uid = self.queued.pop(0)
            self.down.append((uid, self._packet(number, uid)))

    def _number(self):
        if self.renumbers:
            self.next += 1
            return self.next - 1
        return next(n for n in range(1, 9) if n not in self.flying)

    def hear(self, count):
        for number in self.up[:count]:
            self.flying.pop(number, None)
        del self.up[:count]

    def reconnected(self, *, forget):
        self.down, self.up = [], []
        if forget:
            self.flying = {}
        if self.renumbers:
            self.flying = dict(enumerate(self.flying.values(), 1))
            self.next = len(self.flying) + 1
        sent = self.flying.items()
        self.down += [(uid, self._packet(number, uid, dup=True)) for number, uid in sent]
        self.send()

    def _packet(self, number, uid, *, dup=False):
        rest = {"message_expiry_interval": 60} if uid in self.expiring else {}
        return publish(number, dup=dup, **rest)


class Subscriber:
    """Our end: what it was brought, and what it took for a message that it had already."""

    def __init__(self):
        self.session = connected(present=False)
        self.had, self.waiting, self.wrong, self.missed = set(), [], [], []
        self.before, self.began = set(), None

    def take(self, pairs):
        for uid, packet in pairs:
            self.began = self.began or packet.packet_id
            (one,) = hear(self.session, packet)
            if one.again and uid not in self.had:
                self.wrong.append(uid)
            if uid in self.before and not one.again:
                self.missed.append(uid)
            self.had.add(uid)
            self.waiting.append((uid, one))

    def acknowledge(self, count):
        self.session.acknowledge([one for _, one in self.waiting[:count]])
        del self.waiting[:count]
        packets, data = [], self.session.outgoing(0.0)
        while data:
            packet, length = mqtt5.read(memoryview(data))
            packets.append(packet.packet_id)
            data = data[length:]
        return packets

    def try_in_vain(self):
        """The broker takes us, and whatever it says is lost with the connection."""
        self.session.lost()
        left = self.session.unacknowledged
        self.session = MqttSession(Opening(client_id="c"), epoch=1, now=0.0, before=left)
        self.session.outgoing(0.0)
        self.session.lost()
        self.waiting, self.began = [], None

    def reconnect(self, broker, *, present):
        self.session.lost()
        kept = {uid for uid, _ in self.waiting if uid not in broker.expiring}
        # As if no acknowledgement had come, or as if it had numbered anew: who knows.
        first = self.waiting[0][1].packet_id if self.waiting else None
        doubt = self.began != first and next(iter(broker.flying), None) == self.began
        self.before = kept if present and not doubt else set()
        self.waiting, self.began = [], None
        self.session = connected(self.session, present=present)


class World:
    """The two ends, and what may happen between them, step by step."""

    def __init__(self, *, renumbers=False):
        self.broker, self.us = Broker(renumbers=renumbers), Subscriber()
        self.publish, self.send = self.broker.publish, self.broker.send
        self.expire, self.up = self.broker.expire, self.broker.hear

    def publish_expiring(self):
        self.broker.publish(expiring=True)

    def down(self, count):
        if not self.us.session.closed:
            self.us.take(self.broker.down[:count])
        del self.broker.down[:count]

    def acknowledge(self, count):
        self.broker.up += self.us.acknowledge(count)

    def lost_try(self):
        self.us.try_in_vain()
        self.broker.reconnected(forget=False)

    def cut(self, *, forget=False):
        self.us.reconnect(self.broker, present=not forget)
        self.broker.reconnected(forget=forget)

    def forget(self):
        self.cut(forget=True)


STEPS = st.one_of(
    st.tuples(st.sampled_from(["publish", "send", "cut", "lost try", "forget", "expire"])),
    st.tuples(st.just("publish expiring")),
    st.tuples(st.sampled_from(["down", "acknowledge", "up"]), st.integers(1, 4)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_no_new_message_is_ever_taken_for_an_old_one_and_none_of_the_last_is_missed(steps):
    world = World()
    for name, *count in steps:
        getattr(world, name.replace(" ", "_"))(*count)
    assert world.us.wrong == []
    assert world.us.missed == []


@settings(max_examples=400, deadline=None)
@given(
    st.integers(4, 20),
    st.lists(st.tuples(*(st.integers(0, 4) for _ in range(3))), min_size=2, max_size=8),
)
def test_a_broker_that_numbers_anew_hides_no_message(count, connections):
    world = World(renumbers=True)
    for _ in range(count):
        world.publish()
    for down, acknowledged, up in connections:
        world.send()
        world.down(down)
        world.acknowledge(acknowledged)
        world.up(up)
        world.cut()
    assert world.us.wrong == []
