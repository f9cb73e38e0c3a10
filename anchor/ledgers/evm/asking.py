"""Asks a node what a verifier cannot know: which block a chain has at a height.

The answer is the node's word, so a verifier asks one that it trusts: its own, or several.
"""

from collections.abc import Iterable

from anchor.errors import Malformed, Missing
from anchor.ledgers.evm.header import open_header
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.voucher import EvmVoucher

_HASH = 32


async def asked(voucher: EvmVoucher, node: Node, receipts: Iterable[bytes]) -> EvmVoucher:
    """The voucher, with the hashes of these receipts' blocks as the node has them now.

    Missing if the node does not answer, is of another chain, or has no such block. What is no
    receipt is left to the voucher.
    """
    there = await node.chain()
    if there != voucher.chain:
        raise Missing(f"{node.place} is a node of chain {there}, not of {voucher.chain}")
    found = dict[int, bytes]()
    for receipt in receipts:
        try:
            height = open_header(EvmReceipt.from_bytes(receipt).header).number
        except Malformed:
            continue
        found[height] = await _hash(node, height)
    return voucher.asked(found)


async def _hash(node: Node, height: int) -> bytes:
    block = await node.block(height)
    if block is None:
        raise Missing(f"{node.place} has no block {height}: is it behind, or of another network?")
    try:
        found = bytes.fromhex(str(block.get("hash")).removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != _HASH:
        raise Missing(f"{node.place} gives block {height} without a hash")
    return found
