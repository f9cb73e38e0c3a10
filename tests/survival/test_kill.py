"""kill -9 of machines, broker and collector; a broker that forgets; a backlog."""

import os
import random
import time

import pytest
from keeping_broker import KeepingBroker
from survival_line import hold, publish, until

from factoryledger.broker import LocalBroker

pytestmark = pytest.mark.e2e

MEMORY = 300 * 2**20  # bytes that a collector may take


def kill_at_random(line, strikes, seed, database=None):
    """Kill one after the other, at any moment; give how often each."""
    chance = random.Random(seed)
    collector, machines = line.collector(), line.machines(6)
    kills = {"collector": collector.kill, "machines": machines.kill, "broker": line.broker.kill}
    if database is not None:
        kills["database"] = database.kill
    collector.start()
    machines.start()
    killed = dict.fromkeys(kills, 0)
    for _ in range(strikes):
        time.sleep(chance.uniform(0.0, 1.0))
        struck = chance.sample(sorted(kills), chance.choice((1, 1, 2, 3)))
        for name in struck:
            killed[name] += 1
            kills[name]()
        # Without a broker or a database the others wait, or have ended and are started again.
        line.broker.start()
        if "database" in struck:
            database.start()
        for program in chance.sample((collector, machines), 2):
            if not program.running:
                program.start()
    machines.stop()
    collector.stop()
    return killed, machines


def seed_of_the_day():
    """Any seed, or the one that is to be done again."""
    seed = int(os.environ.get("SURVIVAL_SEED", random.randrange(2**32)))
    print(f"\nseed {seed}")  # noqa: T201 - with SURVIVAL_SEED the same is drawn again
    return seed


@pytest.mark.parametrize(
    "strikes", [pytest.param(5, id="few"), pytest.param(50, id="many", marks=pytest.mark.long)]
)
def test_killed_in_random_order_nothing_is_lost_or_doubled(lay, strikes):
    line, seed = lay(), seed_of_the_day()
    killed, machines = kill_at_random(line, strikes, seed)
    hold(line.sum(machines.results()), f"struck {strikes} times, seed {seed}: {killed}")
    assert all(killed.values()) or strikes < 50


@pytest.mark.long
def test_killed_in_random_order_with_their_database_nothing_is_lost_or_doubled(
    lay, postgres_of_ones_own, monkeypatch
):
    monkeypatch.setenv("FACTORYLEDGER_DATABASE", postgres_of_ones_own.database())
    line, seed = lay(), seed_of_the_day()
    killed, machines = kill_at_random(line, 50, seed, postgres_of_ones_own)
    hold(line.sum(machines.results()), f"struck 50 times, seed {seed}: {killed}")
    assert all(killed.values())


def kept(line):
    """Bytes that the machines' outboxes hold."""
    files = (path for path in (line.data / "outbox").rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param(LocalBroker, id="forgets"),
        pytest.param(KeepingBroker, id="keeps", marks=pytest.mark.long),
    ],
)
def test_a_broker_killed_while_the_collector_is_down_loses_nothing(lay, tmp_path, broker):
    line = lay(broker=broker(0, tmp_path / "broker", embedded=False))
    collector, machines = line.collector(), line.machines(5)
    collector.start()
    machines.start()
    until(lambda: line.accepted() > 100, "it has taken some")
    collector.kill()
    stood = line.accepted()
    for _ in range(2):
        # What is published meanwhile, the broker alone has.
        before = kept(line)
        until(lambda before=before: kept(line) > before + 50_000, "more has been recorded")
        if broker is KeepingBroker:
            time.sleep(1.5)  # until it has saved
        line.broker.kill()
        line.broker.start()
    collector.start()
    until(lambda: line.accepted() > stood, "it goes on")
    machines.stop()
    collector.stop()

    found = line.sum(machines.results())
    hold(found, f"broker that {'keeps' if broker is KeepingBroker else 'forgets'}, killed twice")
    assert (line.broker.directory / "mosquitto.db").exists() == (broker is KeepingBroker)
    assert found.recorded > stood + 200


@pytest.mark.long
def test_a_backlog_of_100_mb_is_taken_within_bounds(lay):
    line = lay()
    collector = line.collector("", "--topic", "foreign/#")
    collector.start()
    collector.stop()
    each, count = 1000, 100_000
    sent = [(f"foreign/{n % 100}", b"%08d" % n + bytes(each - 8)) for n in range(count)]
    publish(line.broker.address, sent, window=1000)

    collector.start()
    until(lambda: line.query("select count(*) from messages")[0][0] >= count, "it has taken all")
    high = peak(collector.pid)
    collector.stop()
    print(f"\nbacklog of {count * each / 1e6:.0f} MB, peak memory {high / 2**20:.0f} MiB")  # noqa: T201
    assert line.foreign() == [payload for _, payload in sent]
    assert high < MEMORY
    audited, stats = line.settle()
    assert audited.clean
    assert stats["received"] == stats["stored"] == count


def peak(pid):
    """The most memory that a process has had, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - no real file
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
