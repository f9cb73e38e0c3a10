"""Which receipts of outside ledgers go into a proof: for each ledger the earliest that counts.

They lie in the log's folder beside the checkpoints (`receipts/<hash>/<ledger>.<kind>`). One
that a pinned ledger's voucher refuses is passed over: `audit` finds it.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from anchor.errors import AnchorError
from anchor.ledgers.ledger import Voucher
from anchor.policy import Cosigned
from anchor.reading.kept_checkpoints import KeptCheckpoints
from anchor.reading.log_reader import LogReader
from anchor.reading.stored_receipts import StoredReceipts
from anchor.stamped import MAX_RECEIPTS, Receipt, StampedCheckpoint

_MOST = 64
"""So many checkpoints of ledgers that nobody pinned are looked at."""


@dataclass(slots=True)
class Stamps:
    """The receipts that a log kept, for as many proofs as are wanted."""

    reader: LogReader
    kept: KeptCheckpoints
    vouchers: Mapping[str, Voucher]
    receipts: StoredReceipts = field(init=False)

    def __post_init__(self) -> None:
        self.receipts = StoredReceipts(self.reader.source)

    def over(self, index: int, own: Cosigned) -> tuple[StampedCheckpoint, ...]:
        """For each ledger the earliest stamped checkpoint that contains entry `index`.

        `own` is the checkpoint that the proof has anyway.
        """
        found = list[StampedCheckpoint]()
        missing, seen = set(self.vouchers), set[str]()
        for cosigned in self._stamped_after(index, seen):
            receipts = tuple(
                one
                for one in self.receipts.of(cosigned.hash)
                if one.ledger not in seen and self._holds(one, cosigned)
            )
            receipts = receipts[: MAX_RECEIPTS - len(seen)]
            if receipts:
                seen |= {one.ledger for one in receipts}
                missing -= seen
                found.append(self._stamped(index, own, cosigned, receipts))
            if self.vouchers and not missing:
                break
        return tuple(found)

    def _stamped_after(self, index: int, seen: AbstractSet[str]) -> Iterator[Cosigned]:
        """Those that hold a receipt of a ledger that is not seen yet; no other is opened."""
        hashes, looked = self.receipts.hashes, 0

        def wanted(digest: str) -> bool:
            nonlocal looked
            if digest not in hashes or (not self.vouchers and looked >= _MOST):
                return False
            looked += 1
            new = self.receipts.ledgers(digest) - seen
            return bool(new & self.vouchers.keys() or (new and looked <= _MOST))

        if hashes:
            yield from self.kept.after(index, wanted)

    def _holds(self, receipt: Receipt, of: Cosigned) -> bool:
        voucher = self.vouchers.get(receipt.ledger)
        if voucher is None:
            return True
        try:
            return voucher.kind == receipt.kind and bool(voucher.check(of.bytes, receipt.data))
        except AnchorError:
            return False

    def _stamped(
        self, index: int, own: Cosigned, of: Cosigned, receipts: tuple[Receipt, ...]
    ) -> StampedCheckpoint:
        if of.bytes == own.bytes:
            return StampedCheckpoint(None, (), receipts)
        path = self.reader.inclusion(index, of.checkpoint.size)
        return StampedCheckpoint(of.bytes, path, receipts)
