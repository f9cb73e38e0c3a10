"""A link that is cut on purpose: as a network that fails, and not back before it may."""

import asyncio
import logging

import pytest

from telemetry.errors import LinkLost
from telemetry.link import Backoff, Link, Subscription, Will

pytestmark = pytest.mark.e2e

QUICK = Backoff(first=0.02, limit=0.05)


def test_it_comes_back_by_itself_or_held_when_it_may_and_the_will_is_told(
    broker, topic_prefix, caplog
):
    caplog.set_level(logging.CRITICAL, "telemetry.link")
    topic, heard = f"{topic_prefix}/will", []

    async def until(true):
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - of several links
                await asyncio.sleep(0.01)

    async def main():
        listener = Link(
            broker.address,
            client_id=f"{topic_prefix}-listener",
            subscriptions=[Subscription(topic)],
            on_arrivals=lambda arrivals: heard.extend(one.payload for one in arrivals),
        )
        link = Link(
            broker.address,
            client_id=f"{topic_prefix}-cut",
            will=Will(topic, b"gone"),
            backoff=QUICK,
        )
        async with listener, link:
            link.cut()
            await until(lambda: link.epoch == 2 and link.connected)

            link.cut(hold=True)
            await until(lambda: not link.connected)
            with pytest.raises(LinkLost):
                link.post(topic, b"never")
            # Twenty times as long as its backoff ever waits.
            await asyncio.sleep(20 * QUICK.limit)
            assert link.epoch == 2
            link.restore()
            await until(lambda: link.epoch == 3 and link.connected)
            assert await link.publish(topic, b"back") == 0
            await until(lambda: b"back" in heard)

            link.cut(hold=True)
            await until(lambda: not link.connected)
        # And a link that is held can be closed.

    asyncio.run(main())
    assert heard[:3] == [b"gone", b"gone", b"back"]
