"""SIGTERM under load: drained, committed, acknowledged; nothing is lost or doubled."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from survival_line import hold, until

from telemetry.link import Link

pytestmark = pytest.mark.e2e

STOPS = 4
PAUSE = 0.002  # s between two foreign messages


def taken(line):
    """How many foreign messages are in the store."""
    return line.query("select count(*) from messages where status = 'unsigned'")[0][0]


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
                await asyncio.sleep(PAUSE)

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
            before = taken(line)
            until(lambda before=before: taken(line) > before + 50, "it takes some more")
            collector.stop()
            stood = taken(line)
            until(lambda stood=stood: len(sent) > stood, "more is on its way")
            collector.start()
    until(lambda: taken(line) >= len(sent), "it has taken all")
    machines.stop()
    collector.stop()

    hold(
        line.sum(machines.results()),
        f"stopped {STOPS} times under load, {len(sent)} foreign messages beside",
    )
    assert line.foreign() == sorted(sent)
