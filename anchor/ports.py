"""What the anchor asks of others; the roof passes the real ones in.

The anchor and the auditor read the collector's store through these, and never import it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from telemetry.rows import BatchRow, CollectorRow, DecodedRow, KeyRow, MessageRow


class Batches(Protocol):
    """What the anchor tails; Missing where a collector's store cannot be read now."""

    def collectors(self) -> list[CollectorRow]:
        """Every collector of the store, in a stable order."""

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        """A collector's batches from number `first`, in order."""

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        """What a collector applied, from number `first`, in order."""


class Ledger(Batches, Protocol):
    """What `prove` and `audit` read beside."""

    def messages(
        self, collector: str, start: int = 0, stop: int | None = None
    ) -> Iterator[MessageRow]:
        """Rows by position, start inclusive, stop exclusive; streamed."""

    def find(self, device: str, session: str, seq: int) -> MessageRow | None:
        """The row that claimed this number, or None."""

    def tile(self, collector: str, level: int, number: int) -> bytes | None:
        """The stored tile's hashes, as stored."""

    def claims(self) -> Iterator[tuple[str, str, int, str, int, bytes]]:
        """Rows of `claims`: device, session, seq, collector, position, body hash."""


class Ranged(Ledger, Protocol):
    """What `prove` asks for a time."""

    def between(self, device: str, start: int, stop: int) -> Iterator[MessageRow]:
        """A machine's accepted messages made in that time, start inclusive, stop exclusive."""


@runtime_checkable
class Several(Protocol):
    """Several stores, of collectors under one anchor, read as one ledger.

    A number may be accepted in more than one of them; `find` gives one of those rows.
    """

    @property
    def stores(self) -> "Sequence[Ledger]":
        """Each of them."""

    def holding(self, collector: str) -> "Ledger":
        """The store that knows this collector; any of them where none does."""


def stores_of(ledger: Ledger) -> "Sequence[Ledger]":
    """Each store of a ledger."""
    return ledger.stores if isinstance(ledger, Several) else [ledger]


def store_of(ledger: Ledger, collector: str) -> Ledger:
    """The store that knows this collector."""
    return ledger.holding(collector) if isinstance(ledger, Several) else ledger


@runtime_checkable
class Paged(Protocol):
    """What `audit` asks of a ledger whose rows it may read in any process, and many at once."""

    def message_pages(
        self, collector: str, start: int, stop: int | None = None
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Rows by position as plain columns, in the order of `MessageRow`; page by page."""

    def count(self, collector: str, stop: int | None = None) -> int:
        """How many messages of this collector there are; with `stop`, at 0 up to that position."""


@runtime_checkable
class Census(Protocol):
    """What `audit` asks of a ledger that can tell: who has rows without being known."""

    def strangers(self) -> Iterator[object]:
        """Values of `collector` in messages and batches that `collectors` lacks."""


@runtime_checkable
class SelfChecking(Protocol):
    """What `audit` asks of a ledger whose database can tell whether its indexes fit its rows."""

    def disagreements(self) -> Iterator[str]:
        """What the database says of rows and indexes that do not fit, a sentence each."""


@runtime_checkable
class Undisguised(Protocol):
    """What `audit` asks of a ledger whose database can tell whether its tables are tables."""

    def disguises(self) -> Sequence[tuple[str, bool]]:
        """What of the schema is none of a store's, a sentence each, and whether it hides rows."""


@runtime_checkable
class Decoded(Protocol):
    """What `audit` asks of a ledger that decodes Sparkplug."""

    def decoded(self, collector: str, stop: int, start: int = 0) -> Iterator[DecodedRow]:
        """A collector's decoded readings below position `stop`, by position and number."""

    def decoded_until(self, collector: str) -> int:
        """Below which position a collector's messages are decoded."""

    def redecoded_until(self, device: str, session: str) -> Mapping[int, int]:
        """A session's late births, by number; below which number each was heeded."""
