"""What comes over the wire: MQTT packets of a broker, Sparkplug, and what is shown of messages."""

from functools import cache

import mqtt5
import msgspec
from fuzz_of_messages import KEY, PLACE, TIME, payloads
from fuzz_target import Target, cut

from collector.judge_frames import frame, messages, statements, verdicts
from telemetry.decoding import UNBORN, names_of, readings_of
from telemetry.errors import MalformedPayload
from telemetry.keyring import KeyStatement
from telemetry.mqtt_framer import Framer, PacketBroken
from telemetry.mqtt_packets import Opening, Subscription, arrival
from telemetry.mqtt_session import MqttSession
from telemetry.protobuf_wire import fields
from telemetry.sparkplug import DataType, Metric, Payload, Property, Value
from telemetry.sparkplug_topic import HostState

LIMIT = 1 << 20


@cache
def packets() -> tuple[bytes, ...]:
    """What a broker sends: CONNACK, SUBACK, PUBLISH of each QoS, PUBACK, PINGRESP, DISCONNECT."""
    many = dict(
        content_type="t", response_topic="a/b", correlation_data=b"\0", message_expiry_interval=9,
        user_properties=[("a", "é"), ("a", "b")], payload_format_indicator=1,
    )  # fmt: skip
    published = [
        mqtt5.PublishPacket("a/b", b"x", qos=mqtt5.QoS(0)),
        mqtt5.PublishPacket(str(PLACE), payloads()[0], qos=mqtt5.QoS(1), packet_id=7),
        mqtt5.PublishPacket("é", b"", qos=mqtt5.QoS(1), packet_id=8, retain=True, **many),
    ]
    made = [
        mqtt5.ConnAckPacket(session_present=False),
        mqtt5.SubAckPacket(65535, [mqtt5.SubAckReasonCode(1)]),
        *published,
        mqtt5.PubAckPacket(1),
        mqtt5.PingRespPacket(),
        mqtt5.DisconnectPacket(),
    ]
    return tuple(bytes(one.write()) for one in made)


def _said(data: bytes, pieces: int) -> list[tuple[str, int, int]]:
    framer, found = Framer(LIMIT), []
    step = max(1, len(data) // pieces)
    for start in range(0, len(data), step):
        for packet, head, length in framer.packets(data[start : start + step]):
            found.append((repr(packet), head, length))
            if isinstance(packet, mqtt5.PublishPacket):
                one = arrival(packet, head, length, 0)
                one.properties.to_text()
    return found


def _framed(data: bytes) -> None:
    """However the stream is chopped, the same packets come, or the same refusal."""
    whole = _said(data, 1)
    assert _said(data, 3) == whole


def _session(data: bytes) -> None:
    """A broker may say anything: the connection ends, with a reason, and raises nothing."""
    for start in (b"", packets()[0] + packets()[1]):
        one = MqttSession(
            Opening(client_id="c", subscriptions=[Subscription("#")]), epoch=1, now=0.0
        )
        one.outgoing(0.0)
        one.receive(start, 0.1)
        one.receive(data, 0.2)
        for event in one.events():
            repr(event)
        one.outgoing(0.3)
        one.beat(0.4)


@cache
def births() -> tuple[bytes, ...]:
    """A birth with every data type, properties and opaque parts; data by alias; a command."""
    of = Value.of
    metrics = (
        Metric(name="bdSeq", datatype=DataType.INT64, value=of(DataType.INT64, 3)),
        Metric(
            name="a/é", alias=1, timestamp=TIME // 1000, datatype=DataType.FLOAT,
            value=of(DataType.FLOAT, 1.5),
            properties=(
                Property(key="unit", datatype=DataType.STRING, value=of(DataType.STRING, "kW")),
            ),
            opaque=((8, b"\x08\x01"),),
        ),
        Metric(name="n", alias=2, datatype=DataType.INT8, value=of(DataType.INT8, -3)),
        Metric(name="b", alias=3, datatype=DataType.BOOLEAN, value=Value("boolean", raw=True)),
        Metric(name="d", alias=4, datatype=DataType.DOUBLE, is_historical=True),
        Metric(name="x", datatype=DataType.BYTES, value=of(DataType.BYTES, b"\xff")),
    )  # fmt: skip
    data = Metric(alias=1, value=of(DataType.FLOAT, 2.5))
    return (
        Payload(timestamp=TIME // 1000, metrics=metrics, seq=0, uuid="u", body=b"b").to_bytes(),
        Payload(timestamp=TIME // 1000, metrics=(data,), seq=255).to_bytes(),
    )


def _sparkplug(data: bytes) -> None:
    """Written again it reads as the same, and the second writing changes nothing."""
    once = Payload.from_bytes(data).to_bytes()
    assert Payload.from_bytes(once).to_bytes() == once
    for metric in Payload.from_bytes(data).metrics:
        try:
            metric.meaning()
        except MalformedPayload:
            continue


def _decoded(data: bytes) -> None:
    """Anybody's Sparkplug gives fewer readings and no error."""
    birth, payload = cut(data, 2)
    names = names_of(birth)
    for kind in ("NBIRTH", "DDATA", "NCMD"):
        for known in (names, UNBORN):
            for one in readings_of(kind, payload, TIME, known):
                assert "\0" not in one.metric
                assert -1e400 < one.value < 1e400
                assert 0 <= one.time < 2**63


def _frames(data: bytes) -> None:
    """Frames between a collector and its judges: both ends are ours, and still."""
    for read in (statements, messages, verdicts):
        try:
            read(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _frame_seeds() -> list[bytes]:
    entry = KeyStatement(bytes(32), "enrol", "device", "mill-01", TIME, KEY.public_key)
    words = (str(PLACE), payloads()[0], None)
    return [frame([entry])[4:], frame([words, ("a", b"", "{}")])[4:], frame([None])[4:]]


TARGETS = [
    Target(
        "mqtt-packets",
        _framed,
        (PacketBroken,),
        lambda: [b"".join(packets()), *packets()],
        factor=600,
    ),
    Target("mqtt-session", _session, (), lambda: [b"".join(packets()), *packets()], base=4 << 20),
    Target("protobuf", lambda data: [*fields(data)], (MalformedPayload,), births),
    Target("sparkplug", _sparkplug, (MalformedPayload,), births, factor=400),
    Target(
        "sparkplug-readings",
        _decoded,
        (),
        lambda: [b"\n%%%\n".join(births()), b"\n%%%\n" + births()[0]],
        factor=400,
    ),
    Target(
        "host-state",
        HostState.from_bytes,
        (MalformedPayload,),
        lambda: [HostState(online=True, timestamp=5).to_bytes()],
    ),
    Target("judge-frames", _frames, (), _frame_seeds),
]
