"""A metric over the period, as SVG of our own: no script, nothing loaded. Pure.

120 columns: a grey bar from the lowest to the highest reading of each, and a line through the
means. Where columns are empty for long the line is broken.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from dossier.metrics import COLUMNS
from dossier.report.markup import Markup, joined, raw, tag
from dossier.report.words import number

_WIDTH: Final = 360
_HEIGHT: Final = 84
_LEFT: Final = 58
_TOP: Final = 5
_DRAWN: Final = _HEIGHT - 2 * _TOP
_STEP: Final = (_WIDTH - _LEFT - 2) / COLUMNS

Columns = Sequence[Sequence[Any]]


def chart(columns: Columns, low: float, high: float, label: str) -> Markup:
    """One metric: columns of number, lowest, highest, mean; `label` is for who cannot see it."""
    # Halves, since the difference of two floats may be none.
    span = high / 2 - low / 2 or 1.0
    flat = low == high

    def height(value: float) -> str:
        share = 0.5 if flat else (value / 2 - low / 2) / span
        return f"{_TOP + _DRAWN * (1 - share):.1f}"

    bars = "".join(
        f"M{_x(column)} {_bar(height(least), height(most))}" for column, least, most, _ in columns
    )
    grid = "".join(
        f"M{_LEFT + (_WIDTH - _LEFT - 2) * part / 4:.1f} {_TOP}V{_TOP + _DRAWN}"
        for part in range(5)
    )
    labels = [(low, _TOP + _DRAWN)] if flat else [(high, _TOP + 7), (low, _TOP + _DRAWN)]
    return tag(
        "svg",
        _path("grid", grid, "#d5dbe1", "0.6"),
        _path("bars", bars, "#a9bdd2", f"{max(_STEP, 2.4):.2f}"),
        _path("line", _line(columns, height), "#16446e", "1.1"),
        [
            tag("text", number(value), class_="scale", x=_LEFT - 5, y=place, fill="#444f59",
                font_size="8.5", text_anchor="end", font_family="DejaVu Sans, Arial, sans-serif")
            for value, place in labels
        ],
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
        aria_label=label,
    )  # fmt: skip


def _x(column: int) -> str:
    return f"{_LEFT + (column + 0.5) * _STEP:.1f}"


def _bar(low: str, high: str) -> str:
    """From one height to another; a dot where they are the same."""
    if low == high:
        return f"{float(low) - 1.2:.1f}V{float(low) + 1.2:.1f}"
    return f"{low}V{high}"


def _line(columns: Columns, height: Any) -> str:
    """Through the means, broken where columns are empty for more than three times as usual."""
    known = [(column, mean) for column, _, _, mean in columns if mean is not None]
    steps = sorted(other[0] - one[0] for one, other in pairwise(known))
    usual = steps[len(steps) // 2] if steps else 1
    said, last = "", -COLUMNS * 4
    for column, mean in known:
        said += f"{'L' if column - last <= 3 * usual else 'M'}{_x(column)} {height(mean)}"
        last = column
    return said


def _path(name: str, shape: str, colour: str, width: str) -> Markup:
    if not shape:
        return joined(raw(""))
    return tag("path", class_=name, d=shape, fill="none", stroke=colour, stroke_width=width)
