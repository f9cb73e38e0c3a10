"""Clocks that jump: a collector's and its machines', an hour back and a day ahead."""

import asyncio
import time
from functools import partial

import pytest
from faketime import WallClock, find_faketime
from survival_line import hold, until

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


@pytest.fixture
def wall_clock(tmp_path):
    """A clock for processes, to be moved."""
    library = find_faketime()
    if library is None:
        pytest.skip("no libfaketime is installed (Debian: apt-get install libfaketime)")
    return WallClock(library, tmp_path / "offset")


HOURS = (3600, -3600, 0)


@pytest.mark.parametrize(
    "whose",
    [
        pytest.param("machines"),
        pytest.param("collector", marks=pytest.mark.long),
        pytest.param("both", marks=pytest.mark.long),
    ],
)
def test_a_clock_that_jumps_an_hour_loses_nothing(lay, wall_clock, whose):
    """Forwards, two hours back and to the right time, each while messages are on their way.

    Within a session a machine's time never goes back; the next session has the new one.
    """
    line = lay()
    anchor = line.anchor()
    makers = {"collector": line.collector, "machines": lambda: line.machines(6)}
    made = {name: make() for name, make in makers.items() if whose not in (name, "both")}
    line.under(wall_clock.environment)
    made |= {name: make() for name, make in makers.items() if name not in made}
    collector, machines = made["collector"], made["machines"]
    for program in (collector, anchor, machines):
        program.start()
    for off in HOURS:
        for _ in range(2):
            before = line.accepted()
            until(lambda before=before: line.accepted() > before + 60, "it goes on")
            wall_clock.put(off)
        machines.stop()
        machines.start()
        until(lambda off=off: seen(line, whose, off), "what comes has the new time")
    machines.stop()
    collector.stop()
    anchor.stop()

    found = line.sum(machines.results())
    hold(found, f"clock of {whose} jumped {len(HOURS)} times by an hour and two")
    times = line.query(
        "select device, session, time from messages where device is not null "
        "order by device, session, seq"
    )
    assert times == sorted(times)


def seen(line, whose, off):
    """Whether the newest rows bear the time of that clock."""
    column = "coalesce(original_at, received_at)" if whose == "collector" else "time"
    rows = line.query(f"select {column} from messages order by position desc limit 20")
    return all(abs(at / SECOND - time.time() - off) < 600 for (at,) in rows)
