"""A private key under a passphrase: its vkey on a line, then a standard encrypted PKCS#8 in PEM.

Pure but for salt and nonce. RFC 8018's PBES2 with scrypt (RFC 7914) and AES-256-CBC, so that
`openssl pkey -in FILE` reads it; docs/decisions/key-passphrases.md says why the container is
written here and read by `cryptography`.
"""

import secrets
from base64 import b64encode
from textwrap import wrap
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from anchor.note import ML_DSA_44, SignerKey, VerifierKey

BEGIN: Final = "-----BEGIN ENCRYPTED PRIVATE KEY-----"
END: Final = "-----END ENCRYPTED PRIVATE KEY-----"

# The most memory that openssl lets scrypt take by default is 32 MiB; this takes 16, five times.
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 5
_KEY_LENGTH, _SALT, _NONCE, _AES_BLOCK = 32, 16, 16, 16
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30
_SHORT = 0x80


def seal_key(key: SignerKey, passphrase: str) -> str:
    """The file of a key under a passphrase."""
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    plain = _pkcs8(key)
    fill = _AES_BLOCK - len(plain) % _AES_BLOCK
    encryptor = Cipher(algorithms.AES(_derive(passphrase, salt)), modes.CBC(nonce)).encryptor()
    secret = encryptor.update(plain + bytes([fill]) * fill) + encryptor.finalize()
    sizes = (_number(n) for n in (_COST, _BLOCK, _PARALLEL, _KEY_LENGTH))
    derivation = _sequence(_SCRYPT, _sequence(_tagged(_OCTETS, salt), *sizes))
    cipher = _sequence(_AES_256_CBC, _tagged(_OCTETS, nonce))
    how = _sequence(_PBES2, _sequence(derivation, cipher))
    body = wrap(b64encode(_sequence(how, _tagged(_OCTETS, secret))).decode(), 64)
    return "\n".join([str(key.verifier), BEGIN, *body, END, ""])


def public_half(text: str) -> VerifierKey:
    """The key's public half, which needs no passphrase; Malformed where there is none."""
    return VerifierKey.from_text(text.partition("\n")[0])


def open_key(text: str, passphrase: str) -> SignerKey:
    """The key; ValueError where the passphrase or the file is another's."""
    vkey, _, pem = text.partition("\n")
    public = VerifierKey.from_text(vkey)
    found = serialization.load_pem_private_key(pem.encode(), passphrase.encode())
    if not isinstance(found, ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey):
        raise ValueError("it holds no key that a note is signed with")  # noqa: TRY004 - a file
    key = SignerKey(public.name, found.private_bytes_raw(), public.algorithm)
    if key.verifier != public:
        raise ValueError("the key inside is not the one on its first line")
    return key


def _derive(passphrase: str, salt: bytes) -> bytes:
    scrypt = Scrypt(salt=salt, length=_KEY_LENGTH, n=_COST, r=_BLOCK, p=_PARALLEL)
    return scrypt.derive(passphrase.encode())


def _pkcs8(key: SignerKey) -> bytes:
    bare: ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey
    if key.verifier.algorithm == ML_DSA_44:
        bare = mldsa.MLDSA44PrivateKey.from_seed_bytes(key.seed)
    else:
        bare = ed25519.Ed25519PrivateKey.from_private_bytes(key.seed)
    return bare.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _tagged(tag: int, content: bytes) -> bytes:
    """One DER value."""
    length = len(content)
    if length < _SHORT:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT | len(size)]) + size + content


def _sequence(*parts: bytes) -> bytes:
    return _tagged(_SEQUENCE, b"".join(parts))


def _number(value: int) -> bytes:
    return _tagged(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
