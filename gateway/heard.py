"""What a source brings: one message, as it came. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of a source.

    `topic` and `payload` are exact; `received` is in microseconds since the epoch, the gateway's.
    `again` says that the source marked it as sent before; `number` is the source's own for it
    (MQTT's packet identifier), 0 where it has none and waits for no acknowledgement, `epoch` the
    connection that it came over. `marks` are members of `source` that say how it came. `values`
    are those of a source that gives numbers itself, with its time, instead of a payload to read.
    """

    topic: str
    payload: bytes
    received: int
    again: bool = False
    number: int = 0
    epoch: int = 0
    marks: Mapping[str, Any] = field(default_factory=dict)
    values: "Values | None" = None


@dataclass(frozen=True, slots=True)
class Values:
    """What OPC UA says of a node: its value where that is good, its source time (µs) or None."""

    value: object
    time: int | None
    good: bool
