"""The receipts of outside ledgers inside a proof, checked by what the verifier pinned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from anchor.errors import Refused
from anchor.ledgers.ledger import Stamp, Voucher
from anchor.merkle import check_inclusion, leaf_hash
from anchor.policy import Cosigned, Policy
from anchor.proving.hops import hop, microseconds
from anchor.stamped import Receipt, StampedCheckpoint
from anchor.time_bounds import Bound
from anchor.verified import Vouching


@dataclass(frozen=True, slots=True)
class Outside:
    """What ledgers vouch for: checkpoints that contain the entry, stamps of those.

    `containing` holds the proof's own checkpoint first; `unpinned` are ledgers whose receipts
    nobody here can check.
    """

    containing: tuple[Cosigned, ...]
    stamps: tuple[Stamp, ...]
    unpinned: tuple[str, ...]

    def open(self) -> Iterator[str]:
        """What they leave open, a sentence each."""
        for stamp in self.stamps:
            for gap in stamp.not_shown:
                yield f"by ledger {stamp.ledger}: {gap.rstrip('.')}."
        for ledger in self.unpinned:
            yield f"what the receipt of ledger {ledger} shows; no such ledger is pinned here."


def read_outside(  # noqa: PLR0913 - what a receipt is held against, each by name
    stamped: Sequence[StampedCheckpoint],
    *,
    entry: bytes,
    index: int,
    anchored: Cosigned,
    policy: Policy,
    vouchers: Mapping[str, Voucher],
) -> Outside:
    """Check every stamped checkpoint of a proof, and each receipt of a pinned ledger.

    `entry` is what stands at `index` of the anchor log, and must be in each tree. Refused, by
    the hop, where one does not hold.
    """
    containing, stamps, unpinned = [anchored], list[Stamp](), list[str]()
    for one in stamped:
        cosigned = anchored
        if one.checkpoint is not None:
            with hop("A stamped checkpoint", f"log key {policy.log.name} or a witness"):
                cosigned = policy.read(one.checkpoint)
                _check_contains(cosigned, entry, index, one.path)
            containing.append(cosigned)
        for receipt in one.receipts:
            with hop(f"The receipt of ledger {receipt.ledger}", f"ledger {receipt.ledger}"):
                stamp = _stamp(receipt, cosigned, vouchers)
            if stamp is None:
                unpinned.append(receipt.ledger)
            else:
                stamps.append(stamp)
    return Outside(tuple(containing), tuple(stamps), tuple(dict.fromkeys(unpinned)))


def vouching(bound: Bound | None) -> Vouching:
    """Who vouches for a bound; nobody where there is none."""
    return Vouching() if bound is None else Vouching(bound.witnesses, bound.ledgers)


def _check_contains(cosigned: Cosigned, entry: bytes, index: int, path: tuple[bytes, ...]) -> None:
    checkpoint = cosigned.checkpoint
    check_inclusion(
        leaf=leaf_hash(entry), index=index, size=checkpoint.size, path=path, root=checkpoint.root
    )


def _stamp(receipt: Receipt, of: Cosigned, vouchers: Mapping[str, Voucher]) -> Stamp | None:
    voucher = vouchers.get(receipt.ledger)
    if voucher is None:
        return None
    if voucher.kind != receipt.kind:
        raise Refused(f"pinned as {voucher.kind}, but the receipt is of kind {receipt.kind}")
    stamp = voucher.check(of.bytes, receipt.data)
    if stamp.lacking is None:
        microseconds(stamp.time)
    return stamp
