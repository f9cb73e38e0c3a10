"""Clocks that jump: a collector's and its machines', an hour back and a day ahead."""

import asyncio
import time
from functools import partial

import pytest
from survival_line import until

from anchor.key_entry import OperatorAuthority
from collector.service import collect
from factoryledger.auditing import run_audit
from factoryledger.counting import with_anchored
from factoryledger.identity import identity_of
from factoryledger.installation import installation
from telemetry.link import Link
from telemetry.topic import factory_filters

pytestmark = pytest.mark.e2e

SECOND = 1_000_000
JUMPS = (0, -3600 * SECOND, 86_400 * SECOND, 0)


class JumpingClock:
    """The wall's clock in microseconds, off by as much as it is told."""

    def __init__(self):
        self.off = 0

    def __call__(self):
        return time.time_ns() // 1000 + self.off


async def collecting(place, clock, jump):
    """Collect under a clock, and jump whenever some messages more have come."""
    stop = asyncio.Event()
    running = asyncio.create_task(
        collect(
            store_url=place.database_url,
            link=partial(Link, place.broker),
            filters=factory_filters(),
            identity_for=partial(identity_of, place.data),
            authority=OperatorAuthority(place.data.operator.verifier),
            requests=place.data.requests,
            stop=stop,
            now=clock,
        )
    )
    jumping = asyncio.create_task(asyncio.to_thread(jump))
    await asyncio.wait((running, jumping), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await running
    await jumping


def test_a_collectors_clock_that_jumps_loses_nothing_and_never_goes_back(lay):
    line, clock = lay(), JumpingClock()
    machines = line.machines(5)

    def jump():
        until(line.stores, "it has a store")
        machines.start()
        for off in JUMPS:
            clock.off = off
            before = line.accepted()
            until(lambda before=before: line.accepted() > before + 100, "it goes on")
        machines.stop()

    with installation(data=line.data, broker=line.address) as place:
        asyncio.run(collecting(place, clock, jump))
        assert line.run("anchor", "--once", "--data", line.data).returncode == 0
        audited, stats = run_audit(place), with_anchored(place)
    (tally,) = machines.results()
    times = line.query("select received_at, original_at from messages order by position")
    lifted = [1 for _, original in times if original is not None]
    print(  # noqa: T201 - the counts are what this test shows
        f"\nclock jumped {len(JUMPS)} times: recorded {tally['recorded']}, "
        f"stored {stats.stored}, lifted {len(lifted)}, findings {len(audited.findings)}"
    )
    assert stats.statuses["accepted"] == stats.stored == tally["recorded"]
    assert (tally["held"], stats.gaps, audited.findings) == (0, (), [])
    assert stats.conserved
    # What came after the clock went back stands at the time before; the clock's word is kept.
    received = [at for at, _ in times]
    assert received == sorted(received)
    assert len(lifted) > 100
