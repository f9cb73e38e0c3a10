"""Names that nobody can guess, of a ledger's own, kept in its data folder.

A topic level on a broker that is everybody's; and a group of collectors that share their topics,
since whoever knows a group's name may subscribe in it and be given, and lose, its messages.
"""

import secrets
from pathlib import Path
from typing import Final

from factoryledger.files import locked, write_whole

_BYTES: Final = 20  # 160 bits: nobody finds it by trying


def secret_prefix(folder: Path) -> str:
    """Give the prefix of a data folder, made if it is not there."""
    return _kept(folder, "prefix", "ledger")


def secret_share(folder: Path) -> str:
    """Give the group of a data folder's collectors, made if it is not there."""
    return _kept(folder, "share", "collectors")


def _kept(folder: Path, name: str, stem: str) -> str:
    file = folder / name
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            if not file.exists():
                made = f"{stem}-{secrets.token_hex(_BYTES)}\n"
                write_whole(file, made.encode(), mode=0o600)
    return file.read_text("ascii").strip()
