"""Retention: asked for by age, signed, published, only then erased; and every crash between."""

import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

import collector
from anchor.key_entry import erase
from collector.retention import Retention, Wanted

DATABASES = ("sqlite", "postgresql")
ROOT = Path(collector.__file__).parent.parent
DAY = 86_400_000_000


class Keeper:
    """A retention over one collector's store, an operator, and a log that publishes."""

    def __init__(self, works, store, ledger, **ages):
        self.works, self.store, self.ledger = works, store, ledger
        self.ages = {status.replace("_", "-"): days * DAY for status, days in ages.items()}
        self.restart()

    def restart(self):
        self.retention = Retention(self.store, self.ages, self.ledger.statements)

    def ask(self, now):
        wanted = self.retention.wanted(now)
        for one in wanted:
            self.sign(one)
        return wanted

    def sign(self, wanted):
        self.works._time += 1
        entry = erase(
            operator=self.works.operator,
            collector=wanted.collector,
            first=wanted.first,
            last=wanted.last,
            statuses=wanted.statuses,
            time=self.works._time,
        )
        self.works.requests.write(entry)
        self.ledger.refresh_keys()
        return sha256(entry).digest()

    def publish(self):
        self.retention.publish(set(self.retention.waiting()))

    def erase(self):
        pieces = 0
        while self.retention.erase_some():
            pieces += 1
        return pieces

    def kept(self):
        rows = self.works.reader().messages(self.ledger.head.collector)
        return [row.position for row in rows if row.payload is not None]


@pytest.fixture
def keeper(works, store, feed):
    """Ten days: each an unsigned, an accepted and a malformed message."""
    machine = works.machine("press-1")
    suffix = b',"sig":"' + b"A" * 86 + b'=="}'
    for day in range(10):
        feed.take(("x", b"%d" % day), machine.message(), ("y", b"{" + suffix), at=day * DAY)
    return Keeper(works, store, feed.ledger, unsigned=3, malformed=3, accepted=8)


def test_what_is_old_enough_is_asked_for_by_age_and_status(keeper):
    wanted = keeper.retention.wanted(10 * DAY)
    collector = keeper.ledger.head.collector
    assert wanted == [
        Wanted(collector, 1, 4, ("accepted",)),
        Wanted(collector, 0, 20, ("unsigned", "malformed")),
    ]


def test_nothing_goes_before_the_log_has_published_it(keeper):
    keeper.ask(10 * DAY)
    assert keeper.erase() == 0
    assert keeper.kept() == list(range(30))
    keeper.publish()
    assert keeper.erase() == 2
    young = [position for position in range(21, 30) if position % 3 != 1]
    assert keeper.kept() == sorted([*range(7, 30, 3), *young])


def test_what_is_asked_for_is_not_asked_for_again(keeper):
    keeper.ask(10 * DAY)
    assert keeper.retention.wanted(10 * DAY) == []
    keeper.publish()
    keeper.erase()
    assert keeper.retention.wanted(10 * DAY) == []
    keeper.restart()
    assert keeper.retention.wanted(10 * DAY) == []
    collector = keeper.ledger.head.collector
    assert keeper.ask(11 * DAY) == [
        Wanted(collector, 7, 7, ("accepted",)),
        Wanted(collector, 21, 23, ("unsigned", "malformed")),
    ]


def test_only_the_statuses_that_the_operator_named_go(keeper):
    keeper.sign(Wanted(keeper.ledger.head.collector, 0, 29, ("malformed",)))
    keeper.publish()
    keeper.erase()
    assert keeper.kept() == [position for position in range(30) if position % 3 != 2]


def test_without_statuses_all_of_them_go_and_no_other_positions(keeper):
    keeper.sign(Wanted(keeper.ledger.head.collector, 3, 5, ()))
    keeper.publish()
    keeper.erase()
    assert keeper.kept() == [*range(3), *range(6, 30)]


def test_an_erasure_of_what_is_not_there_is_done_at_once(keeper):
    keeper.sign(Wanted("nobody", 0, 2**62, ()))
    keeper.sign(Wanted(keeper.ledger.head.collector, 25, 2**62, ()))
    keeper.publish()
    assert keeper.erase() == 2
    assert keeper.kept() == list(range(25))


def test_all_but_payloads_stands(works, keeper, feed):
    before = list(works.reader().messages(feed.ledger.head.collector))
    keeper.ask(100 * DAY)
    keeper.publish()
    keeper.erase()
    after = list(works.reader().messages(feed.ledger.head.collector))
    assert [row.payload for row in after] == [None] * 30
    columns = [name for name in type(after[0]).__slots__ if name != "payload"]
    for old, new in zip(before, after, strict=True):
        assert [getattr(old, name) for name in columns] == [getattr(new, name) for name in columns]
    stats = works.reader().stats()
    assert (stats.stored, stats.conserved) == (30, True)
    with keeper.store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM readings").scalar() == 0


def test_a_message_erased_is_still_known_when_it_comes_again(works, store, feed):
    machine = works.machine("press-1")
    message = machine.message()
    feed.take(message)
    keeper = Keeper(works, store, feed.ledger, accepted=1)
    keeper.ask(feed.at + 2 * DAY)
    keeper.publish()
    keeper.erase()
    assert keeper.kept() == []
    assert feed.take(message).duplicates == 1


def test_erasing_goes_piece_by_piece_and_on_after_a_restart(works, store, feed):
    feed.take(*[("x", b"%d" % n) for n in range(1200)])
    keeper = Keeper(works, store, feed.ledger, unsigned=1)
    keeper.ask(feed.at + 2 * DAY)
    keeper.publish()
    assert keeper.retention.erase_some()
    assert len(keeper.kept()) == 700
    keeper.restart()
    assert keeper.erase() == 0  # a new process has not seen the log yet
    keeper.publish()
    assert keeper.erase() == 2
    assert keeper.kept() == []
    assert keeper.erase() == 0
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT next, erased FROM erasures").all()
    assert [tuple(row) for row in rows] == [(1200, 1200)]


def test_key_entries_are_kept_without_a_batch_and_once(works, keeper, feed):
    keeper.ask(10 * DAY)
    held = len(list(works.reader().key_entries(feed.ledger.head.collector)))
    feed.ledger.save_keys()
    feed.ledger.save_keys()
    entries = list(works.reader().key_entries(feed.ledger.head.collector))
    assert len(entries) == held + 2
    assert [row.number for row in entries] == list(range(held + 2))
    feed.take(("x", b"after"))
    assert len(list(works.reader().key_entries(feed.ledger.head.collector))) == held + 2


@pytest.mark.parametrize("pieces", [0, 1, 2, 3])
def test_killed_in_the_middle_of_an_erasure_it_goes_on(works, feed_for, pieces):
    """By SIGKILL after so many pieces, in the middle of the next one's transaction."""
    with works.open() as store:
        feed = feed_for(works.live(store).ledger)
        feed.take(*[("x", b"%d" % n) for n in range(1200)])
        keeper = Keeper(works, store, feed.ledger, unsigned=1)
        keeper.ask(feed.at + 2 * DAY)
        feed.ledger.save_keys()
        (erasure,) = [s for s in feed.ledger.statements if s.action == "erase"]
    script = f"""
import os, signal
from telemetry.keyring import KeyStatement
from collector.retention import Retention
from collector.store import open_store
statement = {erasure!r}
store = open_store({works.url!r}, create=False)
retention = Retention(store, {{}}, [statement])
retention.publish({{statement.hash}})
for _ in range({pieces}):
    assert retention.erase_some()
shred = store.shred
store.shred = lambda connection: (shred(connection), connection.exec_driver_sql(
    "UPDATE messages SET payload = NULL"), os.kill(os.getpid(), signal.SIGKILL))
retention.erase_some()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True
    )
    if pieces < 3:
        assert done.returncode == -signal.SIGKILL, done.stderr
    with works.open() as store:
        feed = feed_for(works.live(store).ledger)
        keeper = Keeper(works, store, feed.ledger, unsigned=1)
        assert len(keeper.kept()) == max(0, 1200 - 500 * pieces)
        keeper.publish()
        keeper.erase()
        assert keeper.kept() == []
        with store.reading() as connection:
            assert connection.exec_driver_sql("SELECT erased FROM erasures").scalar() == 1200


@pytest.mark.sqlite
def test_an_erased_payload_is_in_the_file_no_more(works, feed_for):
    with works.open() as store:
        feed = feed_for(works.live(store).ledger)
        feed.take(("x", b"a secret of a worker"), ("x", b"B" * 20_000 + b"another secret"))
        keeper = Keeper(works, store, feed.ledger, unsigned=1)
    assert b"secret" in (works.folder / "ledger.db").read_bytes()
    with works.open() as store:
        feed = feed_for(works.live(store).ledger)
        keeper = Keeper(works, store, feed.ledger, unsigned=1)
        keeper.ask(feed_for(feed.ledger).at + 2 * DAY)
        keeper.publish()
        assert keeper.erase() == 1
    assert b"secret" not in (works.folder / "ledger.db").read_bytes()
    assert not (works.folder / "ledger.db-wal").exists()


def test_what_was_decoded_from_a_payload_goes_with_it(keeper, store):
    collector = keeper.ledger.head.collector
    with store.writing() as connection:
        for position in (1, 4):
            connection.exec_driver_sql(
                "INSERT INTO decoded VALUES (?, ?, 0, 'press-1', 1, 'speed', 1.5)",
                (collector, position),
            )
    keeper.sign(Wanted(collector, 0, 2, ()))
    keeper.publish()
    keeper.erase()
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT position FROM decoded").scalars().all() == [4]
