"""The signed header of a message whose payload is not JSON: a user property of MQTT 5.

    value = body ‖ ,"sig":" ‖ 88 characters of base64 ‖ "}
    signature = Ed25519(key, factoryledger/header/v1 ‖ 0x00 ‖ topic without prefix ‖ 0x00 ‖ body)

One spelling: a body is read, written again and compared (docs/formats.md, Header). Pure.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from telemetry import strict_json
from telemetry.canonical import b64, unb64
from telemetry.compose import leading
from telemetry.errors import MalformedMessage, NotCanonical, TelemetryError
from telemetry.members import (
    Cited,
    anchor_of,
    count_of,
    key_id_of,
    member,
    prev_of,
    segment_of,
    text_of,
    time_of,
)
from telemetry.message import Message
from telemetry.properties import Properties
from telemetry.signature import SIGNATURE_LENGTH, SigningKey, join, split
from telemetry.sparkplug_topic import SIGNED_TYPES, SparkplugTopic

NAME: Final = "factoryledger-header"

_TAG: Final = b"factoryledger/header/v1"
_HASH_LENGTH: Final = 32
_QUOTED_NAME: Final = f'"{NAME}"'


@dataclass(frozen=True, slots=True)
class Header:
    """A strictly parsed header; nothing of it is true before the signature is checked.

    `time` in microseconds since the epoch; `prev`, `payload` and `Cited.note` 32-byte
    SHA-256 hashes; `key` the key id.
    """

    device: str
    session: str
    seq: int
    prev: bytes | None
    anchor: Cited | None
    time: int
    payload: bytes
    key: str

    def to_body(self) -> bytes:
        """Write the body; MalformedMessage where a reader would refuse it."""
        if len(self.payload) != _HASH_LENGTH:
            raise MalformedMessage(f"payload is a hash of {_HASH_LENGTH} bytes")
        try:
            text = leading(
                device=self.device,
                session=self.session,
                seq=self.seq,
                prev=self.prev,
                anchor=self.anchor,
                time=self.time,
            )
        except NotCanonical as error:
            raise MalformedMessage(str(error)) from None
        return f'{text},"payload":"{b64(self.payload)}","key":"{key_id_of(self.key)}"'.encode(
            "ascii"
        )


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header with its exact body and the 64 bytes of the signature."""

    header: Header
    body: bytes
    signature: bytes

    def message(self, kind: str) -> Message:
        """Give it as the message of this kind (a Sparkplug type) that it makes of a payload.

        Without readings: what the payload says, its codec knows.
        """
        said = self.header
        return Message(
            kind=kind,
            device=said.device,
            session=said.session,
            seq=said.seq,
            prev=said.prev,
            anchor=said.anchor,
            time=said.time,
            scans=(),
            content=None,
            key=said.key,
            body=self.body,
            signature=self.signature,
        )


def seal_header(key: SigningKey, topic: SparkplugTopic, body: bytes) -> str:
    """Sign a header for its topic: the user property's value."""
    return join(body, key.sign(header_signed_bytes(topic, body))).decode("ascii")


def header_signed_bytes(topic: SparkplugTopic, body: bytes) -> bytes:
    """Join what is signed; ValueError where messages of the topic's type are not signed."""
    if topic.type not in SIGNED_TYPES:
        raise ValueError(f"messages of type {topic.type!r} are not signed")
    return b"\0".join((_TAG, topic.unprefixed.encode(), body))


def header_properties(value: str) -> Properties:
    """Give the properties that a message with this header is published with."""
    return Properties(user_properties=((NAME, value),))


def find_header(properties: str | None) -> tuple[bytes, bytes] | None:
    """Cut the header in canonical properties into body and 88 raw signature characters.

    None where there is none, more than one, or one that does not end as a signed one does:
    then the message is unsigned.
    """
    if properties is None or _QUOTED_NAME not in properties:
        return None
    try:
        pairs = Properties.from_text(properties).user_properties
    except NotCanonical:
        return None
    values = [value for name, value in pairs if name == NAME]
    return split(values[0].encode()) if len(values) == 1 else None


def parse_header(body: bytes, signature: bytes) -> SignedHeader:
    """Parse what `find_header` cut; MalformedMessage says what is wrong."""
    try:
        header = _header(strict_json.loads((body + b"}").decode()))
        decoded = unb64(signature.decode("ascii"), SIGNATURE_LENGTH)
    except (TelemetryError, UnicodeDecodeError) as error:
        raise MalformedMessage(str(error)) from None
    if header.to_body() != body:
        raise MalformedMessage("a header is not in its one spelling")
    return SignedHeader(header, body, decoded)


def _header(members: dict[str, Any]) -> Header:
    return Header(
        device=segment_of("device", member(members, "device")),
        session=segment_of("session", member(members, "session")),
        seq=count_of("seq", member(members, "seq")),
        prev=prev_of(member(members, "prev")),
        anchor=anchor_of(member(members, "anchor")),
        time=time_of(members),
        payload=unb64(text_of("payload", member(members, "payload")), _HASH_LENGTH),
        key=key_id_of(member(members, "key")),
    )


def message_of(topic: str, properties: str | None) -> Message | None:
    """Read a message by its header alone, unchecked; None where there is none that holds up."""
    place, header = SparkplugTopic.parse(topic), find_header(properties)
    if place is None or header is None:
        return None
    try:
        return parse_header(*header).message(place.type)
    except MalformedMessage:
        return None


def payload_hash(payload: bytes) -> bytes:
    """Give the SHA-256 of a payload: what its header names."""
    return hashlib.sha256(payload).digest()
