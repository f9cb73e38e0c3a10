"""A pane of lines that scrolls and wraps; it draws those alone that are in sight."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from watch.terminal.palette import DARK
from watch.topics.shown import Line, Role

_PIECE: Final = 256  # characters
_MOST: Final = 20_000  # lines on the screen, wrapped


class LinesPane(ScrollView, can_focus=True):
    """Shows lines; long ones go on in the next."""

    BINDINGS = [  # noqa: RUF012 - Textual's own spelling
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.styles_by_role: Mapping[Role, Style] = DARK
        self._lines: Sequence[Line] = ()
        self._strips: list[Strip] = []
        self._wrap = True

    def show(self, lines: Sequence[Line], *, top: bool = False, wrap: bool = True) -> None:
        """Show these lines, long ones wrapped or cut; from the first one on, or where one is."""
        self._lines = lines
        self._wrap = wrap
        self.lay_out()
        if top:
            self.scroll_to(0, 0, animate=False)

    def colour(self, styles: Mapping[Role, Style]) -> None:
        """Draw in these colours."""
        self.styles_by_role = styles
        self.lay_out()

    def text(self) -> str:
        """Give what is shown, unwrapped."""
        return "\n".join("".join(text for _, text in line) for line in self._lines)

    def on_resize(self, _: Resize) -> None:
        """Wrap anew."""
        self.lay_out()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen."""
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        strip = self._strips[place] if place < len(self._strips) else Strip.blank(width)
        return strip.crop_extend(0, width, None).apply_style(self.rich_style)

    def _segments(self, line: Line) -> Iterator[Segment]:
        for role, text in line:
            # In pieces: what cuts a segment reads all of it.
            for at in range(0, len(text), _PIECE):
                yield Segment(text[at : at + _PIECE], self.styles_by_role[role])

    def lay_out(self) -> None:
        """Wrap the lines to the width, in the colours of the ground."""
        width = max(1, self.scrollable_content_region.width)
        strips: list[Strip] = []
        for line in self._lines:
            strip = Strip(self._segments(line))
            length = strip.cell_length
            if not self._wrap or length <= width:
                strips.append(strip)
            else:
                strips += strip.divide([*range(width, length, width), length])
            if len(strips) >= _MOST:
                break
        self._strips = strips
        self.virtual_size = Size(width, len(strips))
        self.refresh()
