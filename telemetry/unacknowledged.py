"""Messages that came and wait for the caller's acknowledgement, on one connection. Pure.

Two rules: acknowledgements go out in the order of arrival (MQTT 5 section 4.6), and none goes
out for a message that is not this very one, since the broker gives packet ids again.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from telemetry.mqtt_packets import Arrival


class Unacknowledged:
    """Arrivals at QoS 1 or 2, by packet id and in order."""

    def __init__(self) -> None:
        self._arrivals: dict[int, Arrival] = {}
        self._order: deque[int] = deque()
        self._marked: set[int] = set()

    def __len__(self) -> int:
        return len(self._arrivals)

    def add(self, arrival: Arrival) -> None:
        """Take a new arrival; QoS 0 has nothing to acknowledge and is passed over."""
        number = arrival.packet_id
        if number is None:
            return
        if number not in self._arrivals:
            self._order.append(number)
        self._arrivals[number] = arrival

    def acknowledge(self, arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
        """Mark these and give those whose acknowledgement is due now, in order.

        One that is not marked holds back all that came after it. What is not here, because
        it came on another connection or went out already, is passed over.
        """
        for one in arrivals:
            number = one.packet_id
            if number is not None and self._arrivals.get(number) is one:
                self._marked.add(number)
        while self._order and self._order[0] in self._marked:
            number = self._order.popleft()
            self._marked.discard(number)
            yield self._arrivals.pop(number)
