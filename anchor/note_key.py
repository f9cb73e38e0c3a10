"""Keys of C2SP signed notes: vkeys and private keys, one spelling each.

A key's id is derived from its name, algorithm and bytes, and checked, so a vkey cannot lie.
Ed25519 notes (0x01), ECDSA notes (0x02, to read strangers' logs only), Ed25519 and ML-DSA-44
cosignatures (0x04, 0x06).
"""

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from anchor.errors import Malformed
from anchor.spelling import octets
from telemetry import signature as ed25519
from telemetry.canonical import b64
from telemetry.errors import WeakKey

ED25519 = 1
ECDSA = 2
COSIGNATURE = 4
ML_DSA_44 = 6

_KEY_LENGTHS = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
# \s is what `str.isspace` says of each character.
_NO_NAME = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")
_PRIVATE = "PRIVATE+KEY+"
_SEED = 32


def check_key_name(name: str) -> None:
    """Malformed unless a note may carry this key name: no Unicode space, plus or control."""
    if not name or _NO_NAME.search(name):
        raise Malformed(f"key name {name[:100]!r} is empty or holds a space, plus or control")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key: `name`, `algorithm` (signed-note signature type), `public_key`, 4-byte `id`.

    `public_key` is raw (32 bytes Ed25519, 1,312 bytes ML-DSA-44) or, for ECDSA, SPKI in DER.
    Raises Malformed for a name, algorithm or key that no note may use.
    """

    name: str
    algorithm: int
    public_key: bytes
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        _check_public_key(self.algorithm, self.public_key)
        hashed = self.public_key
        if self.algorithm != ECDSA:
            hashed = self.name.encode() + b"\n" + bytes([self.algorithm]) + hashed
        object.__setattr__(self, "id", sha256(hashed).digest()[:4])

    @classmethod
    def from_text(cls, vkey: str) -> Self:
        """Read `<name>+<hex key id>+<base64 of type and key>`; Malformed for any other spelling."""
        name, _, rest = vkey.partition("+")
        key_id, _, material = rest.partition("+")
        if not _KEY_ID.fullmatch(key_id):
            raise Malformed(f"not a vkey (name+hex id+base64 key): {vkey[:200]!r}")
        data = octets(material, f"key of vkey {name[:100]!r}")
        if not data:
            raise Malformed(f"vkey {name[:100]!r} has no key")
        key = cls(name, data[0], data[1:])
        if key.id.hex() != key_id:
            raise Malformed(f"vkey {name!r} has id {key_id}, its key has {key.id.hex()}")
        return key

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over exactly `message`, without any framing."""
        if self.algorithm in {ED25519, COSIGNATURE}:
            return ed25519.verify(self.public_key, message, signature)
        try:
            if self.algorithm == ECDSA:
                ecdsa = _ecdsa_key(self.public_key)
                ecdsa.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            else:
                mldsa.MLDSA44PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.algorithm]) + self.public_key)}"


class Possessor(Protocol):
    """Who holds a private Ed25519 key: gives the public one and signs bytes as they are."""

    @property
    def public_key(self) -> bytes:
        """The 32-byte public key."""

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: key name, 4-byte key id, and the bytes after the id."""

    name: str
    id: bytes
    value: bytes


class SignerKey:
    """A private key: Ed25519 for notes, Ed25519 or ML-DSA-44 for cosignatures.

    Its 32-byte seed never shows in `repr`. Ed25519 signatures are deterministic, so the same
    text gives the same bytes; those of ML-DSA-44 are not.
    """

    __slots__ = ("_raw", "_seed", "verifier")

    def __init__(self, name: str, seed: bytes, algorithm: int = ED25519) -> None:
        if len(seed) != _SEED:
            raise Malformed(f"a seed of {len(seed)} bytes where {_SEED} are due")
        self._seed = seed
        self._raw: Possessor
        if algorithm in {ED25519, COSIGNATURE}:
            self._raw = ed25519.SigningKey.from_seed(seed)
        elif algorithm == ML_DSA_44:
            self._raw = _MlDsaKey(seed)
        else:
            raise Malformed(f"signature type {algorithm} is read only here, not signed with")
        self.verifier = VerifierKey(name, algorithm, self._raw.public_key)

    @classmethod
    def generate(cls, name: str, algorithm: int = ED25519) -> Self:
        """A new key from the system's randomness."""
        return cls(name, secrets.token_bytes(_SEED), algorithm)

    @classmethod
    def from_seed(cls, name: str, seed: bytes, algorithm: int = ED25519) -> Self:
        """The key of a 32-byte seed."""
        return cls(name, seed, algorithm)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `PRIVATE+KEY+<name>+<hex key id>+<base64 of type and seed>`, no newline."""
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        key_id, _, material = rest.partition("+")
        # The key itself stays out of every message.
        if not text.startswith(_PRIVATE):
            raise Malformed("not a private key: it does not start with PRIVATE+KEY+")
        data = octets(material, f"private key {name[:100]!r}", 1 + _SEED)
        key = cls(name, data[1:], data[0])
        if key.verifier.id.hex() != key_id:
            raise Malformed(f"private key {name!r} has another id than its text says")
        return key

    def to_text(self) -> str:
        """The one line that `from_text` reads. Secret."""
        material = b64(bytes([self.verifier.algorithm]) + self._seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{material}"

    @property
    def name(self) -> str:
        """The key's name in notes."""
        return self.verifier.name

    @property
    def public_key(self) -> bytes:
        """The raw public key."""
        return self.verifier.public_key

    @property
    def seed(self) -> bytes:
        """The 32 bytes that the key comes from. Secret."""
        return self._seed

    @property
    def raw(self) -> Possessor:
        """The bare key, which signs bytes as they are: for proofs of possession."""
        return self._raw

    def sign(self, text: str) -> Signature:
        """Sign a note's text; ValueError for a cosigner's key, which signs times as well."""
        if self.verifier.algorithm != ED25519:
            raise ValueError(f"{self.name} is a cosigner's key: use anchor.cosignature.cosign")
        return Signature(self.name, self.verifier.id, self._raw.sign(text.encode()))

    def __repr__(self) -> str:
        return f"SignerKey({self.name!r}, id={self.verifier.id.hex()})"


class _MlDsaKey:
    """An ML-DSA-44 key (FIPS 204) from its seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def _check_public_key(algorithm: int, public_key: bytes) -> None:
    if algorithm == ECDSA:
        _ecdsa_key(public_key)
        return
    length = _KEY_LENGTHS.get(algorithm)
    if length is None:
        raise Malformed(f"signature type {algorithm:#04x} is not supported")
    if len(public_key) != length:
        raise Malformed(f"a key of {len(public_key)} bytes; type {algorithm:#04x} has {length}")
    if algorithm != ML_DSA_44:
        try:
            ed25519.check_public_key(public_key)
        except WeakKey as error:
            raise Malformed(f"unusable Ed25519 key: {error}") from error


def _ecdsa_key(spki: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(f"not an ECDSA key in SPKI: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise Malformed("not an ECDSA key on P-256, P-384 or P-521")
    spki_format = serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_bytes(serialization.Encoding.DER, spki_format) != spki:
        # A compressed point would make a second key, with another id, of the same one.
        raise Malformed("not the one DER spelling of an ECDSA key")
    return key
