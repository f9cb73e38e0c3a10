"""Which messages of a recording make a batch: by their receive times, not by anybody's clock.

After 2,000 of them, or before one that was received a second or more after the batch's first:
so the same recording falls into the same batches every time (docs/formats.md, Recording). Pure.
"""

from typing import Final

COUNT: Final = 2000
_SECOND: Final = 1_000_000


def begins_anew(first: int, received: int) -> bool:
    """Whether a message received then (µs) is too late for the batch that began at `first`."""
    return received - first >= _SECOND
