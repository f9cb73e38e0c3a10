"""The MQTT rules without a socket: bytes in, events out, calls to bytes."""

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.errors import LinkLost, NotOffered, PacketTooLarge
from telemetry.mqtt_events import Arrived, Closed, Opened, Settled, Subscribed
from telemetry.mqtt_packets import Opening, Outgoing, Subscription
from telemetry.mqtt_session import MqttSession
from telemetry.properties import NO_PROPERTIES, Properties

# On text that is not UTF-8 the codec panics, and leaves an exception that nobody can catch.
CODEC_PANICS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def packets(data):
    """Read every packet of what a session sent."""
    found = []
    while data:
        packet, length = mqtt5.read(memoryview(data))
        found.append(packet)
        data = data[length:]
    return found


def opened(opening=None, **offer):
    """Give a session past CONNACK, nothing left to take from it."""
    session = MqttSession(opening or Opening(client_id="c"), epoch=1, now=0.0)
    session.receive(mqtt5.ConnAckPacket(**offer).write(), 0.0)
    session.outgoing(0.0)
    session.events()
    return session


def publish(number=None, topic="t", payload=b"p", **rest):
    qos = rest.pop("qos", 0 if number is None else 1)
    return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS(qos), packet_id=number, **rest).write()


def puback(number, code=0):
    return mqtt5.PubAckPacket(number, reason_code=mqtt5.PubAckReasonCode(code)).write()


def arrivals(events):
    return [one for event in events if isinstance(event, Arrived) for one in event.arrivals]


def sent_ids(session):
    return [packet.packet_id for packet in packets(session.outgoing(0.0))]


class TestOpening:
    def test_connect_is_the_first_thing_said_and_carries_every_field(self):
        opening = Opening(
            client_id="me",
            clean_start=True,
            session_expiry=77,
            keep_alive=9,
            receive_maximum=5,
            maximum_packet_size=1000,
        )
        (connect,) = packets(MqttSession(opening, epoch=1, now=0.0).outgoing(0.0))
        assert connect.client_id == "me"
        assert connect.clean_start
        assert connect.session_expiry_interval == 77
        assert (connect.keep_alive, connect.receive_max, connect.max_packet_size) == (9, 5, 1000)

    def test_connack_opens_and_without_subscriptions_all_stands(self):
        session = MqttSession(Opening(client_id="c"), epoch=1, now=0.0)
        session.receive(mqtt5.ConnAckPacket(session_present=True).write(), 0.0)
        assert session.events() == [Opened(session_present=True), Subscribed()]

    def test_subscriptions_stand_when_suback_came(self):
        wanted = [
            Subscription("a/#", no_local=True, retain_handling=1),
            Subscription("b", qos=0, retain_as_published=False, retain_handling=2),
        ]
        session = MqttSession(Opening(client_id="c", subscriptions=wanted), epoch=1, now=0.0)
        session.outgoing(0.0)
        session.receive(mqtt5.ConnAckPacket().write(), 0.0)
        assert session.events() == [Opened(session_present=False)]
        (subscribe,) = packets(session.outgoing(0.0))
        first, second = subscribe.topic_filters
        assert (first.pattern, int(first.max_qos), first.no_local) == ("a/#", 1, True)
        assert (first.retain_as_published, int(first.retain_handling)) == (True, 1)
        assert (second.pattern, int(second.max_qos), second.no_local) == ("b", 0, False)
        assert (second.retain_as_published, int(second.retain_handling)) == (False, 2)
        granted = [mqtt5.SubAckReasonCode(1), mqtt5.SubAckReasonCode(0)]
        session.receive(mqtt5.SubAckPacket(subscribe.packet_id, granted).write(), 0.0)
        assert session.events() == [Subscribed()]

    @pytest.mark.parametrize(
        ("code", "words"),
        [(0x86, "bad user name or password"), (0x87, "not authorized"), (0x88, "unavailable")],
    )
    def test_a_refusal_says_why_in_words(self, code, words):
        session = MqttSession(Opening(client_id="c"), epoch=1, now=0.0)
        refusal = mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode(code))
        session.receive(refusal.write(), 0.0)
        (closed,) = session.events()
        assert closed.refused
        assert closed.code == code
        assert words in closed.reason

    def test_a_refused_subscription_names_its_filter(self):
        opening = Opening(client_id="c", subscriptions=[Subscription("a"), Subscription("b/+")])
        session = opened(opening)
        codes = [mqtt5.SubAckReasonCode(1), mqtt5.SubAckReasonCode(0x87)]
        session.receive(mqtt5.SubAckPacket(65_535, codes).write(), 0.0)
        (closed,) = session.events()
        assert closed.refused
        assert "'b/+'" in closed.reason
        assert "not authorized" in closed.reason

    def test_anything_before_connack_breaks_the_protocol(self):
        session = MqttSession(Opening(client_id="c"), epoch=1, now=0.0)
        session.receive(publish(), 0.0)
        assert [type(event) for event in session.events()] == [Closed]
        assert session.closed

    def test_a_second_suback_breaks_the_protocol(self):
        session = opened(Opening(client_id="c", subscriptions=[Subscription("a")]))
        answer = mqtt5.SubAckPacket(65_535, [mqtt5.SubAckReasonCode(1)]).write()
        session.receive(answer + answer, 0.0)
        assert [type(event) for event in session.events()] == [Subscribed, Closed]

    def test_a_subscription_at_qos_2_is_not_to_be_had(self):
        with pytest.raises(ValueError, match="QoS 0 or 1"):
            Subscription("a", qos=2)


class TestArrivals:
    def test_all_messages_of_one_read_come_as_one_batch(self):
        session = opened()
        session.receive(publish(1) + puback(9) + publish() + publish(2), 0.0)
        (event,) = session.events()
        assert [one.packet_id for one in event.arrivals] == [1, None, 2]
        assert session.outgoing(0.0) == b""  # nothing is acknowledged by itself

    def test_properties_come_through(self):
        session = opened()
        data = mqtt5.PublishPacket(
            "t",
            b"\x00\xff",
            retain=True,
            content_type="x/y",
            response_topic="r",
            correlation_data=b"\x01",
            payload_format_indicator=1,
            message_expiry_interval=9,
            subscription_ids=[3],
            user_properties=[("a", "1"), ("a", "2")],
        )
        session.receive(data.write(), 0.0)
        (one,) = arrivals(session.events())
        assert one.properties == Properties(
            payload_format_indicator=1,
            content_type="x/y",
            response_topic="r",
            correlation_data=b"\x01",
            user_properties=(("a", "1"), ("a", "2")),
            message_expiry_interval=9,
            subscription_identifiers=(3,),
        )
        assert (one.payload, one.retain, one.qos, one.duplicate) == (b"\x00\xff", True, 0, False)

    @given(
        topic=st.text(
            st.characters(codec="utf-8", exclude_characters="\0#+"), min_size=1, max_size=9
        )
        | st.sampled_from(["t" * 118, "t" * 119, "t" * 120, "é" * 60]),
        size=st.integers(0, 12) | st.sampled_from([16_250, 16_260, 16_270, 16_380, 2_097_140]),
        number=st.none() | st.integers(1, 65_535),
        flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        rest=st.fixed_dictionaries(
            {},
            optional={
                "payload_format_indicator": st.just(1),
                "content_type": st.sampled_from(["", "x"]),
                "correlation_data": st.sampled_from([b"", b"x"]),
                "subscription_ids": st.just([1]),
                "message_expiry_interval": st.just(0),
                "user_properties": st.just([("", "")]),
            },
        ),
    )
    @settings(deadline=None)
    def test_an_arrival_is_what_the_codec_reads(self, topic, size, number, flags, rest):
        """What has no properties is known by its length, and the flags by the first byte."""
        twice, retain, duplicate = flags
        qos = 0 if number is None else 1 + twice
        data = publish(
            number, topic, bytes(size), qos=qos, retain=retain, duplicate=duplicate, **rest
        )
        packet, _ = mqtt5.read(data)
        session = opened()
        session.receive(data, 0.0)
        (one,) = arrivals(session.events())
        assert (one.topic, one.payload, one.packet_id) == (topic, bytes(size), number)
        assert (one.qos, one.retain, one.duplicate) == (
            int(packet.qos),
            packet.retain,
            packet.duplicate,
        )
        assert one.properties == Properties(
            payload_format_indicator=packet.payload_format_indicator,
            content_type=packet.content_type,
            correlation_data=packet.correlation_data,
            user_properties=tuple(packet.user_properties),
            message_expiry_interval=packet.message_expiry_interval,
            subscription_identifiers=tuple(packet.subscription_ids),
        )
        assert (one.properties is NO_PROPERTIES) == (one.properties == Properties())

    def test_acknowledgements_go_out_in_order_of_arrival(self):
        session = opened()
        session.receive(publish(5) + publish(3) + publish(4), 0.0)
        five, three, four = arrivals(session.events())
        session.acknowledge([four])
        session.acknowledge([three])
        assert session.outgoing(0.0) == b""
        session.acknowledge([five])
        assert sent_ids(session) == [5, 3, 4]

    def test_no_message_is_acknowledged_twice(self):
        session = opened()
        session.receive(publish(7), 0.0)
        first = arrivals(session.events())
        session.acknowledge(first)
        assert sent_ids(session) == [7]
        session.receive(publish(7, payload=b"another"), 0.0)  # the broker gives the id again
        session.acknowledge(first)
        assert session.outgoing(0.0) == b""

    def test_what_came_on_another_connection_is_not_acknowledged(self):
        old, new = opened(), opened()
        for session in (old, new):
            session.receive(publish(7), 0.0)
        new.acknowledge(arrivals(old.events()))
        assert new.outgoing(0.0) == b""

    def test_qos_2_of_an_earlier_subscription_is_taken_step_by_step(self):
        session = opened()
        session.receive(publish(7, qos=2), 0.0)
        session.acknowledge(arrivals(session.events()))
        assert [type(packet) for packet in packets(session.outgoing(0.0))] == [mqtt5.PubRecPacket]
        session.receive(mqtt5.PubRelPacket(7).write(), 0.0)
        assert [type(packet) for packet in packets(session.outgoing(0.0))] == [mqtt5.PubCompPacket]

    def test_what_came_before_the_end_is_told_before_it(self):
        session = opened()
        session.receive(publish(1) + mqtt5.DisconnectPacket().write() + publish(2), 0.0)
        events = session.events()
        assert [type(event) for event in events] == [Arrived, Closed]
        assert len(arrivals(events)) == 1


class TestPublishing:
    def test_never_more_in_flight_than_the_broker_takes_and_in_order(self):
        session = opened(receive_max=2)
        for number in range(5):
            session.post(Outgoing(topic=f"t{number}", payload=b""), number)
        first = packets(session.outgoing(0.0))
        assert [packet.topic for packet in first] == ["t0", "t1"]
        session.receive(puback(first[1].packet_id, 0x10), 0.0)
        assert session.events() == [Settled(1, 0x10)]
        assert [packet.topic for packet in packets(session.outgoing(0.0))] == ["t2"]

    def test_qos_0_is_settled_when_sent_and_keeps_its_place(self):
        session = opened(receive_max=1)
        for number, qos in enumerate([1, 1, 0]):
            session.post(Outgoing(topic=f"t{number}", payload=b"", qos=qos), number)
        assert session.events() == []
        (first,) = packets(session.outgoing(0.0))
        session.receive(puback(first.packet_id), 0.0)
        assert session.events() == [Settled(0, 0), Settled(2, 0)]
        assert [packet.topic for packet in packets(session.outgoing(0.0))] == ["t1", "t2"]

    def test_a_held_transport_holds_messages_but_not_acknowledgements(self):
        session = opened()
        session.hold()
        session.post(Outgoing(topic="t", payload=b"", qos=0), 1)
        session.receive(publish(3), 0.0)
        session.acknowledge(arrivals(session.events()))
        assert sent_ids(session) == [3]
        session.release()
        assert [packet.topic for packet in packets(session.outgoing(0.0))] == ["t"]

    def test_packet_ids_in_flight_are_never_given_again(self):
        session = opened()
        session.post(Outgoing(topic="long", payload=b""), -1)
        (kept,) = sent_ids(session)
        for number in range(66_000):
            session.post(Outgoing(topic="t", payload=b""), number)
            (given_id,) = sent_ids(session)
            assert given_id != kept
            assert 0 < given_id < 65_535
            session.receive(puback(given_id), 0.0)
            session.events()

    def test_the_brokers_packet_limit_is_kept_before_sending(self):
        session = opened(max_packet_size=100)
        with pytest.raises(PacketTooLarge, match="100 bytes"):
            session.post(Outgoing(topic="t", payload=bytes(100)), 1)
        session.hold()
        with pytest.raises(PacketTooLarge):
            session.post(Outgoing(topic="t", payload=bytes(100)), 1)
        session.release()
        assert session.outgoing(0.0) == b""
        assert session.unsettled == []

    def test_a_packet_of_exactly_the_limit_goes(self):
        whole = Outgoing(topic="t", payload=bytes(50))
        session = opened(max_packet_size=len(whole.encode(1)))
        session.post(whole, 1)
        assert len(session.outgoing(0.0)) == len(whole.encode(1))

    @pytest.mark.parametrize(
        ("offer", "message"),
        [
            ({"max_qos": mqtt5.QoS(0)}, Outgoing(topic="t", payload=b"")),
            ({"retain_available": False}, Outgoing(topic="t", payload=b"", retain=True)),
        ],
    )
    def test_what_the_broker_does_not_offer_is_refused_here(self, offer, message):
        with pytest.raises(NotOffered):
            opened(**offer).post(message, 1)

    @pytest.mark.parametrize("topic", ["", "a\0b", "a/#", "a/+/b", "\ud800", "x" * 65_536])
    def test_a_topic_that_mqtt_cannot_carry_is_refused(self, topic):
        session = opened()
        with pytest.raises(ValueError):
            session.post(Outgoing(topic=topic, payload=b""), 1)
        assert session.outgoing(0.0) == b""

    def test_qos_2_is_settled_by_pubcomp(self):
        session = opened()
        session.post(Outgoing(topic="t", payload=b"", qos=2), 1)
        (number,) = sent_ids(session)
        session.receive(mqtt5.PubRecPacket(number).write(), 0.0)
        assert session.events() == []
        assert [type(packet) for packet in packets(session.outgoing(0.0))] == [mqtt5.PubRelPacket]
        session.receive(mqtt5.PubCompPacket(number).write(), 0.0)
        assert session.events() == [Settled(1, 0)]

    def test_qos_2_that_is_refused_is_settled_by_pubrec(self):
        session = opened()
        session.post(Outgoing(topic="t", payload=b"", qos=2), 1)
        (number,) = sent_ids(session)
        refused = mqtt5.PubRecReasonCode(0x97)
        session.receive(mqtt5.PubRecPacket(number, reason_code=refused).write(), 0.0)
        assert session.events() == [Settled(1, 0x97)]
        assert session.outgoing(0.0) == b""

    def test_nothing_is_posted_without_an_open_connection(self):
        fresh = MqttSession(Opening(client_id="c"), epoch=1, now=0.0)
        ended = opened()
        ended.lost()
        for session in (fresh, ended):
            with pytest.raises(LinkLost):
                session.post(Outgoing(topic="t", payload=b""), 1)

    def test_what_has_no_answer_is_named_in_order(self):
        session = opened(receive_max=1)
        for number in range(3):
            session.post(Outgoing(topic="t", payload=b""), number)
        assert session.unsettled == [0, 1, 2]


class TestEnd:
    def test_disconnect_keeps_the_session_unless_told(self):
        opening = Opening(client_id="c", session_expiry=60)
        for end, expiry in ((False, None), (True, 0)):
            session = opened(opening)
            session.disconnect(end_session=end)
            (packet,) = packets(session.outgoing(0.0))
            assert packet.session_expiry_interval == expiry

    def test_a_disconnect_of_the_broker_says_why(self):
        session = opened()
        taken = mqtt5.DisconnectReasonCode(0x8E)
        session.receive(mqtt5.DisconnectPacket(reason_code=taken).write(), 0.0)
        (closed,) = session.events()
        assert closed.code == 0x8E
        assert "session taken over" in closed.reason

    @CODEC_PANICS
    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x00\x00",
            b"\xf5\x00",
            b"\x30\xff\xff\xff\xff\x01",
            b"\x40\x02\x00",  # cut short, then followed by something else below
            b"\x36\x02\x00\x09",
            b"\x30\x05\x00\x02\xff\xfe\x00",  # a topic that is not UTF-8: the codec panics
            b"\x40\x03\x00\x01\x05",  # a reason code that does not exist
        ],
    )
    def test_garbage_ends_the_connection_and_says_so(self, garbage, capfd):
        session = opened()
        session.receive(publish(1) + garbage + b"\xff" * 20, 0.0)
        events = session.events()
        assert len(arrivals(events)) == 1
        assert isinstance(events[-1], Closed)
        (goodbye,) = packets(session.outgoing(0.0))
        assert int(goodbye.reason_code) == 0x81

    def test_a_packet_over_our_own_limit_is_not_even_gathered(self):
        session = opened(Opening(client_id="c", maximum_packet_size=50))
        session.receive(publish(1, payload=bytes(100))[:10], 0.0)
        (closed,) = session.events()
        assert "we take 50" in closed.reason


def transcript():
    """Give what a broker may say after CONNACK, packet by packet."""
    topic = st.text(st.characters(exclude_characters="\0#+", codec="utf-8"), min_size=1, max_size=9)
    message = st.builds(
        publish,
        st.none() | st.integers(1, 65_535),
        topic,
        st.binary(max_size=300),
        content_type=st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
    )
    answer = st.builds(puback, st.integers(1, 5), st.sampled_from([0, 0x10, 0x97]))
    pong = st.just(mqtt5.PingRespPacket().write())
    return st.lists(message | answer | pong, max_size=12)


def told(session):
    """Give what was told, without how it was batched."""
    events = session.events()
    messages = [(one.topic, one.payload, one.packet_id) for one in arrivals(events)]
    return messages, [event for event in events if isinstance(event, Settled)]


@settings(max_examples=150)
@given(transcript(), st.data())
def test_the_stream_may_be_chopped_anywhere(said, data):
    stream = b"".join(said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    whole, chopped = opened(), opened()
    for session in (whole, chopped):
        for number in range(5):
            session.post(Outgoing(topic="t", payload=b""), number)
    whole.receive(stream, 0.0)
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        chopped.receive(stream[start:stop], 0.0)
    assert told(chopped) == told(whole)
    assert not whole.closed
    assert not chopped.closed


@CODEC_PANICS
@settings(max_examples=100)
@given(st.binary(max_size=60), st.data())
def test_any_bytes_end_in_the_same_state_however_chopped(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    whole, chopped = opened(), opened()
    whole.receive(stream, 0.0)
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        chopped.receive(stream[start:stop], 0.0)
    assert whole.closed == chopped.closed
    assert told(chopped) == told(whole)
