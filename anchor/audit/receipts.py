"""The receipts of outside ledgers against the log: each holds, and is of the log as it is.

Those beside the log's checkpoints, and those that somebody else kept: a log that was written
anew with every key of the factory still contradicts what a ledger saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from anchor.audit.findings import STORE, Audit, Finding
from anchor.audit.remarks import Reach
from anchor.errors import AnchorError, Malformed, Refused
from anchor.ledgers.ledger import Stamp, Voucher
from anchor.policy import Cosigned, Policy
from anchor.reading.log_audit import check_earlier
from anchor.reading.log_reader import LogReader, LogView
from anchor.reading.log_source import LogSource
from anchor.reading.stored_receipts import FOLDER, StoredReceipts
from anchor.stamped import Receipt
from anchor.tree_head import Checkpoint
from telemetry.canonical import plain, time_text

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt that somebody kept, the checkpoint's note that it is over, where it was."""

    place: str
    note: bytes | None
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Seen:
    """A head of this log that a ledger holds itself, as it was asked: no receipt is needed."""

    place: str
    head: Checkpoint


@dataclass(frozen=True, slots=True)
class Outside:
    """The outside ledgers that an audit pins, by name, and receipts kept elsewhere.

    `seen` is what ledgers hold themselves, by the word of whom the audit may ask. `tolerance`
    (seconds) is how far a machine's clock may be off without a word.
    """

    vouchers: Mapping[str, Voucher] = field(default_factory=dict)
    elsewhere: Sequence[KeptReceipt] = ()
    seen: Sequence[Seen] = ()
    tolerance: int = 60


@dataclass(frozen=True, slots=True)
class Stamped:
    """A checkpoint of this very log and what a ledger says of it."""

    cosigned: Cosigned
    stamp: Stamp


def check_receipts(
    log: LogReader | None,
    view: LogView | None,
    outside: Outside,
    policy: Policy,
    audit: Audit,
) -> list[Stamped]:
    """Check all receipts there are; gives the stamps that hold, of this log, with their time."""
    if log is None:
        return []
    check = _Check(log, view, outside, policy, audit)
    for kept in _beside(log.source):
        check.one(kept, own=True)
    for kept in outside.elsewhere:
        check.one(kept, own=False)
    for seen in outside.seen:
        check.seen(seen)
    audit.ledgers += [check.reaches[name] for name in sorted(check.reaches)]
    for name in sorted(check.unpinned):
        audit.notes.append(f"receipts of ledger {name} are not checked: it is not pinned here")
    return check.stamped


def kept_in(source: LogSource, name: str) -> Iterator[KeptReceipt]:
    """The receipts in a copy of a log's folder: `receipts` and `checkpoints`."""
    stored = StoredReceipts(source)
    for digest in sorted(stored.hashes):
        try:
            hash_ = bytes.fromhex(digest)
        except ValueError:
            continue
        note = source.published(hash_)
        if note is not None and sha256(note).digest() != hash_:
            note = None
        for receipt in stored.of(hash_):
            file = f"{FOLDER}/{digest}/{receipt.ledger}.{receipt.kind}"
            yield KeptReceipt(f"{name}{file}", note, receipt)


def _beside(source: LogSource) -> Iterator[KeptReceipt]:
    return kept_in(source, "")


@dataclass(slots=True)
class _Check:
    log: LogReader
    view: LogView | None
    outside: Outside
    policy: Policy
    audit: Audit
    reaches: dict[str, Reach] = field(default_factory=dict)
    unpinned: set[str] = field(default_factory=set)
    stamped: list[Stamped] = field(default_factory=list)

    def one(self, kept: KeptReceipt, *, own: bool) -> None:
        receipt = kept.receipt
        voucher = self.outside.vouchers.get(receipt.ledger)
        if voucher is None:
            self.unpinned.add(receipt.ledger)
            return
        if kept.note is None:
            self._find_false(kept, "the checkpoint that it is over is not there")
            return
        try:
            if voucher.kind != receipt.kind:
                raise Refused(f"ledger {receipt.ledger} is pinned as {voucher.kind}")  # noqa: TRY301
            stamp = voucher.check(kept.note, receipt.data)
        except (Malformed, Refused) as error:
            self._find_false(kept, str(error))
            return
        if self._is_of_this_log(kept.place, kept.note, stamp, own=own):
            self._count(Stamped(self.policy.read(kept.note), stamp))

    def seen(self, seen: Seen) -> None:
        """A head that a ledger holds: whoever signed it, this log must begin so."""
        if self.view is None:
            detail = f"{seen.place} holds size {seen.head.size}, the log shows no checkpoint now"
            self.audit.add(Finding("log-truncated", detail, self.log.key.name))
        elif (found := check_earlier(self.view, seen.head, seen.place)) is not None:
            self.audit.add(Finding(found.kind, found.detail, self.log.key.name))

    def _is_of_this_log(self, place: str, note: bytes, stamp: Stamp, *, own: bool) -> bool:
        try:
            earlier = self.log.open(note)
            self.policy.read(note)
        except AnchorError as error:
            # Beside the log a checkpoint that it did not sign is a finding already.
            if not own:
                self.audit.notes.append(f"{place} is of another log: {error}")
            return False
        saw = plain(stamp.voucher)
        if stamp.lacking is None:
            saw = f"{saw} saw it by {time_text(stamp.time * _SECOND)}"
        where = f"{place}: {saw}"
        if self.view is None:
            detail = f"the log signed size {earlier.size} ({where}) and shows no checkpoint now"
            self.audit.add(Finding("log-truncated", detail, self.log.key.name))
            return False
        found = check_earlier(self.view, earlier, where)
        if found is None:
            return True
        if not own:
            self.audit.add(Finding(found.kind, found.detail, self.log.key.name))
        return False

    def _count(self, stamped: Stamped) -> None:
        stamp, size = stamped.stamp, stamped.cosigned.checkpoint.size
        reach = self.reaches.setdefault(stamp.ledger, Reach(stamp.ledger))
        reach.receipts += 1
        if stamp.lacking is not None:
            reach.lacking += 1
            return
        reach.size = max(reach.size, size)
        reach.newest = max(reach.newest or 0, stamp.time)
        self.stamped.append(stamped)

    def _find_false(self, kept: KeptReceipt, reason: str) -> None:
        detail = f"{kept.place} does not hold: {' '.join(reason.split())}"
        self.audit.add(Finding("receipt-false", detail, STORE))
