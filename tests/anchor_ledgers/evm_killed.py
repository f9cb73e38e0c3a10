"""An anchor's one call in a process of its own, killed where it is told to be.

Arguments: the node's URL, chain, contract, size, ticket file, and where: `before` or `after`
the ticket is durable, or `sent`, once the node has the transaction.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from evm_chain import account, note_of

from anchor.ledgers.evm.ledger import EvmLedger
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.terms import EvmTerms


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Doomed(Node):
    """Hands in the transaction and dies before anybody hears of it."""

    async def send(self, raw: bytes) -> None:
        await super().send(raw)
        die()


async def main(url: str, chain: str, contract: str, size: str, kept: Path, where: str) -> None:
    ticket = kept.read_bytes() if kept.exists() else None  # noqa: ASYNC240 - one call, alone

    async def keep(ticket: bytes) -> None:
        if where == "before":
            die()
        kept.write_bytes(ticket)  # noqa: ASYNC240 - one call, alone
        if where == "after":
            die()

    node = Doomed(url) if where == "sent" else Node(url)
    terms = EvmTerms(int(chain), bytes.fromhex(contract), confirmations=3, patience=4)
    await EvmLedger("evm", node, account(), terms).advance(note_of(int(size)), ticket, keep)


if __name__ == "__main__":
    *before, file, last = sys.argv[1:]
    asyncio.run(main(*before, Path(file), last))
