"""What every outside ledger is to the anchor, and what its receipts are to a verifier.

A ledger takes a cosigned checkpoint and gives, sooner or later, a receipt: a file that shows
a stranger when the checkpoint was there. It lies in the log's folder as
`receipts/<SHA-256 of the checkpoint's whole note, in hex>/<name of the ledger>.<kind>`, in
the format that the ledger's own tools read, and travels in proof files.

The two sides are apart: `Ledger` speaks to the outside and holds keys, `Voucher` only checks
bytes against what the verifier pinned.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from anchor.errors import Refused
from telemetry.canonical import END_OF_TIME

_SECOND = 1_000_000

Keep = Callable[[bytes], Awaitable[None]]
"""Makes a ticket durable; the one before is forgotten."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a receipt shows: the checkpoint was there at `time` (POSIX seconds), by whose word.

    `voucher` names who vouches, for people ("the time-stamp authority CN=…", "block 812 of
    chain 31337"). `lacking` says what this verifier would have to know for the receipt to
    count (a block's hash, a header), None where it counts; one that lacks something bounds
    nothing. `not_shown` are sentences on what even a good receipt leaves open. `sources` are
    those each of whom could make it false (a chain, the keys from a root to the signature):
    stamps that share one, under whatever names, are one word, and so are a ledger's own.
    """

    ledger: str
    kind: str
    time: int
    voucher: str
    lacking: str | None = None
    not_shown: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.time * _SECOND < END_OF_TIME:
            raise Refused(f"ledger {self.ledger} states a time outside of the years 1970 to 9999")


class Ledger(Protocol):
    """An outside ledger, for who submits. One object serves one anchor, one call at a time."""

    @property
    def name(self) -> str:
        """The operator's name for it, `[a-z0-9-]{1,32}`."""
        ...

    @property
    def kind(self) -> str:
        """`evm`, `tsr` or `ots`: also the ending of its receipts' files."""
        ...

    async def advance(self, note: bytes, ticket: bytes | None, keep: Keep) -> bytes | None:
        """Take a checkpoint a step further: its receipt, or None while it is on its way.

        `ticket` is what was kept last for this checkpoint, None at first. A ledger keeps a
        ticket before every step that must not be taken twice, so after a kill at any point
        the next call goes on and submits nothing again. Missing when the ledger can't be
        reached or is not ready (tried again later), Refused when it will never take this
        checkpoint or what it answered is false: both say what, where, what to try.
        """
        ...

    async def aclose(self) -> None:
        """Let go of its connections."""
        ...


class Voucher(Protocol):
    """An outside ledger, for who verifies: pinned roots, contract, headers. Pure, offline."""

    @property
    def name(self) -> str:
        """The name under which the verifier pins it."""
        ...

    @property
    def kind(self) -> str:
        """`evm`, `tsr` or `ots`."""
        ...

    def check(self, note: bytes, receipt: bytes) -> Stamp:
        """What the receipt shows of exactly this checkpoint.

        Malformed if it is no receipt of this kind, Refused if it is one and false: of
        another checkpoint, another authority, chain or contract, or changed.
        """
        ...
