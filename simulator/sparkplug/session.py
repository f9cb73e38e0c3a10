"""One edge node's Sparkplug sessions: numbers, births, aliases, what has changed.

A session is what follows an NBIRTH: numbers 0 to 255 and again, shared by the node and its
devices in the order of these calls. Source: Eclipse Sparkplug 3.0, chapters 5 and 6. Pure:
values and milliseconds come in, payloads come out; who sends them keeps their order.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from simulator.sparkplug.metrics import Definition
from telemetry.sparkplug import DataType, Metric, Payload, Plain, Value

BD_SEQ: Final = "bdSeq"
REBIRTH: Final = "Node Control/Rebirth"
NUMBERS: Final = 256

# The edge node itself, among the names of its devices.
NODE: Final = None
Values = Mapping[str, Plain]


class Said(NamedTuple):
    """A message to send: its type, the device that it is of (None: the node), its payload."""

    type: str
    device: str | None
    payload: Payload


class EdgeSession:
    """The sessions of one edge node, one after the other; aliases hold for all of them."""

    def __init__(
        self, node: Sequence[Definition], devices: Mapping[str, Sequence[Definition]]
    ) -> None:
        self._metrics: dict[str | None, dict[str, tuple[int, Definition]]] = {}
        alias = 0
        for device, definitions in ((NODE, node), *devices.items()):
            own = self._metrics[device] = {}
            for definition in definitions:
                alias += 1
                own[definition.name] = alias, definition
        self._bd_seq = NUMBERS - 1
        self._seq = 0
        self._said: dict[int, Value | None] = {}
        self._alive: set[str | None] = set()

    def connecting(self) -> Payload:
        """The will of the next CONNECT: an NDEATH of a number of its own."""
        self._bd_seq = (self._bd_seq + 1) % NUMBERS
        return self.death()

    def death(self) -> Payload:
        """The NDEATH of the present connection, for who leaves it on purpose."""
        return Payload(metrics=(self._bd_metric(None),))

    def begin(self, values: Mapping[str | None, Values], now: int) -> list[Said]:
        """Begin a session, or answer a rebirth: NBIRTH, then a DBIRTH for each device.

        `values` by device; a metric that is not among them is null.
        """
        self._seq = 0
        self._said.clear()
        self._alive = set(self._metrics)
        control = Metric(
            name=REBIRTH,
            timestamp=now,
            datatype=DataType.BOOLEAN,
            value=Value.of(DataType.BOOLEAN, value=False),
        )
        first = (self._bd_metric(now), control)
        born = self._birth("NBIRTH", NODE, values.get(NODE, {}), now, first)
        devices = [device for device in self._metrics if device is not NODE]
        return [born, *(self._birth("DBIRTH", d, values.get(d, {}), now) for d in devices)]

    def data(self, device: str | None, values: Values, now: int) -> Said | None:
        """What has changed among these, by alias; None where nothing has."""
        if device not in self._alive:
            raise ValueError(f"{device or 'the edge node'} has had no birth: it has no data")
        changed = []
        for name, value in values.items():
            alias, definition = self._metrics[device][name]
            held = Value.of(definition.datatype, value)
            if definition.transient or self._said.get(alias) != held:
                self._said[alias] = held
                changed.append(
                    Metric(
                        alias=alias, timestamp=now, value=held, is_transient=definition.transient
                    )
                )
        if not changed:
            return None
        return self._numbered("NDATA" if device is NODE else "DDATA", device, changed, now)

    def device_death(self, device: str, now: int) -> Said:
        """The DDEATH of a device; it has no data until it is born again."""
        self._alive.discard(device)
        return self._numbered("DDEATH", device, (), now)

    def device_birth(self, device: str, values: Values, now: int) -> Said:
        """The DBIRTH of a device alone, that was dead."""
        self._alive.add(device)
        return self._birth("DBIRTH", device, values, now)

    def _birth(
        self, kind: str, device: str | None, values: Values, now: int, first: Sequence[Metric] = ()
    ) -> Said:
        metrics = list(first)
        for name, (alias, definition) in self._metrics[device].items():
            held = Value.of(definition.datatype, values[name]) if name in values else None
            self._said[alias] = held
            metrics.append(
                Metric(
                    name=name,
                    alias=alias,
                    timestamp=now,
                    datatype=definition.datatype,
                    is_transient=definition.transient,
                    value=held,
                    properties=definition.properties,
                )
            )
        return self._numbered(kind, device, metrics, now)

    def _numbered(self, kind: str, device: str | None, metrics: Sequence[Metric], now: int) -> Said:
        seq, self._seq = self._seq, (self._seq + 1) % NUMBERS
        return Said(kind, device, Payload(timestamp=now, metrics=tuple(metrics), seq=seq))

    def _bd_metric(self, now: int | None) -> Metric:
        number = Value.of(DataType.INT64, self._bd_seq)
        return Metric(name=BD_SEQ, timestamp=now, datatype=DataType.INT64, value=number)


def asks_rebirth(payload: Payload) -> bool:
    """Whether an NCMD asks the edge node to be born again."""
    asked = payload.metric(REBIRTH)
    return asked is not None and asked.value is not None and asked.value.raw is True
