"""Which entries come next in the anchor log: from the collectors' batches and the requests.

Decides only; nothing is written here. A refused item stops its own collector and no other;
it is tried again each time, and reported once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from anchor.correction import is_correction
from anchor.errors import Malformed, Missing, Refused
from anchor.keeping.contents import Contents
from anchor.key_entry import is_log_rotation
from anchor.note import Note
from anchor.ports import Batches
from anchor.tree_head import Checkpoint
from telemetry.rows import BatchRow, CollectorRow


class Requests(Protocol):
    """The folder of key entries and corrections waiting to be appended."""

    def after(self, name: str) -> Sequence[tuple[str, bytes]]:
        """All whole entries whose file name sorts after `name`, in that order."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What may not come into the log, of whom, and why; `unread` where it could not be seen."""

    collector: str | None
    what: str
    reason: str
    unread: bool = False


@dataclass
class Tail:
    """Follows collectors and requests; `contents` is what the log holds already.

    After `next`, `contents` counts the proposed entries as appended: when appending them
    fails, build both anew from the log.
    """

    contents: Contents
    report: Callable[[Refusal], None]
    _reported: set[tuple[str | None, str, str]] = field(default_factory=set)
    _last: str = ""
    _waiting: dict[str, bytes] = field(default_factory=dict)
    _keys: dict[str, int] = field(default_factory=dict)

    def next(self, batches: Batches, requests: Requests, limit: int = 4096) -> list[bytes]:
        """The next entries in order, about `limit` at most; none when there is nothing new.

        Collectors first: what a collector committed before its key was revoked stands
        before the revocation. Then requests that no collector applied yet; they may
        certify a collector, so that its batches follow at once.
        """
        found = list[bytes]()
        refusals = self._collectors(batches, found, limit)
        if len(found) < limit:
            before = len(found)
            refusals_of_requests = self._requests(requests, found)
            if len(found) > before:
                refusals = self._collectors(batches, found, limit)
            refusals += refusals_of_requests
        for refusal in refusals:
            self._report_once(refusal)
        return found

    def _collectors(self, batches: Batches, found: list[bytes], limit: int) -> list[Refusal]:
        refusals = list[Refusal]()
        for row in batches.collectors():
            if len(found) >= limit:
                break
            refusal = self._collector(row, batches, found, limit)
            if refusal is not None:
                refusals.append(refusal)
        return refusals

    def _collector(
        self, row: CollectorRow, batches: Batches, found: list[bytes], limit: int
    ) -> Refusal | None:
        try:
            return self._batches(row, batches, found, limit)
        except Missing as error:
            # The others go on; what was found of this one stands.
            return Refusal(row.id, "its store", str(error), unread=True)

    def _batches(
        self, row: CollectorRow, batches: Batches, found: list[bytes], limit: int
    ) -> Refusal | None:
        for batch in batches.batches(row.id, self.contents.end(row.id).number):
            if len(found) >= limit:
                break
            what = f"batch {batch.number}"
            try:
                for entry in self._new_keys(batch, batches):
                    what = f"key entry {sha256(entry).hexdigest()} before batch {batch.number}"
                    self.contents.admit_key(entry)
                    found.append(entry)
                what = f"batch {batch.number}"
                self._admit_batch(row.id, batch)
                found.append(batch.checkpoint)
            except (Malformed, Refused) as error:
                return Refusal(row.id, what, str(error))
        return None

    def _new_keys(self, batch: BatchRow, batches: Batches) -> Iterator[bytes]:
        """The key entries that this batch had applied and the log does not hold yet."""
        first = self._keys.get(batch.collector, 0)
        if batch.keys <= first:
            return
        count = first
        for row in batches.key_entries(batch.collector, first):
            if row.number >= batch.keys:
                break
            if row.number != count:
                raise Refused(f"key entry {count} of collector {batch.collector} is not there")
            # The hash is computed, never taken from the row: an attacker may have written it.
            if sha256(row.entry).digest() not in self.contents.key_hashes:
                yield row.entry
            count += 1
        if count < batch.keys:
            raise Refused(
                f"batch {batch.number} had applied {batch.keys} key entries, {count} are there"
            )
        self._keys[batch.collector] = count

    def _admit_batch(self, collector: str, batch: BatchRow) -> None:
        end = self.contents.end(collector)
        if (batch.collector, batch.number) != (collector, end.number):
            raise Refused(f"batch {end.number} is not there; the next is {batch.number}")
        stated = Checkpoint.from_text(Note.from_bytes(batch.checkpoint).text)
        if (stated.size, stated.root) != (batch.start + batch.size, batch.root):
            raise Refused(
                f"the row says size {batch.start + batch.size} and root {batch.root.hex()}, its "
                f"checkpoint size {stated.size} and root {stated.root.hex()}"
            )
        self.contents.admit_checkpoint(collector, batch.checkpoint, start=batch.start)

    def _requests(self, requests: Requests, found: list[bytes]) -> list[Refusal]:
        for name, entry in requests.after(self._last):
            self._waiting[name] = entry
            self._last = name
        refusals = list[Refusal]()
        for name in sorted(self._waiting):
            entry = self._waiting[name]
            try:
                if not self._has(sha256(entry).digest()):
                    self._admit_request(entry)
                    found.append(entry)
                del self._waiting[name]
            except (Malformed, Refused) as error:
                refusals.append(Refusal(None, f"request {name}", str(error)))
        return refusals

    def _has(self, digest: bytes) -> bool:
        return digest in self.contents.key_hashes or digest in self.contents.corrections.known

    def _admit_request(self, entry: bytes) -> None:
        if is_correction(entry):
            self.contents.admit_correction(entry)
            return
        if is_log_rotation(entry):
            raise Refused("the log's key is rotated by `keys rotate log`, while no anchor runs")
        self.contents.admit_key(entry, contradicting=False)

    def _report_once(self, refusal: Refusal) -> None:
        key = (refusal.collector, refusal.what, refusal.reason)
        if key not in self._reported:
            self._reported.add(key)
            self.report(refusal)
