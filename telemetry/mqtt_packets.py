"""MQTT 5 packets, to and from the codec: what a link says and hears, in our own words.

Pure. The codec (mqtt5) does the bytes; here are our own types and the
checks that it leaves out. Source: OASIS MQTT 5.0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import mqtt5
import msgspec

from telemetry.address import NOBODY, Credentials
from telemetry.properties import NO_PROPERTIES, Properties

# The codec's enums are no IntEnums when it runs: made once, compared as numbers.
QOS: Final = {level: mqtt5.QoS(level) for level in (0, 1, 2)}
# 2.1.4 allows 2^28 - 1; a mebibyte less, since the codec panics where topic and properties
# carry a packet over that.
LARGEST_PACKET: Final = (1 << 28) - (1 << 20)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter and its options (MQTT 5 section 3.8.3.1).

    `qos` is 0 or 1: the broker then downgrades what was published at QoS 2.
    """

    pattern: str
    qos: int = 1
    no_local: bool = False
    retain_as_published: bool = True
    retain_handling: int = 0

    def __post_init__(self) -> None:
        if self.qos not in {0, 1} or self.retain_handling not in {0, 1, 2}:
            raise ValueError(f"subscription {self.pattern!r}: QoS 0 or 1, retain handling 0 to 2")


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us if we go without a word."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Arrival(msgspec.Struct, eq=False, gc=False):
    """One PUBLISH as it came: compared by identity, since two may be equal and not the same.

    `packet_id` is None at QoS 0; it means something only on the connection `epoch`. `marked`
    is the session's: that the caller has acknowledged it. `again`: it came on the connection
    before, too, and was not acknowledged there.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    duplicate: bool
    properties: Properties
    packet_id: int | None
    epoch: int
    marked: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a connection introduces itself: the fields of CONNECT, and what to subscribe to."""

    client_id: str
    credentials: Credentials = NOBODY
    subscriptions: Sequence[Subscription] = ()
    will: Will | Callable[[], Will] | None = None
    clean_start: bool = False
    session_expiry: int = 0
    keep_alive: int = 30
    receive_maximum: int = 1024
    maximum_packet_size: int | None = None

    def connect(self) -> bytes:
        """Encode CONNECT; ValueError if a field cannot be encoded.

        A `will` that is a function is asked each time.
        """
        password = self.credentials.password
        will = self.will() if callable(self.will) else self.will
        return mqtt5.ConnectPacket(
            self.client_id,
            username=self.credentials.username,
            password=None if password is None else password.encode(),
            clean_start=self.clean_start,
            will=None if will is None else _will(will),
            keep_alive=self.keep_alive,
            session_expiry_interval=self.session_expiry,
            receive_max=self.receive_maximum,
            max_packet_size=self.maximum_packet_size,
        ).write()

    def subscribe(self, packet_id: int) -> bytes:
        """Encode one SUBSCRIBE for all subscriptions (there must be one)."""
        filters = [
            mqtt5.TopicFilter(
                one.pattern,
                max_qos=QOS[one.qos],
                no_local=one.no_local,
                retain_as_published=one.retain_as_published,
                retain_handling=mqtt5.RetainHandling(one.retain_handling),
            )
            for one in self.subscriptions
        ]
        return mqtt5.SubscribePacket(packet_id, filters).write()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message to publish; a packet id is given to it when it is sent."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: Properties = NO_PROPERTIES

    def __post_init__(self) -> None:
        # The codec lets these through, and a broker drops the connection for them.
        if self.qos not in QOS:
            raise ValueError(f"QoS {self.qos} for {self.topic!r}: 0, 1 or 2")
        if not self.topic or "\0" in self.topic:
            raise ValueError(f"topic {self.topic!r}: a topic is not empty and holds no U+0000")

    def encode(self, packet_id: int | None) -> bytes:
        """Encode PUBLISH; ValueError if topic or properties cannot be encoded."""
        extra = self.properties
        if extra is NO_PROPERTIES:
            return mqtt5.PublishPacket(
                self.topic,
                self.payload,
                qos=QOS[self.qos],
                retain=self.retain,
                packet_id=packet_id,
            ).write()
        return mqtt5.PublishPacket(
            self.topic,
            self.payload,
            qos=QOS[self.qos],
            retain=self.retain,
            packet_id=packet_id,
            payload_format_indicator=extra.payload_format_indicator,
            message_expiry_interval=extra.message_expiry_interval,
            content_type=extra.content_type,
            response_topic=extra.response_topic,
            correlation_data=extra.correlation_data,
            user_properties=list(extra.user_properties),
        ).write()


def arrival(packet: mqtt5.PublishPacket, head: int, length: int, epoch: int) -> Arrival:
    """Take what the caller wants to know out of a PUBLISH.

    `head` is its first byte, `length` that of the whole: asking the codec for all that a
    message usually has not would take most of the time that a message takes here.
    """
    topic, payload, packet_id = packet.topic, packet.payload, packet.packet_id
    room = length - len(topic) - len(payload)
    bare = room <= (_BARE if packet_id is None else _BARE_WITH_ID)
    properties = NO_PROPERTIES if bare else _properties(packet)
    return Arrival(topic, payload, *_FLAGS[head & 0xF], properties, packet_id, epoch)


def words(code: object, reason: str | None = None) -> str:
    """Say a reason code in words, with its number and what the broker adds to it."""
    # The codec's enums have no `.name`; their repr is `<Class.NAME: number>`.
    name = repr(code).partition(".")[2].partition(":")[0].lower().replace("_", " ")
    text = f"{name} (0x{int(code):02x})"  # type: ignore[call-overload]
    return f"{text}: {reason}" if reason else text


def _will(will: Will) -> mqtt5.Will:
    return mqtt5.Will(will.topic, payload=will.payload, qos=QOS[will.qos], retain=will.retain)


def _properties(packet: mqtt5.PublishPacket) -> Properties:
    fields = (
        packet.payload_format_indicator,
        packet.content_type,
        packet.response_topic,
        packet.correlation_data,
        tuple(packet.user_properties),
        packet.message_expiry_interval,
        tuple(packet.subscription_ids),
    )
    return NO_PROPERTIES if fields == _NOTHING else Properties(*fields)


_NOTHING = (0, None, None, None, (), None, ())
# QoS, retain and DUP by the low half of a PUBLISH's first byte, section 3.3.1.
_FLAGS: Final = [(bits >> 1 & 3, bool(bits & 1), bool(bits & 8)) for bits in range(16)]
# What a PUBLISH has beside topic and payload where it has no properties: its first byte, at
# most two bytes of length, two of the topic's length, one that says 0 (and a packet id). A
# property adds two bytes at the least, and a longer packet, or a topic that is not ASCII, one
# byte: then the codec is asked.
_BARE: Final = 6
_BARE_WITH_ID: Final = 8
