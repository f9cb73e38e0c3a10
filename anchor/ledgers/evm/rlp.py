"""Recursive Length Prefix, read strictly: its one spelling, in types that are told apart.

The library refuses other spellings of a length; here its errors become the anchor's.
Source: Ethereum Yellow Paper, appendix B.
"""

from collections.abc import Sequence

import rlp
from rlp.exceptions import RLPException

from anchor.errors import Malformed

_UINT64 = 8


def items_of(data: bytes, what: str) -> list[object]:
    """The list that these bytes are; Malformed if they are none, or nested without end."""
    try:
        items = rlp.decode(data)
    except (RLPException, RecursionError) as error:
        raise Malformed(f"{what} is not RLP: {error}") from error
    return list_of(items, what)


def list_of(item: object, what: str) -> list[object]:
    """The item as a list; Malformed if it is a string."""
    if not isinstance(item, list):
        raise Malformed(f"{what} is not a list")
    return item


def string_of(item: object, what: str, length: int | None = None) -> bytes:
    """The item as a string of bytes, so long; Malformed otherwise."""
    if not isinstance(item, bytes) or length not in {None, len(item)}:
        raise Malformed(f"{what} is not a string" + (f" of {length} bytes" if length else ""))
    return item


def strings_of(items: Sequence[object], what: str) -> list[bytes]:
    """All items as strings; Malformed if one is a list."""
    return [string_of(item, what) for item in items]


def quantity(data: bytes, what: str) -> int:
    """A number from 0 to 2**64-1, without leading zeros; Malformed otherwise."""
    if len(data) > _UINT64 or data[:1] == b"\0":
        raise Malformed(f"{what} is not a number of at most 64 bits without leading zeros")
    return int.from_bytes(data, "big")
