"""The bytes of an outbox file: frames, one after another. Pure.

    file  = frame(Head) frame*
    frame = crc (4) ‖ length (4) ‖ durable (8) ‖ kind (1) ‖ rest

Numbers are big-endian; `length` counts kind and rest; `crc` is CRC-32 over all that follows
it. `durable` is how many bytes of the file were known to be on the disk when the frame was
written; in the head, how many compaction wrote, on the disk before the file got its name. A
crash can tear only what lies beyond that: so what follows the last whole frame is a torn
tail, dropped, unless a `durable` says that it had been on the disk: then it is damage.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from simulator.chain import Entry
from simulator.errors import OutboxDamaged
from telemetry.canonical import b64, unb64
from telemetry.signature import body_hash, split
from telemetry.sparkplug_topic import SIGNED_TYPES
from telemetry.topic import SIGNED_KINDS

_FIXED: Final = struct.Struct(">IIQ")
_PLACE: Final = struct.Struct(">QQ")
OVERHEAD: Final = _FIXED.size + 1
MAX_FRAME: Final = 4 * 1024 * 1024

_HEAD, _MESSAGE, _RELEASED, _EVICTED, _ENCLOSED = b"H", b"M", b"R", b"E", b"S"
# The kind of a message is its place in these tuples: never reorder, only append.
assert SIGNED_KINDS == ("telemetry", "birth", "state", "event")
assert SIGNED_TYPES == ("NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH")

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The first frame: whose file it is, and the state of the outbox when it was written.

    Its frame's `durable` is the length of the file as compaction left it. Messages up to
    there are counted in `recorded` already, and `last` is the last body hash then.
    """

    device: str
    recorded: int = 0
    evicted: int = 0
    last: bytes | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """Numbers of a session that left the outbox: by receipt, or evicted."""

    session: str
    ranges: Ranges
    evicted: bool = False


Content = Head | Entry | Gone


class Framed(NamedTuple):
    """A frame as read: where it ends in the file, its `durable`, what it says."""

    end: int
    durable: int
    content: Content


def frame(content: Content, durable: int) -> bytes:
    """Spell one frame; `durable` as in the module's rule."""
    inner = _inner(content)
    rest = _FIXED.pack(0, len(inner), durable)[4:] + inner
    return zlib.crc32(rest).to_bytes(4, "big") + rest


def read(data: bytes) -> list[Framed]:
    """Read a file's frames, the head first, up to the torn tail.

    OutboxDamaged where the head is missing or a frame is bad that had been durable.
    """
    found: list[Framed] = []
    position = 0
    while (one := _frame_at(data, position)) is not None:
        found.append(one)
        position = one.end
    if not found or not isinstance(found[0].content, Head):
        raise OutboxDamaged("the first frame is not a whole head")
    if position < found[0].durable:
        raise OutboxDamaged(f"the frame at byte {position} is broken, but it had been durable")
    _refuse_damage(data, position)
    return found


def _frame_at(data: bytes, start: int) -> Framed | None:
    """The frame at `start`, or None where there is no whole one."""
    if len(data) - start < OVERHEAD:
        return None
    crc, length, durable = _FIXED.unpack_from(data, start)
    stop = start + _FIXED.size + length
    if not 1 <= length <= MAX_FRAME or stop > len(data):
        return None
    if zlib.crc32(memoryview(data)[start + 4 : stop]) != crc:
        return None
    return Framed(stop, durable, _content(data[start + _FIXED.size : stop]))


def _refuse_damage(data: bytes, torn: int) -> None:
    """OutboxDamaged if some whole frame after `torn` was written when that was durable."""
    for start in range(torn + 1, len(data) - OVERHEAD + 1):
        _, length, durable = _FIXED.unpack_from(data, start)
        # Cheap tests first: chance bytes hardly ever look like a frame that comes later.
        if torn < durable <= start and 1 <= length <= MAX_FRAME and _frame_at(data, start):
            raise OutboxDamaged(
                f"the frame at byte {torn} is broken, but it had been durable: "
                f"the frame at byte {start} says so"
            )


def _inner(content: Content) -> bytes:
    if isinstance(content, Entry):
        return _entry_inner(content)
    if isinstance(content, Gone):
        session = content.session.encode("ascii")
        pairs = b"".join(_PLACE.pack(first, last) for first, last in content.ranges)
        return (
            (_EVICTED if content.evicted else _RELEASED) + bytes((len(session),)) + session + pairs
        )
    last = None if content.last is None else b64(content.last)
    members = {
        "outbox": 1,
        "device": content.device,
        "recorded": content.recorded,
        "evicted": content.evicted,
        "last": last,
    }
    return _HEAD + json.dumps(members, separators=(",", ":")).encode("ascii")


def _entry_inner(entry: Entry) -> bytes:
    """A message; that of a header before the payload, with its length."""
    kinds = SIGNED_KINDS if entry.header is None else SIGNED_TYPES
    session = entry.session.encode("ascii")
    place = bytes((kinds.index(entry.kind), len(session))) + session + entry.seq.to_bytes(8, "big")
    if entry.header is None:
        return _MESSAGE + place + entry.payload
    header = entry.header.encode("ascii")
    return _ENCLOSED + place + len(header).to_bytes(4, "big") + header + entry.payload


def _content(inner: bytes) -> Content:
    kind, rest = inner[:1], inner[1:]
    try:
        if kind == _MESSAGE:
            return _entry(rest)
        if kind == _ENCLOSED:
            return _enclosed(rest)
        if kind in (_RELEASED, _EVICTED):
            return _gone(rest, evicted=kind == _EVICTED)
        if kind == _HEAD:
            return _head(rest)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise OutboxDamaged(f"a whole frame says nothing that fits: {error}") from error
    raise OutboxDamaged(f"a frame of kind {kind!r}: written by a newer release?")


def _head(rest: bytes) -> Head:
    members = json.loads(rest)
    if members["outbox"] != 1:
        raise OutboxDamaged(f"an outbox of version {members['outbox']}: written by a newer release")
    last = None if members["last"] is None else unb64(members["last"], 32)
    return Head(members["device"], members["recorded"], members["evicted"], last)


def _entry(rest: bytes) -> Entry:
    stop = 2 + rest[1]
    seq, payload = int.from_bytes(rest[stop : stop + 8], "big"), rest[stop + 8 :]
    parts = split(payload)
    if parts is None:
        raise ValueError("a message without its signature")
    session = rest[2:stop].decode("ascii")
    return Entry(SIGNED_KINDS[rest[0]], (session, seq), payload, body_hash(parts[0]))


def _enclosed(rest: bytes) -> Entry:
    stop = 2 + rest[1]
    session, seq = rest[2:stop].decode("ascii"), int.from_bytes(rest[stop : stop + 8], "big")
    start = stop + 12
    end = start + int.from_bytes(rest[stop + 8 : start], "big")
    header = rest[start:end]
    parts = split(header)
    if parts is None:
        raise ValueError("a header without its signature")
    hashed = body_hash(parts[0])
    return Entry(SIGNED_TYPES[rest[0]], (session, seq), rest[end:], hashed, header.decode("ascii"))


def _gone(rest: bytes, *, evicted: bool) -> Gone:
    stop = 1 + rest[0]
    ranges = tuple(_PLACE.iter_unpack(rest[stop:]))
    return Gone(rest[1:stop].decode("ascii"), ranges, evicted)
