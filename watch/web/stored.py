"""What the API says of store, log and keys: JSON as it is written and as the document has it.

Times are text (RFC 3339, UTC, microseconds). Pure.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Time = Annotated[str, Meta(examples=["2026-11-23T08:00:00.000000Z"])]
Count = Annotated[int, Meta(ge=0)]


class Gap(Struct, frozen=True):
    """Numbers of a session that the store lacks, first to last inclusive."""

    device: str
    session: str
    first: Count
    last: Count


class Rates(Struct, frozen=True):
    """Over the last seconds."""

    messages_per_second: float


class Pipeline(Struct, frozen=True):
    """The collector's own numbers: received = stored + duplicates + refused + in flight."""

    received: int
    stored: int
    duplicates: int
    refused: int
    in_flight: int
    anchored: int | None
    batches: int
    statuses: dict[str, int]
    conserved: bool
    waiting_for_anchor: int | None
    cosigned_size: int | None
    rates: Rates


class Cosignature(Struct, frozen=True):
    """A witness's word on the newest checkpoint."""

    witness: str
    time: Time


class Outside(Struct, frozen=True):
    """How far an outside ledger is: the largest size stamped, the latest time it states."""

    ledger: str
    size: Count
    time: Time | None
    state: str


class Entry(Struct, frozen=True, omit_defaults=True):
    """An entry of the anchor log."""

    index: Count
    kind: Literal["checkpoint", "key", "correction"]
    text: str
    collector: str | None = None
    size: int | None = None


class Quorum(Struct, frozen=True):
    """Which witnesses the policy wants, and whether the checkpoint has them."""

    rule: str
    met: bool


class Log(Struct, frozen=True):
    """The anchor log at its newest checkpoint, and its newest entries."""

    origin: str
    size: Count
    root: str
    published_at: Time | None
    checkpoint: str
    cosignatures: list[Cosignature]
    quorum: Quorum
    outside: list[Outside]
    entries: list[Entry]


class Device(Struct, frozen=True):
    """A key of a device or collector as the log brings it; `entry` is the index there.

    `signed_by_gateway` names who holds it on behalf of a device that cannot sign.
    """

    device: str
    kind: str
    key: str
    since: Time
    until: Time | None
    state: Literal["active", "revoked", "retired", "next"]
    entry: Count
    signed_by_gateway: str | None = None


class Devices(Struct, frozen=True):
    """All keys that the log brings, in its order."""

    devices: list[Device]


class Correction(Struct, frozen=True):
    """The operator's word on a stored message, as the log has it; the message stays as it is.

    `metric` to `unit` are of a correction alone; numbers are as they were written.
    """

    hash: str
    index: Count
    kind: Literal["correction", "annotation", "withdrawal"]
    by: str
    meaning: str
    reason: str
    time: Time
    metric: str | None
    scan: Time | None
    original: str | None
    value: str | None
    unit: str | None
    supersedes: str | None
    superseded_by: str | None


class CorrectedMessage(Struct, frozen=True):
    """A correction and the message that it is of; null where its record names no machine."""

    collector: str
    position: int
    device: str | None
    session: str | None
    seq: int | None
    correction: Correction


class Corrections(Struct, frozen=True):
    """The newest corrections first, at most 1,000."""

    corrections: list[CorrectedMessage]


class Reading(Struct, frozen=True):
    """A stored reading, the message that holds it, what the operator corrected it to."""

    collector: str
    position: int
    device: str
    session: str | None
    seq: int | None
    time: Time
    received_at: Time
    metric: str
    value: float
    status: str
    corrections: list[Correction]


class Readings(Struct, frozen=True):
    """Readings in order of time; `next` goes on where this ends, null at the end."""

    readings: list[Reading]
    next: str | None


class Message(Struct, frozen=True):
    """A stored message without its payload; hashes are SHA-256 in hexadecimal.

    `corrections` are what the operator said of it since.
    """

    collector: str
    position: int
    received_at: Time
    topic: str
    size: int | None
    device: str | None
    session: str | None
    seq: int | None
    time: Time | None
    status: str
    key: str | None
    payload_hash: str
    body_hash: str | None
    corrections: list[Correction]


class Messages(Struct, frozen=True):
    """Messages, the newest first; `next` goes on where this ends, null at the end."""

    messages: list[Message]
    next: str | None
