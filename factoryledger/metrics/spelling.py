"""Counts as Prometheus spells them: one function a kind, names with the `factoryledger_` prefix.

A counter's name is exposed with `_total` behind it; everything is in base units.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from telemetry.histogram import Histogram

_PREFIX = "factoryledger_"


class Probe(Protocol):
    """A running command, as it can be asked."""

    def families(self) -> Iterator[Metric]:
        """All its metrics, from one moment."""

    def impediment(self) -> str | None:
        """Why it could not do its work now, or None."""


def counter(name: str, about: str, value: float) -> Metric:
    """A count since the process started."""
    return CounterMetricFamily(_PREFIX + name, about, value=value)


def counters(name: str, about: str, label: str, values: Mapping[str, int]) -> Metric:
    """One count for each value of a label."""
    family = CounterMetricFamily(_PREFIX + name, about, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def gauges(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    """What is so now for each value of a label."""
    family = GaugeMetricFamily(_PREFIX + name, about, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def gauge(name: str, about: str, value: float | None) -> Metric:
    """What is so now; without a sample where nobody knows yet."""
    return GaugeMetricFamily(_PREFIX + name, about, value=value)


def since_epoch(name: str, about: str, microseconds: int | None) -> Metric:
    """A moment, in seconds since the epoch; without a sample where it never came."""
    family = GaugeMetricFamily(f"{_PREFIX}{name}_timestamp_seconds", about)
    if microseconds is not None:
        family.add_metric([], microseconds / 1e6)
    return family


def histogram(name: str, about: str, counted: Histogram) -> Metric:
    """How many observations were at most each bound."""
    buckets = [
        (f"{float(b)!r}", float(n)) for b, n in zip(counted.bounds, counted.upto, strict=True)
    ]
    return HistogramMetricFamily(
        _PREFIX + name,
        about,
        buckets=[*buckets, ("+Inf", float(counted.count))],
        sum_value=counted.total,
    )
