"""What a broker sends again after a reconnect, recognised among what was left before. Pure.

Rule: only a message that we never acknowledged, on the connection right before, in the session
that the broker kept. Its packet id cannot have been given again (MQTT 5 sections 2.2.1, 4.3.2),
so the same id, topic, payload and kept properties with DUP are that message. DUP alone decides
nothing; whatever is in doubt is a new message (docs/decisions/foreign-duplicates.md).
"""

from collections.abc import Iterable

from telemetry.mqtt_packets import Arrival


class Redelivery:
    """Knows what the connection before left, until the broker has sent it again."""

    __slots__ = ("_left",)

    def __init__(self, left: Iterable[Arrival]) -> None:
        self._left = {
            one.packet_id: one
            for one in left
            # What expires the broker may drop unacknowledged, and give its id again.
            if one.qos == 1 and one.properties.message_expiry_interval is None
        }

    @property
    def over(self) -> bool:
        """Whether nothing is left that could come again."""
        return not self._left

    def knows(self, arrival: Arrival) -> bool:
        """Whether this arrival, the next of its connection, is one that came before."""
        if arrival.packet_id is None:
            return False
        if not arrival.duplicate:
            # What is sent again is sent first (sections 4.4, 4.6): from here on all is new.
            self._left.clear()
            return False
        # Whatever has the id now, nothing else on this connection can be what had it before.
        before = self._left.pop(arrival.packet_id, None)
        return before is not None and _says_the_same(before, arrival)


def _says_the_same(one: Arrival, other: Arrival) -> bool:
    return (
        one.payload == other.payload
        and one.topic == other.topic
        and one.qos == other.qos
        and one.properties.to_text() == other.properties.to_text()
        and other.properties.message_expiry_interval is None
    )
