"""The receipts of outside ledgers beside a log's checkpoints, as files; none is checked here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from anchor.errors import AnchorError
from anchor.reading.log_source import LogSource
from anchor.stamped import Receipt, named

FOLDER = "receipts"
MAX_RECEIPT = 1 << 20
_HEX = 64


@dataclass
class StoredReceipts:
    """The receipts that a folder holds; none where nothing can be listed."""

    source: LogSource

    @cached_property
    def hashes(self) -> frozenset[str]:
        """The checkpoints that have some: SHA-256 of the note, in hexadecimal."""
        return frozenset(name for name in self.source.names(FOLDER) if len(name) == _HEX)

    def ledgers(self, digest: str) -> frozenset[str]:
        """Whose receipts one checkpoint has, by their files' names."""
        known = map(named, self.source.names(f"{FOLDER}/{digest}"))
        return frozenset(one[0] for one in known if one is not None)

    def of(self, digest: bytes) -> Iterator[Receipt]:
        """The receipts of one checkpoint, by name; what cannot be read is left out."""
        for name in self.source.names(f"{FOLDER}/{digest.hex()}"):
            known = named(name)
            if known is None:
                continue
            try:
                path = f"{FOLDER}/{digest.hex()}/{name}"
                yield Receipt(*known, self.source.read(path, MAX_RECEIPT))
            except AnchorError:
                continue
