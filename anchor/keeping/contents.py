"""What the anchor log holds, entry by entry: the rules by which an entry may come next.

Pure. One state machine for what the tail proposes, what a crash left in the folder, and
what is there already. It can only go on: after a failed append it is built anew.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from anchor.collector_keys import CollectorKeys
from anchor.correction import CorrectionAuthority, is_correction
from anchor.correction_order import CorrectionOrder
from anchor.errors import Malformed, Refused
from anchor.key_entry import is_key_entry
from anchor.note import Note, VerifierKey
from anchor.tile import MAX_ENTRY
from anchor.tree_head import Checkpoint
from telemetry.keyring import Keyring, KeyStatement


class KeyAuthority(Protocol):
    """Reads key entries that the pinned operator signed."""

    @property
    def operator(self) -> VerifierKey:
        """Whose key that is."""

    def read(self, entry: bytes) -> KeyStatement:
        """Check an entry whole; a ValueError says why it is refused."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a collector's checkpoints in the log end: next batch number, size after the last.

    `signer` is which of its keys signed that: none before it may sign the next.
    """

    number: int = 0
    size: int = 0
    signer: int = 0


@dataclass(frozen=True, slots=True)
class Described:
    """What an entry says it is, unchecked: of whom, and for a checkpoint up to which size."""

    kind: str
    collector: str | None = None
    size: int | None = None


def describe(origin: str, entry: bytes) -> Described:
    """Tell key entry, correction and a collector's checkpoint; Malformed for anything else."""
    if len(entry) > MAX_ENTRY:
        raise Malformed(f"an entry of {len(entry)} bytes; at most {MAX_ENTRY} fit the log")
    if is_key_entry(entry):
        return Described("key")
    if is_correction(entry):
        return Described("correction")
    checkpoint = Checkpoint.from_text(Note.from_bytes(entry).text)
    prefix = f"{origin}/collector/"
    if not checkpoint.origin.startswith(prefix):
        raise Malformed(f"a checkpoint of {checkpoint.origin!r}, not of a collector of {origin}")
    return Described("checkpoint", checkpoint.origin.removeprefix(prefix), checkpoint.size)


@dataclass
class Contents:
    """The log's entries so far, as far as the next one depends on them.

    `origin` is the anchor log's. `admit` checks and takes one entry more.
    """

    origin: str
    authority: KeyAuthority
    keyring: Keyring = field(default_factory=Keyring)
    key_hashes: set[bytes] = field(default_factory=set)
    corrections: CorrectionOrder = field(default_factory=CorrectionOrder)
    ends: dict[str, End] = field(default_factory=dict)

    def end(self, collector: str) -> End:
        """Where this collector's checkpoints end; at the beginning for one unknown."""
        return self.ends.get(collector, End())

    def admit(self, entry: bytes) -> None:
        """Take the next entry; Malformed or Refused, and nothing taken, if it may not come."""
        described = describe(self.origin, entry)
        if described.kind == "key":
            self.admit_key(entry)
        elif described.kind == "correction":
            self.admit_correction(entry)
        else:
            self.admit_checkpoint(str(described.collector), entry)

    def admit_key(self, entry: bytes, *, contradicting: bool = True) -> None:
        """Take an operator-signed key entry that is not there yet.

        One that contradicts what is there is still evidence of what the operator signed and
        a collector applied; without `contradicting` it is refused.
        """
        statement = self._read(entry)
        if statement.hash in self.key_hashes:
            raise Refused(f"key entry {statement.hash.hex()} is in the log already")
        try:
            self.keyring.apply(statement)
        except ValueError as error:
            if not contradicting:
                raise Refused(f"key entry {statement.hash.hex()}: {error}") from error
        self.key_hashes.add(statement.hash)

    def admit_correction(self, entry: bytes) -> None:
        """Take an operator-signed correction of a message that the log holds by now.

        Which record stands there is the store's to say, and `audit`'s: the log has roots alone.
        """
        if len(entry) > MAX_ENTRY:
            raise Malformed(f"a correction of {len(entry)} bytes; at most {MAX_ENTRY} fit the log")
        correction = CorrectionAuthority(self.authority.operator).read(entry)
        subject = correction.subject
        if subject.position >= self.end(subject.collector).size:
            raise Refused(
                f"correction {correction.hash.hex()} is of message {subject.place}, which no "
                "checkpoint in the log holds"
            )
        self.corrections.add(correction)

    def admit_checkpoint(self, collector: str, entry: bytes, *, start: int | None = None) -> None:
        """Take a collector's next checkpoint: a certified key signed it, and it grows.

        `start`, where it is known, is the size that the batch says it started from.
        """
        end = self.end(collector)
        if start is not None and start != end.size:
            raise Refused(
                f"batch {end.number} of collector {collector} starts at {start}, the one before "
                f"ended at {end.size}"
            )
        if len(entry) > MAX_ENTRY:
            raise Malformed(f"a checkpoint of {len(entry)} bytes; at most {MAX_ENTRY} fit the log")
        checkpoint, signer = self.collector_keys(collector).open(entry, end.signer)
        size = checkpoint.size
        if size <= end.size:
            raise Refused(
                f"batch {end.number} of collector {collector} ends at {size}, the one before "
                f"at {end.size} already"
            )
        self.ends[collector] = End(end.number + 1, size, signer)

    def collector_keys(self, collector: str) -> CollectorKeys:
        """Give the keys of a collector that the log certifies; Refused where none may sign."""
        enrolments = self.keyring.collector_keys(collector)
        if not enrolments:
            raise Refused(f"no key entry in the log enrols collector {collector}")
        # What is not rotated on is revoked, and with it all that came before.
        if enrolments[-1].ended_by is not None:
            raise Refused(f"the key of collector {collector} is revoked")
        return CollectorKeys.of(f"{self.origin}/collector/{collector}", enrolments)

    def _read(self, entry: bytes) -> KeyStatement:
        if len(entry) > MAX_ENTRY:
            raise Malformed(f"a key entry of {len(entry)} bytes; at most {MAX_ENTRY} fit the log")
        try:
            return self.authority.read(entry)
        except ValueError as error:
            raise Refused(f"key entry {sha256(entry).hexdigest()}: {error}") from error
