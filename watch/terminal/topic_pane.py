"""The topic tree as a pane of rows: of a hundred thousand topics it draws those in sight.

A widget by lines (Textual's line API): a row is made when it is drawn, and its payload parsed
then, once for each new message.
"""

from collections.abc import Mapping

from rich.style import Style
from textual.binding import Binding
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from watch.terminal.columns import Columns
from watch.terminal.palette import CURSOR, CURSOR_LIGHT, DARK
from watch.terminal.row_drawing import RowDrawing
from watch.topics.node import Node
from watch.topics.rows import Row, Rows
from watch.topics.shown import Role
from watch.topics.tree import TopicTree
from watch.topics.trust import Signatures


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

    class Resized(Message):
        """The pane has another width."""

    def __init__(self, tree: TopicTree, signatures: Signatures | None, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.rows = Rows(tree)
        self.styles_by_role: Mapping[Role, Style] = DARK
        self.now = tree.since
        self.listed: list[Row] = []
        self._tree = tree
        self._drawing = RowDrawing(tree, signatures)
        self._cursor: Node | None = None
        self._place = 0
        self._strips: dict[int, Strip] = {}

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
        self.redraw()

    def draw(self, now: int) -> None:
        """Draw the rows in sight that changed, as of a time."""
        self.now = now
        top = self.scroll_offset.y
        before, self._strips = self._strips, {}
        for place in range(top, min(len(self.listed), top + self.size.height)):
            if self._strip(place) != before.get(place):
                self.refresh_line(place)

    def colour(self, styles: Mapping[Role, Style]) -> None:
        """Draw in these colours."""
        self.styles_by_role = styles
        self.redraw()

    def redraw(self) -> None:
        """Draw all rows in sight."""
        self._strips.clear()
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
        strip = self._strip(place).adjust_cell_length(width)
        if place == self._place:
            strip = strip.apply_style(self._cursor_style)
        return strip.apply_style(self.rich_style)

    def _strip(self, place: int) -> Strip:
        """Give a row as it was drawn last, or make it."""
        strip = self._strips.get(place)
        if strip is None:
            width = self.scrollable_content_region.width
            columns, styles = Columns.of(width), self.styles_by_role
            row = self.listed[place]
            strip = Strip(self._drawing.segments(row, columns, styles, self.now))
            self._strips[place] = strip
        return strip

    def on_resize(self) -> None:
        """Share out the columns anew."""
        self.redraw()
        self.post_message(self.Resized())

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
