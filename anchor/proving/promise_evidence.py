"""What shows that a receipt's promise was kept or broken: proof files, or store and anchor log.

Nothing counts that does not lead to the pinned log's key: rows of the store only with their
place in a checkpoint that the anchor log holds, proofs only once they verify.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anchor.errors import AnchorError, Malformed, Missing, Refused
from anchor.merkle import leaf_hash
from anchor.note import Note
from anchor.policy import Policy
from anchor.ports import Ledger, store_of
from anchor.proof_file import ProofFile
from anchor.proving.promise import Newest, Shown, Verdict, count, decide
from anchor.proving.prove import ProvingLog
from anchor.proving.verify import verify
from anchor.reading.log_index import AnchoredCheckpoint
from anchor.reading.row_record import record_of
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.receipts import ReceiptHead, ReceiptVerifier
from telemetry.receipt import Receipt, ReceiptLeaf
from telemetry.record import Record
from telemetry.rows import MessageRow

_SECOND = 1_000_000
_MOST = 1_000_000
"""Messages of one receipt that are looked up; a collector's own have 4,096 at most."""


@dataclass(slots=True)
class PromiseVerifier:
    """Checks receipts under a policy, by whatever evidence is there."""

    policy: Policy
    log: ProvingLog | None = None
    ledger: Ledger | None = None
    proofs: Sequence[ProofFile] = ()

    @classmethod
    def verified_proofs(cls, files: Iterable[bytes], policy: Policy) -> list[ProofFile]:
        """Read proof files; Refused for one that does not hold."""
        found = []
        for data in files:
            verify(data, policy)
            found.append(ProofFile.from_bytes(data))
        return found

    def judge(self, payload: bytes, *, now: int) -> Verdict:
        """Check a receipt and what became of it; `now` in microseconds.

        Refused or Malformed where it is no receipt by a collector that the operator certified,
        Missing where nothing at hand says whose key that is.
        """
        if self.policy.operator is None:
            raise Malformed("the policy names no operator: a line `# factoryledger-operator`")
        # A key that has ended since still counts: what it signed before is a promise all the same.
        verifier = ReceiptVerifier(self.policy.operator, self.policy.log.name, ended=True)
        entries = self._collectors()
        if not entries:
            raise Missing("no key entry of a collector is at hand: give --log, or a proof file")
        for entry in entries:
            with suppress(AnchorError):  # a false entry certifies nobody; the log's audit names it
                verifier.admit(entry)
        leaf = verifier.check(payload)
        if count(leaf) > _MOST:
            raise Refused(f"it covers more than {_MOST} messages: no collector gives such a one")
        state, reason = decide(
            leaf,
            self._shown(leaf),
            self._newest(leaf),
            now=now,
            stores=self.ledger is not None,
        )
        return Verdict(leaf, _signer(payload), state, reason)

    def _collectors(self) -> list[bytes]:
        """What certifies collectors: the operator's signature makes it good wherever it lies.

        Revocations do not matter: else an operator could revoke a receipt by revoking its key.
        """
        found = [proof.keys[0].entry for proof in self.proofs if proof.keys]
        if self.log is not None:
            index = self.log.scanned
            places = (place for name in index.enrolled for place in index.certified(name))
            found += [index.view.entry(place) for place in places]
        return list(dict.fromkeys(found))

    def _newest(self, leaf: ReceiptLeaf) -> Newest | None:
        if self.log is None:
            return None
        cosigned = self.policy.open(self.log.reader.head[0])
        last = self._checkpoints(leaf.collector)[-1:]
        records = last[0].checkpoint.size if last else 0
        return Newest(_us(self.policy.not_before(cosigned)), records)

    def _checkpoints(self, collector: str) -> list[AnchoredCheckpoint]:
        return [] if self.log is None else list(self.log.scanned.batches(collector))

    def _shown(self, leaf: ReceiptLeaf) -> Shown | None:
        by_proofs = self._by_proofs(leaf)
        if by_proofs is not None:
            return by_proofs
        if self.ledger is None or self.log is None:
            return None
        # Another collector's store says nothing of this one's messages.
        known = {collector.id for collector in self.ledger.collectors()}
        return self._by_store(leaf) if leaf.collector in known else None

    def _by_proofs(self, leaf: ReceiptLeaf) -> Shown | None:
        """The messages by proof files; None unless those show every one of them."""
        bodies, times = dict[int, bytes](), list[int | None]()
        for proof in self.proofs:
            record = Record.from_bytes(proof.record)
            collector = proof.message_proof.checkpoint.partition(b"\n")[0].decode().split("/")[-1]
            said = (collector, record.device, record.session)
            if said != (leaf.collector, leaf.device, leaf.session) or record.status != "accepted":
                continue
            assert record.seq is not None
            bodies[record.seq] = record.body or b""
            opened = self.policy.open(proof.checkpoint_proof.checkpoint)
            times.append(_us(self.policy.not_after(opened)))
        if any(seq not in bodies for one in leaf.ranges for seq in range(one[0], one[1] + 1)):
            return None
        known = [time for time in times if time is not None]
        by = max(known) if len(known) == len(times) else None
        return Shown(bodies, anchored=True, by=by, absent=None, where="the proofs given")

    def _by_store(self, leaf: ReceiptLeaf) -> Shown:
        assert self.ledger is not None
        rows, store = dict[int, MessageRow](), store_of(self.ledger, leaf.collector)
        for first, last in leaf.ranges:
            for seq in range(first, last + 1):
                row = store.find(leaf.device, leaf.session, seq)
                if row is not None and row.collector == leaf.collector and row.body_hash:
                    rows[seq] = row
        anchored = self._containing(leaf.collector, list(rows.values()))
        bodies = {seq: row.body_hash for seq, row in rows.items() if row.body_hash}
        where = f"the store of collector {leaf.collector}"
        if anchored is None:
            return Shown(bodies, anchored=False, by=None, absent=None, where=where)
        assert self.log is not None
        earliest = self.log.kept.earliest(anchored.index)
        absent = self._lacking(anchored.index)
        by = _us(self.policy.not_after(earliest))
        return Shown(bodies, anchored=True, by=by, absent=absent, where=where)

    def _containing(self, collector: str, rows: Sequence[MessageRow]) -> AnchoredCheckpoint | None:
        """The anchored checkpoint that first contains all of these rows, each as it is there."""
        assert self.log is not None
        assert self.ledger is not None
        if not rows:
            return None
        try:
            found = self.log.index.containing(collector, max(row.position for row in rows))
        except Missing:
            return None
        view = TileView(StoredTiles(self.ledger, collector), found.checkpoint)
        for row in rows:
            try:
                same = view.leaf(row.position) == leaf_hash(record_of(row))
            except AnchorError as error:
                raise Refused(f"the store was tampered with: {error}") from error
            if not same:
                raise Refused(
                    f"message {collector}:{row.position} of the store is not what was anchored: "
                    "run `audit`"
                )
        return found

    def _lacking(self, index: int) -> int | None:
        """The latest time at which witnesses cosigned a log without entry `index`."""
        assert self.log is not None
        seen = (self.policy.not_before(one) for one in self.log.kept.without(index))
        return max((time * _SECOND for time in seen if time is not None), default=None)


def _signer(payload: bytes) -> str:
    note = Note.from_bytes(Receipt.from_bytes(payload).note)
    return ReceiptHead.from_text(note.text).origin


def _us(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * _SECOND
