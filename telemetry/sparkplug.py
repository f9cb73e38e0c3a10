"""Sparkplug B payloads, to and from bytes: the fields of the official protobuf schema.

Source: Eclipse Sparkplug 3.0, section 6.4. Written in ascending field order, so that the
same payload has the same bytes everywhere. Read from anyone: unknown fields are passed over,
as the schema allows extensions. Data sets, templates, metadata and nested properties are not
looked into: their bytes are kept with `opaque`. Pure.
"""

from dataclasses import dataclass
from typing import Final

from telemetry.errors import MalformedPayload
from telemetry.protobuf_wire import BYTES, VARINT, bytes_field, fields, number_field
from telemetry.sparkplug_value import HOLDERS, DataType, Plain, Value, text_of

__all__ = ["DataType", "Metric", "Payload", "Plain", "Property", "Value"]

_METRIC_VALUE: Final = 10
_PROPERTY_VALUE: Final = 3
# Property values have no bytes: their seventh is a nested set.
_PROPERTY_HOLDERS: Final = HOLDERS[:6]
_METRIC_OPAQUE: Final = frozenset({8, 17, 18, 19})
_PROPERTY_OPAQUE: Final = frozenset({9, 10, 11})

_KNOWN_TYPES: Final = frozenset(map(int, DataType))

Opaque = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of a metric, by its key; a value of None is a null."""

    key: str
    datatype: DataType
    value: Value | None
    opaque: Opaque = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `timestamp` in milliseconds since the epoch; a value of None is a null.

    Births give name, alias and data type; data give the alias alone, with its value.
    """

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: DataType | None = None
    is_historical: bool = False
    is_transient: bool = False
    value: Value | None = None
    properties: tuple[Property, ...] = ()
    opaque: Opaque = ()

    def meaning(self, datatype: DataType | None = None) -> Plain | None:
        """What the value means by its own type or the one that its birth gave."""
        chosen = self.datatype if datatype is None else datatype
        if self.value is None or chosen is None:
            return None
        return self.value.as_type(chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A message's payload: milliseconds since the epoch, metrics, number 0 to 255.

    A death by will and a command have no `seq`.
    """

    timestamp: int | None = None
    metrics: tuple[Metric, ...] = ()
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None

    def to_bytes(self) -> bytes:
        """Write it."""
        parts = [] if self.timestamp is None else [number_field(1, self.timestamp)]
        parts += [bytes_field(2, _metric_bytes(metric)) for metric in self.metrics]
        if self.seq is not None:
            parts.append(number_field(3, self.seq))
        if self.uuid is not None:
            parts.append(bytes_field(4, self.uuid.encode()))
        if self.body is not None:
            parts.append(bytes_field(5, self.body))
        return b"".join(parts)

    @staticmethod
    def from_bytes(data: bytes) -> "Payload":
        """Read one, anybody's; MalformedPayload says what is wrong."""
        found = _Fields(data, numbers={1, 3}, strings={2, 4, 5}, repeated={2})
        return Payload(
            timestamp=found.number(1),
            metrics=tuple(map(_metric, found.lists.get(2, ()))),
            seq=found.number(3),
            uuid=found.text(4),
            body=found.bytes(5),
        )

    def metric(self, name: str) -> Metric | None:
        """The first metric of this name."""
        return next((metric for metric in self.metrics if metric.name == name), None)


class _Fields:
    """The fields of one message, by number; of two of one number the last counts."""

    def __init__(
        self, data: bytes, *, numbers: set[int], strings: set[int], repeated: set[int]
    ) -> None:
        self.lists: dict[int, list[bytes]] = {}
        self.others: list[tuple[int, int, int | bytes]] = []
        self._single: dict[int, int | bytes] = {}
        for field, kind, value in fields(data):
            if field not in numbers and field not in strings:
                self.others.append((field, kind, value))
            elif kind != (VARINT if field in numbers else BYTES):
                raise MalformedPayload(f"field {field} of wire type {kind}")
            elif field in repeated:
                assert isinstance(value, bytes)
                self.lists.setdefault(field, []).append(value)
            else:
                self._single[field] = value

    def number(self, field: int) -> int | None:
        value = self._single.get(field)
        return value if isinstance(value, int) else None

    def bytes(self, field: int) -> bytes | None:
        value = self._single.get(field)
        return value if isinstance(value, bytes) else None

    def text(self, field: int) -> str | None:
        value = self.bytes(field)
        return None if value is None else text_of(value)

    def datatype(self, field: int) -> DataType | None:
        """A data type; None also for one that is not known, so that nothing is read as it."""
        number = self.number(field)
        return None if number is None or number not in _KNOWN_TYPES else DataType(number)


def _metric_bytes(metric: Metric) -> bytes:
    parts = [] if metric.name is None else [bytes_field(1, metric.name.encode())]
    for field, number in ((2, metric.alias), (3, metric.timestamp), (4, metric.datatype)):
        if number is not None:
            parts.append(number_field(field, number))
    # A value that is none of the plain ones stands among the opaque fields.
    null = metric.value is None and not any(field in {17, 18, 19} for field, _ in metric.opaque)
    flags = ((5, metric.is_historical), (6, metric.is_transient), (7, null))
    parts += [number_field(field, 1) for field, flag in flags if flag]
    parts += [bytes_field(field, data) for field, data in metric.opaque if field == 8]  # noqa: PLR2004 - metadata
    if metric.properties:
        parts.append(bytes_field(9, _properties_bytes(metric.properties)))
    if metric.value is not None:
        parts.append(metric.value.to_bytes(_METRIC_VALUE))
    parts += [bytes_field(field, data) for field, data in metric.opaque if field != 8]  # noqa: PLR2004 - metadata
    return b"".join(parts)


def _metric(data: bytes) -> Metric:
    found = _Fields(data, numbers={2, 3, 4, 5, 6, 7}, strings={1, 9}, repeated=set())
    value, opaque = _value(found, _METRIC_VALUE, HOLDERS, _METRIC_OPAQUE)
    properties = found.bytes(9)
    return Metric(
        name=found.text(1),
        alias=found.number(2),
        timestamp=found.number(3),
        datatype=found.datatype(4),
        is_historical=bool(found.number(5)),
        is_transient=bool(found.number(6)),
        value=None if found.number(7) else value,
        properties=() if properties is None else _properties(properties),
        opaque=opaque,
    )


def _value(
    found: _Fields, first: int, holders: tuple[str, ...], opaque: frozenset[int]
) -> tuple[Value | None, Opaque]:
    """The union's last member, and what is kept unread."""
    value, kept = None, []
    for field, kind, raw in found.others:
        if first <= field < first + len(holders):
            value = Value.from_field(HOLDERS[field - first], kind, raw)
        elif field in opaque and isinstance(raw, bytes):
            kept.append((field, raw))
    return value, tuple(kept)


def _properties_bytes(properties: tuple[Property, ...]) -> bytes:
    keys = [bytes_field(1, one.key.encode()) for one in properties]
    return b"".join([*keys, *(bytes_field(2, _property_bytes(one)) for one in properties)])


def _property_bytes(one: Property) -> bytes:
    parts = [number_field(1, one.datatype)]
    if one.value is not None:
        parts.append(one.value.to_bytes(_PROPERTY_VALUE))
    elif not one.opaque:
        parts.append(number_field(2, 1))
    return b"".join([*parts, *(bytes_field(field, data) for field, data in one.opaque)])


def _properties(data: bytes) -> tuple[Property, ...]:
    found = _Fields(data, numbers=set(), strings={1, 2}, repeated={1, 2})
    keys, values = found.lists.get(1, []), found.lists.get(2, [])
    if len(keys) != len(values):
        raise MalformedPayload(f"{len(keys)} keys for {len(values)} properties")
    return tuple(_property(text_of(key), value) for key, value in zip(keys, values, strict=True))


def _property(key: str, data: bytes) -> Property:
    found = _Fields(data, numbers={1, 2}, strings=set(), repeated=set())
    value, opaque = _value(found, _PROPERTY_VALUE, _PROPERTY_HOLDERS, _PROPERTY_OPAQUE)
    return Property(
        key=key,
        datatype=found.datatype(1) or DataType.UNKNOWN,
        value=None if found.number(2) else value,
        opaque=opaque,
    )
