"""What an OpenTimestamps receipt shows, by Bitcoin headers that the verifier pinned.

A receipt is a standard detached `.ots` file over the checkpoint's note. A calendar's promise
counts for nothing. Every Bitcoin attestation whose header is known must hold, the earliest
counts; without any header the stamp says which one is lacking.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from anchor.errors import Refused
from anchor.ledgers.ledger import Stamp
from anchor.ledgers.ots.block import BlockHeader, shown
from anchor.ledgers.ots.file import OtsFile
from anchor.ledgers.ots.path import SHA256
from telemetry.canonical import time_text

KIND = "ots"
SOURCE = "bitcoin"
"""Whoever gave a checkpoint to whichever calendar: it is one chain that says when."""

NEVER = 253402300799
"""9999-12-31T23:59:59Z: what a stamp that lacks its header says, for whoever overlooks that."""

SLACK = 7200
"""Seconds that a block's time is taken to be early by at most, and added to it."""

CLOCKS = (
    "The block's time is its miner's clock: nodes take a block whose time is above the median of "
    "the 11 blocks before it and at most two hours ahead of their network-adjusted time. So it "
    "may be late by two hours, and early as far as that median is, an hour as a rule; two hours "
    "are added."
)
_ROOT = 32
_SAID = 4
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Attested:
    """A Bitcoin attestation: the block's height, and the Merkle root that its header must have."""

    height: int
    root: bytes

    def __str__(self) -> str:
        return f"block {self.height} with the Merkle root {shown(self.root)}"


def attested(note: bytes, receipt: bytes) -> tuple[Attested, ...]:
    """Which block headers would make a receipt of exactly this checkpoint count, lowest first.

    Malformed if it is no `.ots` file, Refused if it is of another checkpoint, is pending
    still, or goes a way that cannot be followed.
    """
    opened = OtsFile.from_bytes(receipt)
    if opened.hash != SHA256 or opened.digest != hashlib.sha256(note).digest():
        raise Refused("the .ots receipt is of another checkpoint than the one it lies beside")
    paths = opened.timestamp.bitcoin()
    if not paths:
        raise Refused(
            "the .ots receipt holds no Bitcoin attestation: what a calendar has promised is "
            "no proof. Upgrade it (`ots upgrade`) and try again"
        )
    found = set()
    for path in paths:
        root = path.end(opened.digest)
        if root is None:
            raise Refused(
                "the .ots receipt goes through a hash that is not computed here: keccak256, or "
                "RIPEMD-160 where OpenSSL lacks it"
            )
        if len(root) != _ROOT:
            raise Refused(f"the .ots receipt attests {len(root)} bytes; a Merkle root has {_ROOT}")
        found.add(Attested(path.attestation.height, root))
    return tuple(sorted(found, key=lambda one: (one.height, one.root)))


@dataclass(frozen=True, slots=True)
class OtsVoucher:
    """Bitcoin's headers, as far as the verifier knows them, by height.

    A ledger that shares them adds what it learns.
    """

    name: str
    headers: dict[int, BlockHeader] = field(default_factory=dict)
    kind: str = KIND

    def asked(self, headers: Mapping[int, BlockHeader]) -> Self:
        """The same, with the headers that a source gave; what was pinned stands."""
        return replace(self, headers={**headers, **self.headers})

    def check(self, note: bytes, receipt: bytes) -> Stamp:
        """What the receipt shows of exactly this checkpoint; Malformed or Refused if nothing."""
        claims = attested(note, receipt)
        held = [claim for claim in claims if claim.height in self.headers]
        for claim in held:
            self._hold(claim)
        if not held:
            return self._lacking(claims)
        height, header = min(
            ((claim.height, self.headers[claim.height]) for claim in held),
            key=lambda one: (one[1].time, one[0]),
        )
        return Stamp(
            ledger=self.name,
            kind=KIND,
            time=header.time + SLACK,
            voucher=f"Bitcoin block {height}, {header.hash}, of {time_text(header.time * SECOND)}",
            not_shown=(CLOCKS, _whose_word(header)),
            sources=(SOURCE,),
        )

    def _hold(self, claim: Attested) -> None:
        header = self.headers[claim.height]
        if header.root != claim.root:
            raise Refused(
                f"the .ots receipt does not hold: it leads to the Merkle root {shown(claim.root)}, "
                f"and Bitcoin block {claim.height} has {shown(header.root)}"
            )

    def _lacking(self, claims: tuple[Attested, ...]) -> Stamp:
        others = "".join(f", or that of {claim}" for claim in claims[1:_SAID])
        return Stamp(
            ledger=self.name,
            kind=KIND,
            time=NEVER,
            voucher=f"Bitcoin block {claims[0].height}",
            lacking=f"its header, with the Merkle root {shown(claims[0].root)}{others}, is not "
            "known here",
            not_shown=(CLOCKS,),
        )


def _whose_word(header: BlockHeader) -> str:
    return (
        "That the block is on the chain of most work is the word of who pinned its header; to "
        f"make one up takes about 2^{header.work.bit_length() - 1} hashes."
    )
