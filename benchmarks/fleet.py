"""A whole works from one process: machines that connect, publish every second, and are receipted.

Three processes: Mosquitto with the shipped settings, a receiver that gives real receipts
(parsed, hashed, signed in batches; it checks no signature and stores nothing, so that it does
not set the pace), and the fleet: machines of all kinds, a connection each or behind gateways,
QoS 1, signed, each receipt checked. Prints one line of JSON: of one core what each process
took, messages recorded and receipted beside the scans that were due (births, states and events
come on top), memory a machine, seconds to connect.

`--plant default` is what `simulate --machines N` runs, `--plant works` the shipped scenario,
whose machines have work: orders, buffers, parts and OEE cost about a fifth more.

Run: python benchmarks/fleet.py [--machines N] [--seconds S] [--plant default|works]
     [--gateway line|area|site]
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from figure import Figure, measured, tell

from anchor.errors import Malformed
from anchor.key_entry import enrol
from anchor.note import SignerKey, VerifierKey
from anchor.receipts import ReceiptTree, ReceiptVerifier
from factoryledger.broker import LocalBroker
from factoryledger.running import few_collections
from simulator.crew import Conditions, Tally
from simulator.fleet import simulate
from simulator.offline import test_key
from simulator.outbox import Outbox
from simulator.plant import build_plant
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of
from telemetry.address import Address
from telemetry.link import Arrival, Link, Subscription
from telemetry.message import Cited
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SUFFIX_LENGTH
from telemetry.topic import collector_topic, factory_filters

ORIGIN, COLLECTOR = "bench.test", "0123456789abcdef"
OPERATOR = SignerKey.from_seed(f"{ORIGIN}/operator", bytes([1]) * 32)
KEY = SignerKey.from_seed(f"{ORIGIN}/collector/{COLLECTOR}", bytes([2]) * 32)
SHARE = 0.05  # of the messages, in receipts
PATIENCE = 15.0  # s that a message waits for its receipt at the most
EVERY = 0.25  # s between two signatures of the receiver
FILES = 256


class Head(msgspec.Struct):
    """What of a message its receipt names."""

    device: str
    session: str
    seq: int


class Receiver:
    """Takes what comes, and owes receipts: those who wait longest first."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(Head)
        self._owed: OrderedDict[tuple[str, str, str], tuple[float, dict[int, bytes]]] = (
            OrderedDict()
        )
        self._tree = ReceiptTree(KEY)
        self._may = 0.0
        self.link: Link | None = None

    def take(self, arrivals: list[Arrival]) -> None:
        """Note what is to be receipted, and acknowledge."""
        for one in arrivals:
            base, _, kind = one.topic.rpartition("/")
            if kind == "death":
                continue
            head = self._decoder.decode(one.payload)
            digest = sha256(one.payload[:-SUFFIX_LENGTH]).digest()
            place = (base, head.device, head.session)
            owed = self._owed.get(place)
            if owed is None:
                owed = self._owed[place] = (time.monotonic(), {})
            owed[1][head.seq] = digest
        self._may += SHARE * len(arrivals)
        assert self.link is not None
        self.link.acknowledge(arrivals)

    def give(self, *, everything: bool) -> None:
        """Sign and publish as many receipts as the share allows, and those that waited long."""
        if self.link is None or not self.link.connected:
            return
        due, late = [], time.monotonic() - PATIENCE
        while self._owed:
            if not everything and self._may < 1 and next(iter(self._owed.values()))[0] > late:
                break
            due.append(self._owed.popitem(last=False))
            self._may = max(0.0, self._may - 1)
        if not due:
            return
        leaves = [_leaf(device, session, bodies) for (_, device, session), (_, bodies) in due]
        for ((base, _, _), _), payload in zip(due, self._tree.seal(leaves), strict=True):
            posted = self.link.post(f"{base}/receipt", payload)
            posted.add_done_callback(lambda future: future.cancelled() or future.exception())


def _leaf(device: str, session: str, bodies: dict[int, bytes]) -> bytes:
    seqs = sorted(bodies)
    return ReceiptLeaf(
        collector=COLLECTOR,
        device=device,
        session=session,
        ranges=as_ranges(seqs),
        bodies=bodies_digest(bodies[seq] for seq in seqs),
        anchored_by=1_900_000_000_000_000,
    ).to_bytes()


async def receive(port: int) -> None:
    """Be the receiver until standard input ends."""
    receiver, loop, ended = Receiver(), asyncio.get_running_loop(), asyncio.Event()
    receiver.link = Link(
        Address("127.0.0.1", port),
        client_id="receiver",
        subscriptions=[Subscription(pattern) for pattern in factory_filters()],
        on_arrivals=receiver.take,
        receive_maximum=8000,
    )
    loop.add_reader(sys.stdin.fileno(), ended.set)
    async with receiver.link:
        entry = enrol(operator=OPERATOR, kind="collector", name=COLLECTOR, key=KEY, time=1)
        await receiver.link.publish(collector_topic("", COLLECTOR), entry, retain=True)
        print("ready", flush=True)
        idle = 0
        while not ended.is_set() or idle < 8:
            await asyncio.sleep(EVERY)
            idle = idle + 1 if ended.is_set() else 0
            receiver.give(everything=ended.is_set())


class NoCheckpoint:
    """Nothing is anchored here."""

    def check(self, note: bytes) -> Cited:
        """Refuse it."""
        raise Malformed(f"{len(note)} bytes of no use here")


class Meter:
    """CPU seconds of processes, and the memory of this one."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._ticks = os.sysconf("SC_CLK_TCK")
        self.since = time.monotonic()
        self._begun = self._all()

    def cores(self) -> dict[str, float]:
        """Of one core, what each took since the meter was made."""
        passed, spent = time.monotonic() - self.since, self._all()
        return {name: round((spent[name] - self._begun[name]) / passed, 3) for name in spent}

    def _all(self) -> dict[str, float]:
        return {name: self._one(pid) for name, pid in self._pids.items()}

    def _one(self, pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / self._ticks


def memory() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run_fleet(given: argparse.Namespace, address: Address, pids: dict[str, int]) -> dict[str, Any]:
    """Run the machines; gives the figures."""
    count, seconds = given.machines, given.seconds
    bare = memory()
    plain = given.plant == "default"
    machines = build_plant(count) if plain else plant_of(load_scenario("works"))[:count]
    boxes = {m.name: Outbox(m.name, test_key(1, m.name), m.topic, remembered=8) for m in machines}
    begun, figures = time.monotonic(), dict[str, Any]()

    def ready() -> None:
        figures["connected_seconds"] = round(time.monotonic() - begun, 2)
        gc.collect()
        few_collections()
        meter = Meter(fleet=os.getpid(), **pids)

        def look() -> None:
            figures["cores"] = meter.cores()
            figures["bytes_a_machine"] = (memory() - bare) // count

        # In the last beat, all machines at work.
        asyncio.get_running_loop().call_later(seconds - 0.5, look)

    async def main() -> Tally:
        return await simulate(
            address=address,
            machines=machines,
            outboxes=boxes,
            receipts=ReceiptVerifier(VerifierKey.from_text(str(OPERATOR.verifier)), ORIGIN),
            checkpoints=NoCheckpoint(),
            duration=seconds,
            drain=60.0,
            resend_after=60.0,
            on_ready=ready,
            conditions=Conditions(gateway=given.gateway),
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tally = runner.run(main())
    due = int(seconds) * count
    return {
        "machines": count,
        "seconds": seconds,
        "plant": given.plant,
        **figures,
        "due": due,
        "recorded": tally.recorded,
        "receipted": tally.receipted,
        "held": tally.held,
        "skipped": tally.skipped,
        "resent": tally.resent,
        "disconnects": tally.disconnects,
    }


def figures(found: dict[str, Any]) -> list[Figure]:
    """Make the rows; one run."""
    machines, seconds, cores = found["machines"], found["seconds"], found["cores"]
    rate = found["recorded"] / seconds
    how = f"{machines:,} machines, a connection each, a scan a second, signed, {seconds:g} s"
    return [
        measured("fleet.messages", "messages of one process, receipted", [rate], 10_000.0,
                 unit="/s", of="10,000 a second, wanted", how=how),
        measured("fleet.cpu", "CPU of a message", [cores["fleet"] / rate * 1e6],
                 [cores["broker"] / rate * 1e6], unit="µs", of="the broker's for it", how=how),
        measured("fleet.connected", "all connected", [found["connected_seconds"]], 10.0,
                 unit="s", of="10 s, wanted", how=how, most=1.0),
        measured("fleet.bytes", "memory of a machine", [found["bytes_a_machine"] / 1024], 25.0,
                 unit="kB", of="25 kB, wanted", how=how, most=1.0),
        measured("fleet.kept", "scans made, of those due",
                 [1 - found["skipped"] / max(1, found["due"])], 1.0, unit="of all", of="all",
                 how=how),
    ]  # fmt: skip


def main() -> None:
    """Start the processes and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--plant", choices=["default", "works"], default="default")
    parser.add_argument("--gateway", choices=["line", "area", "site"])
    parser.add_argument("--receive", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.receive:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(receive(given.receive))
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, given.machines + FILES), hard))
    with tempfile.TemporaryDirectory() as folder:
        broker = LocalBroker(0, Path(folder))
        broker.start()
        command = [sys.executable, __file__, "--receive", str(broker.port)]
        receiver = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert receiver.stdout is not None
            receiver.stdout.readline()
            pids = {"broker": broker.pid, "receiver": receiver.pid}
            found = run_fleet(given, broker.address, pids)
            print(json.dumps(found))
            tell(figures(found))
        finally:
            receiver.communicate(timeout=60)
            broker.stop()


if __name__ == "__main__":
    main()
