"""What an EVM chain costs: gas for an anchor, blocks to a receipt, bytes in a proof.

Usage: python benchmarks/gas.py. Runs anvil (`make anvil`) on loopback, a block a second.
Gas and bytes are counts; times are ratios to the block time and to one Ed25519 check in the
same run. The cost of a day is worked out from the gas, at a price of 1 gwei.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "anchor_ledgers"))

from evm_chain import Anvil, Core, account, deployed, note_of, running

from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.stamped import Receipt, StampedCheckpoint, stamped_text
from telemetry.signature import SigningKey
from telemetry.signature import verify as check_signature

ROUNDS = 200
CONFIRMATIONS = 3
GWEI_IN_ETHER = 1e-9
DAYS = (("every second", 86_400), ("every 10 minutes", 144), ("every hour", 24), ("a day", 1))


def main() -> None:
    """Print the figures."""
    with running() as chain:
        core = Core(chain, deployed(chain.url))
        first, later = gas(core)
        print(f"gas: deployment {core.contract.gas}, first {first}, each later {later}")
        print("a day at 1 gwei per gas:", "; ".join(days(later)))
        alone = core.settle(note_of((1 << 20) + 600))
        among = crowded(core)
        print(f"receipt: {len(alone)} bytes in a block of its own, {len(among)} among 200 others")
        print(f"  its parts among them: {', '.join(parts(among))}")
        print(f"in a proof: {carried(alone)} and {carried(among)} bytes more")
        print(f"checking it: {checked(core, among):.1f} times one Ed25519 check")
    with running("--block-time", "1") as chain:
        core = Core(chain, deployed(chain.url), terms={"confirmations": CONFIRMATIONS})
        blocks = asyncio.run(waited(core))
        print(f"receipt after {blocks:.1f} block times, {CONFIRMATIONS} confirmations")


def gas(core: Core) -> tuple[int, int]:
    """Gas of a log's first checkpoint and of a later one, as the chain counted it."""
    core.settle(note_of(1 << 20))
    core.settle(note_of((1 << 20) + 300))
    first, later = [
        int(core.chain.rpc("eth_getTransactionReceipt", e["transactionHash"])["gasUsed"], 16)
        for e in core.events()
    ]
    return first, later


def days(each: int) -> Iterator[str]:
    """The ether that a day costs, by how often."""
    for name, count in DAYS:
        yield f"{name} {each * count * GWEI_IN_ETHER:.5f} ether"


def crowded(core: Core) -> bytes:
    """The receipt of a checkpoint that shares its block with 200 transactions."""
    chain: Anvil = core.chain
    chain.rpc("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC's
    stranger = account(1).address
    gift = {"from": stranger, "to": stranger, "gas": hex(21_000)}
    note = note_of((1 << 20) + 900)
    for n in range(200):
        if n == 100:
            core.advance(note)
        chain.rpc("eth_sendTransaction", {**gift, "value": hex(n)})
    return core.settle(note)


def parts(receipt: bytes) -> Iterator[str]:
    """How the bytes come about."""
    opened = EvmReceipt.from_bytes(receipt)
    yield f"header {len(opened.header)}"
    yield f"{len(opened.nodes)} nodes {sum(map(len, opened.nodes))} bytes, before base64"


def carried(receipt: bytes) -> int:
    """Bytes that a proof grows by."""
    return len(stamped_text(StampedCheckpoint(None, (), (Receipt("evm", "evm", receipt),))))


def checked(core: Core, receipt: bytes) -> float:
    """How long a check takes, in checks of a signature."""
    opened = EvmReceipt.from_bytes(receipt)
    voucher = replace(core.voucher, blocks=frozenset({opened.block}))
    note = note_of((1 << 20) + 900)
    key = SigningKey.generate()
    public, signature = key.public_key, key.sign(note)
    return seconds(lambda: voucher.check(note, receipt)) / seconds(
        lambda: check_signature(public, note, signature)
    )


def seconds(do: Callable[[], object]) -> float:
    """The quickest of many rounds."""

    def once() -> float:
        start = time.perf_counter()
        do()
        return time.perf_counter() - start

    return min(once() for _ in range(ROUNDS))


async def waited(core: Core) -> float:
    """Seconds, which are blocks, from the first call to the receipt."""
    ledger, note, ticket = core.ledger(), note_of(7), list[bytes]()

    async def keep(kept: bytes) -> None:
        ticket[:] = [kept]

    start = time.perf_counter()
    try:
        while await ledger.advance(note, ticket[0] if ticket else None, keep) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    finally:
        await ledger.aclose()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
