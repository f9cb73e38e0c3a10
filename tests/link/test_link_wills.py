"""A will that is made for each CONNECT, and connecting anew on purpose."""

import asyncio
import uuid

import pytest

from telemetry.link import Address, Backoff, Link, Subscription, Will

pytestmark = pytest.mark.e2e

QUICK = Backoff(first=0.02, limit=0.2)


class Wills:
    """Counts what it is asked for."""

    def __init__(self, topic):
        self.topic = topic
        self.made = 0

    def __call__(self):
        self.made += 1
        return Will(self.topic, b"%d" % self.made)


async def eventually(check):
    for _ in range(500):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def test_each_connection_has_its_own_will(broker, topic_prefix):
    topic = f"{topic_prefix}/death"
    wills, heard = Wills(topic), []

    async def run():
        watcher = Link(
            broker.address,
            client_id=f"w-{uuid.uuid4().hex[:8]}",
            clean_start=True,
            subscriptions=[Subscription(topic)],
            on_arrivals=lambda arrivals: heard.extend(a.payload for a in arrivals),
        )
        link = Link(
            broker.address,
            client_id=f"l-{uuid.uuid4().hex[:8]}",
            clean_start=True,
            backoff=QUICK,
            on_trouble=lambda _error: None,
            will=wills,
        )
        assert wills.made == 0
        async with watcher, link:
            assert wills.made == 1
            link._upkeep.wire.abort()
            await eventually(lambda: link.epoch == 2 and link.connected)
            assert heard == [b"1"]
            await link.reconnect()
            await eventually(lambda: link.epoch == 3 and link.connected)
            assert (wills.made, heard) == (3, [b"1"])  # a goodbye publishes no will
            link._upkeep.wire.abort()
            await eventually(lambda: link.epoch == 4 and link.connected)
            assert heard == [b"1", b"3"]
        assert wills.made == 4

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_will_is_made_only_when_connect_goes_out():
    async def run():
        wills = Wills("x")
        link = Link(
            # A port that nobody listens on.
            Address.parse("mqtt://127.0.0.1:1"),
            client_id="x",
            will=wills,
            connect_timeout=1,
        )
        with pytest.raises(Exception, match="no broker answers"):
            await link.__aenter__()
        assert wills.made == 0

    asyncio.run(run())
