"""Sparkplug B values: data types by number, and which field of a payload holds each.

Source: Eclipse Sparkplug 3.0, section 6.4.16 (data types) and its protobuf schema (which
member of the `value` union holds which type). Pure.
"""

import math
import struct
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from telemetry.errors import MalformedPayload
from telemetry.protobuf_wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    bytes_field,
    fixed_field,
    number_field,
)

Plain = int | float | bool | str | bytes
Holder = Literal["int", "long", "float", "double", "boolean", "string", "bytes"]


class DataType(IntEnum):
    """The data types of metrics, by their numbers; arrays, data sets and templates are bytes."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19


# Of a metric's value field the first is 10, of a property's 3, in this order.
HOLDERS: Final[tuple[Holder, ...]] = (
    *("int", "long", "float", "double", "boolean", "string", "bytes"),
)
_BITS: Final = {
    DataType.INT8: 8,
    DataType.INT16: 16,
    DataType.INT32: 32,
    DataType.INT64: 64,
    DataType.UINT8: 8,
    DataType.UINT16: 16,
    DataType.UINT32: 32,
    DataType.UINT64: 64,
    DataType.DATETIME: 64,
}
_SIGNED: Final = {DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64}
_TEXTS: Final = {DataType.STRING, DataType.TEXT, DataType.UUID}
_BYTES: Final = {DataType.BYTES, DataType.FILE}
_WORD: Final = 32


class Value(NamedTuple):
    """A value as a payload holds it: by which member of the union, and the number or text.

    What an integer means, its data type says: that may stand in the birth alone.
    """

    holder: Holder
    raw: Plain

    @staticmethod
    def of(datatype: DataType, value: Plain) -> "Value":
        """Give the holder of a value of this type; ValueError where it is none."""
        kind = type(value)
        if datatype in _BITS and kind is int:
            return _integer(datatype, int(value))
        if datatype in {DataType.FLOAT, DataType.DOUBLE} and kind in {int, float}:
            return _float(datatype, float(value))
        if datatype is DataType.BOOLEAN and kind is bool:
            return Value("boolean", value)
        if datatype in _TEXTS and kind is str:
            return Value("string", value)
        if datatype in _BYTES and kind is bytes:
            return Value("bytes", value)
        raise ValueError(f"{value!r} is no value of the type {datatype.name}")

    def as_type(self, datatype: DataType) -> Plain:
        """Give what it means as this type; MalformedPayload where the holder is another's."""
        if datatype in _BITS and self.holder in {"int", "long"}:
            assert isinstance(self.raw, int)
            return _meant(self.raw, _BITS[datatype], signed=datatype in _SIGNED)
        held = (
            datatype in {DataType.FLOAT, DataType.DOUBLE} and self.holder in {"float", "double"},
            datatype is DataType.BOOLEAN and self.holder == "boolean",
            datatype in _TEXTS and self.holder == "string",
            datatype not in {*_TEXTS, *_BITS} and self.holder == "bytes",
        )
        if not any(held):
            raise MalformedPayload(f"a {self.holder} value where {datatype.name} is due")
        return self.raw

    def to_bytes(self, first: int) -> bytes:
        """Write the field; `first` is the number of the union's first."""
        field = first + HOLDERS.index(self.holder)
        if isinstance(self.raw, str):
            return bytes_field(field, self.raw.encode())
        if isinstance(self.raw, bytes):
            return bytes_field(field, self.raw)
        if self.holder in _PACKED:
            return fixed_field(field, struct.pack(_PACKED[self.holder], self.raw))
        assert isinstance(self.raw, int)
        return number_field(field, self.raw)

    @staticmethod
    def from_field(holder: Holder, kind: int, value: int | bytes) -> "Value":
        """Read the field of a holder; MalformedPayload for a wire type that is not its."""
        if kind != _WIRE[holder]:
            raise MalformedPayload(f"a {holder} value of wire type {kind}")
        if isinstance(value, int):
            return Value(holder, bool(value) if holder == "boolean" else _word(holder, value))
        if holder in _PACKED:
            return Value(holder, struct.unpack(_PACKED[holder], value)[0])
        return Value(holder, text_of(value) if holder == "string" else value)


_WIRE: Final[dict[Holder, int]] = {
    "int": VARINT,
    "long": VARINT,
    "float": FIXED32,
    "double": FIXED64,
    "boolean": VARINT,
    "string": BYTES,
    "bytes": BYTES,
}
_PACKED: Final[dict[str, str]] = {"float": "<f", "double": "<d"}


def text_of(value: bytes) -> str:
    """Read a string; MalformedPayload where it is no UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MalformedPayload(f"a string is not UTF-8: {error}") from None


def _integer(datatype: DataType, value: int) -> Value:
    bits, signed = _BITS[datatype], datatype in _SIGNED
    low = -(1 << bits - 1) if signed else 0
    if not low <= value < low + (1 << bits):
        raise ValueError(f"{value} is no {datatype.name}")
    # Negative numbers are two's complement of their own width, as Tahu's Python writes them.
    return Value("int" if bits <= _WORD else "long", value & ((1 << bits) - 1))


def _float(datatype: DataType, value: float) -> Value:
    if datatype is DataType.DOUBLE:
        return Value("double", value)
    try:
        return Value("float", struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return Value("float", math.copysign(math.inf, value))


def _meant(raw: int, bits: int, *, signed: bool) -> int:
    """Read an integer of so many bits; signed ones also as others extend them, to 32 bits."""
    value = raw & ((1 << bits) - 1)
    negative = signed and value >> bits - 1
    extended = (1 << max(_WORD, bits)) - (1 << bits) if negative else 0
    if raw not in {value, value + extended}:
        raise MalformedPayload(f"{raw} has more than {bits} bits")
    return value - (1 << bits) if negative else value


def _word(holder: Holder, value: int) -> int:
    if holder == "int" and value >> _WORD:
        raise MalformedPayload(f"{value} where 32 bits are due")
    return value
