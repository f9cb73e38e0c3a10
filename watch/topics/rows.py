"""The tree as the rows that a person sees: what is open, what is looked for. Pure.

Levels that lead to one level alone share its row. The tree is open as deep as its rows can be
read; what a person opens or closes stays so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from watch.topics.node import Node
from watch.topics.sieve import Sieve
from watch.topics.tree import TopicTree

OPEN: Final = 200  # rows that are open by themselves
_EVERYTHING: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its node, how deep it stands, its levels' names joined, whether more is below."""

    node: Node
    depth: int
    label: str
    branches: bool
    opened: bool


class Rows:
    """The rows of a tree; `build` gives them as of the last fold."""

    def __init__(self, tree: TopicTree, *, most_open: int = OPEN) -> None:
        self.sieve = Sieve()
        self._tree = tree
        self._most_open = most_open
        # What a person opened or closed, against what is so by itself.
        self._turned: dict[Node, bool] = {}
        self._found: set[Node] | None = None
        self._open_above = _EVERYTHING  # depth

    def look_for(self, sieve: Sieve) -> None:
        """Show only what passes, all of it open."""
        self.sieve = sieve
        sieve.look(node for _, node in self._tree.items())

    def turn(self, node: Node, *, opened: bool) -> None:
        """Open or close a row."""
        self._turned[node] = opened

    def turn_all(self, *, opened: bool) -> None:
        """Open or close every row."""
        self._turned.clear()
        self._most_open = _EVERYTHING if opened else -1

    def reveal(self, node: Node) -> None:
        """Open all that a node stands under."""
        above = node.parent
        while above is not None:
            self._turned[above] = True
            above = above.parent

    def build(self) -> list[Row]:
        """Give the rows, top to bottom."""
        self._found = self._passing() if self.sieve else None
        self._open_above = _EVERYTHING if self.sieve else self._readable_depth()
        rows: list[Row] = []
        pending = list(self._below(self._tree.root, 0))
        pending.reverse()
        while pending:
            row = pending.pop()
            rows.append(row)
            if row.branches and row.opened:
                pending.extend(reversed(list(self._below(row.node, row.depth + 1))))
        return rows

    def _readable_depth(self) -> int:
        """How deep all can be open before there are too many rows."""
        level = list(self._below(self._tree.root, 0))
        total, depth = len(level), 0
        while True:
            nodes = [row.node for row in level if row.branches]
            if not nodes:
                return _EVERYTHING
            total += sum(len(node.children) for node in nodes)
            if total > self._most_open:
                return depth
            depth += 1
            level = [row for node in nodes for row in self._below(node, depth)]

    def _passing(self) -> set[Node]:
        """All nodes that are on the way to a topic that passes."""
        found: set[Node] = set()
        for topic, node in self._tree.items():
            if self.sieve.takes(topic, node):
                above: Node | None = node
                while above is not None and above not in found:
                    found.add(above)
                    above = above.parent
        return found

    def _below(self, node: Node, depth: int) -> Iterator[Row]:
        for child in self._shown(node):
            label, last = child.name, child
            while not last.count and len(children := self._shown(last)) == 1:
                last = children[0]
                label = f"{label}/{last.name}"
            branches = bool(self._shown(last))
            yield Row(last, depth, label, branches, branches and self._opened(last, depth))

    def _shown(self, node: Node) -> list[Node]:
        children = node.sorted()
        if self._found is None:
            return children
        return [child for child in children if child in self._found]

    def _opened(self, node: Node, depth: int) -> bool:
        return self._turned.get(node, depth < self._open_above)
