"""Rows of the store, as the collector writes them and the anchor and the auditor read them.

Plain values without behaviour; every column as stored, unchecked: an attacker may have
written it (docs/formats.md, Store).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectorRow:
    """A collector that the store knows: id, origin of its log, its vkey."""

    id: str
    origin: str
    vkey: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of `batches`; `root` 32 bytes, `checkpoint` the signed note, `keys` entries applied."""

    collector: str
    number: int
    start: int
    size: int
    root: bytes
    checkpoint: bytes
    keys: int


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key entry that a collector applied, `number` from 0."""

    collector: str
    number: int
    hash: bytes
    entry: bytes


# Not frozen: who reads a store makes one for each row, and that takes a fifth of the time so.
@dataclass(slots=True)
class MessageRow:
    """A row of `messages`, every column as stored, unchecked: an attacker may have written it."""

    collector: str
    position: int
    received_at: int
    original_at: int | None
    topic: str
    payload: bytes | None
    properties: str | None
    device: str | None
    session: str | None
    seq: int | None
    time: int | None
    status: str
    key: str | None
    keys: int
    entry: bytes | None
    payload_hash: bytes
    body_hash: bytes | None


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """A row of `decoded`: one reading of a message, every column as stored."""

    collector: str
    position: int
    number: int
    device: str | None
    time: int
    metric: str
    value: float
