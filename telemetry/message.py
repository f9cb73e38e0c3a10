"""A machine's signed message: the strict parse of a payload, and the writing of bodies.

`parse` has a fast way for telemetry as machines write it, and a slow one for everything
else; the fast one takes nothing that the slow one refuses. Pure.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from telemetry import strict_json
from telemetry.canonical import time_us, unb64
from telemetry.compose import MAX_LENGTH, compose
from telemetry.content import BirthContent, EventContent, MetricInfo, StateContent
from telemetry.errors import MalformedMessage, TelemetryError
from telemetry.members import (
    Cited,
    Scan,
    anchor_of,
    check_content,
    count_of,
    count_of_literal,
    key_id_of,
    member,
    prev_of,
    readings_of,
    scans_of,
    segment_of,
    time_of,
)
from telemetry.signature import SIGNATURE_LENGTH, split
from telemetry.source import Source, read_source
from telemetry.topic import SIGNED_KINDS

__all__ = [
    "MAX_LENGTH",
    "BirthContent",
    "Cited",
    "EventContent",
    "Message",
    "MetricInfo",
    "Scan",
    "StateContent",
    "compose",
    "parse",
]

_HASH_LENGTH: Final = 32

Number = int | float


class Message(msgspec.Struct, frozen=True, gc=False):
    """A strictly parsed message; nothing of it is true before the signature is checked.

    `time` in microseconds since the epoch; `prev` and `Cited.note` are 32-byte hashes;
    `scans` are telemetry's, `content` is the object that a birth, state or event carries;
    `key` the key id; `body` the exact signed bytes, `signature` its 64 bytes; `source` is
    what a gateway's message stands for.
    """

    kind: str
    device: str
    session: str
    seq: int
    prev: bytes | None
    anchor: Cited | None
    time: int
    scans: tuple[Scan, ...]
    content: dict[str, Any] | None
    key: str
    body: bytes
    signature: bytes
    source: Source | None = None


def parse(payload: bytes, kind: str, parts: tuple[bytes, bytes] | None = None) -> Message:
    """Parse a signed payload strictly (docs/formats.md, Strict parse).

    `kind` decides which members must be there, `parts` are what `split` gave of the payload,
    where that is known. MalformedMessage says what is wrong.
    """
    if kind not in SIGNED_KINDS:
        raise ValueError(f"no signed kind: {kind!r}; one of {', '.join(SIGNED_KINDS)}")
    if len(payload) > MAX_LENGTH:
        raise MalformedMessage(f"{len(payload)} bytes; a message has at most {MAX_LENGTH}")
    parts = parts or split(payload)
    if parts is None:
        raise MalformedMessage("the payload does not end with a signature")
    try:
        if kind == "telemetry":
            message = _parse_fast(payload, *parts)
            if message is not None:
                return message
        return _parse_slow(payload, *parts, kind=kind)
    except MalformedMessage:
        raise
    except TelemetryError as error:
        raise MalformedMessage(str(error)) from None


class _FastAnchor(msgspec.Struct, forbid_unknown_fields=True):
    size: msgspec.Raw
    note: str


class _FastScan(msgspec.Struct, forbid_unknown_fields=True):
    time: str
    readings: dict[str, Number]


class _Fast(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    session: str
    seq: msgspec.Raw
    prev: str | None
    anchor: _FastAnchor | None
    time: str
    key: str
    sig: str
    readings: dict[str, Number] | UnsetType = UNSET
    scans: list[_FastScan] | UnsetType = UNSET


_FAST: Final = msgspec.json.Decoder(_Fast)
# All characters of numbers become 0: a run of them longer than any number shows.
_NUMERIC: Final = bytes(48 if chr(b) in "0123456789+-.eE" else 32 for b in range(256))
_LONG_NUMBER: Final = b"0" * (strict_json.MAX_NUMBER_LENGTH + 1)
# Written so, an integer loses its sign in msgspec; the slow way keeps it, as readers elsewhere do.
_MINUS_ZERO: Final = re.compile(rb"-0[\s,}]")
# Strings of a message without prev, anchor and readings: nine names, and the values of
# device, session, time, key and sig.
_STRINGS: Final = 14
_ANCHOR_STRINGS: Final = 3
_SCAN_STRINGS: Final = 3


def _parse_fast(payload: bytes, body: bytes, signature: bytes) -> Message | None:
    """Parse telemetry that has no backslash, no extra member, no long number and no `-0`.

    None where it cannot tell. msgspec checks the syntax, but keeps the last of two members
    of one name. Without a backslash every quote delimits a string, so the quotes are twice
    the strings of what was decoded exactly if nothing was dropped.
    """
    if b"\\" in payload or _LONG_NUMBER in payload.translate(_NUMERIC) or payload[:1] != b"{":
        return None
    try:
        if not payload.isascii():
            payload.decode()
        fast = _FAST.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if _MINUS_ZERO.search(payload):
        return None
    time = time_us(fast.time)
    scans = _fast_scans(fast, time)
    if scans is None or payload.count(b'"') != 2 * _fast_strings(fast):
        return None
    anchor = fast.anchor
    return Message(
        kind="telemetry",
        device=segment_of("device", fast.device),
        session=segment_of("session", fast.session),
        seq=count_of_literal("seq", bytes(fast.seq)),
        prev=None if fast.prev is None else unb64(fast.prev, _HASH_LENGTH),
        anchor=None
        if anchor is None
        else Cited(
            count_of_literal("anchor.size", bytes(anchor.size)), unb64(anchor.note, _HASH_LENGTH)
        ),
        time=time,
        scans=scans,
        content=None,
        key=key_id_of(fast.key),
        body=body,
        signature=unb64(signature.decode("ascii"), SIGNATURE_LENGTH),
    )


def _fast_scans(fast: _Fast, time: int) -> tuple[Scan, ...] | None:
    if fast.readings is not UNSET:
        if fast.scans is not UNSET:
            return None
        return (Scan(time, readings_of(fast.readings)),)
    if fast.scans is UNSET or not fast.scans:
        return None
    return tuple(Scan(time_us(scan.time), readings_of(scan.readings)) for scan in fast.scans)


def _fast_strings(fast: _Fast) -> int:
    strings = _STRINGS + (fast.prev is not None)
    if fast.anchor is not None:
        strings += _ANCHOR_STRINGS
    if fast.readings is not UNSET:
        return strings + len(fast.readings)
    assert fast.scans is not UNSET
    return strings + sum(_SCAN_STRINGS + len(scan.readings) for scan in fast.scans)


def _parse_slow(payload: bytes, body: bytes, signature: bytes, *, kind: str) -> Message:
    if payload[:1] != b"{":
        raise MalformedMessage("the payload does not start with {")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"not UTF-8: {error}") from None
    # The payload is one object, and ends with the suffix, so `sig` is its last member, and a
    # second one would be a name that comes twice.
    members = strict_json.loads(text)
    time = time_of(members)
    scans = scans_of(members, time)
    if kind == "telemetry" and ("readings" in members) == ("scans" in members):
        raise MalformedMessage("telemetry has exactly one of readings and scans")
    # What is there has its type, whatever the kind; only the kind's own has to be there.
    for name in ("birth", "state", "event"):
        if name in members:
            check_content(name, members[name])
    content = None if kind == "telemetry" else member(members, kind)
    return Message(
        kind=kind,
        device=segment_of("device", member(members, "device")),
        session=segment_of("session", member(members, "session")),
        seq=count_of("seq", member(members, "seq")),
        prev=prev_of(member(members, "prev")),
        anchor=anchor_of(member(members, "anchor")),
        time=time,
        scans=scans if kind == "telemetry" else (),
        content=content,
        key=key_id_of(member(members, "key")),
        body=body,
        signature=unb64(signature.decode("ascii"), SIGNATURE_LENGTH),
        source=read_source(members.get("source")),
    )
