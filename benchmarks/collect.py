"""How fast the collector stores, beside the bare link that brings its messages, in one run.

Each side in turn keeps a session at one Mosquitto, goes away while a burst is queued for it,
comes back and takes it: the link acknowledging at once, the collector after its commits
(SQLite, synchronous=FULL) of unsigned and of signed messages. Prints one line of JSON: the
ratios are the figures, the rates are this machine's.

Run: python benchmarks/collect.py [--messages N] [--rounds R]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import structlog

from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority, enrol
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree
from collector.ports import Identity
from collector.service import collect
from factoryledger.broker import LocalBroker
from telemetry.link import Address, Arrival, Link, Subscription
from telemetry.message import compose
from telemetry.signature import SigningKey, body_hash, seal
from telemetry.topic import MachineTopic

ORIGIN = "bench.test"
TIME = 1_764_000_000_000_000
MACHINES = 20
READINGS = {f"metric_{n}": 61.25 + n for n in range(8)}
OPERATOR = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))

Message = tuple[str, bytes]


class Stopwatch:
    """From the first message that comes in to the last that is acknowledged."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.since = 0.0
        self.seconds = 0.0
        self.done = asyncio.Event()

    def came(self) -> None:
        """Start at the first."""
        self.since = self.since or time.perf_counter()

    def acknowledged(self, count: int) -> None:
        """Stop at the last."""
        self.left -= count
        if self.left <= 0 and not self.done.is_set():
            self.seconds = time.perf_counter() - self.since
            self.done.set()


class TimedLink(Link):
    """A link that a stopwatch looks at."""

    def __init__(self, address: Address, watch: Stopwatch, **how: object) -> None:
        heard = how.pop("on_arrivals")

        def arrived(arrivals: list[Arrival]) -> None:
            watch.came()
            heard(arrivals)  # type: ignore[operator]

        super().__init__(address, on_arrivals=arrived, **how)  # type: ignore[arg-type]
        self._watch = watch

    def acknowledge(self, arrivals: list[Arrival]) -> None:  # type: ignore[override]
        """Acknowledge, and count it."""
        super().acknowledge(arrivals)
        self._watch.acknowledged(len(arrivals))


class Requests:
    """The enrolments of the machines, as a requests folder holds them."""

    def __init__(self, entries: list[bytes]) -> None:
        self._entries = [(f"{n:016d}", entry) for n, entry in enumerate(entries)]

    def after(self, name: str) -> list[tuple[str, bytes]]:
        """Give those after a name."""
        return [entry for entry in self._entries if entry[0] > name]


def identity_for(collector: str) -> Identity:
    """Give a collector's keys."""
    origin = f"{ORIGIN}/collector/{collector}"
    key = SignerKey.from_seed(origin, sha256(collector.encode()).digest())
    entry = enrol(operator=OPERATOR, kind="collector", name=collector, key=key, time=TIME)
    return Identity(
        origin=origin,
        vkey=str(key.verifier),
        key_entry=entry,
        receipts=ReceiptTree(key),
        log=partial(GrowingLog.resume, origin, key),
    )


def signed_messages(count: int, prefix: str) -> tuple[list[Message], list[bytes]]:
    """Make the messages of some machines, and the entries that enrol their keys."""
    keys = [SigningKey.from_seed(sha256(b"%d" % n).digest()) for n in range(MACHINES)]
    topics = [
        MachineTopic(prefix, "acme", "site", "hall", "line", f"press-{n}", "telemetry")
        for n in range(MACHINES)
    ]
    prevs: list[bytes | None] = [None] * MACHINES
    messages = []
    for number in range(count):
        machine, seq = number % MACHINES, number // MACHINES
        body = compose(
            kind="telemetry",
            device=f"press-{machine}",
            session="0123456789abcdef",
            seq=seq,
            prev=prevs[machine],
            anchor=None,
            time=TIME + seq * 1_000_000,
            key=keys[machine].key_id,
            readings=READINGS,
        )
        prevs[machine] = body_hash(body)
        messages.append((str(topics[machine]), seal(keys[machine], topics[machine], body)))
    entries = [
        enrol(operator=OPERATOR, kind="device", name=f"press-{n}", key=key, time=TIME + n)
        for n, key in enumerate(keys)
    ]
    return messages, entries


async def fill(address: Address, messages: list[Message]) -> None:
    """Publish the burst, every message answered for."""
    async with Link(address, client_id="bench-fill") as link:
        codes = set(await asyncio.gather(*[link.post(*message) for message in messages]))
    assert codes == {0}, codes


async def by_link(address: Address, messages: list[Message], prefix: str) -> float:
    """Take the burst with the bare link; messages a second."""
    watch = Stopwatch(len(messages))
    make = partial(
        TimedLink,
        address,
        watch,
        client_id=f"bench-link-{prefix}",
        subscriptions=[Subscription(f"{prefix}/#", retain_handling=1)],
        session_expiry=600,
        receive_maximum=8000,
    )
    async with make(on_arrivals=lambda _: None):
        pass
    await fill(address, messages)
    link: TimedLink

    def arrived(arrivals: list[Arrival]) -> None:
        link.acknowledge(arrivals)

    link = make(on_arrivals=arrived)
    async with link:
        await watch.done.wait()
    return len(messages) / watch.seconds


async def by_collector(
    address: Address, messages: list[Message], prefix: str, entries: list[bytes], folder: Path
) -> float:
    """Take the burst with the collector; messages a second, all of them committed."""
    run = partial(
        collect,
        store_url=f"sqlite:///{folder}/ledger.db",
        filters=[f"{prefix}/#"],
        identity_for=identity_for,
        authority=OperatorAuthority(OPERATOR.verifier),
        requests=Requests(entries),
        prefix="bench-out",
    )
    stop = asyncio.Event()
    await run(link=partial(Link, address), stop=stop, on_ready=stop.set)
    await fill(address, messages)
    watch = Stopwatch(len(messages))
    stats = await run(link=partial(TimedLink, address, watch), stop=watch.done)
    assert stats.stored == len(messages)
    assert stats.conserved
    return len(messages) / watch.seconds


async def one_round(address: Address, count: int, folder: Path) -> dict[str, float]:
    """Give the three rates; each side has topics of its own."""
    rates = {}
    for name, seal_length in (("unsigned", 0), ("signed", 1)):
        prefix = f"{folder.name}-{name}"
        messages, entries = signed_messages(count, prefix)
        if not seal_length:
            messages = [(topic, payload[:-2] + b" }") for topic, payload in messages]
        rates[name] = await by_collector(address, messages, prefix, entries, folder / name)
    messages, _ = signed_messages(count, f"{folder.name}-link")
    rates["link"] = await by_link(address, messages, f"{folder.name}-link")
    return rates


def main() -> None:
    """Run the rounds and print the medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--messages", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    rounds = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker") as broker,
    ):
        for number in range(chosen.rounds):
            folder = Path(scratch) / f"round{number}"
            for name in ("unsigned", "signed"):
                (folder / name).mkdir(parents=True)
            rounds.append(asyncio.run(one_round(broker.address, chosen.messages, folder)))
    rates = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    ratios = {
        f"{name}_to_link": round(rates[name] / rates["link"], 3) for name in ("unsigned", "signed")
    }
    shown = {name: round(rate) for name, rate in rates.items()}
    print(json.dumps({"messages": chosen.messages, "rates": shown, **ratios}))


if __name__ == "__main__":
    main()
