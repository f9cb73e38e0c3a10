"""SIGTERM under load: drained, committed, acknowledged; nothing is lost or doubled."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from survival_line import hold, until

from telemetry.link import Link

pytestmark = pytest.mark.e2e

STOPS = 4


@contextmanager
def foreign_load(address, sent):
    """Publish foreign messages, one after the other, until the end; `sent` gets each."""
    done = threading.Event()

    async def publish():
        async with Link(address, client_id="", clean_start=True) as link:
            while not done.is_set():
                payload = b"%d" % len(sent)
                sent.append(payload)
                await link.publish(f"foreign/{len(sent) % 5}", payload)

    thread = threading.Thread(target=lambda: asyncio.run(publish()))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_collector_that_is_stopped_under_load_loses_and_doubles_nothing(lay):
    line = lay(flush_seconds=0.05)
    collector = line.collector("", "--topic", "foreign/#", "--topic", "example-works/#")
    collector.start()
    machines = line.machines(6)
    machines.start()
    # No outbox, no number: what is acknowledged too late would be there twice.
    sent = []
    with foreign_load(line.broker.address, sent):
        for _ in range(STOPS):
            before = len(line.foreign())
            until(lambda before=before: len(line.foreign()) > before + 50, "it takes some more")
            collector.stop()
            assert len(line.foreign()) < len(sent)
            collector.start()
    until(lambda: len(line.foreign()) >= len(sent), "it has taken all")
    machines.stop()
    collector.stop()

    hold(
        line.sum(machines.results()),
        f"stopped {STOPS} times under load, {len(sent)} foreign messages beside",
    )
    assert line.foreign() == sorted(sent)
