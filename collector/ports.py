"""What the collector asks of others; the roof passes the real ones in.

The collector never imports the anchor: it hands records to a `GrowingLog` and leaves to
a `Receipts`, and reads key entries through an `Authority`. All of a collector's keys
come as one `Identity`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from telemetry.keyring import KeyStatement


class Transactions(Protocol):
    """A store that this process may write."""

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction: committed, and on the disk, when the block ends well."""


class Extension(Protocol):
    """A log after some records more; nothing of it counts before it is committed."""

    @property
    def start(self) -> int:
        """Leaves before."""

    @property
    def size(self) -> int:
        """Leaves after."""

    @property
    def root(self) -> bytes:
        """Root hash, 32 bytes."""

    @property
    def checkpoint(self) -> bytes:
        """The signed checkpoint, a C2SP note."""

    @property
    def tiles(self) -> Sequence[tuple[int, int, bytes]]:
        """Every tile that changed: level, number, its 1 to 256 hashes joined."""

    @property
    def log(self) -> "GrowingLog":
        """The log to extend next, once this one is committed."""


class GrowingLog(Protocol):
    """A collector's log, immutable: extending it gives a new one."""

    @property
    def origin(self) -> str:
        """The log's origin, also the name of its key."""

    @property
    def size(self) -> int:
        """Leaves so far."""

    @property
    def root(self) -> bytes:
        """Root hash over them, 32 bytes."""

    def extend(self, records: Sequence[bytes]) -> Extension:
        """Append records (at least one) and sign the new head. Deterministic."""


class Receipts(Protocol):
    """Seals one commit's receipt leaves with one signature."""

    def seal(self, leaves: Sequence[bytes]) -> Sequence[bytes]:
        """Give for each leaf, in order, the payload to publish to its machine."""


class Authority(Protocol):
    """Reads key entries that the pinned operator signed."""

    def read(self, entry: bytes) -> KeyStatement:
        """Check an entry whole; a ValueError says why it is refused."""


class Requests(Protocol):
    """The folder of key entries waiting to be applied.

    A name never sorts before one that was there already, so going on after the last one seen
    misses nothing.
    """

    def after(self, name: str) -> Sequence[tuple[str, bytes]]:
        """All whole entries whose file name sorts after `name`, in that order."""


TileReader = Callable[[int, int], bytes]
"""Level and number to that tile's stored hashes, 1 to 256 of 32 bytes, joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One collector's keys and its log, durable before they are handed out.

    `origin` and `vkey` name the log and its key; `key_entry` is the operator-signed entry
    that enrols that key for kind `collector` under the collector's id; `log(size, tiles)`
    resumes the log at `size` leaves from its stored tiles (an empty log at size 0).
    """

    origin: str
    vkey: str
    key_entry: bytes
    receipts: Receipts
    log: Callable[[int, TileReader], GrowingLog]


IdentityFor = Callable[[str], Identity]
"""A collector's id to its identity: made and kept when the id is new, else the one kept."""

AnchoredSize = Callable[[str], int]
"""A collector's id to the size of the newest checkpoint of it that the anchor log holds."""
