"""What a broker sends again after a reconnect, recognised among what was left before. Pure.

Rule: only a message that we never acknowledged, on the connection right before, in the session
that the broker kept. Its packet id cannot have been given again (MQTT 5 sections 2.2.1, 4.3.2),
so the same id, topic, payload and kept properties with DUP are that message. DUP alone decides
nothing; whatever is in doubt is a new message (docs/decisions/foreign-duplicates.md): so too
where a broker, against the standard, may have numbered anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.mqtt_packets import Arrival


@dataclass(frozen=True, slots=True)
class Left:
    """What a connection leaves: arrivals never acknowledged, in order, and its first packet id."""

    arrivals: Sequence[Arrival] = ()
    began: int | None = None


NOTHING_LEFT = Left()


class Redelivery:
    """Knows what the connection before left, until the broker has sent it again."""

    __slots__ = ("_began", "_left")

    def __init__(self, left: Left) -> None:
        first = left.arrivals[0].packet_id if left.arrivals else None
        # Acknowledged, and yet the first to come: its PUBACK and all others were lost, or the
        # broker counts from 1 on each connection (RabbitMQ), and old ids are on new messages.
        self._began = None if left.began == first else left.began
        self._left = {
            one.packet_id: one
            for one in left.arrivals
            # What expires the broker may drop unacknowledged, and give its id again.
            if one.qos == 1 and one.properties.message_expiry_interval is None
        }

    @property
    def over(self) -> bool:
        """Whether nothing is left that could come again."""
        return not self._left

    def knows(self, arrival: Arrival) -> bool:
        """Whether this arrival, the next of its connection, is one that came before."""
        number, began = arrival.packet_id, self._began
        if number is None:
            return False
        self._began = None
        # What is sent again is sent first (sections 4.4, 4.6): from the first new one on all is.
        if not arrival.duplicate or number == began:
            self._left.clear()
            return False
        before = self._left.pop(number, None)
        if before is None:
            return False
        same = _says_the_same(before, arrival)
        if not same:
            # Ids do not mean what they meant.
            self._left.clear()
        return same


def _says_the_same(one: Arrival, other: Arrival) -> bool:
    return (
        one.payload == other.payload
        and one.topic == other.topic
        and one.qos == other.qos
        and one.retain == other.retain
        and one.properties.to_text() == other.properties.to_text()
        and other.properties.message_expiry_interval is None
    )
