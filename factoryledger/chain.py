"""An EVM chain as the ledgers file pins it: for who verifies, for who anchors, its node.

Imported where a chain is used: it needs the extra `evm`. Verifying loads no client of a node.
"""

import asyncio
import stat
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.errors import Malformed, Missing
from anchor.ledgers.evm.voucher import EvmVoucher
from anchor.tree_head import Checkpoint
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import first_line
from factoryledger.ledger_file import EvmPins

if TYPE_CHECKING:
    from anchor.audit.receipts import Seen
    from anchor.ledgers.evm.ledger import EvmLedger

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def evm_voucher(name: str, pins: EvmPins) -> EvmVoucher:
    """What checks receipts of that chain, offline."""
    return EvmVoucher(
        name=name,
        chain=pins.chain_id,
        contract=_octets(pins.contract),
        owner=_octets(pins.account),
        blocks=frozenset(map(_octets, pins.blocks)),
    )


def evm_voucher_asking(voucher: EvmVoucher, pins: EvmPins, receipt: bytes) -> EvmVoucher:
    """The same, with the pinned node's word on the block of this receipt.

    Missing where the node does not answer, is of another chain, or has no such block.
    """
    from anchor.ledgers.evm.asking import asked  # noqa: PLC0415 - web3 is slow
    from anchor.ledgers.evm.node import Node  # noqa: PLC0415 - web3 is slow

    async def ask() -> EvmVoucher:
        node = Node(node_url(voucher.name, pins), timeout=pins.timeout)
        try:
            return await asked(voucher, node, [receipt])
        finally:
            await node.aclose()

    return asyncio.run(ask())


def contract_heads(name: str, pins: EvmPins, origin: str) -> "list[Seen]":
    """Every checkpoint of a log that the contract holds, by the pinned node's word.

    NotThere where the node does not answer, is of another chain, keeps events back, or the
    contract is not ours.
    """
    from anchor.audit.receipts import Seen  # noqa: PLC0415 - an audit's
    from anchor.ledgers.evm.history import Named, history  # noqa: PLC0415 - web3 is slow
    from anchor.ledgers.evm.node import Node  # noqa: PLC0415 - web3 is slow

    contract = _octets(pins.contract)
    named = Named(contract, _octets(pins.account), sha256(origin.encode()).digest())

    async def ask() -> list[Seen]:
        node = Node(node_url(name, pins), timeout=pins.timeout)
        try:
            await node.check(pins.chain_id, contract)
            head = await node.head(contract, named.owner, named.origin)
            found = await history(node, named, pins.since)
            if head.size > max((one.event.size for one in found), default=0):
                raise Missing(
                    f"the contract holds size {head.size} of this log, and {node.place} gives no "
                    f"event of it since block {pins.since}: correct since, or ask another node"
                )
        finally:
            await node.aclose()
        place = f"ledger {name}, contract {pins.contract} on chain {pins.chain_id}"
        return [
            Seen(f"{place}, block {one.block}", Checkpoint(origin, one.event.size, one.event.root))
            for one in found
        ]

    try:
        return asyncio.run(ask())
    except Missing as error:
        raise NotThere(f"ledger {name}: {error}") from error


def evm_ledger(voucher: EvmVoucher, pins: EvmPins, passphrase_file: Path | None) -> "EvmLedger":
    """What anchors on that chain; `passphrase_file` is the settings', where the pins name none.

    The blocks that its node shows count for the voucher, while this process lives.
    WrongUsage where something that anchoring needs is not said or not right.
    """
    from anchor.ledgers.evm.fees import GWEI  # noqa: PLC0415 - beside the next
    from anchor.ledgers.evm.keystore import open_keystore  # noqa: PLC0415 - web3 is slow
    from anchor.ledgers.evm.ledger import EvmLedger  # noqa: PLC0415 - web3 is slow
    from anchor.ledgers.evm.node import Node  # noqa: PLC0415 - web3 is slow
    from anchor.ledgers.evm.terms import EvmTerms  # noqa: PLC0415 - beside those

    name = voucher.name
    url, file = node_url(name, pins), pins.passphrase_file or passphrase_file
    if pins.keystore is None or file is None:
        raise WrongUsage(f"ledger {name}: anchoring takes a keystore and a passphrase_file")
    try:
        account = open_keystore(pins.keystore, passphrase(file))
    except Malformed as error:
        raise WrongUsage(f"ledger {name}: {error}") from error
    if _octets(account.address) != _octets(pins.account):
        raise WrongUsage(
            f"ledger {name}: {pins.keystore} is of account {account.address}, not of the pinned "
            f"{pins.account}"
        )
    terms = EvmTerms(
        chain=pins.chain_id,
        contract=_octets(pins.contract),
        since=pins.since,
        confirmations=pins.confirmations,
        patience=pins.patience,
        most=int(pins.max_fee_gwei * GWEI),
    )
    return EvmLedger(name, Node(url, timeout=pins.timeout), account, terms, voucher.heights)


def node_url(name: str, pins: EvmPins) -> str:
    """The node's address, from a file of its own where it holds a key; WrongUsage for none."""
    if pins.url is not None:
        return pins.url
    if pins.url_file is None:
        raise WrongUsage(f"ledger {name}: no url; give --ledger {name}=URL, or write it down")
    return first_line(pins.url_file, "address")


def passphrase(file: Path) -> str:
    """A keystore's passphrase, the first line of a file; WrongUsage if others may read it."""
    if file.exists() and file.stat().st_mode & _OTHERS:
        raise WrongUsage(f"{file}: others may read this passphrase; chmod 600 it")
    return first_line(file, "passphrase")


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
