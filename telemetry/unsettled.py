"""Messages that we publish, until the broker has answered, on one connection. Pure.

Rules: in the order of the calls; never more unanswered than the broker's Receive Maximum
(MQTT 5 section 4.9); no packet id twice at once (2.2.1); nothing over the broker's limits.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic

import mqtt5

from telemetry.errors import NotOffered, PacketTooLarge
from telemetry.mqtt_events import Token
from telemetry.mqtt_packets import LARGEST_PACKET, Outgoing

HIGHEST_ID: Final = 65_534  # one below the highest of MQTT: that one is SUBSCRIBE's
ROOM: Final = 65_536  # bytes in one piece, then the transport may say that it is enough


class Unsettled(Generic[Token]):
    """Messages in flight, by packet id, and those that wait for their turn.

    `due` gives what may be sent now: the bytes, and the token where no answer will come.
    `held` and `room`, the bytes that may still go in one piece, are the caller's to set.
    """

    __slots__ = (
        "_best_qos", "_flying", "_largest", "_last_id", "_may_retain", "_waiting", "_window",
        "held", "room",
    )  # fmt: skip

    def __init__(self) -> None:
        self.held = False
        self.room = ROOM
        # There only while somebody has to wait, which is seldom: of ten thousand connections
        # each would have one.
        self._waiting: deque[tuple[Outgoing, Token]] | None = None
        self._flying: dict[int, Token] = {}
        self._last_id = 0
        self._window = 0
        self._largest = LARGEST_PACKET
        self._best_qos = 2
        self._may_retain = True

    @property
    def tokens(self) -> list[Token]:
        """Of all that has no answer yet, in order of sending."""
        return [*self._flying.values(), *(token for _, token in self._waiting or ())]

    def limit(self, offer: mqtt5.ConnAckPacket) -> None:
        """Keep to what the broker offers in CONNACK (section 3.2.2.3)."""
        self._window = min(offer.receive_max, HIGHEST_ID)
        self._largest = offer.max_packet_size or LARGEST_PACKET
        self._best_qos = int(offer.max_qos)
        self._may_retain = offer.retain_available

    def add(self, message: Outgoing, token: Token) -> Iterator[tuple[bytes, Token | None]]:
        """Take a message and give what is due; what can never go is refused and not kept.

        PacketTooLarge, NotOffered, or ValueError for what cannot be encoded.
        """
        if message.qos > self._best_qos or (message.retain and not self._may_retain):
            raise NotOffered(
                f"{message.topic!r} at QoS {message.qos}, retain {message.retain}: the broker "
                f"offers QoS {self._best_qos} at most, retain {self._may_retain}"
            )
        if not self._waiting and self._may_go(message):
            return iter([self._send(message, token)])
        self._encode(message, 1 if message.qos else None)
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((message, token))
        return iter(())

    def due(self) -> Iterator[tuple[bytes, Token | None]]:
        """Give what may be sent by now, in order."""
        while self._waiting and self._may_go(self._waiting[0][0]):
            yield self._send(*self._waiting.popleft())
        if not self._waiting:
            self._waiting = None

    def settle(self, number: int) -> Token | None:
        """Take the answered message out; None where no message has that id."""
        return self._flying.pop(number, None)

    def _may_go(self, message: Outgoing) -> bool:
        if self.held or self.room <= 0:
            return False
        return message.qos == 0 or len(self._flying) < self._window

    def _send(self, message: Outgoing, token: Token) -> tuple[bytes, Token | None]:
        number = self._free_id() if message.qos else None
        data = self._encode(message, number)
        self.room -= len(data)
        if number is None:
            return data, token
        self._flying[number] = token
        self._last_id = number
        return data, None

    def _free_id(self) -> int:
        """Give the next id that is not in flight; the window leaves at least one."""
        number = self._last_id % HIGHEST_ID + 1
        while number in self._flying:
            number = number % HIGHEST_ID + 1
        return number

    def _encode(self, message: Outgoing, number: int | None) -> bytes:
        if len(message.payload) <= LARGEST_PACKET:  # beyond, the codec panics
            data = message.encode(number)
            if len(data) <= self._largest:
                return data
        raise PacketTooLarge(
            f"{message.topic!r}: {len(message.payload)} bytes of payload make a packet over "
            f"{self._largest} bytes, the broker's limit; send less, or raise max_packet_size there"
        )
