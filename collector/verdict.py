"""What a collector goes by of a message: the judgement on it, and the hashes of its bytes.

Pure, and the same wherever it is made: in this process, or in one that judges beside it.
"""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from telemetry.judgement import Judgement, judge
from telemetry.keyring import Keyring
from telemetry.record import KEYLESS_STATUSES

Number = tuple[str, str, int]
"""Device, session, seq."""

Judge = Callable[[str, bytes, Keyring, str | None], Judgement]


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A judgement without the message; `keys` counts the entries that it was made with.

    `number`, `time`, `key` and `entry` are there only if the signature holds; `scans` are the
    times of an accepted message with `scans`, in their order; `prev` is whom it names.
    """

    status: str
    payload_hash: bytes
    body_hash: bytes | None = None
    keys: int = 0
    number: Number | None = None
    time: int | None = None
    key: str | None = None
    entry: bytes | None = None
    scans: tuple[int, ...] = ()
    prev: bytes | None = None

    def holds(self, keyring: Keyring) -> bool:
        """Whether it would be the same with this keyring, which only grows."""
        return self.keys == keyring.applied or self.status in KEYLESS_STATUSES


def decide(
    topic: str, payload: bytes, properties: str | None, keyring: Keyring, *, judge: Judge = judge
) -> Verdict:
    """Judge a message as of the key entries applied so far."""
    found = judge(topic, payload, keyring, properties)
    payload_hash = sha256(payload).digest()
    if found.body_hash is None:
        return Verdict(found.status, payload_hash)
    return Verdict(
        found.status,
        payload_hash,
        found.body_hash,
        found.keys,
        _number(found),
        found.time,
        found.key,
        found.entry,
        _scans(found),
        None if found.message is None else found.message.prev,
    )


def _number(found: Judgement) -> Number | None:
    if found.device is None or found.session is None or found.seq is None:
        return None
    return found.device, found.session, found.seq


def _scans(found: Judgement) -> tuple[int, ...]:
    message = found.message
    if (
        found.status != "accepted"
        or message is None
        # With a backslash the name may be spelled with an escape; a row too many shows nothing.
        or (len(message.scans) == 1 and not (b'"scans"' in message.body or b"\\" in message.body))
    ):
        return ()
    return tuple(scan.time for scan in message.scans)
