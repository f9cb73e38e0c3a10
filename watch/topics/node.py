"""A level of the topic tree, and a message that is kept of it. Plain values.

There may be a hundred thousand of each: slots, no cycles beyond parent and child, and nothing
parsed.
"""

from array import array
from collections import deque

import msgspec

from telemetry.properties import NO_PROPERTIES, Properties

_WEIGHT = 240  # bytes that a kept message takes beside its payload, about


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A message as it came, at `received` (microseconds since 1970).

    `payload` is its start alone where `size` is more than its length.
    """

    received: int
    payload: bytes
    size: int
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES

    @property
    def whole(self) -> bool:
        """Whether the payload is here to its last byte."""
        return self.size == len(self.payload)

    @property
    def weight(self) -> int:
        """About how many bytes it takes to keep."""
        properties = self.properties
        more = 0 if properties is NO_PROPERTIES else properties.weight
        return _WEIGHT + len(self.payload) + more


class Node:
    """A topic or a level above some; the root has no parent and an empty name.

    `count` is of messages with exactly this topic, at once; `total`, `newest` and `slots` are
    of it and all below, as of the last fold. `history` has the newest last; `dropped` says how
    many older ones were let go.
    """

    __slots__ = (
        "children",
        "count",
        "dropped",
        "folded",
        "history",
        "name",
        "newest",
        "order",
        "parent",
        "shown",
        "slot",
        "slots",
        "topics",
        "total",
        "weight",
    )

    def __init__(self, name: str, parent: "Node | None") -> None:
        self.name = name
        self.parent = parent
        self.children: dict[str, Node] = {}
        # Children by name, sorted when they are shown; None after one came.
        self.order: list[Node] | None = None
        self.count = 0
        self.folded = 0
        self.total = 0
        self.topics = 0
        self.newest = 0
        self.shown: Kept | None = None
        self.history: deque[Kept] | None = None
        self.weight = 0
        self.dropped = 0
        self.slot = 0
        self.slots: array[int] | None = None

    @property
    def topic(self) -> str:
        """The whole topic, or what all topics below begin with."""
        names: list[str] = []
        node = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return "/".join(reversed(names))

    @property
    def kept(self) -> int:
        """How many messages of exactly this topic are kept."""
        return 0 if self.history is None else len(self.history)

    def sorted(self) -> "list[Node]":
        """Give the children by name."""
        if self.order is None:
            self.order = [self.children[name] for name in sorted(self.children)]
        return self.order
