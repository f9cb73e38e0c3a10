"""What outside ledgers cost: seconds to a receipt, bytes in a proof, and checking it.

Usage: python benchmarks/ledgers.py. Each ledger's counterpart runs here on loopback, so the
seconds are our own part of the way: a real authority adds its network, a chain its blocks,
Bitcoin some hours. Prints a table: milliseconds, bytes, and multiples of one Ed25519 check in
the same run. A ledger whose counterpart is not installed is left out, and named.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "anchor_verify"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "anchor_ledgers"))

from verify_logs import MemorySource
from verify_world import small_world

from anchor.ledgers.ledger import Ledger, Voucher
from anchor.proving.prove import prove
from anchor.reading.log_reader import LogReader
from telemetry.signature import SigningKey
from telemetry.signature import verify as check_signature

ROUNDS = 21
BESIDE = 1000
"""Other people's commitments in the calendar's tree: a path is as long as their logarithm."""

BLOCK = 12
"""Levels of the tree over a block's transactions: some three thousand of them."""


@dataclass(frozen=True, slots=True)
class Given:
    """A receipt, what checks it, and how long it was on its way here, in seconds."""

    receipt: bytes
    voucher: Voucher
    seconds: float


def middle(work: Callable[[], object]) -> float:
    """Seconds of the middle one of several rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[ROUNDS // 2]


async def taken(ledger: Ledger, note: bytes, between: Callable[[], object]) -> tuple[bytes, float]:
    """Advance until there is a receipt, as the anchor does; what the world does is not timed."""
    tickets, spent = [None], 0.0

    async def keep(ticket: bytes) -> None:
        tickets.append(ticket)  # type: ignore[arg-type]

    try:
        while True:
            start = time.perf_counter()
            receipt = await ledger.advance(note, tickets[-1], keep)
            spent += time.perf_counter() - start
            if receipt is not None:
                return receipt, spent
            between()
    finally:
        await ledger.aclose()


def by_opentimestamps(note: bytes) -> Given:
    """A calendar that a thousand others use as well, and a chain."""
    from ots_counterpart import LEAST_WORK, Calendar, Chain, closing_all  # noqa: PLC0415

    from anchor.ledgers.ots.block import read_headers  # noqa: PLC0415
    from anchor.ledgers.ots.chain import HeaderSource  # noqa: PLC0415
    from anchor.ledgers.ots.ledger import OtsLedger  # noqa: PLC0415
    from anchor.ledgers.ots.voucher import OtsVoucher  # noqa: PLC0415
    from anchor.ledgers.ots.web import open_client  # noqa: PLC0415

    chain = Chain()
    calendar = Calendar(chain, levels=BLOCK)
    with closing_all(calendar, chain):
        for number in range(BESIDE):
            calendar.ask("POST", "/digest", sha256(b"%d" % number).digest())
        http = open_client()
        source = HeaderSource(chain.url, http, least_work=LEAST_WORK)
        ledger = OtsLedger("btc", [calendar.url], http, source=source)
        receipt, seconds = asyncio.run(taken(ledger, note, calendar.mine))
        return Given(receipt, OtsVoucher("btc", read_headers(chain.pinned(), LEAST_WORK)), seconds)


def by_authority(note: bytes) -> Given:
    """An authority of `openssl ts` behind HTTP."""
    import httpx  # noqa: PLC0415
    from cryptography import x509  # noqa: PLC0415
    from local_tsa import make_authority, serving  # noqa: PLC0415

    from anchor.ledgers.tsa.client import TsaLedger  # noqa: PLC0415
    from anchor.ledgers.tsa.voucher import TsaVoucher  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        authority = make_authority(Path(folder))
        roots = x509.load_pem_x509_certificates(authority.root.read_bytes())
        voucher = TsaVoucher("tsa", roots)
        with serving(authority) as server:
            ledger = TsaLedger(server.url, voucher, httpx.AsyncClient(timeout=20))
            receipt, seconds = asyncio.run(taken(ledger, note, lambda: None))
        return Given(receipt, voucher, seconds)


def by_chain(note: bytes) -> Given:
    """A contract on a chain of anvil, in a block of its own; benchmarks/gas.py has the rest."""
    from dataclasses import replace  # noqa: PLC0415

    from evm_chain import Core, anvil_program, deployed, running  # noqa: PLC0415

    from anchor.ledgers.evm.receipt import EvmReceipt  # noqa: PLC0415

    if anvil_program() is None:
        raise RuntimeError("make anvil")
    with running() as chain:
        core = Core(chain, deployed(chain.url))
        receipt, seconds = asyncio.run(taken(core.ledger(), note, chain.mine))
        known = frozenset({EvmReceipt.from_bytes(receipt).block})
        return Given(receipt, replace(core.voucher, blocks=known), seconds)


LEDGERS: dict[str, Callable[[bytes], Given]] = {
    "RFC 3161": by_authority,
    "OpenTimestamps": by_opentimestamps,
    "EVM chain": by_chain,
}


def rows() -> Iterator[str]:
    """The table, a line each."""
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign(bytes(400))
    unit = middle(lambda: check_signature(key.public_key, bytes(400), signature))
    world, _ = small_world()
    note, row = world.published_at[0]["checkpoint"], world.ledger.message_rows[0]
    bare = len(proof(world, row, {}))
    yield "| ledger | ms to a receipt, here | receipt, bytes | more in a proof, bytes | to check |"
    yield "|---|---|---|---|---|"
    for name, ask in LEDGERS.items():
        try:
            given = ask(note)
        except (ImportError, OSError, RuntimeError) as error:
            yield f"{name}: left out, its counterpart is not there ({error})"
            continue
        checked = middle(lambda: given.voucher.check(note, given.receipt))  # noqa: B023
        stem = f"receipts/{sha256(note).hexdigest()}/{given.voucher.name}.{given.voucher.kind}"
        world.published[stem] = given.receipt
        more = len(proof(world, row, {given.voucher.name: given.voucher})) - bare
        del world.published[stem]
        yield (
            f"| {name} | {given.seconds * 1e3:.1f} | {len(given.receipt):,} | {more:,} | "
            f"{checked / unit:.1f} |"
        )


def proof(world: object, row: object, vouchers: dict[str, Voucher]) -> bytes:
    """A message's proof file, with what these ledgers stamped."""
    log = LogReader(MemorySource(world.published), world.anchor.verifier)  # type: ignore[attr-defined]
    return prove(
        ledger=world.ledger,  # type: ignore[attr-defined]
        log=log,
        policy=world.policy,  # type: ignore[attr-defined]
        row=row,  # type: ignore[arg-type]
        vouchers=vouchers,
    ).to_bytes()


if __name__ == "__main__":
    for line in rows():
        print(line, flush=True)
