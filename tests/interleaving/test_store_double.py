"""The store in memory against the real ones: the same commits, the same rows, the same refusals."""

from contextlib import ExitStack
from random import Random

import pytest
from interleaving.scheduler import Process, Scheduler
from interleaving.store import Database, SharedStore
from sqlalchemy.exc import DBAPIError

from collector import tables
from collector.commit import Commit, StoreShelf
from collector.store import open_store
from telemetry.rows import BatchRow

COMMITS = 40
TABLES = (tables.batches, tables.messages, tables.claims, tables.sightings, tables.counters)


def commits(seed):
    """Batches of two collectors, some of which claim what is taken, or come twice."""
    random, size, number = Random(seed), {}, {}
    for _ in range(COMMITS):
        collector = random.choice(("east", "west"))
        start, batch = size.get(collector, 0), number.get(collector, 0)
        rows = random.randrange(1, 4)
        seqs = random.sample(range(12), rows)
        commit = Commit(
            collector=collector,
            batch=BatchRow(collector, batch, start, rows, b"r" * 32, b"c", 0),
            messages=[
                (
                    collector, start + at, 1, None, "t", b"p", None, "mill", "s", seq, 1,
                    "accepted", "k", 0, b"e" * 32, b"h" * 32, b"b" * 32,
                )
                for at, seq in enumerate(seqs)
            ],
            claims=[
                ("mill", "s", seq, collector, start + at, b"b" * 32)
                for at, seq in enumerate(seqs)
            ],
            counters={"received": batch},
        )  # fmt: skip
        good = yield commit
        if good:
            size[collector], number[collector] = start + rows, batch + 1


def outcome(shelf, commit):
    """What came of it: how it was refused, and what is read back."""
    try:
        shelf.put(commit)
    except DBAPIError as error:
        said = "refused"
        if getattr(error.orig, "sqlstate", None) is not None:
            said = f"{error.orig.sqlstate} {error.orig.diag.table_name}"
    else:
        said = "stands"
    return said, shelf.batch(commit.collector, commit.batch.number)


def contents(store):
    with store.reading() as connection:
        return [
            sorted(map(tuple, connection.execute(table.select())), key=repr) for table in TABLES
        ]


def play(store, seed):
    shelf, outcomes, making = StoreShelf(store), [], commits(seed)
    commit = next(making)
    try:
        while True:
            outcomes.append(outcome(shelf, commit))
            commit = making.send(outcomes[-1][0] == "stands")
    except StopIteration:
        return outcomes, contents(store)


@pytest.fixture(scope="module")
def double():
    """What the double makes of some commits, by seed."""

    def made(seed):
        return play(SharedStore(Database(), Process(Scheduler(0), "one")), seed)

    return made


@pytest.mark.parametrize("seed", range(3))
def test_it_is_sqlites_own_store_but_for_the_words_of_a_refusal(double, tmp_path, seed):
    with open_store(f"sqlite:///{tmp_path}/ledger.db", create=True) as store:
        outcomes, rows = play(store, seed)
    doubled, doubled_rows = double(seed)
    assert [said == "stands" for said, _ in outcomes] == [said == "stands" for said, _ in doubled]
    assert [batch for _, batch in outcomes] == [batch for _, batch in doubled]
    assert rows == doubled_rows
    assert {said for said, _ in doubled} == {"stands", "23505 claims"}


def test_it_refuses_in_postgresqls_words(double, postgres):
    with ExitStack() as stack:
        store = stack.enter_context(open_store(postgres.database(), create=True))
        outcomes, rows = play(store, 1)
    doubled, doubled_rows = double(1)
    assert outcomes == doubled
    assert rows == doubled_rows


def test_a_batch_put_twice_is_refused_by_its_number():
    store = SharedStore(Database(), Process(Scheduler(0), "one"))
    shelf, commit = StoreShelf(store), next(commits(1))
    assert outcome(shelf, commit)[0] == "stands"
    assert outcome(shelf, commit)[0] == "23505 batches"
