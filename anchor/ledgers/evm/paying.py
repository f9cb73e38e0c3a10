"""Makes and signs the transactions of one account: gas, fees and nonce.

Nothing here is sent or kept. Missing says what an operator has to put right.
"""

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr

from anchor.errors import Missing
from anchor.ledgers.evm.event import Anchored
from anchor.ledgers.evm.fees import GWEI, Fees, bumped, first_fees
from anchor.ledgers.evm.node import Node, address
from anchor.ledgers.evm.ticket import Attempt

# Above the estimate, for a state that changed until it is mined; what is left over is not paid.
_ROOM_UP, _ROOM_DOWN = 3, 2
ETHER = 10**18


class Payer:
    """One account on one chain; pays at most `most` wei per gas."""

    def __init__(self, node: Node, account: LocalAccount, chain: int, most: int) -> None:
        self.owner = bytes.fromhex(account.address.removeprefix("0x"))
        self._node = node
        self._account = account
        self._chain = chain
        self._most = most

    async def first(self, event: Anchored) -> Attempt:
        """A transaction that anchors this, with the account's next nonce.

        Missing if fees or funds do not allow it now, or a larger size is on its way.
        """
        base = await self._node.base_fee()
        fees = first_fees(base, await self._node.tip(), self._most)
        if fees is None:
            raise Missing(
                f"the chain asks {base / GWEI:.3g} gwei per gas and the cap is "
                f"{self._most / GWEI:.3g}: waiting for it to fall; max_fee_gwei raises the cap"
            )
        nonce = await self._node.nonce(self.owner, "pending")
        return await self._signed(event, nonce, fees)

    async def again(self, last: Attempt) -> Attempt | None:
        """The same with higher fees, which takes the place of the last; None above the cap."""
        base, tip = await self._node.base_fee(), await self._node.tip()
        fees = bumped(last.fees, base, tip, self._most)
        if fees is None:
            return None
        what = (last.place[1], last.fields["data"], int(last.fields["gas"]))
        return self._sign(what, last.nonce, fees, await self._node.height())

    def stuck(self, last: Attempt) -> str:
        """What to say of one that waits and cannot offer more."""
        return (
            f"stuck: its transaction offers {last.fees.most / GWEI:.3g} gwei per gas and is not "
            f"taken, and the cap of {self._most / GWEI:.3g} leaves no room to offer more; "
            "max_fee_gwei raises it"
        )

    async def _signed(self, event: Anchored, nonce: int, fees: Fees) -> Attempt:
        head = (event.origin, event.size, event.root)
        data = self._node.call_data(event.contract, head, event.note)
        to, sender = address(event.contract), address(self.owner)
        gas = await self._node.gas({"from": sender, "to": to, "data": data})
        if gas is None:
            raise Missing(
                "the contract would refuse this size after what is on its way: waiting for that"
            )
        gas = gas * _ROOM_UP // _ROOM_DOWN
        await self._afford(gas * fees.most)
        what = (event.contract, data, gas)
        return self._sign(what, nonce, fees, await self._node.height())

    async def _afford(self, wei: int) -> None:
        balance = await self._node.balance(self.owner)
        if balance < wei:
            raise Missing(
                f"account {address(self.owner)} on chain {self._chain} has "
                f"{balance / ETHER:.6f} ether and needs up to {wei / ETHER:.6f}: send it some"
            )

    def _sign(
        self, what: tuple[bytes, HexStr, int], nonce: int, fees: Fees, height: int
    ) -> Attempt:
        contract, data, gas = what
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain,
                "nonce": nonce,
                "to": address(contract),
                "value": 0,
                "data": data,
                "gas": gas,
                "maxFeePerGas": fees.most,
                "maxPriorityFeePerGas": fees.tip,
            }
        )
        return Attempt(height, bytes(signed.raw_transaction))
