"""C2SP tlog-checkpoint: a log's signed head, written and opened.

A checkpoint of ours is signed once, by the key whose name is the origin; a stranger's may
be signed by ECDSA or, as a cosignature by the log, by ML-DSA-44.
"""

from anchor.cosignature import check_cosignature
from anchor.errors import Refused
from anchor.note import COSIGNATURE, ML_DSA_44, Note, SignerKey, VerifierKey, sign_note
from anchor.tree_head import Checkpoint

__all__ = ["Checkpoint", "check_log_signature", "open_checkpoint", "open_note", "sign_checkpoint"]


def sign_checkpoint(checkpoint: Checkpoint, key: SignerKey) -> bytes:
    """The note that a log publishes; ValueError unless the key bears the origin's name.

    Whether an earlier checkpoint is contradicted is the caller's to know, before it signs.
    """
    if key.name != checkpoint.origin:
        raise ValueError(f"key {key.name!r} does not sign for origin {checkpoint.origin!r}")
    return sign_note(checkpoint.to_text(), key)


def open_checkpoint(note: bytes, key: VerifierKey, *, origin: str | None = None) -> Checkpoint:
    """Check the log's signature and read the head.

    `origin` is what the first line must say; by default the key's name, and only a few of
    the world's logs differ there. Malformed or Refused say what does not hold.
    """
    return open_note(Note.from_bytes(note), key, origin=origin)


def open_note(opened: Note, key: VerifierKey, *, origin: str | None = None) -> Checkpoint:
    """The same, of a note that is read already."""
    check_log_signature(opened, key)
    checkpoint = Checkpoint.from_text(opened.text)
    expected = key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise Refused(f"the checkpoint is of {checkpoint.origin!r}, not of {expected!r}")
    return checkpoint


def check_log_signature(note: Note, key: VerifierKey) -> None:
    """Refused unless the log's key signed the note, whatever its algorithm."""
    if key.algorithm not in {COSIGNATURE, ML_DSA_44}:
        note.signed_by(key)
    elif check_cosignature(note, key) is None:
        raise Refused(f"the note is not signed by {key.name} (key {key.id.hex()})")
