"""C2SP signed notes: text, an empty line, signature lines; and the keys that sign them.

One spelling: `Note.from_bytes` refuses what `to_bytes` would not write. Text is worth
nothing before `signed_by` has found a pinned key's signature on it.
"""

from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed, Refused
from anchor.note_key import (
    COSIGNATURE,
    ECDSA,
    ED25519,
    ML_DSA_44,
    Possessor,
    Signature,
    SignerKey,
    VerifierKey,
    check_key_name,
)
from anchor.spelling import decoded, octets
from telemetry.canonical import b64

__all__ = [
    "COSIGNATURE",
    "ECDSA",
    "ED25519",
    "MAX_NOTE",
    "MAX_SIGNATURES",
    "ML_DSA_44",
    "Note",
    "Possessor",
    "Signature",
    "SignerKey",
    "VerifierKey",
    "check_key_name",
    "sign_note",
]

MAX_NOTE = 1 << 20
MAX_SIGNATURES = 64
_DASH = "\u2014 "
_ID = 4


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and 1 to 64 signatures, in order.

    Malformed for what no note may hold: control characters, more than 1 MiB, a bad key name.
    """

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or _has_control(self.text):
            raise Malformed("a note's text ends in a newline and holds no control character")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise Malformed(f"a note with {len(self.signatures)} signatures; 1 to 64 are allowed")
        for signature in self.signatures:
            check_key_name(signature.name)
            if len(signature.id) != _ID or not signature.value:
                raise Malformed(f"signature by {signature.name!r} is too short")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a note, signatures unchecked; Malformed unless `to_bytes` would write it."""
        if len(data) > MAX_NOTE:
            raise Malformed(f"a note of {len(data)} bytes; at most {MAX_NOTE} are read")
        text, blank, lines = decoded(data, "a note").rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise Malformed("a note needs text, an empty line and whole signature lines")
        signatures = tuple(_read_line(line) for line in lines[:-1].split("\n"))
        return cls(text + "\n", signatures)

    def to_bytes(self) -> bytes:
        """The note as C2SP signed-note writes it."""
        data = f"{self.text}\n{''.join(map(_line, self.signatures))}".encode()
        if len(data) > MAX_NOTE:
            raise Malformed(f"a note of {len(data)} bytes; at most {MAX_NOTE} are written")
        return data

    def line_of(self, key: VerifierKey) -> Signature | None:
        """The one line under this key's name and id, unchecked; Refused if there are several."""
        lines = [s for s in self.signatures if (s.name, s.id) == (key.name, key.id)]
        if len(lines) > 1:
            # Which of them counts would be the reader's choice, and with it what a note says.
            raise Refused(f"the note carries {len(lines)} signatures by {key.name}")
        return lines[0] if lines else None

    def signed_by(self, key: VerifierKey) -> Signature:
        """The signature of a note key (Ed25519 or ECDSA), checked; Refused if none holds."""
        if key.algorithm not in {ED25519, ECDSA}:
            raise ValueError(f"{key.name} is a cosigner's key: use check_cosignature")
        signature = self.line_of(key)
        if signature is None:
            raise Refused(f"the note is not signed by {key.name} (key {key.id.hex()})")
        if not key.verify(self.text.encode(), signature.value):
            raise Refused(f"the signature by {key.name} does not hold")
        return signature

    def with_signatures(self, *more: Signature) -> Self:
        """The note with more signatures; one by a key that is there takes its line's place."""
        lines = {(s.name, s.id): s for s in self.signatures}
        lines.update({(s.name, s.id): s for s in more})
        return type(self)(self.text, tuple(lines.values()))


def sign_note(text: str, key: SignerKey) -> bytes:
    """A note of this text with the one signature of `key`."""
    return Note(text, (key.sign(text),)).to_bytes()


def _has_control(text: str) -> bool:
    return min(text.replace("\n", " ")) < " "


def _line(signature: Signature) -> str:
    return f"{_DASH}{signature.name} {b64(signature.id + signature.value)}\n"


def _read_line(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not encoded:
        raise Malformed(f"not a signature line: {line[:100]!r}")
    data = octets(encoded, f"signature by {name[:100]!r}")
    return Signature(name, data[:_ID], data[_ID:])
