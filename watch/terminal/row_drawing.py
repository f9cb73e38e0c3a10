"""A row of the topic tree as cells: its message is read once, when it is first in sight."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.segment import Segment
from rich.style import Style

from watch.line import visible
from watch.terminal.columns import Columns, fitted, fitted_end
from watch.topics import words
from watch.topics.machines import machine_state, state_role
from watch.topics.node import Kept, Node
from watch.topics.pace import counts, rate, sparkline
from watch.topics.rows import Row
from watch.topics.shown import Role
from watch.topics.summary import summary
from watch.topics.tree import TopicTree
from watch.topics.trust import Signatures, standing

_CACHED: Final = 400
_MARKS: Final[dict[Role, str]] = {"good": "✓", "bad": "✗", "open": "?", "dim": " "}


class _Read(NamedTuple):
    """A message as its row says it."""

    kept: Kept
    summary: str
    role: Role


class RowDrawing:
    """Draws rows of one tree."""

    def __init__(self, tree: TopicTree, signatures: Signatures | None) -> None:
        self._tree = tree
        self._signatures = signatures
        self._read: dict[Node, _Read] = {}

    def segments(
        self, row: Row, columns: Columns, style: Mapping[Role, Style], now: int
    ) -> list[Segment]:
        """Give a row's cells, each column at its width."""
        node = row.node
        marker = ("▾ " if row.opened else "▸ ") if row.branches else "  "
        indent = "  " * min(row.depth, columns.topic // 5) + marker
        room = max(0, columns.topic - len(indent))
        label = indent + fitted_end(visible(row.label) or '""', room)
        size = "" if node.shown is None else words.size(node.shown.size)
        cells: list[tuple[Role, str, int]] = [
            ("dim", words.count(node.total), columns.count),
            ("number", words.rate(rate(node, now, self._tree.since)), columns.rate),
            ("dim", words.age(now - node.newest) if node.newest else "", columns.age),
            ("dim", size, columns.size),
        ]
        name: Role = "name" if row.branches else "plain"
        segments = [Segment(fitted(label, columns.topic) + " ", style[name])]
        segments += [Segment(f"{text:>{width}} ", style[r]) for r, text, width in cells if width]
        if columns.spark:
            bars = sparkline(counts(node, now))
            segments.append(Segment(bars + " ", style["bars"]))
        role, mark, value, value_role = self._value(row)
        segments.append(Segment(mark + " ", style[role]))
        segments.append(Segment(fitted(value, columns.value), style[value_role]))
        return segments

    def _value(self, row: Row) -> tuple[Role, str, str, Role]:
        """Mark and last value of a row: a machine's its state, a level's its topics."""
        node = row.node
        if node.shown is not None:
            read = self._said(node, node.shown)
            value_role: Role = "plain"
            if node.name == "state":
                value_role = state_role(read.summary)
            return read.role, _MARKS.get(read.role, " "), read.summary, value_role
        state = machine_state(node)
        if state is not None:
            return state_role(state), "●", state, state_role(state)
        topics = node.topics
        return "dim", " ", f"{topics} topic{'s' * (topics != 1)}", "dim"

    def _said(self, node: Node, kept: Kept) -> _Read:
        read = self._read.get(node)
        if read is None or read.kept is not kept:
            if len(self._read) >= _CACHED:
                self._read.clear()
            topic = node.topic
            role = standing(topic, kept, self._signatures).role
            read = _Read(kept, summary(topic, kept, self._tree.newest), role)
            self._read[node] = read
        return read
