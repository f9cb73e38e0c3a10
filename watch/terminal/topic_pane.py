"""The topic tree as a pane of rows: of a hundred thousand topics it draws those in sight.

A widget by lines (Textual's line API): a row is made when it is drawn, and its payload parsed
then, once for each new message.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from watch.line import visible
from watch.terminal.columns import Columns, fitted, fitted_end
from watch.terminal.palette import CURSOR, CURSOR_LIGHT, DARK, state_role
from watch.topics import words
from watch.topics.node import Kept, Node
from watch.topics.pace import counts, rate, sparkline
from watch.topics.rows import Row, Rows
from watch.topics.shown import Role
from watch.topics.summary import machine_state, summary
from watch.topics.tree import TopicTree
from watch.topics.trust import Signatures, standing

_CACHED: Final = 400
_MARKS: Final[dict[Role, str]] = {"good": "✓", "bad": "✗", "open": "?", "dim": " "}


class _Read(NamedTuple):
    """A message as its row says it."""

    kept: Kept
    summary: str
    role: Role


class TopicPane(ScrollView, can_focus=True):
    """Rows with a cursor; says `Chosen` when it moves."""

    BINDINGS = [  # noqa: RUF012 - Textual's own spelling
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
        Binding("right,l", "open", show=False),
        Binding("left,h", "close", show=False),
        Binding("enter", "turn", show=False),
        Binding("plus", "turn_all(True)", show=False),
        Binding("minus", "turn_all(False)", show=False),
    ]

    class Chosen(Message):
        """The cursor stands on another node."""

    def __init__(self, tree: TopicTree, signatures: Signatures | None, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.rows = Rows(tree)
        self.styles_by_role: Mapping[Role, Style] = DARK
        self.now = tree.since
        self.listed: list[Row] = []
        self._tree = tree
        self._signatures = signatures
        self._cursor: Node | None = None
        self._place = 0
        self._read: dict[Node, _Read] = {}

    @property
    def chosen(self) -> Node | None:
        """The node under the cursor."""
        return self._cursor

    @property
    def _cursor_style(self) -> Style:
        return CURSOR if self.styles_by_role is DARK else CURSOR_LIGHT

    def list_rows(self) -> None:
        """Build the rows anew; the cursor stays on its node, or where it stood."""
        self.listed = self.rows.build()
        self.virtual_size = Size(self.size.width, len(self.listed))
        place = next((at for at, row in enumerate(self.listed) if row.node is self._cursor), None)
        self._stand(self._place if place is None else place, follow=False)
        self.refresh()

    def draw(self, now: int) -> None:
        """Draw what is in sight, as of a time."""
        self.now = now
        self.refresh()

    def choose(self, node: Node) -> None:
        """Put the cursor on a node's row, opening what it stands under."""
        self.rows.reveal(node)
        self._cursor = node
        self.list_rows()
        self._stand(self._place, follow=True)

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        place = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if place >= len(self.listed):
            return Strip.blank(width, self.rich_style)
        row = self.listed[place]
        strip = Strip(self._segments(row, Columns.of(width))).adjust_cell_length(width)
        if place == self._place:
            strip = strip.apply_style(self._cursor_style)
        return strip.apply_style(self.rich_style)

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self._stand(self._place + by, follow=True)

    def action_page(self, by: int) -> None:
        """Move the cursor by so many screens."""
        self.action_move(by * max(1, self.scrollable_content_region.height - 1))

    def action_open(self) -> None:
        """Open the row, or go to the first below it."""
        row = self._row()
        if row is not None and row.branches:
            if row.opened:
                self.action_move(1)
            else:
                self._turn(row, opened=True)

    def action_close(self) -> None:
        """Close the row, or go to the one that it stands under."""
        row = self._row()
        if row is None:
            return
        if row.branches and row.opened:
            self._turn(row, opened=False)
            return
        for place in range(self._place - 1, -1, -1):
            if self.listed[place].depth < row.depth:
                self._stand(place, follow=True)
                return

    def action_turn(self) -> None:
        """Open what is closed, close what is open."""
        row = self._row()
        if row is not None and row.branches:
            self._turn(row, opened=not row.opened)

    def action_turn_all(self, opened: bool) -> None:
        """Open or close all rows."""
        self.rows.turn_all(opened=opened)
        self.list_rows()

    def on_click(self, event: Click) -> None:
        """Choose a row; click it again to open or close it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        place = offset.y + self.scroll_offset.y
        if place < len(self.listed):
            if place == self._place:
                self.action_turn()
            else:
                self._stand(place, follow=False)

    def _turn(self, row: Row, *, opened: bool) -> None:
        self.rows.turn(row.node, opened=opened)
        self.list_rows()

    def _row(self) -> Row | None:
        return self.listed[self._place] if self._place < len(self.listed) else None

    def _stand(self, place: int, *, follow: bool) -> None:
        self._place = max(0, min(place, len(self.listed) - 1))
        row = self._row()
        node = None if row is None else row.node
        if follow:
            self._scroll_there()
        if node is not self._cursor:
            self._cursor = node
            self.post_message(self.Chosen())
        self.refresh()

    def _scroll_there(self) -> None:
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if self._place < top:
            self.scroll_to(y=self._place, animate=False, immediate=True)
        elif height and self._place >= top + height:
            self.scroll_to(y=self._place - height + 1, animate=False, immediate=True)

    def _segments(self, row: Row, columns: Columns) -> list[Segment]:
        node, style = row.node, self.styles_by_role
        marker = ("▾ " if row.opened else "▸ ") if row.branches else "  "
        indent = "  " * min(row.depth, columns.topic // 5) + marker
        room = max(0, columns.topic - len(indent))
        label = indent + fitted_end(visible(row.label) or '""', room)
        size = "" if node.shown is None else words.size(node.shown.size)
        cells: list[tuple[Role, str, int]] = [
            ("dim", words.count(node.total), columns.count),
            ("number", words.rate(rate(node, self.now, self._tree.since)), columns.rate),
            ("dim", words.age(self.now - node.newest) if node.newest else "", columns.age),
            ("dim", size, columns.size),
        ]
        name: Role = "name" if row.branches else "plain"
        segments = [Segment(fitted(label, columns.topic) + " ", style[name])]
        segments += [Segment(f"{text:>{width}} ", style[r]) for r, text, width in cells if width]
        if columns.spark:
            bars = sparkline(counts(node, self.now))
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
            read = _Read(kept, summary(topic, kept, births_of(self._tree)), role)
            self._read[node] = read
        return read


def births_of(tree: TopicTree) -> Callable[[str], Kept | None]:
    """Give the look-up of a topic's newest kept message."""

    def newest(topic: str) -> Kept | None:
        node = tree.find(topic)
        return node.history[-1] if node is not None and node.history else None

    return newest
