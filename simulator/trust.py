"""What a fleet has learnt from the ledger's retained topics: collectors' keys, a checkpoint.

Shared by all machines of a process, so that what comes to each of them is checked once.
Nothing unchecked gets past it; the checks themselves are the anchor's, passed in.
"""

import hashlib
from collections import OrderedDict
from typing import Final

from simulator.ports import CheckpointChecker, ReceiptChecker
from telemetry.message import Cited
from telemetry.receipt import ReceiptLeaf

_REMEMBERED: Final = 1024


class Trust:
    """Checks receipts, and knows the newest checkpoint that a message may cite."""

    def __init__(self, receipts: ReceiptChecker, checkpoints: CheckpointChecker) -> None:
        self._receipts = receipts
        self._checkpoints = checkpoints
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self.cited: Cited | None = None
        self.refused = 0

    def take_checkpoint(self, note: bytes) -> None:
        """Take a checkpoint from the wire: cited from now on, if it holds and is larger."""
        if self._is_new(note):
            try:
                cited = self._checkpoints.check(note)
            except ValueError:
                self.refused += 1
                return
            # Never back: a replayed retained message must not age what machines cite.
            if self.cited is None or cited.size > self.cited.size:
                self.cited = cited

    def take_collector(self, entry: bytes) -> None:
        """Take a collector's key entry from the wire, if it holds."""
        if entry and self._is_new(entry):
            try:
                self._receipts.admit(entry)
            except ValueError:
                self.refused += 1

    def check(self, payload: bytes) -> ReceiptLeaf | None:
        """The leaf of a receipt that holds, else None."""
        try:
            return self._receipts.check(payload)
        except ValueError:
            self.refused += 1
            return None

    def _is_new(self, payload: bytes) -> bool:
        digest = hashlib.sha256(payload).digest()  # not the payload: a forger would fill us
        if digest in self._seen:
            return False
        self._seen[digest] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True
