"""The columns of the topic tree, by how wide it is. Pure."""

from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from watch.topics.pace import SLOTS

COUNT, RATE, AGE, SIZE, SPARK = 5, 5, 4, 6, SLOTS
_TOPIC_SHARE: Final = 0.52
_ALL_FROM: Final = 88
_SOME_FROM: Final = 62


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in characters; 0 for a column that has no room."""

    topic: int
    count: int
    rate: int
    age: int
    size: int
    spark: int
    value: int

    @staticmethod
    def of(width: int) -> "Columns":
        """Share out a width: the narrower, the fewer columns."""
        count = COUNT if width >= _ALL_FROM else 0
        size = SIZE if width >= _ALL_FROM else 0
        spark = SPARK if width >= _SOME_FROM else 0
        taken = 1 + sum(one + 1 for one in (count, RATE, AGE, size, spark, 1) if one)
        rest = max(8, width - taken)
        topic = max(8, int(rest * _TOPIC_SHARE))
        return Columns(topic, count, RATE, AGE, size, spark, max(0, rest - topic))

    def heading(self) -> str:
        """Name the columns."""
        parts = [f"{'topic':<{self.topic}}"]
        named = (("count", self.count), ("/s", self.rate), ("age", self.age), ("size", self.size))
        parts += [f"{name:>{width}}" for name, width in named if width]
        if self.spark:
            parts.append(f"{'last minute':<{self.spark}}")
        parts.append(" ")
        parts.append("last value")
        return " ".join(parts)


def fitted_end(text: str, width: int) -> str:
    """Cut or fill a text to so many cells; of what is cut the end is there."""
    if cell_len(text) <= width or width < 2:  # noqa: PLR2004 - an ellipsis and something
        return set_cell_size(text, width)
    start = len(text) - width + 1
    while cell_len(text[start:]) >= width:
        start += 1
    return set_cell_size("…" + text[start:], width)


def fitted(text: str, width: int) -> str:
    """Cut or fill a text to so many cells; what is cut ends in an ellipsis."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
