"""Makes a chain's receipt out of what a node says, and believes none of it unchecked."""

from collections.abc import Mapping, Sequence
from typing import Any

from anchor.errors import AnchorError, Missing
from anchor.ledgers.evm.event import Anchored, place_of, receipt_bytes
from anchor.ledgers.evm.header import header_bytes, open_header
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.trie import prove, receipts_root


async def evm_receipt(
    node: Node, block: Mapping[str, Any], transaction: int, wanted: Anchored, chain: int
) -> EvmReceipt:
    """The receipt of an event in transaction `transaction` (its place in the block).

    Missing if the node's block and receipts do not give the block's hash and root.
    """
    header = _header(node, block)
    receipts = _receipts(node, await node.receipts(block), header)
    if not 0 <= transaction < len(receipts):
        raise Missing(f"{node.place}: the block has no transaction {transaction}")
    try:
        log = place_of(receipts[transaction], wanted)
    except AnchorError as error:
        raise Missing(f"{node.place}: {error}") from error
    return EvmReceipt(
        chain=chain,
        contract=wanted.contract,
        block=open_header(header).hash,
        transaction=transaction,
        log=log,
        header=header,
        nodes=prove(receipts, transaction),
    )


def _header(node: Node, block: Mapping[str, Any]) -> bytes:
    try:
        header = header_bytes(block)
        if f"0x{open_header(header).hash.hex()}" == block.get("hash"):
            return header
    except AnchorError as error:
        raise Missing(f"{node.place} gives a block that is none: {error}") from error
    raise Missing(
        f"{node.place}: the header of block {block.get('number')} does not give its hash; this "
        "chain's headers may have fields that this release does not know"
    )


def _receipts(node: Node, given: Sequence[Mapping[str, Any]], header: bytes) -> list[bytes]:
    try:
        receipts = [receipt_bytes(one) for one in given]
        if receipts and receipts_root(receipts) == open_header(header).receipts_root:
            return receipts
    except AnchorError as error:
        raise Missing(f"{node.place} gives a receipt that is none: {error}") from error
    raise Missing(
        f"{node.place}: its receipts do not give the block's receipts root; this chain's receipts "
        "may have fields that this release does not know"
    )
