"""Messages that came and wait for the caller's acknowledgement, on one connection. Pure.

Two rules: acknowledgements go out in the order of arrival (MQTT 5 section 4.6), and none goes
out for a message that is not this very one, since the broker gives packet ids again.
"""

from collections.abc import Iterable
from itertools import takewhile
from operator import attrgetter

from telemetry.mqtt_packets import Arrival


class Unacknowledged:
    """Arrivals at QoS 1 or 2, by packet id and in order."""

    __slots__ = ("_arrivals", "began")

    def __init__(self) -> None:
        self.began: int | None = None
        """The packet id of the first of all, whatever became of it."""
        # In order of arrival, as a dict keeps them.
        self._arrivals: dict[int, Arrival] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def arrivals(self) -> list[Arrival]:
        """Those whose acknowledgement has not gone out, in order."""
        return list(self._arrivals.values())

    def add(self, arrival: Arrival) -> None:
        """Take a new arrival; QoS 0 has nothing to acknowledge and is passed over.

        One that comes again under its id takes the place of the first.
        """
        if arrival.packet_id is not None:
            if self.began is None:
                self.began = arrival.packet_id
            self._arrivals[arrival.packet_id] = arrival

    def acknowledge(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """Mark these and give those whose acknowledgement is due now, in order.

        One that is not marked holds back all that came after it. What is not here, because
        it came on another connection or went out already, is passed over.
        """
        for one in arrivals:
            number = one.packet_id
            if number is not None and self._arrivals.get(number) is one:
                one.marked = True
        due = list(takewhile(_is_marked, self._arrivals.values()))
        for one in due:
            assert one.packet_id is not None, "none else is here"
            del self._arrivals[one.packet_id]
        return due


_is_marked = attrgetter("marked")
