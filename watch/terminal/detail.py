"""The chosen topic: which message, and that message in one of five views."""

from collections.abc import Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical

from watch.terminal.line import OneLine
from watch.terminal.lines_pane import LinesPane
from watch.topics.machines import machine_lines
from watch.topics.node import Kept, Node
from watch.topics.plot import plot_lines, series
from watch.topics.shown import Line, hex_lines, message_lines
from watch.topics.structure import likely, numbers
from watch.topics.tree import TopicTree
from watch.topics.trust import Signatures, Standing, number_of, standing
from watch.topics.views import about, headline, history_lines, level_lines

VIEWS: Final = ("message", "hex", "about", "history", "plot")
_NONE: Final[Line] = [("dim", "nothing heard yet")]


class Detail(Vertical):
    """Shows `node`; of its messages the newest, or the one that was gone back to."""

    def __init__(self, tree: TopicTree, signatures: Signatures | None, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.node: Node | None = None
        self.view = 0
        self._tree = tree
        self._births = tree.newest
        self._signatures = signatures
        self._back: Kept | None = None
        self._path: str | None = None
        self._drawn: tuple[object, ...] = ()
        self._judged: tuple[Kept, Standing] | None = None

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield OneLine(id="headline")
        yield OneLine(id="views")
        yield LinesPane(id="lines")

    @property
    def message(self) -> Kept | None:
        """The message that is shown; None where the level has none of its own."""
        node = self.node
        if node is None:
            return None
        return self._back or node.shown

    def choose(self, node: Node | None) -> None:
        """Show another topic."""
        if node is not self.node:
            self.node, self._back, self._path = node, None, None

    def turn_to(self, view: int) -> None:
        """Show another view."""
        self.view = view % len(VIEWS)

    def step(self, by: int) -> None:
        """Go to an older message (-1) or a newer one (1); 0 follows the newest again."""
        history, shown = self._history(), self.message
        if by == 0 or shown is None or not history:
            self._back = None
            return
        # One that was let go meanwhile was older than all that are kept.
        place = next((at for at, kept in enumerate(history) if kept is shown), -1)
        place = max(0, place + by)
        self._back = history[place] if place < len(history) - 1 else None

    def next_number(self, by: int) -> None:
        """Plot another number of the payload."""
        paths = self._paths()
        if paths:
            place = paths.index(self._path) + by if self._path in paths else 0
            self._path = paths[place % len(paths)]

    def draw(self, now: int) -> None:
        """Draw what is shown, as of a time; the lines alone if they are others."""
        node, kept = self.node, self.message
        heading = self.query_one("#headline", OneLine)
        pane = self.query_one(LinesPane)
        self.query_one("#views", OneLine).show([self._tabs()])
        if node is None or kept is None:
            heading.show([_NONE] if node is None else level_lines(node))
            machines = [] if node is None else machine_lines(node)
            if self._drawn != (node, machines):
                pane.show(machines, top=self._drawn[:1] != (node,))
                self._drawn = (node, machines)
            return
        topic = node.topic
        if self._judged is None or self._judged[0] is not kept:
            self._judged = kept, standing(topic, kept, self._signatures)
        held = self._judged[1]
        heading.show(headline(topic, kept, held, now, self._place(kept)))
        size = pane.size
        moving = (node.shown, node.dropped) if self.view in {2, 3, 4} else ()
        drawn = (kept, self.view, node, held, self._path, size, moving)
        if drawn != self._drawn:
            top = self._drawn[1:3] != drawn[1:3]
            self._drawn = drawn
            lines = self._lines(topic, node, kept, held)
            pane.show(lines, top=top, wrap=VIEWS[self.view] not in {"history", "plot"})

    def _lines(self, topic: str, node: Node, kept: Kept, held: Standing) -> Sequence[Line]:
        view = VIEWS[self.view]
        if view == "hex":
            return hex_lines(kept.payload)
        if view == "about":
            return about(topic, node, kept, held, number_of(topic, kept))
        if view == "history":
            return history_lines(topic, node, self._history(), kept, self._births)
        if view == "plot":
            return self._plot(topic)
        return message_lines(topic, kept, self._births)

    def _plot(self, topic: str) -> Sequence[Line]:
        paths = self._paths()
        if not paths:
            return [[("dim", "this message holds no number")]]
        if self._path not in paths:
            self._path = likely(paths)
        assert self._path is not None
        size = self.query_one(LinesPane).scrollable_content_region
        points = series(topic, self._history(), self._path, self._births)
        place = f"  {paths.index(self._path) + 1} of {len(paths)}, n for the next"
        head: Line = [("name", self._path), ("dim", place)]
        return [head, *plot_lines(points, size.width, max(3, size.height - 2))]

    def _paths(self) -> list[str]:
        kept, node = self.message, self.node
        return [] if node is None or kept is None else list(numbers(node.topic, kept, self._births))

    def _history(self) -> list[Kept]:
        """The kept messages as of the last fold."""
        node = self.node
        if node is None or node.history is None:
            return []
        return [kept for kept in node.history if kept.received <= node.newest]

    def _place(self, kept: Kept) -> str:
        history = self._history()
        place = next((at for at, one in enumerate(history) if one is kept), None)
        if place is None:
            return "no longer kept"
        return (
            "newest" if place == len(history) - 1 else f"{len(history) - 1 - place} before newest"
        )

    def _tabs(self) -> Line:
        line: Line = []
        for number, view in enumerate(VIEWS):
            here = number == self.view
            line.append(("head" if here else "dim", f"{'▸' if here else ' '}{number + 1} {view} "))
        return line
