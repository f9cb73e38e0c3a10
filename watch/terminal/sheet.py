"""How the panes lie, in Textual's CSS: one above the other, or side by side where there is room."""

from typing import Final

SHEET: Final = """
Screen { layout: vertical; }
#panes { height: 1fr; layout: vertical; }
#topics { height: 55%; }
#detail { height: 45%; border-top: solid $primary; }
.-beside #panes { layout: horizontal; }
.-beside #topics { width: 60%; height: 1fr; }
.-beside #detail { width: 40%; height: 1fr; border-top: none; border-left: solid $primary; }
#heading, #views, #status { height: 1; }
#heading { background: $panel; }
#status { background: $panel; }
#headline { height: 3; }
#tree, #lines { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }
#tree, #lines, #help-lines { scrollbar-color: $primary; scrollbar-background: $panel; }
.-zoomed #topics { display: none; }
.-zoomed #detail { width: 100%; height: 1fr; border: none; }
#typed { height: 3; border: round $accent; }
#detail:focus-within { border-top: solid $accent; }
.-beside #detail:focus-within { border-top: none; border-left: solid $accent; }
HelpScreen { align: center middle; }
#help { width: 90%; max-width: 84; height: 90%; max-height: 26; border: round $accent; }
#help { background: $surface; padding: 0 1; }
#help-lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
Toast { width: 70; }
"""
