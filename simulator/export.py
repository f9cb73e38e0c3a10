"""A simulated period as a labelled data set: one row a reading, and the faults' intervals.

What machines measured and stamped, without messages, keys or a broker: what the network or
attackers do to messages is in the labels alone. A row's label names the faults that touch
it: a sensor's its metric, a process fault or a wrong clock all of the machine's. Same plant,
seed and faults, same bytes of CSV.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.errors import BadScenario
from simulator.export_sinks import CsvSink, ParquetSink, Row, Sink
from simulator.faults.afflicted import Afflicted
from simulator.faults.schedule import Occurrence, by_device
from simulator.machine import Machine, start_plant
from simulator.offline import START

SINKS: Final[dict[str, Callable[[Path], Sink]]] = {".csv": CsvSink, ".parquet": ParquetSink}


@dataclass(frozen=True, slots=True)
class Exported:
    """How many readings and labelled intervals were written."""

    readings: int
    labels: int


def is_data_set(out: Path) -> bool:
    """Whether a file's name asks for a data set, not a recording."""
    return out.suffix in SINKS


def labels_file(out: Path) -> Path:
    """Where the intervals go that belong to a data set."""
    return out.with_name(f"{out.stem}.labels{out.suffix}")


def export(  # noqa: PLR0913 - all keywords
    *,
    machines: Sequence[Machine],
    duration: float,
    out: Path,
    interval: float = 1.0,
    begin: int = START,
    faults: Sequence[Occurrence] = (),
) -> Exported:
    """Write `duration` simulated seconds to `out` (.csv or .parquet), its labels beside it.

    ExportUnavailable where Parquet's library is not installed; OSError from the disk.
    """
    sink = SINKS.get(out.suffix)
    if sink is None:
        raise BadScenario(f"{out}: no data set; allowed: {', '.join(SINKS)}")
    labels = _labels(faults, begin, round(duration * 1000))
    with sink(out) as readings:
        count = readings.put_rows(_rows(machines, duration, interval, begin, faults))
    with sink(labels_file(out)) as intervals:
        intervals.put_labels(labels)
    return Exported(count, len(labels))


def _rows(
    machines: Sequence[Machine],
    duration: float,
    interval: float,
    begin: int,
    faults: Sequence[Occurrence],
) -> Iterator[Row]:
    befallen = by_device(faults)
    afflicted = [
        Afflicted(running, befallen.get(running.machine.name, ()), begin)
        for running in start_plant(machines, begin)
    ]
    units = [
        {name: metric.unit for name, metric in one.machine.metrics.items()} for one in afflicted
    ]
    number = 0
    while number * interval < duration:
        now = begin + round(number * interval * 1_000_000)
        for one, unit in zip(afflicted, units, strict=True):
            scan, active = one.step(interval, now), one.active
            device, time = one.machine.name, now + (one.weather.clock if active else 0)
            for metric, value in scan.readings.items():
                label = _label(active, metric) if active else ""
                yield time, device, metric, value, unit[metric], label
        number += 1


def _label(active: Sequence[Occurrence], metric: str) -> str:
    """The names of the faults that touch a metric's readings, joined by `+`."""
    touching = [
        one.kind
        for one in active
        if one.spec.touches == "machine" or (one.spec.touches == "metric" and one.metric == metric)
    ]
    return "+".join(touching)


def _labels(
    faults: Sequence[Occurrence], begin: int, duration: int
) -> list[dict[str, str | int | None]]:
    """The intervals within the period, times in µs since the epoch, each cut at its end."""
    return [
        {
            "id": one.id,
            "fault": one.kind,
            "group": one.spec.group,
            "device": one.device,
            "metric": one.metric,
            "start": begin + one.start * 1000,
            "end": begin + min(one.end, duration) * 1000,
            "parameters": json.dumps(one.spec.parameters(), separators=(",", ":")),
        }
        for one in faults
        if one.start < duration
    ]
