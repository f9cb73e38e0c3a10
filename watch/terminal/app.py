"""The application: panes, keys, and the beat at which they are drawn."""

import asyncio
from pathlib import Path
from typing import Final

from textual.app import App, ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Footer, Input

from watch.terminal.bindings import KEYS
from watch.terminal.columns import Columns
from watch.terminal.detail import Detail
from watch.terminal.errands import Errands, new_name
from watch.terminal.help import HelpScreen
from watch.terminal.line import OneLine
from watch.terminal.lines_pane import LinesPane
from watch.terminal.model import Model
from watch.terminal.palette import DARK, LIGHT
from watch.terminal.sheet import SHEET
from watch.terminal.status import status
from watch.terminal.topic_pane import TopicPane
from watch.topics.sieve import Sieve
from watch.topics.trust import Prover, Signatures

BEAT: Final = 0.2  # seconds between two drawings
_PATIENCE: Final = 10  # building rows may take so much of the time: a tenth


class WatchApp(App[None]):
    """Shows a model that others fill; `failure` is what ended it, if anything did."""

    CSS = SHEET
    TITLE = "factoryledger watch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (128, "-beside")]  # noqa: RUF012 - Textual's
    BINDINGS = KEYS

    def __init__(
        self,
        model: Model,
        *,
        signatures: Signatures | None = None,
        prover: Prover | None = None,
        beat: float = BEAT,
    ) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self.paused = False
        self.model = model
        self._signatures = signatures
        self._beat = beat
        self._seen, self._due = -1, True
        self._build_from = 0.0
        self._asked = ""
        self._errands = Errands(self, model, prover)

    def compose(self) -> ComposeResult:
        """Lay it out: the tree, the chosen message, a line to type in, how it stands, the keys."""
        tree = self.model.tree
        with Container(id="panes"):
            with Vertical(id="topics"):
                yield OneLine(id="heading")
                yield TopicPane(tree, self._signatures, id="tree")
            yield Detail(tree, self._signatures, id="detail")
        yield Input(id="typed")
        yield OneLine(id="status")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to draw."""
        self._typed.display = False
        self._tree.focus()
        self.set_interval(self._beat, self.beat)
        self.beat()

    @property
    def _tree(self) -> TopicPane:
        return self.screen_stack[0].query_one(TopicPane)

    @property
    def _detail(self) -> Detail:
        return self.screen_stack[0].query_one(Detail)

    @property
    def _typed(self) -> Input:
        return self.screen_stack[0].query_one(Input)

    def beat(self) -> None:
        """Sum up and draw, or while it is paused say how it stands."""
        model, now = self.model, self.model.clock()
        if not self.paused:
            before = model.tree.folded
            heard = model.tree.fold(now)
            found = self._tree.rows.sieve.look(heard, before)
            self._list_rows(found=found)
            self._tree.draw(now)
            self._draw_detail()
        if model.tape_trouble is not None:
            self._errands.say(f"The recording ended: {model.tape_trouble}", bad=True)
            model.tape_trouble = None
        self._draw_status()

    def _list_rows(self, *, found: bool = False) -> None:
        """Build the rows if there are others, and not for more than a share of the time."""
        loop, changed = asyncio.get_running_loop(), self.model.tree.changed
        self._due = self._due or found or changed != self._seen
        if self._due and loop.time() >= self._build_from:
            self._seen, self._due = changed, False
            start = loop.time()
            self._tree.list_rows()
            self._build_from = start + (loop.time() - start) * _PATIENCE

    def _draw_detail(self) -> None:
        self._detail.choose(self._tree.chosen)
        self._detail.draw(self._tree.now)

    def _draw_status(self) -> None:
        screen = self.screen_stack[0]
        width = self._tree.scrollable_content_region.width
        screen.query_one("#heading", OneLine).show([[("dim", Columns.of(width).heading())]])
        said = status(
            self.model, self.model.clock(), paused=self.paused, sieve=self._tree.rows.sieve
        )
        screen.query_one("#status", OneLine).show([said])

    def on_topic_pane_chosen(self) -> None:
        """Show the topic that was gone to."""
        self._draw_detail()

    def on_topic_pane_resized(self) -> None:
        """Name the columns that there is room for."""
        self._draw_detail()
        self._draw_status()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    def action_pause(self) -> None:
        """Stand still, or go on."""
        self.paused = not self.paused
        self.beat()

    def action_view(self, number: int) -> None:
        """Show a view of the message."""
        self._detail.turn_to(number)
        self._draw_detail()

    def action_next_view(self) -> None:
        """Show the next view."""
        self.action_view(self._detail.view + 1)

    def action_step(self, by: int) -> None:
        """Go through the kept messages of the topic."""
        self._detail.step(by)
        self._draw_detail()

    def action_number(self, by: int) -> None:
        """Plot another number."""
        self._detail.turn_to(4)
        self._detail.next_number(by)
        self._draw_detail()

    def action_ground(self) -> None:
        """Change between dark and light."""
        light = self.theme != "textual-light"
        self.theme = "textual-light" if light else "textual-dark"
        for one in self.screen_stack[0].query("*"):
            if isinstance(one, OneLine | LinesPane | TopicPane):
                one.colour(LIGHT if light else DARK)

    def action_zoom(self) -> None:
        """Show the message alone, or both."""
        panes = self.screen_stack[0].query_one("#panes")
        panes.toggle_class("-zoomed")
        (self._detail.query_one(LinesPane) if panes.has_class("-zoomed") else self._tree).focus()

    def action_ask(self, what: str) -> None:
        """Open the line to type in."""
        sieve, typed = self._tree.rows.sieve, self._typed
        self._asked = what
        prompts = {"topic": "topics with", "content": "messages that hold", "record": "record to"}
        typed.border_title = prompts[what]
        begin = {"topic": sieve.topic, "content": sieve.content, "record": new_name(self.model)}
        typed.value = begin[what]
        typed.display = True
        typed.cursor_position = len(typed.value)
        typed.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for what is typed while it is typed."""
        sieve = self._tree.rows.sieve
        if self._asked == "topic" and event.value != sieve.topic:
            self._look_for(Sieve(event.value, sieve.content))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what was typed."""
        asked, sieve = self._asked, self._tree.rows.sieve
        self._close_typed()
        if asked == "content":
            self._look_for(Sieve(sieve.topic, event.value))
        elif asked == "record" and event.value.strip():
            self._errands.record(Path(event.value.strip()).expanduser())

    def action_look_for_all(self) -> None:
        """Close the line that is typed in; else look for nothing any more."""
        if self._typed.display:
            self._close_typed()
        elif self._tree.rows.sieve:
            self._look_for(Sieve())

    def _look_for(self, sieve: Sieve) -> None:
        self._tree.rows.look_for(sieve)
        self._tree.list_rows()
        self._draw_detail()
        self._draw_status()

    def _close_typed(self) -> None:
        self._asked = ""
        self._typed.display = False
        self._tree.focus()

    def action_copy(self) -> None:
        """Copy the payload that is shown."""
        self._errands.copy(self._detail.message)

    def action_copy_topic(self) -> None:
        """Copy the topic."""
        self._errands.copy_topic(self._tree.chosen)

    def action_record(self) -> None:
        """Ask where to record to, or end the recording."""
        if self.model.tape is None:
            self.action_ask("record")
        else:
            self._errands.end_recording()

    def action_prove(self) -> None:
        """Prove the message that is shown."""
        self._errands.prove(self._tree.chosen, self._detail.message)

    def _fatal_error(self) -> None:
        """End without a traceback: it would show what the variables hold (Textual's own does)."""
        self.failure = self._exception
        self.exit()
