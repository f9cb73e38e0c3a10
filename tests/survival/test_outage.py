"""The store away, locked or full while machines go on: nothing lost, memory bounded, no help.

The store is away for as long as the test says: for seconds in the suite, for half a minute in
`make faults`, and for five minutes in `make outage`.
"""

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress

import psycopg
import pytest
from local_postgres import LocalPostgres, find_postgres
from resident import Sizes
from survival_line import hold, until

pytestmark = pytest.mark.e2e

MACHINES, INTERVAL = 100, 0.1  # a thousand messages a second, and births and states
MEMORY = 300.0  # MB that a collector and its judges may take
TRYING = "the store does not answer, trying again"
FULL = "No space left on device"
LONG = float(os.environ.get("SURVIVAL_OUTAGE", "30"))
CATCH_UP = 300.0 + LONG  # s
SECONDS = [
    pytest.param(3.0, id="seconds"),
    pytest.param(LONG, id="long", marks=pytest.mark.long),
]


@contextmanager
def stopped(server):
    server.stop()
    yield
    server.start()


@contextmanager
def locked(file):
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def ride_out(line, away, what, seconds):
    """Keep the store away for so long under steady traffic; the collector recovers by itself."""
    collector, machines = line.collector(), line.machines(MACHINES)
    collector.start()
    machines.start()
    until(lambda: line.accepted() > 5 * MACHINES, "it has taken some")
    with Sizes(collector.pid) as sizes:
        stood = line.accepted()
        with away:
            begun = time.monotonic()
            until(lambda: TRYING in collector.said(), "it has met that its store is away")
            time.sleep(max(0.0, begun + seconds - time.monotonic()))
            ended = time.monotonic()
        back = time.monotonic()
        until(lambda: line.accepted() > stood, "it goes on by itself")
        resumed = time.monotonic()
        machines.stop(seconds=CATCH_UP)
        caught_up = time.monotonic()
        most = sizes.most(), sizes.most(begun, begun + (ended - begun) / 2), sizes.most(ended - 3)
        half = sizes.most((begun + ended) / 2, ended)
    collector.stop()

    found = line.sum(machines.results())
    hold(
        found,
        f"{what} away for {ended - begun:.0f} s; memory at most {most[1]:.0f} MB in the first "
        f"half, {half:.0f} MB in the second, {most[2]:.0f} MB after it; first commit "
        f"{resumed - back:.1f} s and all receipted {caught_up - back:.0f} s after its return",
    )
    assert most[0] < MEMORY
    assert found.recorded > stood + 10 * MACHINES
    return most[1], half


@pytest.fixture
def steady(lay):
    return lay(interval=INTERVAL, resend_after=25, drain=CATCH_UP)


@pytest.mark.parametrize("seconds", SECONDS)
def test_a_database_that_is_stopped(steady, postgres_of_ones_own, monkeypatch, seconds):
    monkeypatch.setenv("FACTORYLEDGER_DATABASE", postgres_of_ones_own.database())
    flat(*ride_out(steady, stopped(postgres_of_ones_own), "PostgreSQL", seconds), seconds)


@pytest.mark.long
@pytest.mark.parametrize("seconds", SECONDS[1:])
def test_a_file_that_is_locked(steady, seconds):
    flat(*ride_out(steady, locked(steady.data / "ledger.db"), "SQLite's file", seconds), seconds)


def flat(first, second, seconds):
    """Once the collector's hands are full, after some seconds, nothing grows any more."""
    assert seconds < 30 or second < first + 10


@pytest.mark.parametrize(
    ("what", "megabytes"),
    [
        pytest.param("tables", 16, id="tables"),
        pytest.param("server", 120, id="server", marks=pytest.mark.long),
    ],
)
def test_a_database_whose_disk_is_full(lay, small_disk, monkeypatch, what, megabytes):
    """Without room for rows a commit fails; without room for its log the server itself ends."""
    if find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    disk, grow = small_disk(megabytes)
    line = lay()
    with LocalPostgres(disk=disk if what == "server" else None, max_wal_size="64MB") as server:
        database = server.database(disk=disk if what == "tables" else None)
        monkeypatch.setenv("FACTORYLEDGER_DATABASE", database)
        collector, machines = line.collector(), line.machines(20)
        collector.start()
        machines.start()
        until(lambda: FULL in server.log.read_text("utf-8", "replace"), "its disk is full")
        until(lambda: TRYING in collector.said(), "the collector has met it")
        time.sleep(1.0)  # more comes meanwhile
        grow(1000)

        def accepted():
            if not server.running:  # as whoever supervises it would
                server.start()
            with suppress(psycopg.OperationalError):
                return line.accepted()

        stood = until(accepted, "the database is back")
        until(lambda: (accepted() or 0) > stood, "the collector goes on by itself")
        machines.stop()
        collector.stop()
        panics = server.log.read_text("utf-8", "replace").count("PANIC")
        hold(
            line.sum(machines.results()), f"PostgreSQL, its {what} on a full disk, {panics} panics"
        )
