"""Passwords as Mosquitto's password file has them: PBKDF2-HMAC-SHA512, as `mosquitto_passwd`."""

import secrets
from hashlib import pbkdf2_hmac

from telemetry.canonical import b64

# mosquitto_passwd's own count. The passwords have 256 bits, so no count makes them safer.
_ITERATIONS = 101


def new_password() -> str:
    """Make a password of 256 bits."""
    return secrets.token_hex(32)


def hashed(password: str, salt: bytes | None = None) -> str:
    """Give `$7$<iterations>$<salt>$<hash>`, Mosquitto 2's spelling; `salt` is for tests."""
    salt = secrets.token_bytes(12) if salt is None else salt
    digest = pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${b64(salt)}${b64(digest)}"
