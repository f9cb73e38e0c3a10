"""A stored row back to its record: the one way, for `prove` and `audit` alike.

A row may hold anything: SQLite keeps any value in any column, and an attacker chose it.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from typing import Any

from anchor.errors import Refused
from anchor.merkle import leaf_hash
from telemetry.errors import MalformedMessage, TelemetryError
from telemetry.header import message_of
from telemetry.message import Message, parse
from telemetry.record import Record
from telemetry.rows import MessageRow
from telemetry.signature import split
from telemetry.topic import SIGNED_KINDS, MachineTopic

MAX_INTEGER = 2**63 - 1

_INTEGERS = ("position", "received_at", "keys")
_INTEGERS_OR_NULL = ("original_at", "seq", "time")
_TEXTS = ("collector", "topic", "status")
_TEXTS_OR_NULL = ("properties", "device", "session", "key")
_BYTES = ("payload_hash",)
_BYTES_OR_NULL = ("payload", "entry", "body_hash")


def row_name(row: MessageRow) -> str:
    """How to name a row to people, by its columns, whatever is in them."""
    return f"{shown(row.collector)}:{shown(row.position)}"


def shown(value: object) -> str:
    """Any column's value for people: plain where it is a short word or number, else quoted."""
    if isinstance(value, str) and value.isprintable() and " " not in value:
        return value[:80]
    return repr(value)[:80]


def record_of(row: MessageRow) -> bytes:
    """The record that a row's columns say; Refused, with the reason, if no record says so."""
    fault = wrong_type(row)
    if fault:
        raise Refused(fault)
    return record_of_types(row)


def record_of_types(row: MessageRow) -> bytes:
    """The same, of a row whose columns are known to be of the types that are due."""
    try:
        return Record(
            received=row.received_at,
            original=row.original_at,
            topic=row.topic,
            properties=row.properties,
            status=row.status,
            device=row.device,
            session=row.session,
            seq=row.seq,
            key=row.key,
            keys=row.keys,
            entry=row.entry,
            payload=row.payload_hash,
            body=row.body_hash,
        ).to_bytes()
    except (TelemetryError, ValueError) as error:
        raise Refused(str(error)) from error


def leaf_of(row: MessageRow) -> bytes | None:
    """The leaf hash of a row's record; None where its columns make none."""
    try:
        return leaf_hash(record_of(row))
    except Refused:
        return None


def payload_fault(row: MessageRow) -> str | None:
    """What is wrong between a row's payload and its hash; None also where it was erased."""
    if row.payload is not None and sha256(row.payload).digest() != row.payload_hash:
        return "the payload does not hash to the row's payload_hash"
    return None


def named_message(row: MessageRow) -> Message | None:
    """The parsed message of a row that names a device; None where there is none to parse."""
    if type(row.payload) is not bytes or type(row.topic) is not str or row.device is None:
        return None
    if type(row.properties) is str and split(row.payload) is None:
        return message_of(row.topic, row.properties)
    place = MachineTopic.parse(row.topic)
    if place is None or place.kind not in SIGNED_KINDS:
        return None
    try:
        return parse(row.payload, place.kind)
    except MalformedMessage:
        return None


def types_fit(raw: Sequence[Any]) -> bool:
    """Whether a row's columns, in order, hold values of types that the collector writes."""
    return _fit(tuple(map(type, raw)))


@lru_cache(maxsize=1024)
def _fit(types: tuple[type, ...]) -> bool:
    due: dict[str, type] = dict.fromkeys(_INTEGERS + _INTEGERS_OR_NULL, int)
    due |= dict.fromkeys(_TEXTS + _TEXTS_OR_NULL, str)
    due |= dict.fromkeys(_BYTES + _BYTES_OR_NULL, bytes)
    nullable = {*_INTEGERS_OR_NULL, *_TEXTS_OR_NULL, *_BYTES_OR_NULL}
    names = [column.name for column in fields(MessageRow)]
    return len(types) == len(names) and all(
        kind is due[name] or (kind is type(None) and name in nullable)
        for name, kind in zip(names, types, strict=True)
    )


def wrong_type(row: MessageRow) -> str | None:
    """Which column holds a value of a type that the collector never writes, or None."""
    groups = (
        (_INTEGERS, int, False),
        (_INTEGERS_OR_NULL, int, True),
        (_TEXTS, str, False),
        (_TEXTS_OR_NULL, str, True),
        (_BYTES, bytes, False),
        (_BYTES_OR_NULL, bytes, True),
    )
    for names, kind, nullable in groups:
        for name in names:
            value = getattr(row, name)
            # type() and not isinstance: True is no integer here.
            if not (type(value) is kind or (nullable and value is None)):
                found = type(value).__name__
                return f"column {name} holds {found} where {kind.__name__} is due: {shown(value)}"
            if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
                return f"column {name} holds {shown(value)}, which is out of range"
    return None
