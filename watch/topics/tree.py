"""All that was heard, by topic: counts at once, sums up the tree when it is folded. Pure.

A message costs a look-up and a few additions; everything else waits for `fold`, some times a
second. What is drawn goes by the fold, so who folds no more sees the tree stand still while it
counts on.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from telemetry.link import Arrival
from watch.topics.memory import LONGEST, Memory
from watch.topics.node import Kept, Node
from watch.topics.pace import WIDTH, spread

LEVELS: Final = 48  # a topic's levels below are one
NODES: Final = 200_000
NAMES: Final = 24 * 1024 * 1024  # bytes of topics in all


class TopicTree:
    """Counts `received` messages: those of topics with a node, and `others`.

    `others` counts the messages of topics for which there was no room. `changed` is raised by
    one for each fold that brought a new topic. Times in microseconds since 1970.
    """

    def __init__(self, since: int, memory: Memory | None = None, *, nodes: int = NODES) -> None:
        self.since = since
        self.memory = memory or Memory()
        self.root = Node("", None)
        self.received = 0
        self.bytes = 0
        self.others = 0
        self.changed = 0
        self.folded = since
        self._by_topic: dict[str, Node] = {}
        self._heard: dict[Node, None] = {}
        self._new = False
        self._nodes = 1
        self._names = 0
        self._room = nodes

    @property
    def topics(self) -> int:
        """How many topics there are, as of now."""
        return len(self._by_topic)

    @property
    def nodes(self) -> int:
        """How many levels there are, as of now; the root is one."""
        return self._nodes

    def hear(self, arrivals: Iterable[Arrival], now: int) -> None:
        """Count messages and keep them, unread."""
        memory, by_topic, heard = self.memory, self._by_topic, self._heard
        for one in arrivals:
            payload = one.payload
            size = len(payload)
            self.received += 1
            self.bytes += size
            node = by_topic.get(one.topic) or self._made(one.topic)
            if node is None:
                self.others += 1
                continue
            node.count += 1
            heard[node] = None
            start = payload if size <= LONGEST else payload[:LONGEST]
            memory.keep(node, Kept(now, start, size, one.qos, one.retain, one.properties))
        if memory.full:
            memory.make_room(by_topic.values())

    def fold(self, now: int) -> Sequence[Node]:
        """Sum up what came since the last fold; give the topics that were heard."""
        heard = list(self._heard)
        self._heard.clear()
        gained: dict[Node, int] = {}
        for node in heard:
            gained[node] = node.count - node.folded
            node.folded = node.count
            if node.history:
                node.shown = node.history[-1]
                node.newest = max(node.newest, node.shown.received)
        since = self.folded if now - self.folded > WIDTH else now
        while gained:
            above: dict[Node, int] = {}
            for node, count in gained.items():
                node.total += count
                spread(node, count, since, now)
                parent = node.parent
                if parent is not None:
                    parent.newest = max(parent.newest, node.newest)
                    above[parent] = above.get(parent, 0) + count
            gained = above
        self.folded = now
        self.changed += self._new
        self._new = False
        return heard

    def find(self, topic: str) -> Node | None:
        """Give the node of exactly this topic; None where no message of it came."""
        return self._by_topic.get(topic)

    def newest(self, topic: str) -> Kept | None:
        """Give the newest message that is kept of a topic."""
        node = self._by_topic.get(topic)
        return node.history[-1] if node is not None and node.history else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Give every topic with its node."""
        yield from self._by_topic.items()

    def _made(self, topic: str) -> Node | None:
        if self._names + len(topic) > NAMES:
            return None
        levels = topic.split("/", LEVELS - 1)
        path, node = [], self.root
        for place, name in enumerate(levels):
            child = node.children.get(name)
            if child is None:
                if self._nodes + len(levels) - place > self._room:
                    return None
                path = levels[place:]
                break
            node = child
        for name in path:
            child = Node(name, node)
            node.children[name] = child
            node.order = None
            node = child
        self._nodes += len(path)
        self._names += len(topic)
        self._by_topic[topic] = node
        self._new = True
        above: Node | None = node
        while above is not None:
            above.topics += 1
            above = above.parent
        return node
