"""A topic level of a ledger's own on a broker that is everybody's, kept in its data folder."""

import secrets
from pathlib import Path
from typing import Final

from factoryledger.files import locked, write_whole

_BYTES: Final = 20  # 160 bits: nobody finds it by trying


def secret_prefix(folder: Path) -> str:
    """Give the prefix of a data folder, made if it is not there."""
    file = folder / "prefix"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            if not file.exists():
                made = f"ledger-{secrets.token_hex(_BYTES)}\n"
                write_whole(file, made.encode(), mode=0o600)
    return file.read_text("ascii").strip()
