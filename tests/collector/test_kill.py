"""Collector and broker killed at any moment: what machines recorded is in the store once each."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from anchor.merkle import tree_root
from anchor.reading.row_record import leaf_of
from anchor.receipts import ReceiptVerifier
from factoryledger.broker import LocalBroker
from telemetry.link import Link, Subscription
from telemetry.receipt import bodies_digest

pytestmark = pytest.mark.e2e

PROCESS = Path(__file__).with_name("collector_process.py")
MACHINES = 4
EACH = 150
KILLS = 5


class Collector:
    """The collector's process, as often as it is started."""

    def __init__(self, works, broker, prefix):
        self._command = [sys.executable, str(PROCESS), str(works.folder)]
        self._command += [str(broker.address.port), prefix, str(MACHINES)]
        self._log = works.folder / "collector.log"
        self._process = None

    async def start(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - its start does not block
                self._command, stdout=subprocess.PIPE, stderr=log
            )
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line == b"ready\n", self._log.read_text()

    def kill(self):
        os.kill(self._process.pid, signal.SIGKILL)
        assert self._process.wait(10) == -signal.SIGKILL
        self._process.stdout.close()

    async def stop(self):
        self._process.terminate()
        status = await asyncio.to_thread(self._process.wait, 20)
        self._process.stdout.close()
        assert status == 0, self._log.read_text()


class Outboxes:
    """Every machine's messages, kept and sent again until a receipt fits their bytes."""

    def __init__(self, works, prefix):
        self.machines = {
            f"press-{n}": works.machine(f"press-{n}", prefix=prefix) for n in range(MACHINES)
        }
        self.messages = {
            name: [machine.message() for _ in range(EACH)]
            for name, machine in self.machines.items()
        }
        self.held = {name: set(range(EACH)) for name in self.machines}
        self.made = 0
        self._verifier = ReceiptVerifier(works.operator.verifier, "works.test")

    def hear(self, topic, payload):
        if "/ledger/collector/" in topic:
            self._verifier.admit(payload)
            return
        leaf = self._verifier.check(payload)
        machine = self.machines[leaf.device]
        numbers = [n for first, last in leaf.ranges for n in range(first, last + 1)]
        bodies = (machine.body_hash(self.messages[leaf.device][n][1]) for n in numbers)
        assert leaf.bodies == bodies_digest(bodies)
        self.held[leaf.device] -= set(numbers)

    async def send(self, link):
        """Make more and more of the messages, and send all that are held, again and again."""
        while any(self.held.values()):
            self.made = min(EACH, self.made + 12)
            for name, held in self.held.items():
                for number in sorted(held):
                    if number < self.made:
                        with contextlib.suppress(Exception):
                            link.post(*self.messages[name][number])
            await asyncio.sleep(0.15)


async def kill_collector(collector, broker, chance):
    for _ in range(KILLS):
        await collector.start()
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        collector.kill()
    await collector.start()


async def kill_broker(collector, broker, chance):
    await collector.start()
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)


async def kill_either(collector, broker, chance):
    await collector.start()
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        if chance.random() < 0.5:
            await asyncio.to_thread(broker.kill)
            collector.kill()
            await asyncio.to_thread(broker.start)
        else:
            collector.kill()
        await collector.start()


async def scenario(works, broker, prefix, chance, killing):
    outboxes = Outboxes(works, prefix)
    collector = Collector(works, broker, prefix)

    def arrived(arrivals):
        for arrival in arrivals:
            outboxes.hear(arrival.topic, arrival.payload)
        link.acknowledge(arrivals)

    link = Link(
        broker.address,
        client_id="",
        clean_start=True,
        subscriptions=[
            Subscription(f"{prefix}/+/+/+/+/+/receipt"),
            Subscription(f"{prefix}/ledger/collector/+"),
        ],
        on_arrivals=arrived,
    )
    async with link:
        sending = asyncio.create_task(outboxes.send(link))
        await killing(collector, broker, chance)
        await asyncio.wait_for(sending, 60)
    await collector.stop()
    return outboxes


@pytest.fixture
def mortal_broker(tmp_path):
    """A broker of one's own, to kill."""
    with LocalBroker(0, tmp_path / "broker", embedded=False) as running:
        yield running


@pytest.mark.parametrize("killing", [kill_collector, kill_broker, kill_either])
def test_killed_at_random_nothing_is_lost_or_doubled(works, mortal_broker, topic_prefix, killing):
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    outboxes = asyncio.run(scenario(works, mortal_broker, topic_prefix, chance, killing))
    reader = works.reader()
    (collector,) = reader.collectors()
    rows = list(reader.messages(collector.id))
    accepted = [row for row in rows if row.status == "accepted"]
    assert [row.position for row in rows] == list(range(len(rows))), f"seed {seed}"
    expected = {
        (name, number): message
        for name, messages in outboxes.messages.items()
        for number, message in enumerate(messages)
    }
    assert len(accepted) == len(expected), f"seed {seed}"
    assert {(row.device, row.seq): (row.topic, row.payload) for row in accepted} == expected, (
        f"seed {seed}"
    )
    assert len(list(reader.claims())) == len(expected)
    assert reader.stats().gaps == ()
    check_log(rows, list(reader.batches(collector.id)))


def test_what_nobody_sends_again_is_acknowledged_only_when_it_is_committed(
    works, mortal_broker, topic_prefix
):
    wanted = [b"%d" % number for number in range(200)]

    async def published():
        async with Link(mortal_broker.address, client_id="stranger") as link:
            topic = f"{topic_prefix}/line/count"
            codes = await asyncio.gather(*(link.publish(topic, one) for one in wanted))
            assert set(codes) == {0}, "the broker has not taken them for a subscriber"

    async def killed_before_its_commit():
        collector = Collector(works, mortal_broker, topic_prefix)
        await collector.start()
        # Nothing can be committed while somebody else writes.
        with contextlib.closing(sqlite3.connect(works.folder / "ledger.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            await published()
            await asyncio.sleep(0.7)  # the collector has them, and would acknowledge by now
            collector.kill()
        await collector.start()
        for _ in range(100):
            if len(stored()) == len(wanted):
                break
            await asyncio.sleep(0.1)
        await collector.stop()

    def stored():
        reader = works.reader()
        (collector,) = reader.collectors()
        rows = reader.messages(collector.id)
        return [row.payload for row in rows if row.topic.endswith("/line/count")]

    asyncio.run(killed_before_its_commit())
    assert stored() == wanted


def check_log(rows, batches):
    leaves = [leaf_of(row) for row in rows]
    end = 0
    for number, batch in enumerate(batches):
        assert (batch.number, batch.start) == (number, end)
        end += batch.size
        assert batch.root == tree_root(leaves[:end])
    assert end == len(leaves)
