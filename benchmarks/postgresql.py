"""How fast the collector stores into PostgreSQL, beside SQLite, from the same backlog, in one run.

Each store in turn takes a burst that a Mosquitto has queued while the collector was away:
foreign messages of 200 bytes, acknowledged after commits that are on the disk (SQLite with
`synchronous=FULL`, PostgreSQL with `synchronous_commit=on` and `fsync=on`). The clock runs
from the first commit to the last; the server works on the same machine. Prints one line of
JSON: the ratio is the figure, the rates are this machine's.

Run: python benchmarks/postgresql.py [--messages N] [--rounds R]
"""

import argparse
import asyncio
import itertools
import json
import resource
import statistics
import sys
import tempfile
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import structlog
import uvloop

from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority, enrol
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree
from collector.account import Account
from collector.ports import Identity
from collector.service import collect
from factoryledger.broker import LocalBroker
from telemetry.link import Address, Link

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from local_postgres import LocalPostgres, find_postgres  # type: ignore[import-not-found]

ORIGIN = "bench.test"
TIME = 1_764_000_000_000_000
OPERATOR = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))
WANTED = 0.6
TOPIC = "{}/acme/site/hall/line/press-{}/telemetry"


class NoRequests:
    """No key is enrolled: foreign messages need none."""

    def after(self, _name: str) -> list[tuple[str, bytes]]:
        """Nothing waits."""
        return []


def identity_for(collector: str) -> Identity:
    """Give a collector's keys."""
    origin = f"{ORIGIN}/collector/{collector}"
    key = SignerKey.from_seed(origin, sha256(collector.encode()).digest())
    return Identity(
        origin=origin,
        vkey=str(key.verifier),
        key_entry=enrol(operator=OPERATOR, kind="collector", name=collector, key=key, time=TIME),
        receipts=ReceiptTree(key),
        log=partial(GrowingLog.resume, origin, key),
    )


async def fill(address: Address, count: int, prefix: str) -> None:
    """Publish the burst, every message answered for."""
    async with Link(address, client_id="bench-fill") as link:
        payload = b'{"temperature":61.25,"note":"' + b"x" * 169 + b'"}'
        sent = [link.post(TOPIC.format(prefix, n % 20), payload) for n in range(count)]
        codes = set(await asyncio.gather(*sent))
    assert codes == {0}, codes


async def take(address: Address, url: str, count: int, prefix: str) -> dict[str, float]:
    """Queue a burst for an absent collector, let it take it; messages a second, CPU each."""
    run = partial(
        collect,
        store_url=url,
        link=partial(Link, address),
        filters=[f"{prefix}/#"],
        identity_for=identity_for,
        authority=OperatorAuthority(OPERATOR.verifier),
        requests=NoRequests(),
        prefix="bench-out",
        new_id=lambda: prefix,
    )
    stop = asyncio.Event()
    await run(stop=stop, on_ready=stop.set)
    await fill(address, count, prefix)
    account, stop = Account(), asyncio.Event()
    collecting = asyncio.create_task(run(stop=stop, account=account))
    while not account.stored:  # noqa: ASYNC110 - a look costs less than an event for a batch
        await asyncio.sleep(0.001)
    begun, first, cpu = time.perf_counter(), account.stored, _cpu()
    while account.stored < count:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.001)
    seconds, cpu = time.perf_counter() - begun, _cpu() - cpu
    stop.set()
    stats = await collecting
    assert stats.stored == count
    assert stats.conserved
    done = count - first
    return {"rate": done / seconds, "cpu_us": cpu / done * 1e6}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the rounds and print the medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--messages", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    if find_postgres() is None:
        print("No PostgreSQL server is installed: nothing measured", file=sys.stderr)
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found: dict[str, list[dict[str, float]]] = {"sqlite": [], "postgresql": []}
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker") as broker,
        LocalPostgres(max_wal_size="2GB") as server,
    ):
        for number, name in itertools.product(range(chosen.rounds), found):
            file = f"sqlite:///{scratch}/{number}.db"
            url = server.database() if name == "postgresql" else file
            taking = take(broker.address, url, chosen.messages, f"{name}{number}")
            found[name].append(uvloop.run(taking))
    medians = {
        name: {key: statistics.median(one[key] for one in some) for key in some[0]}
        for name, some in found.items()
    }
    ratio = medians["postgresql"]["rate"] / medians["sqlite"]["rate"]
    shown = {
        name: {key: round(value, 1) for key, value in some.items()}
        for name, some in medians.items()
    }
    print(json.dumps({"messages": chosen.messages, **shown, "ratio": round(ratio, 3)}))
    assert ratio >= WANTED, f"{ratio:.2f} of SQLite's figure, {WANTED} is wanted"


if __name__ == "__main__":
    main()
