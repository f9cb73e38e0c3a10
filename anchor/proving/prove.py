"""One stored message to one proof file; refuses what it could not verify itself.

The file holds both hops (message in the collector's log, its checkpoint in the anchor log),
the key entries that they rest on, and the checkpoint that the message cites.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Self, TypeVar

from anchor.errors import AnchorError, Malformed, Missing, Refused
from anchor.key_entry import OperatorAuthority
from anchor.ledgers.ledger import Voucher
from anchor.merkle import leaf_hash
from anchor.note import ED25519, Note, VerifierKey
from anchor.policy import Cosigned, Policy
from anchor.ports import Batches, Ledger
from anchor.proof_file import IncludedCorrections, IncludedEntry, ProofFile
from anchor.proving.corrections import Proved, corrections_for
from anchor.proving.stamps import Stamps
from anchor.proving.verify import verify
from anchor.reading.hinted_log import HintedLog, Hints
from anchor.reading.kept_checkpoints import KeptCheckpoints
from anchor.reading.log_index import AnchoredCheckpoint, LogIndex
from anchor.reading.log_reader import LogReader
from anchor.reading.row_record import named_message, payload_fault, record_of, row_name
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.tlog_proof import TlogProof
from telemetry.keyring import KeyStatement
from telemetry.rows import MessageRow

Proof = TypeVar("Proof")


@dataclass(slots=True)
class ProvingLog:
    """The anchor log as `prove` needs it: scanned once, for as many proofs as are wanted.

    Or, by hints, not at all; what they name is checked like everything else.
    """

    reader: LogReader
    policy: Policy
    index: LogIndex | HintedLog
    hints: Hints | None = None
    vouchers: Mapping[str, Voucher] = field(default_factory=dict)
    """The outside ledgers that are pinned."""
    kept: KeptCheckpoints = field(init=False)
    stamps: Stamps = field(init=False)

    def __post_init__(self) -> None:
        self.kept = KeptCheckpoints(self.reader, self.policy, self.hints)
        self.stamps = Stamps(self.reader, self.kept, self.vouchers)

    @property
    def scanned(self) -> LogIndex:
        """Where all of the log's entries stand; read now where hints took its place so far."""
        if not isinstance(self.index, LogIndex):
            self.index = LogIndex.scan(self.index.view)
        return self.index

    @classmethod
    def scan(
        cls,
        reader: LogReader,
        policy: Policy,
        vouchers: Mapping[str, Voucher] = MappingProxyType({}),
    ) -> Self:
        """Read the log; Missing, Malformed or Refused where it does not hold."""
        return cls(reader, policy, LogIndex.scan(reader.view), None, vouchers)

    @classmethod
    def hinted(
        cls,
        reader: LogReader,
        policy: Policy,
        hints: Hints,
        store: Batches,
        vouchers: Mapping[str, Voucher] = MappingProxyType({}),
    ) -> Self:
        """Read of the log what hints and the store's key entries lead to."""
        return cls(reader, policy, HintedLog(reader.view, hints, store), hints, vouchers)


def with_log(  # noqa: PLR0913 - what it reads, each by name
    build: Callable[[ProvingLog], Proof],
    *,
    log: LogReader,
    policy: Policy,
    hints: Hints | None,
    store: Batches,
    vouchers: Mapping[str, Voucher] = MappingProxyType({}),
) -> Proof:
    """Build a proof by hints; where they lead to none, by a scan, whose word is the last."""
    if hints is not None:
        with suppress(AnchorError):
            return build(ProvingLog.hinted(log, policy, hints, store, vouchers))
    return build(ProvingLog.scan(log, policy, vouchers))


def prove(  # noqa: PLR0913 - what it reads, each by name
    *,
    ledger: Ledger,
    log: LogReader,
    policy: Policy,
    row: MessageRow,
    proving: ProvingLog | None = None,
    hints: Hints | None = None,
    vouchers: Mapping[str, Voucher] = MappingProxyType({}),
) -> ProofFile:
    """Build the proof of a row, and verify it before it is given out.

    Missing when the row is not anchored yet; Refused when the row is not what was anchored,
    or the log does not hold. `proving` saves the scan of the log from one call to the next,
    `hints` save it altogether. Receipts of outside ledgers go with it, `vouchers` (by name)
    are those that are pinned here.
    """
    record = untampered(row)

    def build(known: ProvingLog) -> ProofFile:
        return _prove(ledger, known, row, record)

    if proving is not None:
        return build(proving)
    return with_log(build, log=log, policy=policy, hints=hints, store=ledger, vouchers=vouchers)


def _prove(ledger: Ledger, known: ProvingLog, row: MessageRow, record: bytes) -> ProofFile:
    anchored = known.index.containing(row.collector, row.position)
    cosigned = known.kept.earliest(anchored.index)
    proof = ProofFile(
        payload=row.payload,
        record=record,
        message_proof=_message_proof(ledger, row, record, anchored),
        checkpoint_proof=TlogProof(
            anchored.index,
            known.reader.inclusion(anchored.index, cosigned.checkpoint.size),
            cosigned.bytes,
        ),
        keys=tuple(_keys(known, row, anchored.note, cosigned)),
        cited=cited_by(row, known.reader),
        stamped=known.stamps.over(anchored.index, cosigned),
        corrections=_corrections(known, row, record, anchored),
    )
    verify(proof.to_bytes(), known.policy, known.vouchers)
    return proof


def _corrections(
    known: ProvingLog, row: MessageRow, record: bytes, anchored: AnchoredCheckpoint
) -> IncludedCorrections | None:
    """What the log holds of this message by now, under its newest checkpoint."""
    places, operator = known.index.corrections, known.policy.operator
    if not places or operator is None:
        return None
    message = named_message(row)
    proved = Proved(
        anchored.note,
        anchored.index,
        row.collector,
        row.position,
        record,
        message.scans if message else None,
    )
    found = corrections_for(known.index.view, places, operator, proved)
    if not found:
        return None
    note, view = known.reader.head
    return IncludedCorrections(
        checkpoint=note,
        path=view.inclusion(anchored.index, view.size),
        entries=tuple(one.included(view, view.size) for one in found),
    )


def untampered(row: MessageRow) -> bytes:
    """The record that a row says; Refused where it cannot be what was recorded."""
    try:
        record = record_of(row)
    except Refused as error:
        raise Refused(f"message {row_name(row)} was tampered with: {error}") from error
    fault = payload_fault(row)
    if fault:
        raise Refused(f"message {row_name(row)} was tampered with: {fault}")
    return record


def _message_proof(
    ledger: Ledger, row: MessageRow, record: bytes, anchored: AnchoredCheckpoint
) -> TlogProof:
    view = TileView(StoredTiles(ledger, row.collector), anchored.checkpoint)
    try:
        leaf, path = view.leaf(row.position), view.inclusion(row.position)
    except AnchorError as error:
        raise Refused(f"the store was tampered with: {error}") from error
    if leaf != leaf_hash(record):
        raise Refused(
            f"message {row_name(row)} was tampered with: it is not what its collector signed at "
            "this position; `factoryledger audit` names every such row"
        )
    return TlogProof(row.position, path, anchored.note)


def _keys(
    known: ProvingLog, row: MessageRow, note: bytes, cosigned: Cosigned
) -> list[IncludedEntry]:
    """The collector's entry, then what the judgement rests on and what that one ended."""
    places = [certifying(known, row.collector, note)]
    if row.entry is not None:
        places += _judged_by(known, row.entry)
    view, size = known.index.view, cosigned.checkpoint.size
    if max(places) >= size:
        raise Refused("a key entry stands in the log after the checkpoint that relies on it")
    return [IncludedEntry(view.entry(p), p, view.inclusion(p, size)) for p in places]


def certifying(known: ProvingLog, collector: str, note: bytes) -> int:
    """The entry that brought the key under which a collector's checkpoint is signed."""
    places = known.index.certified(collector)
    if not places:
        raise Refused(f"no key entry in the log enrols collector {collector}")
    origin, opened = note.partition(b"\n")[0].decode(), Note.from_bytes(note)
    for place in reversed(places[1:]):
        key = _statement(known, place).key
        if key is not None and opened.line_of(VerifierKey(origin, ED25519, key)) is not None:
            return place
    return places[0]


def _statement(known: ProvingLog, place: int) -> KeyStatement:
    if known.policy.operator is None:
        raise Malformed("the policy names no operator: a line `# factoryledger-operator` is due")
    return OperatorAuthority(known.policy.operator).read(known.index.view.entry(place))


def _judged_by(known: ProvingLog, entry: bytes) -> list[int]:
    place = key_place(known, entry)
    statement = _statement(known, place)
    return [place] if statement.prior is None else [place, key_place(known, statement.prior)]


def key_place(known: ProvingLog, entry: bytes) -> int:
    """Where in the log a key entry stands, by its hash."""
    place = known.index.key(entry)
    if place is None:
        raise Refused(f"key entry {entry.hex()} is not in the anchor log")
    return place


def cited_by(row: MessageRow, log: LogReader) -> bytes | None:
    """The checkpoint that the message names, where the log still has it."""
    message = named_message(row)
    if message is None or message.anchor is None:
        return None
    try:
        note = log.source.published(message.anchor.note)
    except Missing:
        return None
    return note if note and sha256(note).digest() == message.anchor.note else None
