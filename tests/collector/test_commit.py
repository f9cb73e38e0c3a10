"""Faults on both sides of the commit: nothing counts unless it is in the store, nothing twice."""

import sqlite3
from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError

from collector.commit import Commit, StoreShelf, put_surely
from collector.errors import CommitFailed
from collector.patience import Patience

DATABASES = ("sqlite", "postgresql")


class FaultyShelf:
    """The real shelf, failing on purpose: `faults` says how, one for each `put`."""

    def __init__(self, store, *faults, readable=True):
        self._real = StoreShelf(store)
        self.faults = list(faults)
        self.commits = []
        self.readable = readable

    def put(self, commit):
        self.commits.append(commit)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "did not persist":
            raise failure(sqlite3.OperationalError("disk I/O error"))
        if fault == "broken":
            raise failure(sqlite3.DatabaseError("database disk image is malformed"))
        self._real.put(commit)
        if fault == "did persist":
            raise failure(sqlite3.OperationalError("disk I/O error"))

    def batch(self, collector, number):
        if not self.readable:
            self.readable = True
            raise failure(sqlite3.OperationalError("database is locked"))
        return self._real.batch(collector, number)


def failure(error):
    return DBAPIError.instance("COMMIT", None, error, sqlite3.Error)


def faulty_feed(works, store, feed_for, *faults, patience=None, **how):
    shelf = FaultyShelf(store, *faults, **how)
    patience = patience or Patience(attempts=6, first=0.001)
    return feed_for(works.live(store, shelf=shelf, patience=patience).ledger), shelf


def stored(works):
    reader = works.reader()
    try:
        (collector,) = reader.collectors()
        rows = list(reader.messages(collector.id))
        return [(row.position, row.seq) for row in rows], [
            (batch.number, batch.start, batch.size) for batch in reader.batches(collector.id)
        ]
    finally:
        reader.close()


def test_failed_and_did_not_persist_is_tried_again_with_the_same_bytes(works, store, feed_for):
    feed, shelf = faulty_feed(works, store, feed_for, "did not persist", "did not persist")
    machine = works.machine("press-1")
    taken = feed.take(machine.message(), machine.message())
    assert len(taken.receipts) == 1
    assert len(shelf.commits) == 3
    assert shelf.commits[0] is shelf.commits[1] is shelf.commits[2]
    assert stored(works) == ([(0, 0), (1, 1)], [(0, 0, 2)])


def test_failed_but_did_persist_is_taken_as_done_once(works, store, feed_for):
    feed, shelf = faulty_feed(works, store, feed_for, "did persist")
    machine = works.machine("press-1")
    message = machine.message()
    assert len(feed.take(message).receipts) == 1
    assert len(shelf.commits) == 1
    assert feed.take(message).duplicates == 1
    assert feed.take(machine.message()).batch.number == 1
    assert stored(works) == ([(0, 0), (1, 1)], [(0, 0, 1), (1, 1, 1)])
    assert works.reader().stats().conserved


def test_a_read_back_that_fails_leaves_it_unknown_and_is_sorted_out(works, store, feed_for):
    feed, _ = faulty_feed(works, store, feed_for, "did persist", readable=False)
    machine = works.machine("press-1")
    assert feed.take(machine.message()).stored == 1
    assert stored(works) == ([(0, 0)], [(0, 0, 1)])


def test_duplicates_alone_are_counted_once_whatever_happens(works, store, feed_for):
    feed, shelf = faulty_feed(works, store, feed_for)
    machine = works.machine("press-1")
    message = machine.message()
    feed.take(message)
    shelf.faults = ["did persist", "did not persist"]
    assert feed.take(message, message).duplicates == 2
    stats = works.reader().stats()
    assert (stats.received, stats.duplicates, stats.batches) == (3, 2, 1)
    assert stats.conserved


def test_a_failure_that_passes_is_waited_out_however_long_it_takes(works, store):
    pauses = []
    shelf = FaultyShelf(store, *["did not persist"] * 300)
    patience = Patience(pause=pauses.append)
    put_surely(shelf, Commit(collector="c", counters={"received": 1}), patience)
    assert len(pauses) == 300
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.05, 5.0)


def test_who_stops_the_process_waits_no_longer(works, store, feed_for):
    patience = Patience(pause=lambda _: patience.lose() or True)
    feed, shelf = faulty_feed(works, store, feed_for, *["did not persist"] * 9, patience=patience)
    with pytest.raises(CommitFailed, match="nothing of it was acknowledged"):
        feed.take(works.machine("press-1").message())
    assert len(shelf.commits) == 1


@pytest.mark.parametrize("faults", [["did not persist"] * 9, ["broken"]])
def test_what_cannot_be_committed_raises_and_nothing_of_it_counts(works, store, feed_for, faults):
    feed, shelf = faulty_feed(works, store, feed_for, *faults)
    machine = works.machine("press-1")
    message = machine.message()
    with pytest.raises(CommitFailed, match="nothing of it was acknowledged"):
        feed.take(message)
    assert stored(works) == ([], [])
    shelf.faults = []
    again = feed_for(works.live(store).ledger)
    assert again.take(message).stored == 1
    assert stored(works) == ([(0, 0)], [(0, 0, 1)])


def test_a_broken_store_is_not_tried_twice(works, store, feed_for):
    feed, shelf = faulty_feed(works, store, feed_for, "broken")
    with pytest.raises(CommitFailed):
        feed.take(works.machine("press-1").message())
    assert len(shelf.commits) == 1


def test_another_batch_under_the_same_number_ends_it(works, store, feed_for):
    first, second = works.live(store).ledger, works.live(store).ledger
    machine = works.machine("press-1")
    feed_for(first).take(machine.message())
    with pytest.raises(CommitFailed, match="something else writes"):
        feed_for(second).take(("x", b"other"))
    assert stored(works) == ([(0, 0)], [(0, 0, 1)])


def test_pauses_grow_and_end_where_tries_are_counted(store):
    pauses = []
    shelf = FaultyShelf(store, *["did not persist"] * 9)
    patience = Patience(attempts=6, pause=pauses.append)
    with pytest.raises(CommitFailed):
        put_surely(shelf, Commit(collector="c", counters={"received": 1}), patience)
    assert pauses == sorted(pauses)
    assert len(pauses) == len(shelf.commits) - 1 == 5


def test_one_transaction_holds_all_or_nothing(works, store, feed):
    """A row that cannot go in takes the whole batch with it."""
    machine = works.machine("press-1")
    feed.take(machine.message())
    before = works.reader().stats()
    with store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO messages (collector, position, received_at, topic, status, keys, "
            "payload_hash) VALUES (?, 2, 1, 'x', 'unsigned', 0, ?)",
            (feed.ledger.head.collector, b""),
        )
    with pytest.raises(CommitFailed):
        feed.take(machine.message(), ("foreign", b"x"))
    with store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM messages WHERE topic = 'x'")
    assert works.reader().stats(gaps=False) == before_without_gaps(before)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM tiles").scalar() == 1


def before_without_gaps(stats):
    return replace(stats, gaps=())
