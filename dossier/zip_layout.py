"""A zip whose every byte its directory accounts for. Pure: over a file that is open for reading.

Programs differ in how they read a zip: by its directory, or from the front, entry by entry. What
stands between, before or behind is unseen by one and shown by the other, so that what is checked
is not what is read. Such a zip is Unreadable (APPNOTE.TXT, sections 4.3 to 4.6).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from struct import Struct
from typing import Any, BinaryIO, Final
from zipfile import ZipInfo

from dossier.errors import Unreadable

_LOCAL: Final = Struct("<4s5H3L2H")
_EXTRA: Final = Struct("<2H")
_END: Final = Struct("<4s4H2LH")
_END_64: Final = Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = Struct("<4sLQL")
_BY_64: Final = 0xFFFF_FFFF
_MOST: Final = (0xFFFF, _BY_64, _BY_64)
"""What stands for the count, the length and the start of a directory that the longer end says."""
_TRAILED: Final = 0x8
_TRAILERS: Final = frozenset({12, 16, 20, 24})
_OTHER_NAME: Final = 0x7075
"""The extra field that gives a file another name, to those who heed it."""


def check_layout(file: BinaryIO, size: int, members: Sequence[ZipInfo]) -> None:
    """Unreadable unless the entries follow one another from the front, and the directory them."""
    start = _directory(file, size, len(members))
    ordered = sorted(members, key=lambda one: one.header_offset)
    places = [*(one.header_offset for one in ordered), start]
    if places[0] != 0:
        raise Unreadable("the zip begins with something that its directory does not name")
    for one, (place, following) in zip(ordered, pairwise(places), strict=True):
        _check_local(file, one, place, following)


def _directory(file: BinaryIO, size: int, count: int) -> int:
    """Where the directory starts, which only its own end follows."""
    stop = size - _END.size
    end = _at(file, stop, _END)
    if end is None or end[0] != b"PK\x05\x06" or end[7] != 0:
        raise Unreadable("the zip ends with something that is not its directory, or a comment")
    told: tuple[int, ...] = end[4:7]
    locator = _at(file, stop - _LOCATOR_64.size, _LOCATOR_64)
    if locator is not None and locator[0] == b"PK\x06\x07":
        stop -= _LOCATOR_64.size + _END_64.size
        long = _at(file, stop, _END_64)
        if locator[2] != stop or long is None or long[0] != b"PK\x06\x06":
            raise Unreadable("the zip's directory has no plain end")
        if any(
            short not in {whole, most}
            for short, whole, most in zip(told, long[7:10], _MOST, strict=True)
        ):
            raise Unreadable("the zip's directory has two ends that differ")
        told = long[7:10]
    if told[0] != count or told[1] + told[2] != stop:
        raise Unreadable("the zip holds something beside its entries and its directory")
    return told[2]


def _check_local(file: BinaryIO, one: ZipInfo, place: int, following: int) -> None:
    """The entry's own header says what the directory says, and its data ends where the next is."""
    head = _at(file, place, _LOCAL)
    if head is None or head[0] != b"PK\x03\x04":
        raise Unreadable("the zip's directory names an entry that is not there")
    flags, method, packed, names, extras = head[2], head[3], head[7], head[9], head[10]
    file.seek(place + _LOCAL.size + names)
    extra = file.read(extras)
    left = following - (place + _LOCAL.size + names + extras + one.compress_size)
    trailed = bool(flags & _TRAILED)
    if trailed:
        fits = left in _TRAILERS and method != 0
    else:
        fits = left == 0 and packed in {one.compress_size, _BY_64}
    same = flags == one.flag_bits and method == one.compress_type
    if not fits or not same or _OTHER_NAME in {*_kinds(extra), *_kinds(one.extra)}:
        raise Unreadable(f"{one.filename[:100]!a} in the zip can be read in two ways")


def _kinds(extra: bytes) -> Iterator[int]:
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        yield kind
        at += _EXTRA.size + length


def _at(file: BinaryIO, place: int, form: Struct) -> tuple[Any, ...] | None:
    if place < 0:
        return None
    file.seek(place)
    data = file.read(form.size)
    return form.unpack(data) if len(data) == form.size else None
