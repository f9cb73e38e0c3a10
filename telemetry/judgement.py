"""From topic, payload and keyring to a status: the one place where a message is judged.

The table of docs/formats.md (Status), in its order. Whether a number was taken before
(`conflict`, duplicates) only the store can say. Pure.
"""

from typing import Final

import msgspec

from telemetry.errors import MalformedMessage
from telemetry.header import find_header, header_signed_bytes, parse_header, payload_hash
from telemetry.keyring import Enrolment, Keyring
from telemetry.message import Message, parse
from telemetry.record import STATUSES
from telemetry.signature import body_hash, signed_bytes, split, verify
from telemetry.sparkplug_topic import SIGNED_TYPES, SparkplugTopic
from telemetry.topic import SIGNED_KINDS, MachineTopic

__all__ = ["STATUSES", "Judgement", "is_signed", "judge"]

_OTHER_KIND: Final = "telemetry"


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """What is known of a message.

    `device`, `session`, `seq`, `time`, `key`, `entry` and `message` are there only if the
    signature holds (`accepted`, `revoked`): what is not shown to be the device's own names
    nobody. `keys` counts the key entries applied, 0 where no key mattered.
    """

    status: str
    device: str | None = None
    session: str | None = None
    seq: int | None = None
    time: int | None = None
    key: str | None = None
    entry: bytes | None = None
    keys: int = 0
    body_hash: bytes | None = None
    message: Message | None = None


_UNSIGNED: Final = Judgement("unsigned")


def judge(topic: str, payload: bytes, keyring: Keyring, properties: str | None = None) -> Judgement:
    """Judge a message as of the key entries applied so far. Never raises, never `conflict`.

    `properties` is their canonical text. A payload that is signed itself is judged by that;
    a header counts for one that is not.
    """
    parts = split(payload)
    if parts is None:
        header = None if properties is None else find_header(properties)
        return _UNSIGNED if header is None else _judge_header(topic, payload, header, keyring)
    hashed = body_hash(parts[0])
    place = MachineTopic.parse(topic)
    if place is not None and place.kind not in SIGNED_KINDS:
        place = None
    try:
        message = parse(payload, _OTHER_KIND if place is None else place.kind, parts)
    except MalformedMessage:
        return Judgement("malformed", body_hash=hashed)
    if place is None or place.machine != message.device:
        return Judgement("bad-signature", keys=keyring.applied, body_hash=hashed)
    return _judge_signature(message, signed_bytes(place, message.body), keyring, hashed)


def is_signed(payload: bytes, properties: str | None) -> bool:
    """Whether judging it means checking a signature, if it is well-formed."""
    return split(payload) is not None or find_header(properties) is not None


def _judge_header(
    topic: str, payload: bytes, header: tuple[bytes, bytes], keyring: Keyring
) -> Judgement:
    hashed = body_hash(header[0])
    try:
        signed = parse_header(*header)
    except MalformedMessage:
        return Judgement("malformed", body_hash=hashed)
    place = SparkplugTopic.parse(topic)
    if (
        place is None
        or place.type not in SIGNED_TYPES
        or place.sender != signed.header.device
        # Before any key: under another payload the genuine one would pass for seen already.
        or payload_hash(payload) != signed.header.payload
    ):
        return Judgement("bad-signature", keys=keyring.applied, body_hash=hashed)
    said = header_signed_bytes(place, signed.body)
    return _judge_signature(signed.message(place.type), said, keyring, hashed)


def _judge_signature(message: Message, signed: bytes, keyring: Keyring, hashed: bytes) -> Judgement:
    """Judge by the keys what is well-formed and where its sender speaks."""
    keys = keyring.applied
    enrolments = keyring.enrolments(message.device, message.key)
    if not enrolments:
        return Judgement("unknown-device", keys=keys, body_hash=hashed)
    holding = [e for e in enrolments if verify(e.public_key, signed, message.signature)]
    if not holding:
        return Judgement("bad-signature", keys=keys, body_hash=hashed)
    return _named(message, holding, keys, hashed)


def _named(message: Message, holding: list[Enrolment], keys: int, hashed: bytes) -> Judgement:
    """Judge a message whose signature holds, by one of the enrolments that it holds under."""
    # A key that was enrolled again after it had ended is good again; else its last end counts.
    alive = next((e for e in holding if e.ended_by is None), None)
    return Judgement(
        status="revoked" if alive is None else "accepted",
        device=message.device,
        session=message.session,
        seq=message.seq,
        time=message.time,
        key=message.key,
        entry=holding[-1].ended_by if alive is None else alive.entry,
        keys=keys,
        body_hash=hashed,
        message=message,
    )
