"""A node of an EVM chain, asked over JSON-RPC with web3: the edge of this ledger.

Rule: a node is a witness of nothing. What it says decides when to send and when to wait; what
counts is checked from the block's hash. Its address may hold a key (as those of hosted nodes
do), so only its host is ever named.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import ClientError, ClientTimeout
from eth_typing import BlockNumber, ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import FilterParams, LogReceipt, RPCEndpoint, TxParams, TxReceipt

import anchor.ledgers.evm.recursion  # noqa: F401 - undoes what eth-account does
from anchor.errors import Missing
from anchor.ledgers.evm.contract import compiled

T = TypeVar("T")
_NO_SUCH_METHOD = -32601
_DETAIL = 200
# A shorter word of an address is no key, and stands in any text.
_SECRET = 6
# At its lower levels it names the node's whole address.
logging.getLogger("web3").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Head:
    """What the contract keeps of a sender's log; size 0 where it has none."""

    size: int
    time: int
    block: int
    root: bytes


class Node:
    """One node; every method raises Missing where it does not answer, or answers nonsense."""

    def __init__(self, url: str, *, timeout: float = 20.0) -> None:
        self.place = _host(url)
        self._secrets = _secrets(url)
        self._timeout = timeout
        self._provider = AsyncHTTPProvider(
            url,
            request_kwargs={"timeout": ClientTimeout(total=timeout)},
            exception_retry_configuration=None,
        )
        self._w3 = AsyncWeb3(self._provider)
        self._eth = self._w3.eth

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._provider.disconnect()

    async def check(self, chain: int, contract: bytes) -> None:
        """Missing unless this is the chain, and the contract there runs our code."""
        there = await self.chain()
        if there != chain:
            raise Missing(
                f"{self.place} is a node of chain {there}, not of {chain}: nothing is sent; "
                "correct its address or the chain in the ledgers file"
            )
        code = await self._ask(self._eth.get_code(address(contract)))
        if bytes(code) != compiled().runtime:
            what = "other code than this release's contract" if code else "no contract"
            raise Missing(
                f"at 0x{contract.hex()} on chain {chain} is {what}: nothing is sent; correct "
                "the contract in the ledgers file, or deploy one (anchor deploy)"
            )

    async def chain(self) -> int:
        """The id of its chain."""
        return await self._number(self._eth.chain_id)

    async def height(self) -> int:
        """The number of the newest block."""
        return await self._number(self._eth.block_number)

    async def base_fee(self) -> int:
        """The base fee of the newest block, wei per gas (EIP-1559)."""
        block = await self.block("latest")
        fee = None if block is None else block.get("baseFeePerGas")
        if not isinstance(fee, str):
            raise Missing(f"{self.place} gives no base fee: its chain is without EIP-1559")
        try:
            return int(fee, 16)
        except ValueError as error:
            raise Missing(f"{self.place} gives a base fee that is no number") from error

    async def tip(self) -> int:
        """What proposers are given now, as the node sees it, wei per gas."""
        return await self._number(self._eth.max_priority_fee)

    async def nonce(self, owner: bytes, block: "int | str") -> int:
        """How many transactions of an account there are at a height, `latest` or `pending`."""
        at = cast("Any", block)
        return await self._number(self._eth.get_transaction_count(address(owner), at))

    async def balance(self, owner: bytes) -> int:
        """What an account has, in wei."""
        return await self._number(self._eth.get_balance(address(owner)))

    async def gas(self, transaction: TxParams) -> int | None:
        """What it would use on top of what is on its way; None if it would be reverted."""
        try:
            return await self._number(self._eth.estimate_gas(transaction, "pending"))
        except Reverted:
            return None

    async def send(self, raw: bytes) -> None:
        """Hand in a signed transaction; one that the node or the chain has already is fine."""
        try:
            await self._ask(self._eth.send_raw_transaction(raw))
        except Missing as error:
            # Whether it was then mined is asked, never taken from an error.
            if not any(s in str(error).lower() for s in ("already known", "nonce too low")):
                raise

    async def knows(self, transaction: bytes) -> bool:
        """Whether it has a transaction, mined or waiting."""
        found = self._eth.get_transaction(cast("Any", HexBytes(transaction)))
        return await self._ask(_or_none(found)) is not None

    async def receipt(self, transaction: bytes) -> TxReceipt | None:
        """A mined transaction's receipt."""
        found = self._eth.get_transaction_receipt(cast("Any", HexBytes(transaction)))
        return await self._ask(_or_none(found))

    async def block(self, which: "int | str") -> Mapping[str, Any] | None:
        """A block of the chain as the node has it now, as JSON, its transactions by hash."""
        tag = hex(which) if isinstance(which, int) else which
        answer = await self.raw("eth_getBlockByNumber", tag, False)  # noqa: FBT003 - JSON-RPC's
        if answer is not None and not isinstance(answer, dict):
            raise Missing(f"{self.place} answers with what is no block")
        return answer

    async def receipts(self, block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The receipts of all its transactions, as JSON, in their order."""
        try:
            answer = await self.raw("eth_getBlockReceipts", block.get("hash"))
        except NoSuchMethod:
            answer = [
                await self.raw("eth_getTransactionReceipt", hash_)
                for hash_ in block.get("transactions") or ()
            ]
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise Missing(f"{self.place} does not give the receipts of block {block.get('hash')}")
        try:
            return sorted(answer, key=lambda one: int(one["transactionIndex"], 16))
        except (KeyError, TypeError, ValueError) as error:
            raise Missing(f"{self.place} gives receipts without their places") from error

    async def head(self, contract: bytes, owner: bytes, origin: bytes) -> Head:
        """What the contract keeps of a log now."""
        call = self._contract(contract).functions.head(address(owner), origin).call()
        size, time, block, root = await self._ask(call)
        return Head(size, time, block, root)

    def call_data(self, contract: bytes, head: tuple[bytes, int, bytes], note: bytes) -> HexStr:
        """The call that anchors: origin's hash, size, root; the note's hash."""
        return cast("HexStr", self._contract(contract).encode_abi("anchor", [*head, note]))

    async def logs(
        self, contract: bytes, topics: Sequence[bytes], start: int, end: int
    ) -> list[LogReceipt]:
        """What a contract wrote in a range of blocks under these topics, the first ones of it."""
        wanted: FilterParams = {
            "address": address(contract),
            "fromBlock": BlockNumber(start),
            "toBlock": BlockNumber(end),
            "topics": [HexStr("0x" + topic.hex()) for topic in topics],
        }
        return await self._ask(self._eth.get_logs(wanted))

    def _contract(self, contract: bytes) -> Any:
        return self._eth.contract(address=address(contract), abi=cast("Any", compiled().abi))

    async def raw(self, method: str, *params: object) -> Any:
        """What the node answers to a JSON-RPC request, as it is."""
        request = self._provider.make_request(RPCEndpoint(method), list(params))
        answer: Any = await self._ask(request)
        if not isinstance(answer, dict):
            raise Missing(f"{self.place} answers {method} with what is no answer")
        error = answer.get("error")
        if error:
            code = error.get("code") if isinstance(error, dict) else None
            kind = NoSuchMethod if code == _NO_SUCH_METHOD else Missing
            raise kind(f"{self.place} answers {method} with an error: {self._said(repr(error))}")
        return answer.get("result")

    async def _number(self, answer: Awaitable[object]) -> int:
        found = await self._ask(answer)
        # The library hands on what is no number as it came.
        if not isinstance(found, int) or found < 0:
            raise Missing(f"{self.place} answers with what is no number")
        return found

    async def _ask(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except ContractLogicError as error:
            raise Reverted(f"the contract refuses: {self._said(str(error))}") from error
        except Web3RPCError as error:
            raise Missing(f"{self.place} refuses: {self._said(str(error))}") from error
        except (ClientError, OSError, TimeoutError) as error:
            # Their own words name the whole address.
            raise Missing(
                f"no answer from the node at {self.place} ({type(error).__name__})"
            ) from None
        except (Web3Exception, ValueError, TypeError, KeyError) as error:
            raise Missing(f"{self.place} answers nonsense: {self._said(str(error))}") from error

    def _said(self, text: str) -> str:
        """The start of what came back, without what only our address knows."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text[:_DETAIL]


class Reverted(Missing):
    """The contract would not take it."""


class NoSuchMethod(Missing):
    """The node does not offer this."""


def address(octets: bytes) -> ChecksumAddress:
    """An address in the spelling that web3 wants (EIP-55)."""
    return AsyncWeb3.to_checksum_address("0x" + octets.hex())


async def _or_none(found: Awaitable[T]) -> T | None:
    try:
        return await found
    except TransactionNotFound:
        return None


def _secrets(url: str) -> list[str]:
    """Whatever of an address is not its host and could be a key; the longest first."""
    parts = urlsplit(url)
    found = {parts.username, parts.password, *parts.path.split("/"), *parts.query.split("&")}
    found |= {value for _, value in parse_qsl(parts.query)}
    spelled = {word for one in found if one for word in (one, unquote(one))}
    return sorted((word for word in spelled if len(word) >= _SECRET), key=len, reverse=True)


def _host(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
