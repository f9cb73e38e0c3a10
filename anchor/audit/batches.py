"""One collector's batches against its certified key and the anchor log: where its tree ends.

Gives heads in order, each the best that is known: the anchored checkpoint, else the store's
own, signed by the collector's certified key. Everything else in a row of `batches` is
compared with that, and what the log and the store do not have in common is found.
"""

from collections.abc import Callable
from dataclasses import dataclass

from anchor.audit.findings import STORE, Kind
from anchor.audit.inquiry import Inquiry
from anchor.audit.keys import revoked_at
from anchor.collector_keys import CollectorKeys
from anchor.errors import AnchorError
from anchor.reading.log_index import AnchoredCheckpoint
from anchor.reading.row_record import shown
from anchor.tree_head import Checkpoint
from telemetry.rows import BatchRow

_AHEAD = 64


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a batch: its checkpoint, where that is anchored, entries that it counts on."""

    number: int
    start: int
    checkpoint: Checkpoint
    note: bytes
    anchored: int | None
    keys: int | None
    """None where the row does not say."""


class BatchTrail:
    """A collector's heads in order; `next` may be asked again when more was committed."""

    def __init__(
        self, inquiry: Inquiry, collector: str, signers: Callable[[], CollectorKeys | None]
    ) -> None:
        self._inquiry = inquiry
        self._collector = collector
        self._signers = signers
        self._keys = signers()
        self._signer = 0
        # What was opened last: an anchored checkpoint is the store's own, byte for byte.
        self._open: tuple[bytes, int, tuple[Checkpoint, int]] | None = None
        self._revoked = revoked_at(inquiry, collector)
        self._anchored = inquiry.index.batches(collector) if inquiry.index else iter(())
        self._waiting: AnchoredCheckpoint | None = None
        self._rows = inquiry.ledger.batches(collector, -(2**63))
        self._row: BatchRow | None = None
        self._number = 0
        self.size = 0
        """Where the last head ended."""

    def next(self) -> Head | None:
        """The next head; None when neither store nor log has more."""
        while True:
            row, anchored = self._take_row(), self._take_anchored()
            if row is None and anchored is None:
                if self._row is None:
                    return None
                self._skip_to(self._row.number)
                continue
            head = self._without_row(anchored) if row is None else self._head(row, anchored)
            self._number += 1
            if head is not None:
                self.size = head.checkpoint.size
                return head

    def _take_row(self) -> BatchRow | None:
        """The store's row of the number that is due, if it is there."""
        if self._row is None:
            self._row = self._peek()
        if self._row is None or self._row.number != self._number:
            return None
        row, self._row = self._row, None
        return row

    def _peek(self) -> BatchRow | None:
        for again in (False, True):
            if again:
                # The rows may have ended before the collector committed more.
                self._rows = self._inquiry.ledger.batches(self._collector, self._number)
            for row in self._rows:
                if type(row.number) is int and row.number >= self._number:
                    return row
                self._find("batch-altered", f"a row of batches has number {shown(row.number)}")
        return None

    def _take_anchored(self) -> AnchoredCheckpoint | None:
        """The log's next checkpoint of this collector that its key signed and that grows."""
        while self._waiting is None:
            anchored = next(self._anchored, None)
            if anchored is None:
                return None
            fault = self._fault(anchored)
            if fault is None:
                self._waiting = anchored
            else:
                detail = f"entry {anchored.index} of the anchor log {fault}"
                self._find("log-invalid", detail, self._inquiry.log_name)
        return self._waiting

    def _fault(self, anchored: AnchoredCheckpoint) -> str | None:
        found = self._opened(anchored.note)
        if found is None:
            return "is a checkpoint that its collector's certified key did not sign"
        if self._revoked is not None and anchored.index > self._revoked:
            return f"is a checkpoint of a collector whose key entry {self._revoked} had revoked"
        if self._certified_after(found[1], anchored.index):
            return "is a checkpoint by a key that its log certifies only after it"
        if anchored.checkpoint.size <= self.size:
            return f"ends at {anchored.checkpoint.size}, where the one before ended already"
        return None

    def _skip_to(self, number: int) -> None:
        last = number - 1
        what = (
            f"batch {last} is" if last == self._number else f"batches {self._number} to {last} are"
        )
        self._find("batch-missing", f"{what} not in the store, though batch {number} is")
        self._number = number

    def _without_row(self, anchored: AnchoredCheckpoint | None) -> Head:
        """A batch that the store lacks and the log still has."""
        assert anchored is not None
        self._waiting = None
        self._end_keys_before(anchored.note)
        first, last = self.size, anchored.checkpoint.size - 1
        detail = f"batch {self._number} (positions {first} to {last}) is anchored as entry "
        self._find("batch-missing", f"{detail}{anchored.index}, but not in the store")
        return Head(
            self._number, self.size, anchored.checkpoint, anchored.note, anchored.index, None
        )

    def _head(self, row: BatchRow, anchored: AnchoredCheckpoint | None) -> Head | None:
        own = self._signed(row.checkpoint)
        if anchored and row.checkpoint != anchored.note and self._skipped(row, own, anchored):
            what = f"batch {self._number} is not in the anchor log, though later ones are"
            self._find("log-invalid", what, self._inquiry.log_name)
            anchored = None
        if anchored:
            self._waiting = None
            self._compare(row, own, anchored)
        elif own is not None:
            self._check_revoked()
        else:
            what = "has a checkpoint that the collector's certified key did not sign"
            self._find("batch-altered", f"batch {self._number} {what}")
        known = anchored.checkpoint if anchored else own
        if known is None or not self._columns_hold(row, known):
            return None
        self._inquiry.audit.counts.batches += 1
        note = anchored.note if anchored else row.checkpoint
        self._end_keys_before(note)
        keys = row.keys if type(row.keys) is int else None
        place = anchored.index if anchored else None
        return Head(self._number, self.size, known, note, place, keys)

    def _check_revoked(self) -> None:
        """A batch that the log does not hold and, since the key's revocation, never will."""
        if self._revoked is not None:
            detail = (
                f"batch {self._number} is signed by a key that entry {self._revoked} of the anchor "
                "log revoked, and the log does not hold it before: anybody with the key may have "
                "made it"
            )
            self._find("key-invalid", detail, self._blamed_key())

    def _skipped(self, row: BatchRow, own: Checkpoint | None, anchored: AnchoredCheckpoint) -> bool:
        """Whether the log's next checkpoint is a later batch's: it left this one out."""
        if own is None or own.size >= anchored.checkpoint.size:
            return False
        for count, later in enumerate(
            self._inquiry.ledger.batches(self._collector, row.number + 1)
        ):
            if later.checkpoint == anchored.note:
                return True
            if count == _AHEAD:
                break
        return False

    def _compare(self, row: BatchRow, own: Checkpoint | None, anchored: AnchoredCheckpoint) -> None:
        if row.checkpoint == anchored.note:
            self._inquiry.audit.counts.anchored_batches += 1
            self._inquiry.audit.counts.anchored_messages += anchored.checkpoint.size - self.size
            return
        detail = f"batch {self._number} has another checkpoint than the one that is anchored"
        if own is None:
            self._find("batch-altered", detail)
        else:
            # Two signatures by one key over two histories.
            detail += ", and the collector's key signed both"
            signed = (anchored.note, row.checkpoint)
            self._find("batch-altered", detail, self._blamed_key(), signed=signed)

    def _columns_hold(self, row: BatchRow, known: Checkpoint) -> bool:
        """Compare the row with its checkpoint; False where that is no next head at all."""
        if known.size <= self.size:
            detail = f"batch {self._number} ends at {known.size}, the one before at {self.size}"
            self._find("batch-altered", detail)
            return False
        due = {"start": self.size, "size": known.size - self.size, "root": known.root}
        wrong = [
            f"{name} {shown(getattr(row, name))}"
            for name, value in due.items()
            if getattr(row, name) != value
        ]
        if type(row.keys) is not int or row.keys < 0:
            wrong.append(f"keys {shown(row.keys)}")
        if wrong:
            detail = f"batch {self._number} says {', '.join(wrong)}, its checkpoint does not"
            self._find("batch-altered", detail)
        return True

    def _signed(self, note: object) -> Checkpoint | None:
        found = self._opened(note)
        return found[0] if found else None

    def _opened(self, note: object) -> tuple[Checkpoint, int] | None:
        """What a checkpoint says, and which of the collector's keys signed it."""
        if type(note) is not bytes:
            return None
        if self._open is not None and self._open[:2] == (note, self._signer):
            return self._open[2]
        for again in (False, True):
            if again:
                # Its key may have been rotated since the keys were read.
                self._keys = self._signers()
            try:
                if self._keys is None:
                    return None
                found = self._keys.open(note, self._signer)
            except AnchorError:
                continue
            self._open = note, self._signer, found
            return found
        return None

    def _end_keys_before(self, note: bytes) -> None:
        """From a head on, no key counts that stands before the one which signed it."""
        if self._open is not None and self._open[:2] == (note, self._signer):
            self._signer = self._open[2][1]
            return
        signer = self._keys.signer(note) if self._keys else None
        self._signer = max(self._signer, signer or 0)

    def _certified_after(self, signer: int, place: int) -> bool:
        """Whether the log holds the entry of a key only behind what that key signed."""
        if self._keys is None or self._inquiry.index is None:
            return False
        found = self._inquiry.index.keys.get(self._keys.entries[signer])
        return found is not None and found > place

    def _blamed_key(self) -> str:
        return STORE if self._keys is None else self._keys.origin

    def _find(
        self,
        kind: Kind,
        detail: str,
        blame: str = STORE,
        *,
        signed: tuple[bytes, bytes] | None = None,
    ) -> None:
        self._inquiry.find(kind, detail, collector=self._collector, blame=blame, signed=signed)
