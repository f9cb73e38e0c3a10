"""PostgreSQL's own part of the promises: sessions, locks, partitions, collectors side by side."""

import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import make_url

from collector.errors import CommitFailed, StoreLocked, StoreUnavailable, StoreUnmade
from collector.patience import Patience
from collector.store import open_store
from collector.store_reader import LedgerReader
from collector.tables import PARTITION

DATABASES = ("postgresql",)


@pytest.fixture
def admin(works):
    """A session of the database's owner, outside of any store."""
    url = make_url(works.url)
    with psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        autocommit=True,
    ) as connection:
        yield connection


def show(store, name):
    with store.reading() as connection:
        return connection.exec_driver_sql(f"SHOW {name}").scalar()


def test_a_commit_is_on_the_disk_whatever_the_database_says(works, admin):
    admin.execute("ALTER ROLE ledger SET synchronous_commit = off")
    admin.execute("ALTER ROLE ledger SET statement_timeout = '200ms'")
    try:
        with works.open() as store:
            assert show(store, "synchronous_commit") == "on"
            assert show(store, "statement_timeout") == "0"
            store.renew()
            assert show(store, "synchronous_commit") == "on"
    finally:
        admin.execute("ALTER ROLE ledger RESET ALL")


def test_a_stronger_promise_is_kept(works, admin):
    admin.execute("ALTER ROLE ledger SET synchronous_commit = remote_apply")
    try:
        with works.open() as store:
            assert show(store, "synchronous_commit") == "remote_apply"
    finally:
        admin.execute("ALTER ROLE ledger RESET ALL")


def test_a_server_that_loses_commits_is_refused():
    from local_postgres import LocalPostgres, find_postgres

    if find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with (
        LocalPostgres(fsync="off") as server,
        pytest.raises(StoreUnavailable, match="fsync = off"),
    ):
        open_store(server.database(), create=True)


def test_another_encoding_is_refused(postgres):
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc "
            "TEMPLATE template0"
        )
    with pytest.raises(StoreUnavailable, match="encoding LATIN1"):
        open_store(postgres.url("latin"), create=True)


@pytest.mark.parametrize("opens", [lambda url: open_store(url, create=True), LedgerReader])
def test_a_server_that_is_not_there_is_named_without_the_password(opens):
    url = "postgresql://ledger:hush-hush@127.0.0.1:1/factory?connect_timeout=5"
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1.*factory") as caught:
        opens(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("opens", [lambda url: open_store(url, create=True), LedgerReader])
def test_a_wrong_password_is_said_and_not_shown(works, opens):
    url = make_url(works.url).set(password="hush-hush").render_as_string(hide_password=False)
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        opens(url)
    assert "hush" not in str(caught.value)


def test_a_missing_store_is_made_only_when_asked(works, admin):
    with pytest.raises(StoreUnavailable, match="no store at"):
        open_store(works.url, create=False)
    with pytest.raises(StoreUnmade, match="has no table yet"):
        works.reader()
    assert admin.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    ).fetchone() == (0,)


def test_two_that_start_at_once_make_one_schema(works):
    with ThreadPoolExecutor(4) as pool:
        stores = [future.result(60) for future in [pool.submit(works.open) for _ in range(4)]]
    for store in stores:
        store.close()
    assert len({id(store) for store in stores}) == 4


def test_a_collector_has_one_writer_and_a_database_several(works, feed_for):
    machine = works.machine("press-1")
    with works.open() as one, works.open() as other:
        first = feed_for(works.live(one, new_id="a" * 16).ledger)
        with pytest.raises(StoreLocked, match=r"factoryledger [0-9]+ from 127\.0\.0\.1"):
            other.own("a" * 16)
        second = feed_for(works.live(other, new_id="b" * 16).ledger)
        first.take(machine.message())
        second.take(machine.message(), ("x", b""))
        first.take(machine.message())
    with works.open() as one:
        one.own("a" * 16)
    reader = works.reader()
    assert [row.id for row in reader.collectors()] == ["a" * 16, "b" * 16]
    assert [row.seq for row in reader.messages("a" * 16)] == [0, 2]
    assert [row.seq for row in reader.messages("b" * 16)] == [1, None]
    assert reader.stats().conserved
    assert reader.stats().gaps == ()


def test_a_number_that_another_collector_took_meanwhile_is_judged_again(works, feed_for):
    machine = works.machine("press-1")
    same, stranger = machine.message(), works.machine("press-9", enrolled=False).message()
    with works.open() as one, works.open() as other:
        first = feed_for(works.live(one, new_id="a" * 16).ledger)
        second = feed_for(works.live(other, new_id="b" * 16).ledger)
        # Both have looked, and remember that nothing is taken.
        first.take(machine.message(seq=10))
        second.take(machine.message(seq=11))
        assert first.take(same, stranger).stored == 2
        taken = second.take(same, machine.message(seq=0, value=9), stranger, machine.message())
        assert (taken.stored, taken.duplicates) == (2, 2)
    rows = list(works.reader().messages("b" * 16))
    assert [(row.status, row.seq) for row in rows] == [
        ("accepted", 11),
        ("conflict", 0),
        ("accepted", 1),
    ]
    assert len(list(works.reader().claims())) == 4
    assert works.reader().stats().conserved


def test_collectors_that_race_for_the_same_numbers_store_each_once(works, feed_for):
    machines = [works.machine(f"press-{number}") for number in range(4)]
    messages = [machine.message() for _ in range(50) for machine in machines]

    def collect(letter):
        with works.open() as store:
            feed = feed_for(works.live(store, new_id=letter * 16).ledger)
            for first in range(0, len(messages), 8):
                feed.take(*messages[first : first + 8])

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(collect, letter) for letter in "abc"]:
            future.result(120)
    reader = works.reader()
    rows = [row for found in reader.collectors() for row in reader.messages(found.id)]
    assert {row.status for row in rows} == {"accepted"}
    assert sorted((row.device, row.seq) for row in rows) == sorted(
        (machine.name, seq) for machine in machines for seq in range(50)
    )
    stats = reader.stats()
    assert (stats.received, stats.stored, stats.duplicates) == (600, 200, 400)
    assert stats.conserved


def cut_all(admin):
    """End every session but this one."""
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_number_that_another_collector_commits_late_is_no_gap(works, store, feed_for):
    """The one that has those before it sees nothing amiss and does not look."""
    machine = works.machine("press-1")
    first, second, third = (machine.message() for _ in range(3))
    with works.open() as other:
        ours = feed_for(works.live(store).ledger)
        theirs = feed_for(works.live(other, new_id="b" * 16).ledger)
        theirs.take(first)
        theirs.ledger.survey(everything=True)
        ours.take(third)
        ours.ledger.survey(everything=True)
        (gap,) = works.reader().stats().gaps
        assert (gap.first, gap.last) == (1, 1)

        theirs.take(second)
        assert works.reader().stats().gaps == ()
        theirs.ledger.survey()
        assert ours.ledger.standing.missing == 1
        ours.ledger.survey(everything=True)
        assert ours.ledger.standing.missing == 0


def test_a_transaction_that_fails_keeps_the_lock(works, store, feed_for):
    """Two collectors claim one number: whoever is told so does not let go of its log for that."""
    feed = feed_for(works.live(store).ledger)
    machine = works.machine("press-1")
    feed.take(machine.message())
    message = machine.message()
    with works.open() as other:
        rival = feed_for(works.live(other, new_id="b" * 16).ledger)
        feed.ledger._claims.forget()
        judged = feed.ledger._batch
        seen = []

        def slow(docket):
            batch = judged(docket)
            if not seen:
                seen.append(rival.take(message).stored)
            return batch

        feed.ledger._batch = slow
        sessions = store.sessions
        assert (feed.take(message).duplicates, seen) == (1, [1])
        assert store.sessions == sessions
        with pytest.raises(StoreLocked):
            other.own(feed.ledger.head.collector)


def test_a_session_that_is_cut_comes_back_with_its_lock(works, store, feed, admin):
    machine = works.machine("press-1")
    feed.take(machine.message())
    cut_all(admin)
    assert feed.take(machine.message()).stored == 1
    with works.open() as other, pytest.raises(StoreLocked):
        other.own(feed.ledger.head.collector)


def test_a_log_that_another_process_took_after_a_cut_is_let_go(works, store, feed_for, admin):
    feed = feed_for(works.live(store, patience=Patience(attempts=3, first=0.01)).ledger)
    machine = works.machine("press-1")
    feed.take(machine.message())
    cut_all(admin)
    with works.open() as other:
        other.own(feed.ledger.head.collector)
        with pytest.raises(StoreLocked, match="taken over by another process"):
            feed.take(machine.message())


@pytest.mark.parametrize("what", ["a message", "a duplicate", "nothing"])
def test_a_log_that_another_process_went_on_with_is_let_go(works, store, feed_for, admin, what):
    """It took the log and is gone before we look: what we know of it is its past."""
    feed = feed_for(works.live(store, patience=Patience(attempts=3, first=0.01)).ledger)
    machine = works.machine("press-1")
    first = machine.message()
    feed.take(first)
    cut_all(admin)
    with works.open() as other:
        going_on = feed_for(works.live(other).ledger)
        assert going_on.ledger.head.collector == feed.ledger.head.collector
        if what != "nothing":
            going_on.take(first if what == "a duplicate" else machine.message())
    if what == "nothing":
        assert feed.take(machine.message()).stored == 1
    else:
        for message in (machine.message(), first):
            with pytest.raises(CommitFailed, match=r"another (process has|one)"):
                feed.take(message)
    stats = works.reader().stats()
    assert stats.conserved
    assert stats.received == 2


def test_a_commit_whose_answer_was_lost_stands(postgres_of_ones_own, works_at, tmp_path, feed_for):
    """The server dies in the very moment of the commit: what stands then is what counts."""
    server = postgres_of_ones_own
    with works_at(tmp_path, server.database()) as works, works.open() as store:
        shelf = CutShelf(store, server)
        feed = feed_for(works.live(store, shelf=shelf, patience=Patience(first=0.02)).ledger)
        machine = works.machine("press-1")
        for cut in ("before", "after", None):
            shelf.cut = cut
            assert feed.take(machine.message(), machine.message()).stored == 2
        rows = list(works.reader().messages(feed.ledger.head.collector))
        assert [row.seq for row in rows] == list(range(6))
        assert shelf.puts == 4
        assert works.reader().stats().conserved


class CutShelf:
    """The real shelf; its server crashes and starts again before or after a commit."""

    def __init__(self, store, server):
        from collector.commit import StoreShelf

        self._real, self._server = StoreShelf(store), server
        self.cut, self.puts = None, 0

    def put(self, commit):
        self.puts += 1
        cut, self.cut = self.cut, None
        if cut == "before":
            self._crash()
        self._real.put(commit)
        if cut == "after":
            self._crash()
            raise OSError("the answer was lost")

    def batch(self, collector, number):
        return self._real.batch(collector, number)

    def _crash(self):
        self._server.stop(signal.SIGQUIT)
        self._server.start()


def test_rows_have_their_partition_before_they_come(works, store, admin):
    def made():
        query = "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid ORDER BY 1"
        return [
            name
            for (name,) in admin.execute(query)
            if name.startswith("messages_") and "pkey" not in name
        ]

    store.make_room(0)
    assert [name for name in made() if name[9:].isdigit()] == ["messages_0"]
    store.make_room(PARTITION // 2)
    store.make_room(PARTITION // 2)
    assert [name for name in made() if name[9:].isdigit()] == ["messages_0", "messages_1"]
    with works.open() as other:
        other.make_room(2 * PARTITION)
    assert [name for name in made() if name[9:].isdigit()] == [
        "messages_0",
        "messages_1",
        "messages_2",
    ]


def test_rows_go_on_over_the_edge_of_a_partition(works, store, admin):
    store.make_room(PARTITION)
    with store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO messages (collector, position, received_at, topic, status, keys, "
            "payload_hash) SELECT 'c', n, 1, 'x', 'unsigned', 0, ''::bytea "
            "FROM generate_series(?, ?) AS n",
            (PARTITION - 3, PARTITION + 2),
        )
    found = [row.position - PARTITION for row in works.reader().messages("c")]
    assert found == [-3, -2, -1, 0, 1, 2]


def test_readers_and_writers_do_not_wait_while_room_is_made(works, store, feed, admin):
    feed.take(("x", b""))
    with admin.transaction():
        admin.execute("SELECT count(*) FROM messages")
        admin.execute("SET LOCAL lock_timeout = '20s'")
        store.make_room(PARTITION)
        admin.execute("SELECT count(*) FROM messages")


def test_one_machines_hour_is_an_index_search_in_each_arm(works, store, feed, admin):
    feed.take(("x", b""))
    admin.execute("SET enable_seqscan = off")
    plan = admin.execute(
        "EXPLAIN SELECT metric, avg(value) FROM readings "
        "WHERE device = 'press-1' AND time >= 0 AND time < 3600000000 GROUP BY metric"
    ).fetchall()
    lines = [line for (line,) in plan]
    conditions = [line for line in lines if "Cond:" in line and "3600000000" in line]
    assert len(conditions) == 3, "\n".join(lines)
    assert all("'press-1'" in line for line in conditions)


def test_a_payload_with_a_number_that_no_double_holds_shows_nothing(works, store, feed, admin):
    machine = works.machine("press-1")
    feed.take(machine.message(), machine.message())
    good = b'{"device":"press-1","time":"2025-11-24T16:00:00.000000Z","readings":{"b":2,"a":1e400}}'
    admin.execute("UPDATE messages SET payload = %s WHERE position = 0", (good,))
    assert admin.execute("SELECT metric, value FROM readings").fetchall() == [("temperature", 1.0)]
