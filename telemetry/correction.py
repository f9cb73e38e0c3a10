"""How an operator's correction is told from a key entry, by whoever reads entries (pure).

What it says is `anchor.correction`'s to read. A collector passes it over.
"""

from typing import Final

FIRST_LINE: Final = "factoryledger correction v1"


def is_correction(entry: bytes) -> bool:
    """Whether an entry of the anchor log is a correction; nothing is checked."""
    return entry.startswith(FIRST_LINE.encode() + b"\n")
