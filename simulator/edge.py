"""Edge nodes: which machines speak Sparkplug through which, and what it is called.

A line is an edge node, a machine a device behind it; the enterprise is the group. The edge
node signs its own messages, so its id is a device name of the ledger. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from simulator.errors import BadScenario
from simulator.machine import Machine
from telemetry.canonical import is_segment
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge node: its own place on the line, and the machines behind it."""

    topic: MachineTopic
    machines: tuple[Machine, ...]

    @property
    def name(self) -> str:
        """Its edge node id, and its name as a device of the ledger."""
        return self.topic.machine

    def sparkplug(self, prefix: str = "") -> SparkplugTopic:
        """Its topic, from which those of its messages and devices are made."""
        return SparkplugTopic(prefix, self.topic.enterprise, "NDATA", self.name)


def edges_of(machines: Iterable[Machine]) -> list[Edge]:
    """The edge nodes of those that speak Sparkplug, in the order of the plant; BadScenario."""
    plant = list(machines)
    behind: dict[MachineTopic, list[Machine]] = {}
    for machine in plant:
        if machine.language == "sparkplug":
            behind.setdefault(edge_topic(machine.topic), []).append(machine)
    taken = {machine.name for machine in plant}
    for topic in behind:
        if not is_segment(topic.machine):
            raise BadScenario(
                f"edge node {topic.machine!r}: site, area and line together are its id; "
                "allowed: at most 64 characters"
            )
        if topic.machine in taken:
            raise BadScenario(f"edge node {topic.machine!r} is there twice; rename its line")
        taken.add(topic.machine)
    return [Edge(topic, tuple(members)) for topic, members in behind.items()]


def edge_topic(topic: MachineTopic) -> MachineTopic:
    """The place of the edge node of a machine's line."""
    return replace(topic, machine=f"{topic.site}_{topic.area}_{topic.line}", kind="telemetry")


def again_topic(topic: MachineTopic, kind: str) -> SparkplugTopic:
    """Where what a machine said in Sparkplug goes out of its outbox once more."""
    node = edge_topic(topic).machine
    said = SparkplugTopic(topic.prefix, topic.enterprise, kind, node, topic.machine)
    return replace(said, again=True)
