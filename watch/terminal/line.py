"""A few lines that are drawn as they are given, cut where the terminal ends."""

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from watch.terminal.palette import DARK
from watch.topics.shown import Line, Role


class OneLine(Widget):
    """One line or some, of spans; its height is given in CSS."""

    def __init__(self, *, id: str, lines: Sequence[Line] = ()) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self.styles_by_role: Mapping[Role, Style] = DARK
        self.lines: Sequence[Line] = lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these instead, if they are others."""
        if lines != self.lines:
            self.lines = lines
            self.refresh()

    def colour(self, styles: Mapping[Role, Style]) -> None:
        """Draw in these colours."""
        self.styles_by_role = styles
        self.refresh()

    def text(self) -> str:
        """Give what is shown."""
        return "\n".join("".join(text for _, text in line) for line in self.lines)

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width = self.size.width
        if y >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        strip = Strip([Segment(text, self.styles_by_role[role]) for role, text in self.lines[y]])
        if strip.cell_length > width > 0:
            strip = Strip([*strip.crop(0, width - 1), Segment("…", self.styles_by_role["dim"])])
        return strip.adjust_cell_length(width).apply_style(self.rich_style)
