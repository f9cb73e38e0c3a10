"""Colours of what is said, on dark and on light ground. State is told by text too. Pure."""

from typing import Final

from rich.style import Style

from watch.topics.shown import Role

_DARK: Final[dict[Role, str]] = {
    "plain": "#d8dee4",
    "dim": "#8b98a5",
    "name": "#7cc4ff",
    "text": "#b5d99c",
    "number": "#ffd479",
    "word": "#d2a8ff",
    "good": "#6fdd8b",
    "bad": "bold #ff7b72",
    "open": "#f0b72f",
    "head": "bold #ffffff",
    "bars": "#4f8aa8",
}
_LIGHT: Final[dict[Role, str]] = {
    "plain": "#1f2328",
    "dim": "#59636e",
    "name": "#0550ae",
    "text": "#116329",
    "number": "#7d4e00",
    "word": "#6639ba",
    "good": "#1a7f37",
    "bad": "bold #b3121d",
    "open": "#8a5a00",
    "head": "bold #000000",
    "bars": "#5a8fae",
}
CURSOR: Final = Style.parse("bold on #1f4b73")
CURSOR_LIGHT: Final = Style.parse("bold on #b6d7f5")
DARK: Final = {role: Style.parse(text) for role, text in _DARK.items()}
LIGHT: Final = {role: Style.parse(text) for role, text in _LIGHT.items()}
