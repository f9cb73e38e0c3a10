"""The application's keys; those of its panes stand with them, and `help` explains all."""

from textual.binding import Binding, BindingType

KEYS: list[BindingType] = [
    Binding("q", "quit", "Quit"),
    Binding("question_mark", "help", "Help"),
    Binding("slash", "ask('topic')", "Topics"),
    Binding("equals_sign", "ask('content')", "Content"),
    Binding("space", "pause", "Pause"),
    Binding("v", "next_view", show=False),
    Binding("c", "copy", "Copy"),
    Binding("r", "record", "Record"),
    Binding("p", "prove", "Prove"),
    Binding("C", "copy_topic", show=False),
    Binding("t", "ground", show=False),
    Binding("z", "zoom", show=False),
    Binding("n", "number(1)", show=False),
    Binding("N", "number(-1)", show=False),
    Binding("left_square_bracket", "step(-1)", show=False),
    Binding("right_square_bracket", "step(1)", show=False),
    Binding("0", "step(0)", show=False),
    Binding("escape", "look_for_all", show=False),
    Binding("ctrl+c", "quit", show=False, priority=True),
    *(Binding(str(one + 1), f"view({one})", show=False) for one in range(5)),
]
