"""An edge node without a broker: what it would have said live, for a recording. Pure.

One connection from first to last; no host asks for a rebirth, no receipt is waited for.
"""

from collections.abc import Iterator, Mapping, Sequence

from simulator.chain import Chain, Entry
from simulator.edge import Edge
from simulator.sparkplug.station import Behind, EdgeStation
from telemetry.header import header_properties
from telemetry.message import Cited
from telemetry.recording import Line
from telemetry.sparkplug_topic import SparkplugTopic


class ChainBox:
    """A chain in an outbox's place: it keeps nothing back."""

    held = 0

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    @property
    def public_key(self) -> bytes:
        """The key that its messages verify with."""
        return self.chain.public_key

    @property
    def session(self) -> str:
        """The session of what it makes."""
        return self.chain.session

    def enclose(
        self, topic: SparkplugTopic, payload: bytes, *, time: int, anchor: Cited | None = None
    ) -> Entry:
        """Seal the next message, and go on after it."""
        entry = self.chain.enclose(topic, payload, time=time, anchor=anchor)
        self.chain.advance(entry)
        return entry

    def give_up(self, time: int, anchor: Cited | None) -> None:
        """Nothing is held."""


class RecordedEdge:
    """An edge node and its devices: lines of a recording, in the order of their numbers."""

    def __init__(self, edge: Edge, members: Sequence[Behind], chains: Mapping[str, Chain]) -> None:
        """`chains` by device name, its own among them."""
        boxes = {name: ChainBox(chain) for name, chain in chains.items()}
        self._now = 0
        self._chains = chains
        self.station = EdgeStation(edge, members, boxes, lambda: None, lambda: self._now)
        self.station.session.connecting()

    @property
    def recorded(self) -> int:
        """Messages made, by the node and its devices."""
        return sum(chain.seq for chain in self._chains.values())

    def opening(self, now: int) -> Iterator[Line]:
        """The births; `now` in µs since the epoch."""
        self._now = now
        self.station.begin(1)
        return self.lines(now)

    def beat(self, now: int) -> Iterator[Line]:
        """Before its machines' beats: what is new of the node."""
        self._now = now
        self.station.beat()
        return self.lines(now)

    def lines(self, now: int) -> Iterator[Line]:
        """What was said since the last call."""
        queue = self.station.queue
        while queue:
            said = queue.popleft()
            assert said.entry.header is not None
            yield Line(
                received=now,
                topic=str(self.station.topic.of(said.entry.kind, said.device)),
                payload=said.entry.payload,
                qos=0,
                retain=False,
                properties=header_properties(said.entry.header),
            )
