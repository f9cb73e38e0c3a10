"""C2SP tlog-cosignature: what a witness signs, and when it says that it did.

A cosignature is eight bytes of POSIX time, big-endian, and a signature over time and
checkpoint. Ed25519 (0x04) covers the whole text, ML-DSA-44 (0x06) a binary structure with
the cosigner's name in it.
"""

from anchor.errors import Malformed, Refused
from anchor.note import COSIGNATURE, ML_DSA_44, Note, Signature, SignerKey, VerifierKey
from anchor.spelling import MAX_NUMBER
from anchor.tree_head import Checkpoint

_TIME = 8
_LENGTHS = {COSIGNATURE: _TIME + 64, ML_DSA_44: _TIME + 2420}
_LABEL = b"subtree/v1\n\0"
_MAX_OPAQUE = 255


def cosign(key: SignerKey, checkpoint_text: str, time: int) -> Signature:
    """Cosign a checkpoint's text at `time` (POSIX seconds), as type 0x04 or 0x06 by the key.

    Malformed if the text is no checkpoint; whether it is consistent is the caller's to know.
    """
    if not 0 <= time <= MAX_NUMBER:
        raise ValueError(f"time {time} is not between 0 and 2^63-1 seconds")
    message = cosigned_message(key.verifier, checkpoint_text, time)
    value = time.to_bytes(_TIME, "big") + key.raw.sign(message)
    return Signature(key.name, key.verifier.id, value)


def check_cosignature(note: Note, key: VerifierKey) -> int | None:
    """When this cosigner says that it signed, in POSIX seconds; None if it did not sign.

    0 (which type 0x06 allows) says nothing about time. Refused for a line under the key's
    name and id that does not hold.
    """
    signature = note.line_of(key)
    if signature is None:
        return None
    if len(signature.value) != _LENGTHS.get(key.algorithm):
        raise Refused(f"the cosignature by {key.name} is {len(signature.value)} bytes long")
    time = int.from_bytes(signature.value[:_TIME], "big")
    if time > MAX_NUMBER:
        raise Refused(f"the cosignature by {key.name} is from a time beyond 2^63-1")
    message = cosigned_message(key, note.text, time)
    if not key.verify(message, signature.value[_TIME:]):
        raise Refused(f"the cosignature by {key.name} does not hold")
    return time


def cosigned_message(key: VerifierKey, checkpoint_text: str, time: int) -> bytes:
    """The exact bytes that a cosigner signs; ValueError for a key that is no cosigner's."""
    checkpoint = Checkpoint.from_text(checkpoint_text)
    if key.algorithm == COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{checkpoint_text}".encode()
    if key.algorithm == ML_DSA_44:
        return _subtree_message(key.name, checkpoint, time)
    raise ValueError(f"{key.name} is not a cosigner's key (signature type {key.algorithm:#04x})")


def _subtree_message(name: str, checkpoint: Checkpoint, time: int) -> bytes:
    start, end = 0, checkpoint.size
    parts = (
        _LABEL,
        _opaque(name),
        time.to_bytes(8, "big"),
        _opaque(checkpoint.origin),
        start.to_bytes(8, "big"),
        end.to_bytes(8, "big"),
        checkpoint.root,
    )
    return b"".join(parts)


def _opaque(text: str) -> bytes:
    """`opaque<1..2^8-1>` of RFC 8446 section 3.4."""
    data = text.encode()
    if not 1 <= len(data) <= _MAX_OPAQUE:
        raise Malformed(f"a name of {len(data)} bytes; ML-DSA-44 cosignatures hold 1 to 255")
    return bytes([len(data)]) + data
