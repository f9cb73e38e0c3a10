"""Puts the contract on a chain, once: what `anchor deploy` does.

It takes no argument and has no owner, so any deployment of the same code is as good as any
other; deploying twice costs gas and nothing else.
"""

import asyncio
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3.types import TxReceipt

from anchor.errors import Missing
from anchor.ledgers.evm.contract import compiled
from anchor.ledgers.evm.fees import GWEI, first_fees
from anchor.ledgers.evm.node import Node, address

_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Deployed:
    """Chain id, the contract's 20-byte address, the height it is there from, the gas used."""

    chain: int
    contract: bytes
    since: int
    gas: int


async def deploy(
    node: Node, account: LocalAccount, *, most: int = 100 * GWEI, patience: float = 300.0
) -> Deployed:
    """Deploy for an account, for at most `most` wei per gas; wait `patience` seconds for it.

    Missing if the node does not answer, fees or funds do not allow it, or it is not mined.
    """
    chain = await node.chain()
    base = await node.base_fee()
    fees = first_fees(base, await node.tip(), most)
    if fees is None:
        raise Missing(f"the chain asks {base / GWEI:.3g} gwei per gas, above the cap: try later")
    code = HexStr("0x" + compiled().bytecode.hex())
    owner = bytes.fromhex(account.address.removeprefix("0x"))
    gas = await node.gas({"from": address(owner), "data": code})
    if gas is None or await node.balance(owner) < gas * fees.most:
        raise Missing(f"account {account.address} on chain {chain} cannot pay: send it some ether")
    signed = account.sign_transaction(
        {
            "type": 2,
            "chainId": chain,
            "nonce": await node.nonce(owner, "pending"),
            "value": 0,
            "data": code,
            "gas": gas,
            "maxFeePerGas": fees.most,
            "maxPriorityFeePerGas": fees.tip,
        }
    )
    await node.send(bytes(signed.raw_transaction))
    return await _mined(node, bytes(signed.hash), chain, patience)


async def fund(node: Node, owner: bytes, wei: int, *, patience: float = 60.0) -> None:
    """Have a development node give an account so much, out of an account that is its own.

    Missing if the node has none: a node of a public chain has not.
    """
    accounts = await node.raw("eth_accounts")
    if not isinstance(accounts, list) or not accounts:
        raise Missing(f"{node.place} has no account of its own to fund from: send some ether")
    gift = {"from": accounts[0], "to": address(owner), "value": hex(wei)}
    sent = await node.raw("eth_sendTransaction", gift)
    await _receipt(node, bytes.fromhex(str(sent).removeprefix("0x")), patience)


async def _receipt(node: Node, transaction: bytes, patience: float) -> TxReceipt:
    try:
        async with asyncio.timeout(patience):
            while (receipt := await node.receipt(transaction)) is None:  # noqa: ASYNC110 - a node
                await asyncio.sleep(_LOOK_EVERY)
            return receipt
    except TimeoutError as error:
        raise Missing(
            f"after {patience:.0f} s transaction 0x{transaction.hex()} is not mined; once it is, "
            "its receipt names the contract"
        ) from error


async def _mined(node: Node, transaction: bytes, chain: int, patience: float) -> Deployed:
    receipt = await _receipt(node, transaction, patience)
    made = receipt["contractAddress"]
    if receipt["status"] != 1 or made is None:
        raise Missing(f"transaction 0x{transaction.hex()} was reverted: no contract was made")
    contract = bytes.fromhex(made.removeprefix("0x"))
    await node.check(chain, contract)
    return Deployed(chain, contract, receipt["blockNumber"], receipt["gasUsed"])
