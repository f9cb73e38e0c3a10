"""What a Sparkplug message says, as readings: its numbers, named by the birth before it.

Pure; the collector writes by it and the auditor checks by it (docs/sparkplug.md, Readings).
Numbers and booleans alone: texts, dates, nulls and what is not finite are none. Whatever a
payload holds, it gives fewer readings and no error: anybody's Sparkplug is stored.
"""

import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from telemetry.errors import MalformedPayload
from telemetry.sparkplug import DataType, Metric, Payload

BIRTHS: Final = frozenset({"NBIRTH", "DBIRTH"})
_READ: Final = frozenset({"NBIRTH", "DBIRTH", "NDATA", "DDATA"})
_NUMBERS: Final = frozenset(
    {
        *(DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64),
        *(DataType.UINT8, DataType.UINT16, DataType.UINT32, DataType.UINT64),
        *(DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN),
    }
)
_LATEST: Final = 2**63 // 1000  # milliseconds that a column of microseconds holds


class Reading(NamedTuple):
    """One reading: its place among the payload's metrics, microseconds since the epoch."""

    number: int
    time: int
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Names:
    """What a birth says: names by alias, data types by name."""

    aliases: dict[int, str] = field(default_factory=dict)
    types: dict[str, DataType] = field(default_factory=dict)


UNBORN: Final = Names()


def names_of(payload: bytes) -> Names:
    """Read a birth; of two metrics of one alias or name the last counts."""
    names = Names()
    for metric in _metrics(payload)[1]:
        if metric.name is None:
            continue
        if metric.alias is not None:
            names.aliases[metric.alias] = metric.name
        if metric.datatype is not None:
            names.types[metric.name] = metric.datatype
    return names


def readings_of(kind: str, payload: bytes, time: int, birth: Names) -> list[Reading]:
    """Give the readings of a message of this Sparkplug type.

    `birth` is the newest of its session below it; a birth names its metrics itself. `time` is
    the header's (microseconds), for metrics of a payload that names none.
    """
    if kind not in _READ:
        return []
    names = names_of(payload) if kind in BIRTHS else birth
    at, metrics = _metrics(payload)
    found = (_reading(number, one, names, at) for number, one in enumerate(metrics))
    return [one if one.time >= 0 else one._replace(time=time) for one in found if one is not None]


def _metrics(payload: bytes) -> tuple[int | None, tuple[Metric, ...]]:
    try:
        read = Payload.from_bytes(payload)
    except MalformedPayload:
        return None, ()
    return read.timestamp, read.metrics


def _reading(number: int, metric: Metric, names: Names, at: int | None) -> Reading | None:
    """Read one metric; a time of -1 where neither it nor its payload names one."""
    name = metric.name
    if name is None:
        name = None if metric.alias is None else names.aliases.get(metric.alias)
    if name is None or "\0" in name:  # no database takes U+0000
        return None
    datatype = metric.datatype or names.types.get(name)
    value = _number(metric, datatype)
    if value is None:
        return None
    stamp = at if metric.timestamp is None else metric.timestamp
    time = -1 if stamp is None or stamp >= _LATEST else stamp * 1000
    return Reading(number, time, name, value)


def _number(metric: Metric, datatype: DataType | None) -> float | None:
    if datatype not in _NUMBERS:
        return None
    try:
        meant = metric.meaning(datatype)
    except MalformedPayload:
        return None
    if meant is None or isinstance(meant, str | bytes):
        return None
    value = float(meant)
    return value if math.isfinite(value) else None
