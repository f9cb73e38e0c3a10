"""Blocks made up for tests, in a node's JSON and as bytes: one receipt of ours among others."""

import hashlib

from anchor.ledgers.evm.event import EVENT, receipt_bytes
from anchor.ledgers.evm.header import header_bytes, open_header
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.trie import prove, receipts_root
from anchor.ledgers.evm.voucher import EvmVoucher, head_of
from anchor.note import Note
from anchor.tree_head import Checkpoint

CHAIN, CONTRACT, OWNER = 31337, bytes(range(1, 21)), bytes(range(31, 51))
TIME = 1_795_840_106


def event_log(note: bytes, contract: bytes = CONTRACT, owner: bytes = OWNER) -> dict:
    """The contract's log of a checkpoint, as a node gives it."""
    origin, size, root = head_of(Checkpoint.from_text(Note.from_bytes(note).text))
    topics = [EVENT, owner.rjust(32, b"\0"), origin, size.to_bytes(32, "big")]
    return {
        "address": f"0x{contract.hex()}",
        "topics": [f"0x{topic.hex()}" for topic in topics],
        "data": f"0x{(root + hashlib.sha256(note).digest()).hex()}",
    }


def transaction_receipt(index: int, logs: list[dict], *, status: int = 1) -> dict:
    """A receipt as a node gives it; its type goes through those there are."""
    return {
        "type": hex(index % 5),
        "status": hex(status),
        "cumulativeGasUsed": hex(21_000 * (index + 1)),
        "logsBloom": "0x" + hashlib.sha256(bytes([index % 256])).hexdigest() * 8,
        "logs": logs,
        "transactionIndex": hex(index),
    }


def block_of(receipts: list[bytes], **fields: str) -> dict:
    """A block's header as a node gives it, with the root of these receipts."""
    word = "0x" + "11" * 32
    return {
        **dict.fromkeys(("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot"), word),
        "miner": "0x" + "22" * 20,
        "receiptsRoot": "0x" + receipts_root(receipts).hex(),
        "logsBloom": "0x" + "00" * 256,
        "difficulty": "0x0",
        "number": "0x32c",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x5208",
        "timestamp": hex(TIME),
        "extraData": "0x",
        "mixHash": word,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x7",
        "withdrawalsRoot": word,
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": word,
        "requestsHash": word,
        **fields,
    }


def receipt_of(
    note: bytes, *, count: int = 5, index: int = 2, before: int = 1, status: int = 1, **log: bytes
) -> EvmReceipt:
    """A true receipt of a note, in a block of `count` transactions, after `before` other logs."""
    stranger = {"address": "0x" + "99" * 20, "topics": [], "data": "0x01"}
    receipts = [
        receipt_bytes(
            transaction_receipt(
                n,
                [stranger] * before + [event_log(note, **log)] if n == index else [stranger],
                status=status,
            )
        )
        for n in range(count)
    ]
    header = header_bytes(block_of(receipts))
    return EvmReceipt(
        CHAIN, CONTRACT, open_header(header).hash, index, before, header, prove(receipts, index)
    )


def voucher(*blocks: bytes) -> EvmVoucher:
    """Pins that chain, contract and owner, and these blocks."""
    return EvmVoucher("evm", CHAIN, CONTRACT, OWNER, frozenset(blocks))
