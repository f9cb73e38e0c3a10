"""The receipt of an EVM chain, `.evm`: from a block's hash to the event, step by step.

Our own format, text, one spelling. Everything after the block's hash follows from it: the
header by its hash, the transaction's receipt by the header's receipts root, the event by its
place there. Which blocks a chain really has is not in it: the verifier knows, or asks.
"""

import re
from dataclasses import dataclass
from typing import Self

from anchor.errors import Malformed
from anchor.ledgers.evm.trie import MAX_NODES
from anchor.spelling import MAX_NUMBER, decoded, number, octets
from telemetry.canonical import b64

HEADER = "factoryledger/evm-receipt/v1"
MAX_RECEIPT = 1 << 20
_NAMES = ("chain", "contract", "block", "transaction", "log", "header")
_HEX = re.compile(r"0x[0-9a-f]*", re.ASCII)
_ADDRESS, _HASH = 20, 32


@dataclass(frozen=True, slots=True)
class EvmReceipt:
    """Where the event is, and the way there from the block's hash.

    Chain id, 20-byte contract, 32-byte block hash, the places of transaction and log in the
    block and in its receipt, the header's RLP, the proof's nodes from the root on.
    """

    chain: int
    contract: bytes
    block: bytes
    transaction: int
    log: int
    header: bytes
    nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        for value in (self.chain, self.transaction, self.log):
            if not 0 <= value <= MAX_NUMBER:
                raise Malformed(f"{value} in a chain's receipt is not between 0 and 2^63-1")
        if len(self.contract) != _ADDRESS or len(self.block) != _HASH:
            raise Malformed("a contract's address has 20 bytes, a block's hash 32")
        if not 1 <= len(self.nodes) <= MAX_NODES:
            raise Malformed(f"a proof of {len(self.nodes)} nodes; 1 to {MAX_NODES} are read")

    def to_bytes(self) -> bytes:
        """The receipt as it is stored."""
        lines = [
            HEADER,
            f"chain {self.chain}",
            f"contract 0x{self.contract.hex()}",
            f"block 0x{self.block.hex()}",
            f"transaction {self.transaction}",
            f"log {self.log}",
            f"header {b64(self.header)}",
            *(f"node {b64(node)}" for node in self.nodes),
        ]
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a receipt, nothing in it checked; Malformed unless `to_bytes` would write it."""
        if len(data) > MAX_RECEIPT:
            raise Malformed(f"a chain's receipt of {len(data)} bytes; {MAX_RECEIPT} are read")
        first, *lines = decoded(data, "a chain's receipt").split("\n")
        if first != HEADER:
            raise Malformed(f"not a chain's receipt: it starts with another line than {HEADER!r}")
        if len(lines) <= len(_NAMES) or lines.pop():
            raise Malformed("a chain's receipt that is cut off")
        values = [_value(line, name) for line, name in zip(lines, _NAMES, strict=False)]
        chain, contract, block, transaction, log, header = values
        return cls(
            number(chain, "a chain's id"),
            read_hex(contract, "a contract's address", _ADDRESS),
            read_hex(block, "a block's hash", _HASH),
            number(transaction, "a transaction's place"),
            number(log, "a log's place"),
            octets(header, "a block's header"),
            tuple(octets(_value(n, "node"), "a node") for n in lines[len(_NAMES) :]),
        )


def read_hex(text: str, what: str, length: int) -> bytes:
    """Read `0x` and so many bytes in lower case; Malformed names `what` it should have been."""
    if not _HEX.fullmatch(text) or len(text) != 2 + 2 * length:
        raise Malformed(f"{what} is 0x and {2 * length} digits 0-9a-f, not {text[:80]!r}")
    return bytes.fromhex(text[2:])


def _value(line: str, name: str) -> str:
    start, space, value = line.partition(" ")
    if start != name or not space:
        raise Malformed(f"a chain's receipt has {line[:40]!r} where its {name} is due")
    return value
