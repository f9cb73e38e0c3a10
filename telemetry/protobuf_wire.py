"""Protocol Buffers' wire format: varints, fixed numbers, byte strings, by field number.

Only what a message without groups needs (encoding guide of Protocol Buffers, "Message
Structure"). Writing has one spelling; reading takes what any encoder may write, and refuses
bytes that end too early, numbers beyond 64 bits and wire types that nobody uses. Pure.
"""

from collections.abc import Iterator
from typing import Final

from telemetry.errors import MalformedPayload

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_LONGEST_VARINT: Final = 10
_MAX: Final = 2**64 - 1
_FIXED: Final = {FIXED64: 8, FIXED32: 4}


def varint(value: int) -> bytes:
    """Write a number from 0 to 2⁶⁴-1, seven bits a byte, the lowest first."""
    if value < 0x80:  # noqa: PLR2004 - seven bits
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(field: int, value: int) -> bytes:
    """Write a field that holds a varint."""
    return varint(field << 3 | VARINT) + varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    """Write a field that holds bytes: a string's UTF-8, or a message."""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def fixed_field(field: int, value: bytes) -> bytes:
    """Write a field of four or eight bytes, little-endian."""
    return varint(field << 3 | (FIXED32 if len(value) == _FIXED[FIXED32] else FIXED64)) + value


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Give each field of a message as it stands: number, wire type, a number or bytes.

    MalformedPayload where the bytes are no message.
    """
    position = 0
    while position < len(data):
        key, position = _varint_at(data, position)
        field, kind = key >> 3, key & 7
        if not 0 < field < 1 << 29:
            raise MalformedPayload(f"no field has the number {field}")
        value: int | bytes
        if kind == VARINT:
            value, position = _varint_at(data, position)
        else:
            length, position = _length_at(data, position, kind)
            value, position = data[position : position + length], position + length
        yield field, kind, value


def _length_at(data: bytes, position: int, kind: int) -> tuple[int, int]:
    if kind == BYTES:
        length, position = _varint_at(data, position)
    elif kind in _FIXED:
        length = _FIXED[kind]
    else:
        raise MalformedPayload(f"wire type {kind} at byte {position}: no field is written so")
    if length > len(data) - position:
        raise MalformedPayload(f"a field of {length} bytes at byte {position}: it is cut short")
    return length, position


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        if position + place >= len(data):
            raise MalformedPayload(f"a number at byte {position} is cut short")
        byte = data[position + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - its last byte has no high bit
            if value > _MAX:
                break
            return value, position + place + 1
    raise MalformedPayload(f"the number at byte {position} is beyond 64 bits")
