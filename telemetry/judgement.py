"""From topic, payload and keyring to a status: the one place where a message is judged.

The table of docs/formats.md (Status), in its order. Whether a number was taken before
(`conflict`, duplicates) only the store can say. Pure.
"""

from dataclasses import dataclass
from typing import Final

from telemetry.errors import MalformedMessage
from telemetry.keyring import Enrolment, Keyring
from telemetry.message import Message, parse
from telemetry.record import STATUSES
from telemetry.signature import body_hash, signed_bytes, split, verify
from telemetry.topic import SIGNED_KINDS, MachineTopic

__all__ = ["STATUSES", "Judgement", "judge"]

_OTHER_KIND: Final = "telemetry"


@dataclass(frozen=True, slots=True)
class Judgement:
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


def judge(topic: str, payload: bytes, keyring: Keyring) -> Judgement:
    """Judge a message as of the key entries applied so far. Never raises, never `conflict`."""
    parts = split(payload)
    if parts is None:
        return _UNSIGNED
    hashed = body_hash(parts[0])
    place = MachineTopic.parse(topic)
    if place is not None and place.kind not in SIGNED_KINDS:
        place = None
    try:
        message = parse(payload, _OTHER_KIND if place is None else place.kind)
    except MalformedMessage:
        return Judgement("malformed", body_hash=hashed)
    keys = keyring.applied
    if place is None or place.machine != message.device:
        return Judgement("bad-signature", keys=keys, body_hash=hashed)
    enrolments = keyring.enrolments(message.device, message.key)
    if not enrolments:
        return Judgement("unknown-device", keys=keys, body_hash=hashed)
    signed = signed_bytes(place, message.body)
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
