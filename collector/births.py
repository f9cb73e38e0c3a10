"""Which Sparkplug births a collector has heard, and whom it asks for one.

Pure. Data name their metrics by alias alone: without the birth that gave the aliases, what is
stored cannot be read. So a birth that is missing is asked for, as a host application does
(Sparkplug 3.0, Node Control/Rebirth); ever more rarely where nobody answers, since anybody may
publish data in the name of a node that is not there.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import NAMESPACE, SparkplugTopic

PATIENCE: Final = 5.0  # seconds: a birth may be on its way, through an outbox too
FIRST_PAUSE: Final = 60.0  # seconds until a node is asked again; doubled each time
LONGEST_PAUSE: Final = 3600.0
MOST_AT_ONCE: Final = 10  # commands of one look, so that a plant is not reborn all at once
_NODES: Final = 10_000  # remembered; who is forgotten is asked once more
_DEVICES: Final = 1_000  # of one node
_IN_A_TOPIC: Final = f"{NAMESPACE}/"


@dataclass(slots=True)
class _Node:
    """One edge node: who of it was born (None for itself), and whose birth is missing."""

    topic: SparkplugTopic
    born: set[str | None] = field(default_factory=set)
    missing: set[str | None] = field(default_factory=set)
    since: float = 0.0
    again_at: float = 0.0
    pause: float = FIRST_PAUSE


@dataclass(slots=True)
class Births:
    """Births heard, by edge node; `hear` every message, `due` now and then."""

    _nodes: OrderedDict[tuple[str, str, str], _Node] = field(default_factory=OrderedDict)

    def hear(self, topics: Sequence[str], now: float) -> None:
        """Take note of messages by their topics; `now` by a monotonic clock, in seconds."""
        if _IN_A_TOPIC not in "\n".join(topics):
            return
        for topic in topics:
            if _IN_A_TOPIC not in topic:
                continue
            place = SparkplugTopic.parse(topic)
            if place is not None:
                self._hear(place, now)

    def due(self, now: float) -> list[SparkplugTopic]:
        """Give the topics of the commands that are to be sent now."""
        asked: list[SparkplugTopic] = []
        for node in self._nodes.values():
            if len(asked) >= MOST_AT_ONCE:
                break
            if node.missing and now >= max(node.since + PATIENCE, node.again_at):
                node.again_at = now + node.pause
                node.pause = min(2 * node.pause, LONGEST_PAUSE)
                asked.append(node.topic.of("NCMD"))
        return asked

    def _hear(self, place: SparkplugTopic, now: float) -> None:
        if place.type == "NBIRTH":
            node = self._node(place)
            if not place.again:
                node.born.clear()  # its devices are born anew
                node.missing.clear()
            _is_born(node, None)
        elif place.type == "DBIRTH":
            _is_born(self._node(place), place.device)
        elif place.type == "NDEATH":
            self._node(place).born.clear()
            self._node(place).missing.clear()
        elif place.type == "DDEATH":
            self._node(place).born.discard(place.device)
            self._node(place).missing.discard(place.device)
        elif place.type in {"NDATA", "DDATA"} and not place.again:
            self._needs(place, now)

    def _needs(self, place: SparkplugTopic, now: float) -> None:
        node = self._node(place)
        needed = {None, place.device} - node.born
        if needed and len(node.missing) < _DEVICES:
            if not node.missing:
                node.since = now
            node.missing |= needed

    def _node(self, place: SparkplugTopic) -> _Node:
        key = (place.prefix, place.group, place.node)
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= _NODES:
                self._nodes.popitem(last=False)
            node = self._nodes[key] = _Node(place.of("NCMD"))
        return node


def rebirth_command(now: int) -> bytes:
    """Give the payload that asks an edge node for its births; `now` in milliseconds."""
    asked = Metric(
        name="Node Control/Rebirth",
        timestamp=now,
        datatype=DataType.BOOLEAN,
        value=Value.of(DataType.BOOLEAN, True),  # noqa: FBT003 - a value like others
    )
    return Payload(timestamp=now, metrics=(asked,)).to_bytes()


def _is_born(node: _Node, device: str | None) -> None:
    if len(node.born) < _DEVICES:
        node.born.add(device)
    node.missing.discard(device)
    if not node.missing:
        node.pause = FIRST_PAUSE
