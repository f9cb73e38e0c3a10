"""What the anchor log is known to have signed: in files, in proofs, at the witness beside it.

Edge. Nothing here is checked: an audit believes of it what the log's own key signed.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from anchor.audit.memory import AuditMemory
from anchor.audit.receipts import KeptReceipt, kept_in
from anchor.errors import Malformed, Missing
from anchor.keeping.witness_db import read_seen
from anchor.note import Note
from anchor.proof_file import ProofFile
from anchor.range_file import RangeFile, is_range_file
from anchor.reading.log_source import FolderSource
from anchor.stamped import StampedCheckpoint
from anchor.tlog_proof import TlogProof
from factoryledger.errors import WrongUsage
from factoryledger.files import PROOF_MOST, read_whole
from factoryledger.installation import Installation


@dataclass(frozen=True, slots=True)
class KnownHeads:
    """Checkpoints: `published` must be continued by the log, `witnessed` be in its files.

    `remembered` is what an earlier audit saw, which holds it against the log itself, and so
    does it with `receipts`, of outside ledgers.
    """

    published: tuple[bytes, ...] = ()
    witnessed: tuple[bytes, ...] = ()
    remembered: tuple[bytes, ...] = ()
    receipts: tuple[KeptReceipt, ...] = ()

    @classmethod
    def read(
        cls,
        place: Installation,
        files: Iterable[Path],
        state: Path | None,
        receipts: Iterable[Path] = (),
    ) -> Self:
        """Read what is at hand, before the log is; WrongUsage for a file that holds none."""
        published = tuple(dict.fromkeys(note for file in files for note in checkpoints_in(file)))
        kept = tuple(one for path in receipts for one in receipts_in(path))
        return cls(published, tuple(_witnessed(place)), tuple(_remembered(state)), kept)

    @property
    def all(self) -> tuple[bytes, ...]:
        """Each of them."""
        stamped = (one.note for one in self.receipts if one.note is not None)
        return (*self.published, *self.witnessed, *self.remembered, *dict.fromkeys(stamped))


def checkpoints_in(file: Path) -> list[bytes]:
    """Give the anchor log's checkpoints that a file holds: one, or those of a proof."""
    data = read_whole(file, PROOF_MOST)
    for read in (_of_range, _of_proof, _of_tlog_proof, _of_note):
        with suppress(Malformed):
            return read(data)
    raise WrongUsage(f"--checkpoint: {file} holds no checkpoint: give one, or a proof file")


def receipts_in(path: Path) -> list[KeptReceipt]:
    """Give the receipts that somebody kept: in a copy of a log's folder, or in a proof file."""
    if path.is_dir():
        found = list(kept_in(FolderSource(path), f"{path}/"))
        if not found:
            raise WrongUsage(f"--receipts: {path} holds no folder receipts with any in it")
        return found
    data = read_whole(path, PROOF_MOST)
    try:
        if is_range_file(data):
            parts = RangeFile.from_bytes(data).parts
            held = [(part.checkpoint_proof.checkpoint, part.stamped) for part in parts]
        else:
            proof = ProofFile.from_bytes(data)
            held = [(proof.checkpoint_proof.checkpoint, proof.stamped)]
    except Malformed as error:
        raise WrongUsage(f"--receipts: {path}: {error}") from error
    return [
        KeptReceipt(f"{path}", one.checkpoint or own, receipt)
        for own, stamped in held
        for one in stamped
        for receipt in one.receipts
    ]


def _stamped(stamped: Iterable[StampedCheckpoint]) -> list[bytes]:
    return [one.checkpoint for one in stamped if one.checkpoint is not None]


def _of_range(data: bytes) -> list[bytes]:
    if not is_range_file(data):
        raise Malformed("no range file")
    return [
        note
        for part in RangeFile.from_bytes(data).parts
        for note in (part.checkpoint_proof.checkpoint, part.cited, *_stamped(part.stamped))
        if note
    ]


def _of_proof(data: bytes) -> list[bytes]:
    proof = ProofFile.from_bytes(data)
    found = (proof.checkpoint_proof.checkpoint, proof.cited, *_stamped(proof.stamped))
    return [note for note in found if note]


def _of_tlog_proof(data: bytes) -> list[bytes]:
    return [TlogProof.from_bytes(data).checkpoint]


def _of_note(data: bytes) -> list[bytes]:
    Note.from_bytes(data)
    return [data]


def _witnessed(place: Installation) -> Iterator[bytes]:
    """What the witness of this data folder cosigned last; nothing for another log's folder."""
    if place.settings.log is None:
        with suppress(Missing):
            yield read_seen(place.data.witness_db, place.policy.log.name).note


def _remembered(state: Path | None) -> Iterator[bytes]:
    if state is not None:
        with suppress(Malformed, OSError):
            yield AuditMemory.from_bytes(state.read_bytes()).anchor
