"""The lines of a recording: its header, and a message with every byte of its payload kept.

Each is read by writing it again: another spelling is refused (docs/formats.md, Recording).
Pure.
"""

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from telemetry import strict_json
from telemetry.canonical import b64, quote, time_text, time_us, unb64
from telemetry.errors import NotCanonical, NotStrictJson
from telemetry.properties import NO_PROPERTIES, KeptProperties, Properties
from telemetry.topic import check_name

CLOCKS: Final = ("system", "simulated", "recorded")

_MAX_QOS: Final = 2
_MAX_EXPIRY: Final = 2**32 - 1
_MAX_SUBSCRIPTION: Final = 268_435_455
# Longer topics are quoted each time, so that strangers cannot fill memory with them.
_CACHED_LENGTH: Final = 512
# Escapes by number, exponents, long numbers and small ones: in strings, too, which costs time
# and no more.
_DEBATABLE: Final = re.compile(
    # As `\\u|[0-9][eE]|[0-9]{16}|0\.0000`, but that all begin alike, which is searched faster.
    rb"[\\0-9](?:(?<=\\)u|(?<=[0-9])[eE]|(?<=[0-9])[0-9]{15}|(?<=0)\.0000)"
)
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: where it was recorded, which filters, whose clock, when it began (µs)."""

    origin: str
    topics: tuple[str, ...]
    clock: str
    started: int

    def to_bytes(self) -> bytes:
        """Write the line, without its newline."""
        if self.clock not in CLOCKS:
            raise NotCanonical(f"no clock {self.clock!r}; one of {', '.join(CLOCKS)}")
        topics = ",".join(map(quote, self.topics))
        return (
            f'{{"factoryledger":"recording","version":1,"origin":{quote(self.origin)}'
            f',"topics":[{topics}],"clock":"{self.clock}","started":"{time_text(self.started)}"}}'
        ).encode("ascii")

    @staticmethod
    def from_bytes(data: bytes) -> "Header":
        """Read the line; NotCanonical for anything that `to_bytes` would not write."""
        try:
            wire = _HEADER.decode(data)
            header = Header(wire.origin, wire.topics, wire.clock, time_us(wire.started))
            written = header.to_bytes()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NotCanonical(f"not the header of a recording of version 1: {error}") from None
        if written != data:
            raise NotCanonical("the header is not in its canonical spelling")
        return header


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it was received: time in microseconds since the epoch, payload any bytes."""

    received: int
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES

    def to_bytes(self, *, sealed: bool = False) -> bytes:
        """Write the line, without its newline; NotCanonical for what MQTT cannot carry.

        Who has just sealed the payload (`telemetry.compose`) says so: if it is JSON, which
        begins with a brace, as no Sparkplug payload does, then it is compact.
        """
        if not 0 <= self.qos <= _MAX_QOS:
            raise NotCanonical(f"no QoS {self.qos}")
        properties = self.properties
        compact = sealed and self.payload.startswith(b"{")
        return b'{"received":"%b","topic":%b,%b,"qos":%d,"retain":%b%b}' % (
            time_text(self.received).encode("ascii"),
            _topic(self.topic),
            b'"json":%b' % self.payload if compact else _payload_member(self.payload),
            self.qos,
            b"true" if self.retain else b"false",
            b"" if properties is NO_PROPERTIES else _properties_member(properties).encode(),
        )

    @staticmethod
    def from_bytes(data: bytes) -> "Line":
        """Read a line; NotCanonical for anything that `to_bytes` would not write."""
        try:
            line = _LINE.decode(data).line()
            written = line.to_bytes()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NotCanonical(f"not a message: {error}") from None
        if written != data:
            raise NotCanonical("the line is not in its canonical spelling")
        return line


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    factoryledger: Literal["recording"]
    version: Literal[1]
    origin: str
    topics: tuple[str, ...]
    clock: str
    started: str


class _Properties(KeptProperties, forbid_unknown_fields=True):
    message_expiry_interval: int | None = None
    subscription_identifiers: tuple[int, ...] = ()


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    received: str
    topic: str
    qos: int
    retain: bool
    json: msgspec.Raw | UnsetType = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET
    properties: _Properties | UnsetType = UNSET

    def line(self) -> Line:
        if self.json is not UNSET:
            payload = bytes(self.json)
        elif self.text is not UNSET:
            payload = self.text.encode()
        elif self.base64 is not UNSET:
            payload = unb64(self.base64)
        else:
            raise NotCanonical("none of json, text and base64 is there")
        properties = NO_PROPERTIES
        if self.properties is not UNSET:
            properties = replace(
                self.properties.properties(),
                message_expiry_interval=self.properties.message_expiry_interval,
                subscription_identifiers=self.properties.subscription_identifiers,
            )
        received = time_us(self.received)
        return Line(received, self.topic, payload, self.qos, self.retain, properties)


_HEADER: Final = msgspec.json.Decoder(_Header)
_LINE: Final = msgspec.json.Decoder(_Line)


def _topic(topic: str) -> bytes:
    """The topic, quoted; machines say theirs again and again."""
    return _quoted_topic(topic) if len(topic) > _CACHED_LENGTH else _quoted_cached(topic)


def _quoted_topic(topic: str) -> bytes:
    check_name(topic)
    return quote(topic).encode("ascii")


_quoted_cached = lru_cache(maxsize=4096)(_quoted_topic)


def _payload_member(payload: bytes) -> bytes:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return b'"base64":"%b"' % b64(payload).encode("ascii")
    if _is_plainly_compact(payload) or _is_compact_json(text):
        return b'"json":%b' % payload
    return b'"text":%b' % quote(text).encode("ascii")


def _is_plainly_compact(payload: bytes) -> bool:
    """Whether it is compact JSON of a kind that any writer spells so: quick, and often enough.

    Left to the slow way is all that writers differ about, or that the strict parse refuses.
    """
    if payload.count(b"{") + payload.count(b"[") > strict_json.MAX_DEPTH:
        return False
    if _DEBATABLE.search(payload):
        return False
    try:
        return msgspec.json.encode(msgspec.json.decode(payload)) == payload
    except msgspec.MsgspecError:
        return False


def _is_compact_json(text: str) -> bool:
    try:
        return _COMPACT.encode(strict_json.loads(text)) == text
    except NotStrictJson:
        return False


def _properties_member(properties: Properties) -> str:
    if properties == NO_PROPERTIES:
        return ""
    members = properties.kept_members()
    expiry = properties.message_expiry_interval
    if expiry is not None:
        if not 0 <= expiry <= _MAX_EXPIRY:
            raise NotCanonical(f"no message expiry interval: {expiry}")
        members.append(f'"message_expiry_interval":{expiry}')
    subscriptions = properties.subscription_identifiers
    if subscriptions:
        if not all(1 <= number <= _MAX_SUBSCRIPTION for number in subscriptions):
            raise NotCanonical(f"not all are subscription identifiers: {subscriptions}")
        members.append(f'"subscription_identifiers":[{",".join(map(str, subscriptions))}]')
    return f',"properties":{{{",".join(members)}}}'
