"""Numbers over time as dots of braille, eight a character. Pure."""

from collections.abc import Sequence
from typing import Final

from watch.topics.node import Kept
from watch.topics.shown import Line
from watch.topics.structure import Births, numbers

# The dot of a column and a row within a character (Unicode, Braille Patterns).
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK: Final = 0x2800
_LABEL: Final = 10

Point = tuple[int, float]
"""Microseconds since 1970, and a number."""


def series(topic: str, history: Sequence[Kept], path: str, births: Births) -> list[Point]:
    """Give a topic's number of one path, message by message, as far as they are kept."""
    points = []
    for kept in history:
        value = numbers(topic, kept, births).get(path)
        if value is not None:
            points.append((kept.received, value))
    return points


def dots(points: Sequence[Point], width: int, height: int) -> list[str]:
    """Draw points into so many characters: first time left, last right, lowest at the bottom.

    Points between are joined, so that a jump is a line.
    """
    if not points or width < 1 or height < 1:
        return [" " * max(0, width)] * max(0, height)
    cells = [[0] * width for _ in range(height)]
    placed = _placed(points, 2 * width - 1, 4 * height - 1)
    for (left, from_), (right, to) in zip(placed, [*placed[1:], placed[-1]], strict=True):
        steps = max(abs(right - left), abs(to - from_), 1)
        for step in range(steps + 1):
            x = left + round((right - left) * step / steps)
            y = from_ + round((to - from_) * step / steps)
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    return ["".join(chr(_BLANK | cell) if cell else " " for cell in row) for row in cells]


def plot_lines(points: Sequence[Point], width: int, height: int) -> list[Line]:
    """Draw points with their highest and lowest beside them, and the span of time below."""
    if not points:
        return [[("dim", "no number of this path in what is kept")]]
    values = [value for _, value in points]
    drawn = dots(points, max(4, width - _LABEL - 1), max(2, height - 1))
    lines: list[Line] = []
    for place, row in enumerate(drawn):
        label = ""
        if place == 0:
            label = f"{max(values):.6g}"
        elif place == len(drawn) - 1:
            label = f"{min(values):.6g}"
        lines.append([("dim", f"{label[:_LABEL]:>{_LABEL}} "), ("number", row)])
    seconds = (points[-1][0] - points[0][0]) / 1e6
    last = f"{len(points)} points over {seconds:.0f} s, now {values[-1]:.6g}"
    lines.append([("dim", " " * (_LABEL + 1) + last)])
    return lines


def _placed(points: Sequence[Point], across: int, down: int) -> list[tuple[int, int]]:
    start, stop = points[0][0], max(time for time, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    placed = []
    for time, value in points:
        # Halved first: the span of two finite numbers need not be finite.
        span = high / 2 - low / 2
        share = 0.5 if span <= 0 else (value / 2 - low / 2) / span
        ahead = 1.0 if stop <= start else max(0, time - start) / (stop - start)
        placed.append((round(ahead * across), down - round(share * down)))
    return placed
