"""The password of the web page: from a file, kept as its scrypt hash alone (RFC 7914)."""

import hashlib
import hmac
import secrets
from typing import Final

_N: Final = 1 << 14
_R: Final = 8
_P: Final = 1


class PasswordGate:
    """Closed where there is a password."""

    def __init__(self, password: str | None) -> None:
        self._salt = secrets.token_bytes(16)
        self._hash = None if password is None else self._hashed(password)

    @property
    def closed(self) -> bool:
        """Whether a password is needed at all."""
        return self._hash is not None

    def check(self, password: str) -> bool:
        """Whether this is it; takes some 50 ms, right or wrong."""
        return self._hash is not None and hmac.compare_digest(self._hash, self._hashed(password))

    def _hashed(self, password: str) -> bytes:
        data = password.encode("utf-8", "surrogatepass")
        return hashlib.scrypt(data, salt=self._salt, n=_N, r=_R, p=_P, dklen=32)
