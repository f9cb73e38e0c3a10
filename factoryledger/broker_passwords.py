"""Passwords for the users of the shipped broker configuration (broker-config/acl).

Each user's password is random and kept in a file that only its owner reads; Mosquitto's
password file holds PBKDF2-HMAC-SHA512 of them, in the form that `mosquitto_passwd` writes.
"""

import secrets
from hashlib import pbkdf2_hmac
from pathlib import Path

from factoryledger.files import write_whole
from telemetry.canonical import b64

USERS = ("simulator", "collector", "anchor", "watch")
# mosquitto_passwd's own count. The passwords have 256 bits, so no count makes them safer.
_ITERATIONS = 101


def make_passwords(folder: Path, mosquitto_file: Path) -> None:
    """Make the users' passwords that are not there yet, and Mosquitto's file of all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = []
    for user in USERS:
        path = folder / f"{user}.password"
        if not path.exists():
            write_whole(path, f"{secrets.token_hex(32)}\n".encode(), mode=0o600)
        lines.append(f"{user}:{hashed(path.read_text('ascii').strip())}\n")
    mosquitto_file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(mosquitto_file, "".join(lines).encode())


def hashed(password: str, salt: bytes | None = None) -> str:
    """Give `$7$<iterations>$<salt>$<hash>`, Mosquitto 2's spelling; `salt` is for tests."""
    salt = secrets.token_bytes(12) if salt is None else salt
    digest = pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${b64(salt)}${b64(digest)}"
