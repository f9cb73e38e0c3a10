"""How much of history is kept: a bound for each topic, and one for all together. Pure.

Whoever holds most gives first: when all is full, a level sinks, and no topic keeps more than
the level but its newest message. Quiet topics keep theirs beside loud ones. Last to go are the
newest messages themselves, of the topics that were silent longest; counts stay always.
"""

from collections import deque
from collections.abc import Collection
from typing import Final

from watch.topics.node import Kept, Node

MESSAGES: Final = 500  # of one topic
LEVEL: Final = 256 * 1024  # bytes of one topic, at first
BUDGET: Final = 20 * 1024 * 1024  # bytes of all topics
LONGEST: Final = 64 * 1024  # bytes of one payload; of a longer one the start is kept
_FLOOR: Final = 1024  # bytes: below it the level helps no more
_AFTER: Final = 0.75  # of the budget, filled, after letting go


class Memory:
    """Keeps messages at their nodes; `weight` bytes in all, `dropped` messages let go."""

    def __init__(
        self, *, budget: int = BUDGET, level: int = LEVEL, messages: int = MESSAGES
    ) -> None:
        self.budget = budget
        self.level = level
        self.messages = messages
        self.weight = 0
        self.dropped = 0

    def keep(self, node: Node, kept: Kept) -> None:
        """Keep a topic's newest message, and let go of its oldest where it has too many."""
        history = node.history
        if history is None:
            history = node.history = deque()
        history.append(kept)
        weight = kept.weight
        node.weight += weight
        self.weight += weight
        while len(history) > self.messages or (node.weight > self.level and len(history) > 1):
            self._drop(node, history)

    @property
    def full(self) -> bool:
        """Whether `make_room` is due."""
        return self.weight > self.budget

    def make_room(self, nodes: Collection[Node]) -> None:
        """Let go of history until all of it is well under the budget."""
        enough = self.budget * _AFTER
        while self.weight > enough and self.level > _FLOOR:
            self.level = max(_FLOOR, self.level * 7 // 8)
            for node in nodes:
                history = node.history
                if history is not None:
                    while node.weight > self.level and len(history) > 1:
                        self._drop(node, history)
        if self.weight > enough:
            self._let_go_of_silent(nodes, enough)

    def _let_go_of_silent(self, nodes: Collection[Node], enough: float) -> None:
        holding = [node for node in nodes if node.history]
        holding.sort(key=lambda node: node.history[-1].received if node.history else 0)
        for node in holding:
            if self.weight <= enough:
                return
            while node.history:
                self._drop(node, node.history)

    def _drop(self, node: Node, history: deque[Kept]) -> None:
        weight = history.popleft().weight
        node.weight -= weight
        self.weight -= weight
        node.dropped += 1
        self.dropped += 1
