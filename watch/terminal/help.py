"""Which key does what."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import ModalScreen

from watch.terminal.lines_pane import LinesPane
from watch.topics.shown import Line

KEYS: Final[tuple[tuple[str, str], ...]] = (
    ("↑ ↓  j k", "go through the topics; PgUp, PgDn, Home, End too"),
    ("→ ←  l h", "open and close a level; + and - all of them"),
    ("Tab", "to the message and back, to scroll it"),
    ("1 to 5", "message, hexadecimal, about it, history, plot; v: next"),
    ("[ ] 0", "the message before, the one after, the newest again"),
    ("n N", "plot the next number of the message, the one before"),
    ("z", "the message alone, and both again"),
    ("/", "look for topics: a part of a name, or a filter with + #"),
    ("=", "look for what messages hold; Esc ends looking"),
    ("Space", "stand still, and go on; it counts meanwhile"),
    ("c C", "copy payload, topic (OSC 52: if the terminal allows it)"),
    ("r", "record to a file from here on; r again ends it"),
    ("p", "prove the message: its proof into a file"),
    ("t", "light or dark"),
    ("q", "end"),
)
MARKS: Final[tuple[tuple[str, str], ...]] = (
    ("✓ ", "signed, and verified against an enrolled key"),
    ("? ", "it looks signed, and no key at hand says more"),
    ("✗ ", "the signature does not hold, or its key was revoked"),
    ("● ", "a machine, and its PackML state"),
)


def help_lines() -> list[Line]:
    """Give the keys and marks as lines."""
    lines: list[Line] = [[("name", f"{key:<11}"), ("plain", what)] for key, what in KEYS]
    lines.append([])
    lines += [[("name", f"{mark:<11}"), ("plain", what)] for mark, what in MARKS]
    return lines


class HelpScreen(ModalScreen[None]):
    """The keys, until one is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,space", "dismiss", "Back"),
    ]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Container(id="help") as box:
            box.border_title = "Keys"
            yield LinesPane(id="help-lines")

    def on_mount(self) -> None:
        """Fill it in."""
        pane = self.query_one(LinesPane)
        pane.show(help_lines())
        pane.focus()
