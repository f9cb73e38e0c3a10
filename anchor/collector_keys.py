"""A collector's certified keys in order, and which of them may sign what comes next.

Rule: a rotation certifies the next key; the one before counts until the collector's first
checkpoint under the next, and never after. So whatever order log and collector learn of a
rotation in, no checkpoint that was signed in good faith is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from anchor.checkpoint import Checkpoint, open_note
from anchor.errors import Refused
from anchor.note import ED25519, Note, VerifierKey
from telemetry.keyring import Enrolment


@dataclass(frozen=True, slots=True)
class CollectorKeys:
    """The keys of the collector whose log has this origin, at least one, each after the other.

    `entries` are the hashes of the key entries that certify them.
    """

    origin: str
    keys: tuple[VerifierKey, ...]
    entries: tuple[bytes, ...]

    @classmethod
    def of(cls, origin: str, enrolments: Iterable[Enrolment]) -> Self:
        """Name enrolled keys by the origin, as notes do."""
        known = list(enrolments)
        keys = tuple(VerifierKey(origin, ED25519, each.public_key) for each in known)
        return cls(origin, keys, tuple(each.entry for each in known))

    def signer(self, note: bytes) -> int | None:
        """Which key a note names as its signer, unchecked; the newest where it names several."""
        return self._signer(Note.from_bytes(note))

    def _signer(self, note: Note) -> int | None:
        named = [i for i, key in enumerate(self.keys) if note.line_of(key) is not None]
        return max(named, default=None)

    def open(self, note: bytes, least: int = 0) -> tuple[Checkpoint, int]:
        """Check a checkpoint by a key from number `least` on; what it says, and which it was.

        Malformed or Refused where it does not hold, or is by a key that has ended.
        """
        opened = Note.from_bytes(note)
        number = self._signer(opened)
        if number is None:
            # None of ours: said by whoever would have had to sign it.
            return open_note(opened, self.keys[-1]), len(self.keys) - 1
        if number < least:
            raise Refused(
                f"it is signed by key {self.keys[number].id.hex()} of {self.origin}, which ended "
                f"with the first checkpoint under key {self.keys[least].id.hex()}"
            )
        return open_note(opened, self.keys[number]), number
