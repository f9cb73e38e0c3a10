"""A figure, as the run that measured it hands it on: a line of JSON among what it prints.

A figure is a ratio: what was measured, to what was measured beside it in the same round (or to
what is wanted). Its value is the median of the rounds' ratios, its spread the lowest and the
highest of them. A script tells its figures with `tell`; the runner takes them with `told`.
"""

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

START = "figure "
# MB and kB are of parts that serve others, and hold more where they fall behind.
# What is a second is paced by the machines' clocks, not by what the computer can do.
STEADY = {"a second", "/s a core", "µs of CPU", "ms of CPU", "of a core", "bytes", "MiB"}


@dataclass(frozen=True)
class Figure:
    """One row of a table.

    `name` is the piece's and the row's, with a dot between; `what` was measured, `how` and in
    proportion `of` what; `value` and `base` are both sides' medians, in `unit`; `least` and
    `most` bound the ratio that is wanted.
    """

    name: str
    what: str
    of: str
    how: str
    unit: str
    value: float
    base: float
    ratio: float
    low: float
    high: float
    runs: int
    least: float | None = None
    most: float | None = None

    @property
    def steady(self) -> bool:
        """Whether it is CPU time or a size, which work beside it changes little."""
        return self.unit in STEADY

    @property
    def missed(self) -> bool:
        """Whether the ratio is not what is wanted."""
        low = self.least is not None and self.ratio < self.least
        return low or (self.most is not None and self.ratio > self.most)


def measured(  # noqa: PLR0913 - a row's cells
    name: str,
    what: str,
    values: Sequence[float],
    bases: Sequence[float] | float,
    *,
    unit: str,
    of: str,
    how: str,
    least: float | None = None,
    most: float | None = None,
) -> Figure:
    """Make a figure of the rounds' values and what stood beside each, or one bound for all."""
    beside = [bases] * len(values) if isinstance(bases, (int, float)) else bases
    ratios = [value / base for value, base in zip(values, beside, strict=True)]
    return Figure(
        name=name,
        what=what,
        of=of,
        how=how,
        unit=unit,
        value=_kept(statistics.median(values)),
        base=_kept(statistics.median(beside)),
        ratio=_kept(statistics.median(ratios)),
        low=_kept(min(ratios)),
        high=_kept(max(ratios)),
        runs=len(ratios),
        least=least,
        most=most,
    )


def tell(figures: Iterable[Figure]) -> None:
    """Print them for the runner."""
    for one in figures:
        print(START + json.dumps(asdict(one), ensure_ascii=False), flush=True)


def told(lines: Iterable[str]) -> Iterator[Figure]:
    """Take the figures out of what a script printed."""
    for line in lines:
        if line.startswith(START):
            yield Figure(**json.loads(line.removeprefix(START)))


def _kept(number: float) -> float:
    """Four digits: more is noise."""
    return float(f"{number:.4g}")
