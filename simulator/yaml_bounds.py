"""How deep a YAML text may nest, and how much its aliases may stand for: checked before values.

Aliases of aliases say a billion values in a few lines, and a parser recurses as deep as a text
nests. Here is the stream of events alone, which does neither. Pure.
"""

from collections.abc import Iterator
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
)

DEEPEST: Final = 32
MOST: Final = 1 << 20
"""Values, each as often as an alias repeats it."""


class OutOfBounds(ValueError):  # noqa: N818 - says what the text is
    """A text that nests too deep, or says too much by aliases, on a `line` from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def check_bounds(text: str) -> None:
    """Go through a text; OutOfBounds at the first line that is too much, or ruamel's errors."""
    depth, count, sizes = 0, 0, dict[str, int]()
    # Each collection that is open: its anchor, and the count before it.
    begun: list[tuple[str | None, int]] = []
    for event in _events(text):
        line = event.start_mark.line + 1
        if isinstance(event, CollectionStartEvent):
            begun.append((event.anchor, count))
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = begun.pop()
            depth -= 1
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, AliasEvent):
            if any(event.anchor == anchor for anchor, _ in begun):
                raise OutOfBounds(line, f"*{event.anchor} stands inside of itself")
            count += sizes.get(event.anchor, 0)
        elif isinstance(event, ScalarEvent) and event.anchor is not None:
            sizes[event.anchor] = 1
        count += isinstance(event, NodeEvent)
        if depth > DEEPEST:
            raise OutOfBounds(line, f"nested more than {DEEPEST} deep")
        if count > MOST:
            raise OutOfBounds(line, f"more than {MOST} values, with what aliases repeat")


def _events(text: str) -> Iterator[Event]:
    found: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
    return found
