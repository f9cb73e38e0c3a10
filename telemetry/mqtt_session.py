"""MQTT 5 as a client speaks it, over one network connection: bytes to events, calls to bytes.

Sans-I/O: no socket, no clock, no chance; `receive` and `beat` are told the time in seconds.
One object serves one connection and is thrown away with it: a packet id belongs to its
connection, so none can ever be used on another. Source: OASIS MQTT 5.0.
"""

import enum
from collections.abc import Callable, Iterable
from typing import ClassVar, Final, Generic

import mqtt5

from telemetry.errors import LinkLost
from telemetry.keep_alive import KeepAlive
from telemetry.mqtt_events import Arrived, Closed, Event, Opened, Settled, Subscribed, Token
from telemetry.mqtt_framer import Framer, PacketBroken
from telemetry.mqtt_packets import (
    Arrival,
    Opening,
    Outgoing,
    arrival,
    words,
)
from telemetry.redelivery import NOTHING_LEFT, Left, Redelivery
from telemetry.unacknowledged import Unacknowledged
from telemetry.unsettled import HIGHEST_ID, ROOM, Unsettled

_FAILED: Final = 0x80  # reason codes from here on are failures, section 2.4
_MALFORMED: Final = mqtt5.DisconnectReasonCode.MALFORMED_PACKET
_SUBSCRIBING: Final = HIGHEST_ID + 1  # SUBSCRIBE's packet id, no PUBLISH has it


class State(enum.Enum):
    """Where a connection stands; `_HEARD` says what the broker may send in each."""

    OPENING = enum.auto()  # CONNECT is out; nothing but CONNACK, or DISCONNECT, may come
    OPEN = enum.auto()
    CLOSED = enum.auto()  # ended by either side: nothing is read or sent any more


class MqttSession(Generic[Token]):
    """One connection's rules. After any call, `outgoing` gives bytes and `events` what happened.

    `post` keeps messages waiting, in order, while the broker's Receive Maximum is used up or
    the transport is held; `token` comes back in `Settled`. `before` is what the connection
    before has left `unacknowledged`: where the broker kept the session it comes `again`.
    """

    __slots__ = (
        "_alive", "_arrivals", "_asked", "_before", "_events", "_framer", "_introduced",
        "_outgoing", "_redelivery", "_refused", "_unacknowledged", "_unsettled", "epoch",
        "opening", "state",
    )  # fmt: skip

    def __init__(
        self, opening: Opening, *, epoch: int, now: float, before: Left = NOTHING_LEFT
    ) -> None:
        self.opening = opening
        self.epoch = epoch
        self.state = State.OPENING
        self._alive = KeepAlive(opening.keep_alive, heard=now, said=now)
        self._framer = Framer(opening.maximum_packet_size)
        self._introduced = False
        self._outgoing: list[bytes] = []
        self._events: list[Event[Token]] = []
        self._arrivals: list[Arrival] = []
        self._unsettled: Unsettled[Token] = Unsettled()
        self._unacknowledged = Unacknowledged()
        self._before = before
        self._refused = False
        self._redelivery: Redelivery | None = None  # while it lasts
        self._asked = opening.subscriptions  # until SUBACK answers, which it does once

    def outgoing(self, now: float) -> bytes:
        """Give the bytes to send, once; ask again until there are none.

        They come in pieces, so that the transport can say in between that it is enough.
        """
        if not self._introduced and self.state is State.OPENING:
            # Only now: a will that is made for each CONNECT counts those that are sent.
            self._introduced = True
            self._outgoing.append(self.opening.connect())
        if not self._outgoing:
            return b""
        self._alive.said = now
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        self._unsettled.room = ROOM
        self._send_due()
        return data

    @property
    def pending(self) -> bool:
        """Whether `outgoing` has something to give."""
        return bool(self._outgoing)

    def events(self) -> list[Event[Token]]:
        """Give what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def closed(self) -> bool:
        """Whether it has ended; `Closed` says why."""
        return self.state is State.CLOSED

    @property
    def unsettled(self) -> list[Token]:
        """Tokens of what is in flight or waits: lost, once the connection is."""
        return self._unsettled.tokens

    @property
    def unacknowledged(self) -> Left:
        """What the next connection may bring again, once this one is lost.

        Nothing where CONNECT went out and had no answer: who knows what came of the session.
        """
        if self._introduced and not self._refused:
            return Left(self._unacknowledged.arrivals, self._unacknowledged.began)
        return self._before

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the broker, chopped anywhere."""
        if self.closed:
            return
        self._alive.heard = now
        try:
            for packet, head, length in self._framer.packets(data):
                # By far the most, and nothing that ends the connection: no look-up.
                if type(packet) is mqtt5.PublishPacket and self.state is State.OPEN:
                    one = arrival(packet, head, length, self.epoch)
                    if self._redelivery is not None:
                        self._recognise(one, self._redelivery)
                    self._unacknowledged.add(one)
                    self._arrivals.append(one)
                elif not self._hear(packet):
                    break
        except PacketBroken as error:
            self._abandon(f"the broker sent {error}")
        self._gather()

    def post(self, message: Outgoing, token: Token) -> None:
        """Send a message as soon as it may go.

        PacketTooLarge, NotOffered and ValueError say that it never can; LinkLost that there
        is no open connection.
        """
        if self.state is not State.OPEN:
            raise LinkLost("not connected")
        self._put(self._unsettled.add(message, token))

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge, in order of arrival: what is left out holds back what came after it.

        What came on another connection, at QoS 0, or is acknowledged already is passed over.
        """
        if self.state is not State.OPEN:
            return
        for one in self._unacknowledged.acknowledge(arrivals):
            answer = mqtt5.PubAckPacket if one.qos == 1 else mqtt5.PubRecPacket
            self._outgoing.append(answer(one.packet_id or 0).write())

    def hold(self) -> None:
        """Send no message for now: the transport's buffer is full."""
        self._unsettled.held = True

    def release(self) -> None:
        """Send again."""
        self._unsettled.held = False
        self._send_due()

    def disconnect(self, *, end_session: bool = False) -> None:
        """Say goodbye: the broker drops the will, and the session too with `end_session`."""
        if self.state is State.OPEN:
            # A session that was to end with the connection must not be given an expiry here.
            expiry = 0 if end_session and self.opening.session_expiry else None
            self._outgoing.append(mqtt5.DisconnectPacket(session_expiry_interval=expiry).write())
        self._close(Closed("we disconnected"))

    def lost(self) -> None:
        """Take note that the connection is gone; no event comes of it."""
        self.state = State.CLOSED

    def beat(self, now: float, *, listening: bool = True) -> float | None:
        """Keep alive: PINGREQ when either side was silent; give seconds until the next call.

        None when nothing is left to watch.
        """
        if self.state is not State.OPEN:
            return None
        if not listening:  # an answer may lie unread: that is no silence of the broker's
            self._alive.heard = now
        verdict = self._alive.judge(now)
        if verdict == "gone":
            self._close(Closed(f"no answer to PINGREQ for {self._alive.patience:g} s"))
            return None
        if verdict == "ping":
            self._outgoing.append(mqtt5.PingReqPacket().write())
        return self._alive.next(now)

    def _hear(self, packet: mqtt5.Packet) -> bool:
        """Do what the packet asks; say whether to go on."""
        hear = self._HEARD[self.state].get(type(packet))
        if hear is None:
            raise PacketBroken(f"{type(packet).__name__} while {self.state.name.lower()}")
        hear(self, packet)
        return not self.closed

    def _gather(self) -> None:
        if self._arrivals:
            self._events.append(Arrived(self._arrivals))
            self._arrivals = []

    def _put(self, packets: Iterable[tuple[bytes, Token | None]]) -> None:
        for data, settled in packets:
            self._outgoing.append(data)
            if settled is not None:
                self._events.append(Settled(settled, 0))

    def _settle(self, number: int, code: int) -> None:
        token = self._unsettled.settle(number)
        if token is not None:
            self._events.append(Settled(token, code))
            self._send_due()

    def _send_due(self) -> None:
        if self.state is State.OPEN:
            self._put(self._unsettled.due())

    def _abandon(self, reason: str) -> None:
        if self.state is State.OPEN:
            self._outgoing.append(mqtt5.DisconnectPacket(reason_code=_MALFORMED).write())
        self._close(Closed(reason))

    def _close(self, closed: Closed) -> None:
        if not self.closed:
            self._gather()  # what came before the end is told before it
            self.state = State.CLOSED
            self._events.append(closed)

    def _hear_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        code = int(packet.reason_code)
        if code >= _FAILED:
            self._refused = True  # so the session is as it was
            said = words(packet.reason_code, packet.reason_str)
            self._close(Closed(f"the broker refused the connection, {said}", code, refused=True))
            return
        self.state = State.OPEN
        if packet.session_present and self._before.arrivals:
            self._redelivery = Redelivery(self._before)
        self._before = NOTHING_LEFT
        self._unsettled.limit(packet)
        if packet.server_keep_alive is not None:
            self._alive.interval = packet.server_keep_alive
        self._events.append(Opened(packet.session_present))
        if self.opening.subscriptions:
            self._outgoing.append(self.opening.subscribe(_SUBSCRIBING))
        else:
            self._events.append(Subscribed())

    def _hear_suback(self, packet: mqtt5.SubAckPacket) -> None:
        asked, self._asked = self._asked, ()
        if packet.packet_id != _SUBSCRIBING or not asked or len(packet.reason_codes) != len(asked):
            raise PacketBroken("a SUBACK that answers no SUBSCRIBE of ours")
        for one, code in zip(asked, packet.reason_codes, strict=True):
            if int(code) >= _FAILED:
                said = words(code, packet.reason_str)
                reason = f"the broker refused the subscription to {one.pattern!r}, {said}"
                self._outgoing.append(mqtt5.DisconnectPacket().write())
                self._close(Closed(reason, int(code), refused=True))
                return
        self._events.append(Subscribed())

    def _recognise(self, one: Arrival, redelivery: Redelivery) -> None:
        one.again = redelivery.knows(one)
        if redelivery.over:
            self._redelivery = None

    def _hear_puback(self, packet: mqtt5.PubAckPacket | mqtt5.PubCompPacket) -> None:
        self._settle(packet.packet_id, int(packet.reason_code))

    def _hear_pubrec(self, packet: mqtt5.PubRecPacket) -> None:
        if int(packet.reason_code) < _FAILED:
            self._outgoing.append(mqtt5.PubRelPacket(packet.packet_id).write())
        else:
            self._settle(packet.packet_id, int(packet.reason_code))

    def _hear_pubrel(self, packet: mqtt5.PubRelPacket) -> None:
        self._outgoing.append(mqtt5.PubCompPacket(packet.packet_id).write())

    def _hear_disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        said = words(packet.reason_code, packet.reason_str)
        self._close(Closed(f"the broker disconnected us, {said}", int(packet.reason_code)))

    def _hear_pong(self, packet: mqtt5.PingRespPacket) -> None:
        """That it came is enough: `receive` noted when."""

    _HEARD: ClassVar[dict[State, dict[type, Callable[..., None]]]] = {
        State.OPENING: {
            mqtt5.ConnAckPacket: _hear_connack,
            mqtt5.DisconnectPacket: _hear_disconnect,
        },
        State.OPEN: {
            mqtt5.PubAckPacket: _hear_puback,
            mqtt5.PubRecPacket: _hear_pubrec,
            mqtt5.PubRelPacket: _hear_pubrel,
            mqtt5.PubCompPacket: _hear_puback,
            mqtt5.SubAckPacket: _hear_suback,
            mqtt5.PingRespPacket: _hear_pong,
            mqtt5.DisconnectPacket: _hear_disconnect,
        },
        State.CLOSED: {},
    }
