"""Foreign messages that MQTT brings twice in one process: stored once, while no PUBACK went out.

On the real broker, which decides what it sends again; `tests/link/test_redelivery.py` has the
rule, and a broker that does worse.
"""

import asyncio
import contextlib
from collections import Counter
from random import Random

import pytest
from survival.cutting_proxy import CuttingProxy

from collector.account import Account
from collector.service import collect
from factoryledger.broker import LocalBroker
from telemetry.link import Address, Backoff, Link

pytestmark = pytest.mark.e2e

QUICK = Backoff(first=0.02, limit=0.05)
LONG = 600.0
COUNT = 200


class KeepingBroker(LocalBroker):
    """A broker that keeps its sessions over a restart."""

    def _command(self):
        command = super()._command()
        path = self.directory / "mosquitto.conf"
        text = path.read_text().replace("persistence false\n", "persistence true\n")
        # Started by root it becomes another user, which may not write here.
        path.write_text(f"{text}persistence_location {self.directory}/\nuser root\n")
        return command


class CutBeforeAcknowledging(Link):
    """Loses its first connection with the first acknowledgement, unsent."""

    def acknowledge(self, arrivals):
        if self.epoch == 1:
            self.cut()
        else:
            super().acknowledge(arrivals)


@contextlib.asynccontextmanager
async def collecting(works, address, prefix, *, kind=Link, flush_seconds=LONG):
    stop, ready, account = asyncio.Event(), asyncio.Event(), Account()
    task = asyncio.create_task(
        collect(
            store_url=works.url,
            link=lambda **how: kind(address, backoff=QUICK, **how),
            filters=[f"{prefix}/#"],
            identity_for=works.identity_for,
            authority=works.authority,
            requests=works.requests,
            prefix=prefix,
            stop=stop,
            on_ready=ready.set,
            flush_seconds=flush_seconds,
            new_id=lambda: prefix.rpartition("/")[2],
            account=account,
        )
    )
    try:
        async with asyncio.timeout(30):
            await ready.wait()
        yield account
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def until(check):
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110 - of a process's counters
            await asyncio.sleep(0.01)


async def publish(address, prefix, payloads):
    async with Link(address, client_id=f"{prefix[-8:]}-foreign", backoff=QUICK) as link:
        for payload in payloads:
            assert await link.publish(f"{prefix}/thermometer", payload) == 0


def stored(works):
    reader = works.reader()
    rows = [row for found in reader.collectors() for row in reader.messages(found.id)]
    return Counter(row.payload for row in rows)


def numbered():
    return [b"%d" % number for number in range(COUNT)]


def once(payloads):
    return Counter(dict.fromkeys(payloads, 1))


def test_what_was_committed_and_not_acknowledged_is_stored_once(works, broker, topic_prefix):
    """And an equal message that is a new one is stored, although it looks the same."""

    async def scenario():
        async with collecting(
            works,
            broker.address,
            topic_prefix,
            kind=CutBeforeAcknowledging,
            flush_seconds=0.02,
        ) as account:
            await publish(broker.address, topic_prefix, [b"21.5"])
            await until(lambda: account.connections == 2 and account.duplicates == 1)
            await publish(broker.address, topic_prefix, [b"21.5"])
            await until(lambda: account.stored == 2)
        return works.reader().stats()

    stats = asyncio.run(scenario())
    assert (stats.received, stats.stored, stats.duplicates) == (3, 2, 1)
    assert stats.conserved
    assert stored(works) == Counter({b"21.5": 2})


def test_what_waits_when_a_proxy_cuts_in_mid_packet_is_stored_once(works, broker, topic_prefix):
    heard = set()

    def attentive(address, *, on_arrivals, **how):
        def arrived(arrivals):
            on_arrivals(arrivals)
            heard.update(one.payload for one in arrivals)

        return Link(address, on_arrivals=arrived, **how)

    async def scenario():
        with CuttingProxy(broker.port, Random(4), 3_000, 4_000) as proxy:
            address = Address("127.0.0.1", proxy.port)
            async with collecting(works, address, topic_prefix, kind=attentive) as account:
                sending = publish(broker.address, topic_prefix, numbered())
                publishing = asyncio.create_task(sending)
                await until(lambda: proxy.cuts)
                proxy.cutting = False
                await publishing
                await until(lambda: heard == set(numbered()))
            assert account.connections == 2
        return works.reader().stats()

    stats = asyncio.run(scenario())
    assert stats.stored == COUNT
    assert stats.duplicates > 0
    assert stats.conserved
    assert stored(works) == once(numbered())


def test_what_waits_when_the_broker_restarts_is_stored_once(works, tmp_path, topic_prefix):
    async def scenario(broker):
        async with collecting(works, broker.address, topic_prefix) as account:
            await publish(broker.address, topic_prefix, numbered())
            await until(lambda: account.balance().received == COUNT)
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)
            await until(lambda: account.balance().received == 2 * COUNT)
            assert account.sessions_lost == 0
        return works.reader().stats()

    with KeepingBroker(0, tmp_path, embedded=False) as broker:
        stats = asyncio.run(scenario(broker))
    assert (stats.stored, stats.duplicates) == (COUNT, COUNT)
    assert stats.conserved
    assert stored(works) == once(numbered())
