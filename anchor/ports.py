"""What the anchor asks of others; the roof passes the real ones in.

The anchor and the auditor read the collector's store through these, and never import it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
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


class Batches(Protocol):
    """What the anchor tails."""

    def collectors(self) -> list[CollectorRow]:
        """Every collector of the store, in a stable order."""

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        """A collector's batches from number `first`, in order."""

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        """What a collector applied, from number `first`, in order."""


class Ledger(Batches, Protocol):
    """What `prove` and `audit` read beside."""

    def messages(self, collector: str, start: int = 0, stop: int | None = None) -> Iterator[MessageRow]:
        """Rows by position, start inclusive, stop exclusive; streamed."""

    def find(self, device: str, session: str, seq: int) -> MessageRow | None:
        """The row that claimed this number, or None."""

    def tile(self, collector: str, level: int, number: int) -> bytes | None:
        """The stored tile's hashes, as stored."""

    def claims(self) -> Iterator[tuple[str, str, int, str, int, bytes]]:
        """Rows of `claims`: device, session, seq, collector, position, body hash."""
