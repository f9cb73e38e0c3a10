"""A real node on loopback with the contract on it, and a core that keeps tickets."""

import asyncio
import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.ledgers.evm.deploy import Deployed, deploy
from anchor.ledgers.evm.ledger import EvmLedger
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.terms import EvmTerms
from anchor.ledgers.evm.voucher import EvmVoucher
from anchor.note import SignerKey

ORIGIN = "example.org/factory/anchor"
_NPM = "build/anvil/node_modules/@foundry-rs"
# The first two of anvil's accounts, the same in every anvil; they are worth nothing.
KEYS = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
)


def anvil_program() -> str | None:
    """Where anvil is, or None: `make anvil` brings it."""
    npm = sorted(Path(__file__).parents[2].glob(f"{_NPM}/anvil-*/bin/anvil"))
    return shutil.which("anvil") or (str(npm[0]) if npm else None)


class Anvil:
    """One node; `rpc` asks it without any of our code."""

    def __init__(self, *options: str, port: int = 0) -> None:
        program = anvil_program()
        if program is None:
            pytest.skip("no anvil: run `make anvil`")
        self._process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", str(port), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("Listening on "):
                self.port = int(line.rpartition(":")[2])
                break
        else:
            raise AssertionError("anvil ended before it listened")
        self.url = f"http://127.0.0.1:{self.port}"
        self._http = httpx.Client(timeout=20)
        # It says every request; unread, it would stop once the pipe is full.
        self._reader = Thread(target=self._process.stdout.read)
        self._reader.start()

    def rpc(self, method: str, *params: object):
        """One answer of the node."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._http.post(self.url, json=request).json()
        assert "error" not in answer, answer
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    def stop(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def running(*options: str, port: int = 0) -> Iterator[Anvil]:
    """A node that ends with the block."""
    anvil = Anvil(*options, port=port)
    try:
        yield anvil
    finally:
        anvil.stop()


def account(index: int = 0) -> LocalAccount:
    """One of the accounts that have ether on this node."""
    return Account.from_key(KEYS[index])


def deployed(url: str) -> Deployed:
    """The contract, put there by the second account."""

    async def put() -> Deployed:
        node = Node(url)
        try:
            return await deploy(node, account(1))
        finally:
            await node.aclose()

    return asyncio.run(put())


def note_of(size: int, history: str = "true", origin: str = ORIGIN) -> bytes:
    """A signed checkpoint of so many entries, of one history or another."""
    root = hashlib.sha256(f"{history} {size}".encode()).digest()
    return sign_checkpoint(Checkpoint(origin, size, root), SignerKey.from_seed(origin, bytes(32)))


@dataclass
class Core:
    """What an anchor does around a ledger: keeps the newest ticket, calls again and again."""

    chain: Anvil
    contract: Deployed
    key: int = 0
    terms: dict[str, int] = field(default_factory=dict)
    tickets: dict[bytes, bytes] = field(default_factory=dict)
    kept: int = 0
    node: type[Node] = Node

    @property
    def owner(self) -> bytes:
        return bytes.fromhex(account(self.key).address[2:])

    @property
    def voucher(self) -> EvmVoucher:
        return EvmVoucher("evm", self.contract.chain, self.contract.contract, self.owner)

    def ledger(self, url: str | None = None) -> EvmLedger:
        terms = {"confirmations": 3, "patience": 4, **self.terms}
        place = {"chain": self.contract.chain, "contract": self.contract.contract}
        return EvmLedger(
            "evm",
            self.node(url or self.chain.url, timeout=5),
            account(self.key),
            EvmTerms(**{**place, "since": self.contract.since, **terms}),
        )

    def advance(self, note: bytes, keep=None) -> bytes | None:
        """One call, by an object that knows nothing of the last one."""

        async def kept(ticket: bytes) -> None:
            self.kept += 1
            self.tickets[note] = ticket
            if keep is not None:
                keep()

        async def once() -> bytes | None:
            ledger = self.ledger()
            try:
                return await ledger.advance(note, self.tickets.get(note), kept)
            finally:
                await ledger.aclose()

        return asyncio.run(once())

    def settle(self, note: bytes, *, mine: bool = True, rounds: int = 12) -> bytes:
        """Call until there is a receipt, a block between two calls."""
        for _ in range(rounds):
            receipt = self.advance(note)
            if receipt is not None:
                return receipt
            if mine:
                self.chain.mine()
        raise AssertionError("no receipt")

    def events(self, least: int = 0) -> list[dict]:
        """All that the contract ever wrote, as the node itself says, once there are so many."""
        wanted = {"address": "0x" + self.contract.contract.hex(), "fromBlock": "0x0"}
        for _ in range(100):
            found = self.chain.rpc("eth_getLogs", {**wanted, "toBlock": "latest"})
            if len(found) >= least:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{len(found)} events, not {least}")

    def block_hash(self, number: int) -> bytes:
        block = self.chain.rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003
        return bytes.fromhex(block["hash"][2:])
