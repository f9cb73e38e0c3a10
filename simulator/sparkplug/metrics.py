"""What an edge node and its devices say of themselves: metrics by name and data type. Pure.

Readings are doubles with their unit and range as properties (`engUnit`, `engLow`, `engHigh`,
the names that hosts know); PackML's state is a name and a number, an event its JSON.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from simulator.machine import Machine
from telemetry.sparkplug import DataType, Plain, Property, Value

STATE_NAME: Final = "State/Name"
STATE_NUMBER: Final = "State/Number"
EVENT: Final = "Event"
KIND: Final = "Machine/Kind"
LEDGER_KEY: Final = "Ledger/Public Key"
LEDGER_SESSION: Final = "Ledger/Session"
HELD: Final = "Outbox/Held"


class Definition(NamedTuple):
    """A metric as a birth defines it; transient ones are no state that a host should keep."""

    name: str
    datatype: DataType
    properties: tuple[Property, ...] = ()
    transient: bool = False


NODE: Final = (
    Definition(LEDGER_KEY, DataType.STRING),
    Definition(LEDGER_SESSION, DataType.STRING),
    Definition(HELD, DataType.INT64),
)
_DEVICE: Final = (
    Definition(KIND, DataType.STRING),
    Definition(LEDGER_KEY, DataType.STRING),
    Definition(LEDGER_SESSION, DataType.STRING),
    Definition(STATE_NAME, DataType.STRING),
    Definition(STATE_NUMBER, DataType.INT32),
    Definition(EVENT, DataType.STRING, transient=True),
)


def definitions(machine: Machine) -> tuple[Definition, ...]:
    """All metrics of a machine."""
    return *_DEVICE, *(
        Definition(
            name,
            DataType.DOUBLE,
            (
                _property("engUnit", DataType.STRING, metric.unit),
                _property("engLow", DataType.DOUBLE, float(metric.low)),
                _property("engHigh", DataType.DOUBLE, float(metric.high)),
            ),
        )
        for name, metric in machine.metrics.items()
    )


def told(kind: str, content: Mapping[str, Any]) -> dict[str, Plain]:
    """The values of a state that was entered, or of an event."""
    if kind == "state":
        return {STATE_NAME: content["name"], STATE_NUMBER: content["number"]}
    return {EVENT: json.dumps(content, separators=(",", ":"))}


def _property(key: str, datatype: DataType, value: Plain) -> Property:
    return Property(key=key, datatype=datatype, value=Value.of(datatype, value))
