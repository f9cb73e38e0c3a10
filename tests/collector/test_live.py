"""The live collector on a real broker: stored, acknowledged, receipted, drained."""

import asyncio
import contextlib
import sqlite3
from functools import partial
from pathlib import Path

import pytest

import collector as collector_package
from anchor.receipts import ReceiptVerifier
from collector.account import Account
from collector.errors import CommitFailed
from collector.limits import Limits
from collector.service import collect
from telemetry.errors import BrokerUnavailable
from telemetry.link import Address, Link, Subscription
from telemetry.receipt import Receipt, ReceiptLeaf
from telemetry.recording import read
from telemetry.sparkplug import Payload

pytestmark = pytest.mark.e2e

REAL = Path(collector_package.__file__).parent.parent.parent / "shared" / "recordings"


class Live:
    """A collector running in this loop, and what it was asked to do."""

    def __init__(self, works, broker, prefix, **how):
        self.works, self.broker, self.prefix = works, broker, prefix
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.links = []
        self.how = {"flush_seconds": 0.02, "filters": [f"{prefix}/#"], **how}

    def link(self, **how):
        return Link(self.broker.address, **how)

    async def __aenter__(self):
        self.task = asyncio.create_task(
            collect(
                store_url=self.works.url,
                link=self.link,
                identity_for=self.works.identity_for,
                authority=self.works.authority,
                requests=self.works.requests,
                prefix=self.prefix,
                stop=self.stop,
                on_ready=self.ready.set,
                # A session of its own at the broker, which the tests share.
                new_id=lambda: self.prefix.rpartition("/")[2],
                **self.how,
            )
        )
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait((self.task, ready), return_when=asyncio.FIRST_COMPLETED, timeout=15)
        ready.cancel()
        if self.task.done():
            self.task.result()
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        self.stats = await asyncio.wait_for(self.task, 15)

    async def until(self, check):
        """Wait until `check(stats)` holds; the collector is seen as any reader sees it."""

        def seen():
            reader = self.works.reader()
            try:
                return check(reader.stats(gaps=False))
            finally:
                reader.close()

        await eventually(seen)


async def eventually(check):
    for _ in range(2000):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def count(heard, end):
    return sum(topic.endswith(end) for topic, _, _ in heard)


@contextlib.asynccontextmanager
async def listener(broker, pattern):
    """Hear everything on a filter; gives the list that fills."""
    heard = []

    def arrived(arrivals):
        heard.extend((arrival.topic, arrival.payload, arrival.retain) for arrival in arrivals)
        link.acknowledge(arrivals)

    link = Link(
        broker.address,
        client_id="",
        clean_start=True,
        subscriptions=[Subscription(pattern)],
        on_arrivals=arrived,
    )
    async with link:
        yield heard, link


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def messages(works):
    reader = works.reader()
    try:
        return [row for found in reader.collectors() for row in reader.messages(found.id)]
    finally:
        reader.close()


def test_messages_are_stored_and_their_machines_hear_of_it(works, broker, topic_prefix):
    async def scenario():
        machines = [works.machine(f"press-{n}", prefix=topic_prefix) for n in range(3)]
        sent = [machine.message() for machine in machines for _ in range(50)]
        async with (
            Live(works, broker, topic_prefix) as live,
            listener(broker, f"{topic_prefix}/#") as (heard, link),
        ):
            for topic, payload in sent:
                link.post(topic, payload)
            await live.until(lambda stats: stats.stored == 150)
            await eventually(lambda: count(heard, "/receipt") == 3)
        return heard, live, sent

    heard, live, sent = run(scenario())
    assert [(row.topic, row.payload) for row in messages(works)] == sent
    assert {row.status for row in messages(works)} == {"accepted"}
    verifier = ReceiptVerifier(works.operator.verifier, "works.test")
    (entry,) = [payload for topic, payload, _ in heard if "/ledger/collector/" in topic]
    verifier.admit(entry)
    covered = {}
    for topic, payload, retain in heard:
        if topic.endswith("/receipt"):
            leaf = verifier.check(payload)
            assert not retain
            assert leaf.device == topic.split("/")[-2]
            covered.setdefault(leaf.device, set()).update(
                n for first, last in leaf.ranges for n in range(first, last + 1)
            )
    assert covered == {f"press-{n}": set(range(50)) for n in range(3)}
    assert (live.stats.received, live.stats.stored, live.stats.in_flight) == (150, 150, 0)
    assert live.stats.conserved


def covered(heard):
    """Every (device, seq) that a receipt tells of, each time that one does."""
    leaves = [
        ReceiptLeaf.from_bytes(Receipt.from_bytes(payload).leaf)
        for topic, payload, _ in heard
        if topic.endswith("/receipt")
    ]
    return sorted(
        (leaf.device, seq)
        for leaf in leaves
        for first, last in leaf.ranges
        for seq in range(first, last + 1)
    )


@pytest.mark.parametrize("stopped", [False, True])
def test_receipts_that_had_to_wait_come_without_another_commit(
    works, broker, topic_prefix, stopped
):
    """A hundred machines in one commit: half of the receipts wait, for time or for the end."""

    async def scenario():
        machines = [works.machine(f"press-{n}", prefix=topic_prefix) for n in range(100)]
        async with listener(broker, f"{topic_prefix}/#") as (heard, link):
            async with Live(works, broker, topic_prefix) as live:
                for machine in machines:
                    link.post(*machine.message())
                await live.until(lambda stats: stats.stored == 100)
                if not stopped:
                    await eventually(lambda: count(heard, "/receipt") == 100)
            if stopped:
                await eventually(lambda: count(heard, "/receipt") == 100)
        return heard

    assert covered(run(scenario())) == sorted((f"press-{n}", 0) for n in range(100))


def test_its_key_entry_is_retained_for_machines_that_come_later(works, broker, topic_prefix):
    async def scenario():
        async with (
            Live(works, broker, topic_prefix),
            listener(broker, f"{topic_prefix}/ledger/collector/+") as (heard, _),
        ):
            await eventually(lambda: heard)
        return heard

    ((topic, entry, retain),) = run(scenario())
    statement = works.authority.read(entry)
    assert topic == f"{topic_prefix}/ledger/collector/{statement.name}"
    assert retain


def test_whatever_comes_over_the_wire_is_stored_and_stalls_nothing(works, broker, topic_prefix):
    suffix = b',"sig":"' + b"A" * 86 + b'=="}'
    junk = [
        b"",
        b"\x00\xff\xfe",
        b'{"device":',
        b'{"a":NaN' + suffix,
        b'{"a":' + b"[" * 200 + b"]" * 200 + suffix,
        b'{"device":"a","device":"a"' + suffix,
        b'{"seq":' + b"9" * 4000 + suffix,
        b"x" * 2**20,
    ]

    async def scenario():
        machine = works.machine("press-1", prefix=topic_prefix)
        weird = f"$weird/{topic_prefix}"
        filters = [f"{topic_prefix}/#", f"{weird}/#"]
        async with (
            Live(works, broker, topic_prefix, filters=filters) as live,
            listener(broker, f"{topic_prefix}/none") as (_, link),
        ):
            for payload in junk:
                await link.publish(f"{topic_prefix}/acme/s/a/l/press-1/telemetry", payload)
                await link.publish(f"{topic_prefix}/some where/ü", payload, qos=0)
                await link.publish(f"{weird}/x", payload)
            await link.publish(*machine.message())
            await live.until(lambda stats: stats.stored == 3 * len(junk) + 1)
        return live

    live = run(scenario())
    found = messages(works)
    for topic in {row.topic for row in found if row.status != "accepted"}:
        assert [row.payload for row in found if row.topic == topic] == junk
    assert live.stats.statuses["malformed"] == 4 * 3
    assert live.stats.statuses["accepted"] == 1
    assert live.stats.conserved


def test_own_topics_on_the_wire_are_never_stored(works, broker, topic_prefix):
    async def scenario():
        async with (
            Live(works, broker, topic_prefix) as live,
            listener(broker, f"{topic_prefix}/none") as (_, link),
        ):
            await link.publish(f"{topic_prefix}/ledger/checkpoint", b"a checkpoint")
            await link.publish(f"{topic_prefix}/acme/s/a/l/press-1/receipt", b"a receipt")
            await link.publish(f"{topic_prefix}/x", b"foreign")
            await live.until(lambda stats: stats.stored == 1)
        return live.stats

    stats = run(scenario())
    assert (stats.own, stats.received, stats.stored) == (2, 1, 1)


def test_a_sparkplug_node_whose_birth_is_missing_is_asked_for_it(works, broker, topic_prefix):
    async def scenario():
        data = f"{topic_prefix}/spBv1.0/works/DDATA/node-1/robot"
        command = f"{topic_prefix}/spBv1.0/works/NCMD/node-1"
        async with (
            Live(works, broker, topic_prefix) as live,
            listener(broker, command) as (heard, link),
        ):
            await link.publish(data, b"no Sparkplug, and no matter")
            await eventually(lambda: heard)
            await live.until(lambda stats: stats.stored == 1)
        return heard, live.stats

    heard, stats = run(scenario())
    assert [Payload.from_bytes(payload).metric("Node Control/Rebirth") for _, payload, _ in heard]
    assert stats.stored == 1  # its own command does not come back to it
    assert stats.conserved


def test_what_came_while_it_was_away_is_stored_after_it_is_back(works, broker, topic_prefix):
    async def scenario():
        machine = works.machine("press-1", prefix=topic_prefix)
        async with listener(broker, f"{topic_prefix}/none") as (_, link):
            async with Live(works, broker, topic_prefix) as live:
                await link.publish(*machine.message())
                await live.until(lambda stats: stats.stored == 1)
            for _ in range(10):
                await link.publish(*machine.message())
            async with Live(works, broker, topic_prefix) as live:
                await live.until(lambda stats: stats.stored == 11)
        return live.stats

    stats = run(scenario())
    assert (stats.stored, stats.duplicates, stats.gaps) == (11, 0, ())


def test_more_than_it_can_hold_is_taken_after_an_absence(works, broker, topic_prefix):
    """The broker sends what it kept before it answers the subscriptions: both must be read."""

    async def scenario():
        machine = works.machine("press-1", prefix=topic_prefix)
        how = {"flush_count": 5}
        async with listener(broker, f"{topic_prefix}/none") as (_, link):
            async with Live(works, broker, topic_prefix, **how):
                pass
            for _ in range(300):
                await link.publish(*machine.message())
            async with Live(works, broker, topic_prefix, **how) as live:
                await live.until(lambda stats: stats.stored == 300)
        return live.stats

    stats = run(scenario())
    assert stats.gaps == ()
    assert stats.conserved


def test_a_stop_drains_what_has_arrived(works, broker, topic_prefix):
    async def scenario():
        machine = works.machine("press-1", prefix=topic_prefix)
        async with listener(broker, f"{topic_prefix}/#") as (heard, link):
            async with Live(works, broker, topic_prefix, flush_seconds=600.0):
                for _ in range(20):
                    await link.publish(*machine.message())
                await eventually(lambda: count(heard, "/telemetry") == 20)
                await asyncio.sleep(0.1)
                assert messages(works) == []
            return [topic for topic, _, _ in heard if topic.endswith("/receipt")]

    assert len(run(scenario())) == 1
    assert len(messages(works)) == 20


def test_a_store_that_fails_ends_it_with_nothing_acknowledged(works, broker, topic_prefix):
    """The number that the next message takes is occupied by hand: no commit can succeed."""

    async def fail(link, topic, payload):
        async with Live(works, broker, topic_prefix) as live:
            occupy(works)
            await link.publish(topic, payload)
            await asyncio.wait((live.task,), timeout=10)

    async def scenario():
        machine = works.machine("press-1", prefix=topic_prefix)
        async with listener(broker, f"{topic_prefix}/none") as (_, link):
            with pytest.raises(CommitFailed):
                await fail(link, *machine.message())
            free(works)
            async with Live(works, broker, topic_prefix) as again:
                await again.until(lambda stats: stats.stored == 1)
            return again.stats

    stats = run(scenario())
    assert (stats.stored, stats.duplicates) == (1, 0)
    assert stats.conserved


def occupy(works):
    execute(
        works,
        "INSERT INTO messages (collector, position, received_at, topic, status, keys, payload_hash)"
        " SELECT id, 0, 1, 'x', 'unsigned', 0, x'00' FROM collectors",
    )


def free(works):
    execute(works, "DELETE FROM messages WHERE topic = 'x'")


def execute(works, statement):
    connection = sqlite3.connect(works.folder / "ledger.db", timeout=10)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_broker_that_is_not_there_is_named(works, topic_prefix):
    async def scenario():
        await collect(
            store_url=works.url,
            link=partial(Link, Address("127.0.0.1", 1)),
            filters=["#"],
            identity_for=works.identity_for,
            authority=works.authority,
            requests=works.requests,
            stop=asyncio.Event(),
        )

    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        run(scenario())
    works.open().close()


@pytest.mark.vectors
def test_a_real_session_over_the_wire_is_stored_byte_for_byte(works, broker, topic_prefix):
    file = REAL / "startup-clean_20260512_102831.log"
    if not file.is_file():
        pytest.skip("the shared recordings are not beside the project")
    with file.open("rb") as data:
        lines = [line for _, line in read(data, file.name)]

    async def scenario():
        async with (
            Live(works, broker, topic_prefix) as live,
            listener(broker, f"{topic_prefix}/none") as (_, link),
        ):
            for line in lines:
                link.post(f"{topic_prefix}/{line.topic}", line.payload)
            await live.until(lambda stats: stats.stored == len(lines))
        return live.stats

    assert run(scenario()).conserved
    assert [(row.topic, row.payload) for row in messages(works)] == [
        (f"{topic_prefix}/{line.topic}", line.payload) for line in lines
    ]


@pytest.mark.parametrize("processes", [0, 2])
def test_a_forger_is_kept_out_before_anything_is_checked(works, broker, topic_prefix, processes):
    """Whoever checks: the machine that has signed well comes in, and most of the noise does not."""

    async def scenario():
        machine = works.machine("press-1", prefix=topic_prefix)
        how = {"processes": processes, "limits": Limits(checks=1e-6)}
        async with (
            Live(works, broker, topic_prefix, flush_count=64, **how) as live,
            listener(broker, f"{topic_prefix}/none") as (_, link),
        ):
            topic, payload = machine.message()
            link.post(topic, payload)
            await live.until(lambda stats: stats.stored == 1)
            bad = payload[:-40] + b"A" * 20 + payload[-20:]
            unprefixed = topic.removeprefix(topic_prefix)
            for n in range(200):
                link.post(f"{topic_prefix}/{n}{unprefixed}", bad)
            for _ in range(5):
                link.post(*machine.message())
            await live.until(lambda stats: stats.received == 206)
        return live.stats

    stats = run(scenario())
    assert stats.causes == {"checks": 200}
    assert (stats.statuses["accepted"], stats.stored, stats.refused) == (6, 6, 200)
    assert stats.conserved


def test_a_live_collectors_sum_holds_at_every_turn_of_its_loop(works, broker, topic_prefix):
    async def scenario():
        account = Account()
        machines = [works.machine(f"press-{n}", prefix=topic_prefix) for n in range(3)]
        sent = [machine.message() for machine in machines for _ in range(200)]
        sent += sent[:50] + [(f"{topic_prefix}/foreign", b"x")] * 50
        seen = []

        async def look():
            while True:
                seen.append(account.balance())
                await asyncio.sleep(0)

        how = {"account": account, "flush_count": 64}
        async with (
            Live(works, broker, topic_prefix, **how) as live,
            listener(broker, f"{topic_prefix}/#") as (_, link),
        ):
            looking = asyncio.create_task(look())
            for topic, payload in sent:
                link.post(topic, payload)
            await live.until(lambda stats: stats.stored + stats.duplicates == len(sent))
            looking.cancel()
        return account, seen, live.stats

    account, seen, stats = run(scenario())
    assert all(b.received == b.stored + b.duplicates + b.refused + b.in_flight for b in seen)
    assert any(balance.in_flight for balance in seen)
    last = account.balance()
    assert (last.stored, last.duplicates, last.in_flight) == (650, 50, 0)
    assert (last.received, last.own) == (stats.received, stats.own)
    assert account.delays.count == 600
    assert account.batch_sizes.total == 650
    assert account.batch_sizes.count == stats.batches
    assert account.receipts > 0


def test_what_comes_after_a_revocation_is_revoked_at_once(works, broker, topic_prefix):
    """No message counts that came after the operator's word, and every one before it does."""

    async def scenario():
        machine = works.machine("press-1", enrolled=False, prefix=topic_prefix)
        prior = works.enrol(machine)
        async with Live(works, broker, topic_prefix) as live, listener(broker, "none") as (_, link):
            for turn in range(6):
                for _ in range(5):
                    link.post(*machine.message())
                await live.until(lambda stats, due=5 * (turn + 1): stats.stored == due)
                if turn == 2:
                    works.revoke(machine, prior)

    run(scenario())
    said = [row.status for row in messages(works)]
    assert said == ["accepted"] * 15 + ["revoked"] * 15
