"""Secrets that a part makes for itself: a witness's key, a random password."""

import secrets
from pathlib import Path

from anchor.note import COSIGNATURE, SignerKey, VerifierKey
from factoryledger.data_dir import DataDir
from factoryledger.files import write_whole


def witness_key(data: DataDir, name: str) -> VerifierKey:
    """Give the public half of a witness's key, made in this folder if it is not there."""
    stem = f"witness-{name}"
    data.keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = data.keys.read(stem)
    if key is None:
        # Whose witness it is, the policies say that name it: the key's own name only differs.
        key = SignerKey.generate(f"factoryledger.local/{secrets.token_hex(8)}/{stem}", COSIGNATURE)
        data.keys.write(stem, key)
    return key.verifier


def password(path: Path) -> None:
    """Put a random password of 256 bits there, unless there is one; owner and group read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{secrets.token_hex(32)}\n".encode(), mode=0o640)
