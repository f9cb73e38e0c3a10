"""Checkpoints onto an EVM chain, each at most once: `Ledger` over a node and the contract.

Rules. A signed transaction is kept before it is sent, and sent again as it is; only a nonce
that another transaction has taken for good, by `confirmations` blocks, makes a new one. The
contract takes each size once, so that even then no checkpoint is there twice. What is mined
counts once it is `confirmations` blocks deep and its block still stands. One that a larger
size has overtaken is Refused: the contract will never take it, and the larger one covers it.
"""

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from anchor.errors import AnchorError, Missing, Refused
from anchor.ledgers.evm.event import Anchored
from anchor.ledgers.evm.history import Found, Named, history
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.paying import Payer
from anchor.ledgers.evm.proving import evm_receipt
from anchor.ledgers.evm.terms import EvmTerms
from anchor.ledgers.evm.ticket import MAX_ATTEMPTS, Attempt, Ticket
from anchor.ledgers.evm.voucher import EvmVoucher, head_of
from anchor.ledgers.ledger import Keep
from anchor.note import Note
from anchor.tree_head import Checkpoint


@dataclass(frozen=True, slots=True)
class _Job:
    """One checkpoint: its note, and the event that the contract will write of it."""

    note: bytes
    event: Anchored


class EvmLedger:
    """Anchors for one account on one contract; `name` is the operator's for it.

    The blocks of its receipts are noted in `known`, by height: the anchor believes its own node.
    """

    def __init__(
        self,
        name: str,
        node: Node,
        account: LocalAccount,
        terms: EvmTerms,
        known: MutableMapping[int, bytes] | None = None,
    ) -> None:
        self._known = {} if known is None else known
        self._name = name
        self._node = node
        self._terms = terms
        self._payer = Payer(node, account, terms.chain, terms.most)
        self._owner = self._payer.owner

    @property
    def name(self) -> str:
        """The operator's name for it."""
        return self._name

    @property
    def kind(self) -> str:
        """The ending of its receipts' files."""
        return "evm"

    async def aclose(self) -> None:
        """Let go of the node."""
        await self._node.aclose()

    async def advance(self, note: bytes, ticket: bytes | None, keep: Keep) -> bytes | None:
        """Take a checkpoint a step further, as `Ledger` says.

        Missing also where the node is of another chain, the contract is not ours, or the
        account or the cap on fees is too small: all of them an operator can put right.
        """
        job = self._job(note)
        await self._node.check(self._terms.chain, self._terms.contract)
        if ticket is None:
            return await self._begin(job, keep, self._terms.since)
        opened = Ticket.from_bytes(ticket)
        self._check_place(opened)
        return await self._go_on(job, opened, keep)

    def _job(self, note: bytes) -> _Job:
        origin, size, root = head_of(Checkpoint.from_text(Note.from_bytes(note).text))
        return _Job(
            note,
            Anchored(
                contract=self._terms.contract,
                owner=self._owner,
                origin=origin,
                size=size,
                root=root,
                note=hashlib.sha256(note).digest(),
            ),
        )

    def _check_place(self, ticket: Ticket) -> None:
        chain, contract = ticket.newest.place
        if (chain, contract) != (self._terms.chain, self._terms.contract):
            raise Missing(
                f"this checkpoint is on its way to contract 0x{contract.hex()} on chain {chain}, "
                "which the ledgers file no longer names: put that back until it is there"
            )
        if ticket.newest.sender != self._owner:
            raise Missing(
                f"this checkpoint is on its way from 0x{ticket.newest.sender.hex()}, the keystore "
                f"is of 0x{self._owner.hex()}: put the former keystore back until it is there"
            )

    async def _begin(self, job: _Job, keep: Keep, since: int) -> bytes | None:
        """Nothing of ours is on its way: the chain is asked first, then a transaction made."""
        found = await self._standing(job, since)
        if found is not None:
            return await self._stood(job, await self._node.receipt(found.transaction))
        attempt = await self._payer.first(job.event)
        await self._hand_in(Ticket((attempt,)), keep)
        return None

    async def _hand_in(self, ticket: Ticket, keep: Keep) -> None:
        # Kept first: killed after this, the same bytes are sent again, and never others.
        await keep(ticket.to_bytes())
        await self._node.send(ticket.newest.raw)

    async def _standing(self, job: _Job, since: int) -> Found | None:
        """The event of this checkpoint; None if the contract would take it.

        Refused if it has a larger size without this one, or this size with something else.
        """
        ours = job.event
        head = await self._node.head(ours.contract, ours.owner, ours.origin)
        if head.size < ours.size:
            return None
        start, end = (head.block, head.block) if head.size == ours.size else (since, None)
        named = Named(ours.contract, ours.owner, ours.origin)
        events = await history(self._node, named, start, end, size=ours.size)
        if not events and head.size > ours.size:
            raise Refused(
                f"size {head.size} of this log is anchored already, so the contract takes no "
                f"{ours.size} any more; the larger one covers it"
            )
        if not events:
            raise Missing(f"{self._node.place} does not give the event of size {ours.size}")
        return _same(ours, events[0])

    async def _go_on(self, job: _Job, ticket: Ticket, keep: Keep) -> bytes | None:
        for attempt in reversed(ticket.attempts):
            receipt = await self._node.receipt(attempt.hash)
            if receipt is not None:
                return await self._stood(job, receipt)
        nonce = ticket.newest.nonce
        if await self._node.nonce(self._owner, "latest") <= nonce:
            await self._urge(ticket, keep)
            return None
        deep = await self._node.height() - self._terms.confirmations + 1
        if deep < 0 or await self._node.nonce(self._owner, deep) <= nonce:
            return None
        # Another transaction of this account has the nonce for good: none of these can come.
        return await self._begin(job, keep, ticket.attempts[0].height)

    async def _stood(self, job: _Job, receipt: TxReceipt | None) -> bytes | None:
        """The checkpoint's receipt once its transaction is deep enough and its block stands."""
        if receipt is None:
            return None
        number = receipt["blockNumber"]
        if await self._node.height() - number + 1 < self._terms.confirmations:
            return None
        block = await self._node.block(number)
        if block is None or block.get("hash") != f"0x{bytes(receipt['blockHash']).hex()}":
            return None  # reorganised: it is looked for again
        if receipt["status"] != 1:
            return await self._reverted(job, receipt)
        proof = await evm_receipt(
            self._node, block, receipt["transactionIndex"], job.event, self._terms.chain
        )
        data = proof.to_bytes()
        self._checked(job, data, number, proof.block)
        self._known[number] = proof.block
        return data

    async def _reverted(self, job: _Job, receipt: TxReceipt) -> bytes | None:
        found = await self._standing(job, self._terms.since)
        if found is None:
            raise Refused(
                f"the chain reverted transaction 0x{bytes(receipt['transactionHash']).hex()}, "
                f"which used {receipt['gasUsed']} gas, though the contract would take its size"
            )
        return await self._stood(job, await self._node.receipt(found.transaction))

    def _checked(self, job: _Job, data: bytes, number: int, block: bytes) -> None:
        terms = self._terms
        voucher = EvmVoucher(
            self._name, terms.chain, terms.contract, self._owner, heights={number: block}
        )
        try:
            voucher.check(job.note, data)
        except AnchorError as error:
            raise Missing(f"{self._node.place} gives no receipt that holds: {error}") from error

    async def _urge(self, ticket: Ticket, keep: Keep) -> None:
        """Not mined yet: hand it in again where the node lost it, offer more where it is stuck."""
        newest = ticket.newest
        behind = await self._node.nonce(self._owner, "pending") < newest.nonce
        stuck = await self._node.height() - newest.height >= self._terms.patience
        if stuck and not behind and len(ticket.attempts) < MAX_ATTEMPTS:
            attempt = await self._payer.again(newest)
            if attempt is not None:
                await self._hand_in(Ticket((*ticket.attempts, attempt)), keep)
                return
        if not await self._node.knows(newest.hash):
            await self._again(newest, stuck=stuck)
        if behind:
            raise Missing(
                f"transaction {newest.nonce} of this account waits for an earlier one, which is "
                "not on its way: send any with that number, from the same account"
            )
        if stuck:
            raise Missing(self._payer.stuck(newest))

    async def _again(self, attempt: Attempt, *, stuck: bool) -> None:
        try:
            await self._node.send(attempt.raw)
        except Missing as error:
            if stuck:
                raise Missing(f"{self._payer.stuck(attempt)} ({error})") from error
            raise


def _same(ours: Anchored, found: Found) -> Found:
    if found.event == ours:
        return found
    if found.event.root != ours.root:
        raise Refused(
            f"the contract holds another root of size {ours.size}, anchored in block "
            f"{found.block}: this log is not the one that was anchored; it was rewritten"
        )
    raise Refused(
        f"size {ours.size} was anchored in block {found.block} with another note of the same "
        "tree; that note's receipt stands"
    )
