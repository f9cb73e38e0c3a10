"""Ed25519 (RFC 8032) over tag, topic and body; payload = body and signature suffix.

Keys of small order and non-canonical encodings are refused, here and by libsodium when it
verifies. Signatures cover exact bytes: nothing is re-serialised. Pure but for `generate`.
"""

import binascii
import hashlib
from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError
from nacl.utils import random

from telemetry.errors import WeakKey
from telemetry.topic import SIGNED_KINDS, MachineTopic

KEY_LENGTH: Final = 32
SIGNATURE_LENGTH: Final = 64
SUFFIX_LENGTH: Final = 98

_OPENING: Final = b',"sig":"'
_CLOSING: Final = b'"}'
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

# RFC 8032 section 5.1: the field's prime, the curve's d.
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


class SigningKey:
    """An Ed25519 private key; its seed never appears in its `repr`."""

    # libsodium's secret key is seed and public key. Its plain binding takes and gives bytes:
    # the objects around it cost a machine a kilobyte, and a signature 1 us of its 20.
    __slots__ = ("_secret", "key_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Take a 32-byte seed; ValueError for any other length."""
        if len(seed) != KEY_LENGTH:
            raise ValueError(f"an Ed25519 seed has {KEY_LENGTH} bytes, not {len(seed)}")
        self.public_key: bytes
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)
        self.key_id: str = key_id(self.public_key)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Make the key of a 32-byte seed."""
        return cls(seed)

    @classmethod
    def generate(cls) -> "SigningKey":
        """Make a key from the system's randomness."""
        return cls(random(KEY_LENGTH))

    @property
    def seed(self) -> bytes:
        """The 32-byte private seed."""
        return self._secret[:KEY_LENGTH]

    def sign(self, message: bytes) -> bytes:
        """Sign: 64 bytes, the same for the same message."""
        return crypto_sign(message, self._secret)[:SIGNATURE_LENGTH]


def key_id(public_key: bytes) -> str:
    """Give the id that finds a key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def check_public_key(public_key: bytes) -> None:
    """Refuse with WeakKey what is no canonical encoding of a point, or of small order."""
    if len(public_key) != KEY_LENGTH:
        raise WeakKey(f"an Ed25519 public key has {KEY_LENGTH} bytes, not {len(public_key)}")
    number = int.from_bytes(public_key, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= _P:
        raise WeakKey("the public key's encoding is not canonical: y is not below the prime")
    numerator, denominator = (y * y - 1) % _P, (_D * y * y + 1) % _P
    if numerator == 0:
        reason = "not canonical: x is 0 and marked negative" if sign else "of small order"
        raise WeakKey(f"the public key is {reason}")
    # x² = numerator / denominator; the quotient is a square iff the product is.
    if pow(numerator * denominator, (_P - 1) // 2, _P) != 1:
        raise WeakKey("the public key is no point of the curve")
    if _is_small_order(y, numerator * pow(denominator, -1, _P) % _P):
        raise WeakKey("the public key is of small order: anyone can sign for it")


def _is_small_order(y: int, x_squared: int) -> bool:
    # With x != 0 the order is 4 iff y = 0; it is 8 iff doubling gives a y of 0, and
    # RFC 8032's doubling has y(2P) = (y² + x²) / (1 - d x² y²): 0 iff y² = -x².
    return y == 0 or (y * y + x_squared) % _P == 0


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature holds; False also for weak keys and for wrong lengths."""
    if len(public_key) != KEY_LENGTH or len(signature) != SIGNATURE_LENGTH:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def signed_bytes(topic: MachineTopic, body: bytes) -> bytes:
    """Join what a machine signs: tag, 0x00, topic without prefix, 0x00, body.

    ValueError where the topic's kind is none of the signed ones.
    """
    return before_body(topic) + body


def before_body(topic: MachineTopic) -> bytes:
    """What stands before the body in what a machine signs; the same for all of a topic."""
    if topic.kind not in SIGNED_KINDS:
        raise ValueError(f"messages of kind {topic.kind!r} are not signed")
    return f"factoryledger/{topic.kind}/v1\0{topic.unprefixed}\0".encode("ascii")


def seal(key: SigningKey, topic: MachineTopic, body: bytes) -> bytes:
    """Sign a body for its topic: the payload to publish."""
    return join(body, key.sign(signed_bytes(topic, body)))


def join(body: bytes, signature: bytes) -> bytes:
    """Put the suffix with this signature of 64 bytes behind a body."""
    return body + _OPENING + binascii.b2a_base64(signature, newline=False) + _CLOSING


def split(payload: bytes) -> tuple[bytes, bytes] | None:
    """Cut into body and the 88 raw characters of the signature; None where it is unsigned."""
    if payload[-SUFFIX_LENGTH:-90] != _OPENING or not payload.endswith(_CLOSING):
        return None
    signature = payload[-90:-2]
    if signature.translate(None, _BASE64):
        return None
    return payload[:-SUFFIX_LENGTH], signature


def body_hash(body: bytes) -> bytes:
    """Give the SHA-256 of a body: what `prev` names and "the same message" compares."""
    return hashlib.sha256(body).digest()
