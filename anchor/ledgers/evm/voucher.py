"""Checks a chain's receipt against what a verifier pinned: pure, offline, no trust in a node.

Pinned are the chain, the contract, who anchors there, and blocks: by their hashes, or by
height where a node was asked. Without a pinned block a receipt is consistent and no more.
"""

import hashlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Self

from anchor.errors import Refused
from anchor.ledgers.evm.event import Anchored, anchored_in
from anchor.ledgers.evm.header import Header, open_header
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.trie import proven
from anchor.ledgers.ledger import Stamp
from anchor.note import Note
from anchor.tree_head import Checkpoint

_NOT_SHOWN = (
    "a block's time is what its proposer set, within what the chain allows",
    "that the block is of the chain is the word of who gave its hash",
)


@dataclass(frozen=True, slots=True)
class EvmVoucher:
    """A contract on a chain; `blocks` are trusted hashes, `heights` a node's word."""

    name: str
    chain: int
    contract: bytes
    owner: bytes
    blocks: frozenset[bytes] = frozenset()
    heights: MutableMapping[int, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The ending of a receipt's file."""
        return "evm"

    def asked(self, heights: Mapping[int, bytes]) -> Self:
        """The same, with the hashes that a node gave for these heights."""
        return replace(self, heights={**self.heights, **heights})

    def check(self, note: bytes, receipt: bytes) -> Stamp:
        """What the receipt shows of exactly this checkpoint.

        Malformed if it is no receipt of a chain, Refused if it is of another chain, contract,
        sender or checkpoint, or if the node has another block at that height.
        """
        opened = EvmReceipt.from_bytes(receipt)
        header, event = self._followed(opened)
        self._compare(event, note)
        place = f"block {header.number} of chain {self.chain}"
        return Stamp(
            ledger=self.name,
            kind=self.kind,
            time=header.time,
            voucher=f"{place}, in contract 0x{self.contract.hex()}",
            lacking=self._lacking(header, place),
            not_shown=_NOT_SHOWN,
            sources=(f"chain {self.chain}",),
        )

    def _followed(self, receipt: EvmReceipt) -> tuple[Header, Anchored]:
        if (receipt.chain, receipt.contract) != (self.chain, self.contract):
            raise Refused(
                f"the receipt is of contract 0x{receipt.contract.hex()} on chain {receipt.chain}, "
                f"pinned as {self.name} is 0x{self.contract.hex()} on chain {self.chain}"
            )
        header = open_header(receipt.header)
        if header.hash != receipt.block:
            raise Refused("the receipt's header is not that of the block it names")
        data = proven(header.receipts_root, receipt.transaction, receipt.nodes)
        return header, anchored_in(data, receipt.log)

    def _compare(self, event: Anchored, note: bytes) -> None:
        checkpoint = Checkpoint.from_text(Note.from_bytes(note).text)
        if event.contract != self.contract:
            raise Refused(f"contract 0x{event.contract.hex()} wrote the event, not the pinned one")
        if event.owner != self.owner:
            raise Refused(
                f"0x{event.owner.hex()} anchored it; pinned as {self.name} is 0x{self.owner.hex()}"
            )
        said = (event.origin, event.size, event.root, event.note)
        if said != (*head_of(checkpoint), hashlib.sha256(note).digest()):
            raise Refused("the receipt is of another checkpoint")

    def _lacking(self, header: Header, place: str) -> str | None:
        asked = self.heights.get(header.number)
        if asked is not None and asked != header.hash:
            raise Refused(
                f"{place} is 0x{asked.hex()}, not the receipt's 0x{header.hash.hex()}: the chain "
                "was reorganised after the receipt was stored, or the node is of another network"
            )
        if asked is not None or header.hash in self.blocks:
            return None
        return f"whether {place} has the hash 0x{header.hash.hex()}"


def head_of(checkpoint: Checkpoint) -> tuple[bytes, int, bytes]:
    """What the contract keeps of a checkpoint: SHA-256 of its origin, size, root."""
    origin = hashlib.sha256(checkpoint.origin.encode()).digest()
    return origin, checkpoint.size, checkpoint.root
