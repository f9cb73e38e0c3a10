"""What a machine measured, added up as its readings come: extremes, mean, columns. Pure."""

from math import isfinite
from typing import Any, Final

from telemetry.canonical import time_text

COLUMNS: Final = 120
"""Columns of a chart: each the lowest, the highest and the mean of what falls into it."""
MOST_METRICS: Final = 100
"""Metrics of one machine that are added up; further ones are counted, and stand in the readings."""


class Metric:
    """One metric: its unit and range as the machine's birth says them, and its readings."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.unit = ""
        self.count = 0
        self.outside = 0
        self.low = self.high = 0.0
        self.low_at = self.high_at = 0
        self._sum = 0.0
        self._columns: dict[int, list[float]] = {}

    def take(
        self, time: int, value: float, column: int, limits: tuple[float, float] | None
    ) -> None:
        """Add a reading; `limits` are the range that the machine is made for."""
        if self.count == 0 or value < self.low:
            self.low, self.low_at = value, time
        if self.count == 0 or value > self.high:
            self.high, self.high_at = value, time
        self.count += 1
        self._sum += value
        if limits is not None and not limits[0] <= value <= limits[1]:
            self.outside += 1
        known = self._columns.get(column)
        if known is None:
            self._columns[column] = [value, value, value, 1]
            return
        known[0] = min(known[0], value)
        known[1] = max(known[1], value)
        known[2] += value
        known[3] += 1

    def told(self) -> dict[str, Any]:
        """As the figures say it; a chart's column is its number, lowest, highest, mean."""
        return {
            "name": self.name,
            "unit": self.unit,
            "readings": self.count,
            "lowest": self.low,
            "lowest_at": time_text(self.low_at),
            "mean": _finite(self._sum / self.count),
            "highest": self.high,
            "highest_at": time_text(self.high_at),
            "out_of_range": self.outside,
            "chart": [
                [column, low, high, _finite(total / count)]
                for column, (low, high, total, count) in sorted(self._columns.items())
            ],
        }


def _finite(value: float) -> float | None:
    """None where a sum went beyond what a float holds: no JSON has an infinity."""
    return value if isfinite(value) else None


class Metrics:
    """All metrics of one machine, over `start` to `stop` (microseconds)."""

    def __init__(self, start: int, stop: int) -> None:
        self._start, self._span = start, stop - start
        self._known: dict[str, Metric] = {}
        self.more = 0
        """Readings of metrics beyond the first hundred."""

    def take(
        self, time: int, name: str, value: float, unit: str, limits: tuple[float, float] | None
    ) -> None:
        """Add a reading."""
        metric = self._known.get(name)
        if metric is None:
            if len(self._known) >= MOST_METRICS:
                self.more += 1
                return
            metric = self._known[name] = Metric(name)
        metric.unit = unit or metric.unit
        metric.take(time, value, (time - self._start) * COLUMNS // self._span, limits)

    def told(self) -> list[dict[str, Any]]:
        """Each of them, by name."""
        return [metric.told() for _, metric in sorted(self._known.items())]
