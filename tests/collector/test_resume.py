"""Restarts: where a collector goes on, and when it rather starts a new log."""

from hashlib import sha256

import pytest

from anchor.checkpoint import open_checkpoint
from anchor.merkle import leaf_hash, tree_root
from anchor.note import VerifierKey
from anchor.reading.row_record import record_of
from collector.errors import CollectorError, LogInDoubt

DATABASES = ("sqlite", "postgresql")


def batches(works, collector):
    reader = works.reader()
    try:
        return list(reader.batches(collector))
    finally:
        reader.close()


def key_entries(works, collector):
    reader = works.reader()
    try:
        return list(reader.key_entries(collector))
    finally:
        reader.close()


def records(works, collector):
    reader = works.reader()
    try:
        return [record_of(row) for row in reader.messages(collector)]
    finally:
        reader.close()


def test_a_restarted_collector_goes_on_with_its_one_log(works, feed_for):
    machine = works.machine("press-1")
    late = machine.message()
    for _ in range(4):
        with works.open() as store:
            opened = works.live(store, new_id=f"{len(works.identities):016x}")
            feed_for(opened.ledger).take(late, machine.message(), *[("x", b"y")] * 150)
    (collector,) = {row.id for row in works.reader().collectors()}
    found = batches(works, collector)
    leaves = [leaf_hash(record) for record in records(works, collector)]
    assert [(batch.number, batch.start) for batch in found] == [
        (0, 0),
        (1, 152),
        (2, 303),
        (3, 454),
    ]
    (row,) = works.reader().collectors()
    for batch in found:
        end = batch.start + batch.size
        assert batch.root == tree_root(leaves[:end])
        checkpoint = open_checkpoint(batch.checkpoint, VerifierKey.from_text(row.vkey))
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (
            row.origin,
            end,
            batch.root,
        )


def test_receive_times_never_go_back_over_a_restart(works, feed_for):
    with works.open() as store:
        feed_for(works.live(store).ledger).take(("x", b"1"), at=1000)
    with works.open() as store:
        feed_for(works.live(store).ledger).take(("x", b"2"), ("x", b"3"), at=400)
        (collector,) = works.reader().collectors()
        rows = list(works.reader().messages(collector.id))
    assert [(row.received_at, row.original_at) for row in rows] == [
        (1000, None),
        (1000, 400),
        (1000, 400),
    ]


def test_its_own_key_entry_comes_first_and_before_any_batch(works):
    works.machine("press-1")
    with works.open() as store:
        opened = works.live(store)
        collector = opened.ledger.head.collector
    (entry,) = key_entries(works, collector)
    statement = works.authority.read(entry.entry)
    assert (entry.number, statement.kind, statement.name) == (0, "collector", collector)
    assert opened.key_entry == entry.entry
    assert batches(works, collector) == []


def test_applied_entries_keep_their_order_and_their_number(works, feed_for):
    first = works.machine("press-1")
    with works.open() as store:
        opened = works.live(store)
        collector = opened.ledger.head.collector
        feed = feed_for(opened.ledger)
        feed.take(first.message())
        second = works.machine("press-2")
        feed.take(second.message())
    works.machine("press-3")
    with works.open() as store:
        feed_for(works.live(store).ledger).take(second.message(), ("x", b"unsigned"))
    found = key_entries(works, collector)
    assert [entry.number for entry in found] == [0, 1, 2, 3]
    assert [works.authority.read(entry.entry).name for entry in found] == [
        collector,
        "press-1",
        "press-2",
        "press-3",
    ]
    assert [batch.keys for batch in batches(works, collector)] == [2, 3, 4]
    rows = works.reader().messages(collector)
    assert [row.keys for row in rows] == [2, 3, 4, 0]


def test_a_refused_request_is_passed_over_and_logged_once(works, store, quiet_log):
    works.requests.write(b"not a key entry\n")
    machine = works.machine("press-1")
    opened = works.live(store)
    opened.ledger.refresh_keys()
    refused = [line for line in quiet_log if line["event"] == "key entry refused"]
    assert len(refused) == 1
    from collector.arrived import Arrived
    from collector.counting import Door

    topic, payload = machine.message()
    assert opened.ledger.take([Arrived(topic, payload, None, 1)], Door(1)).batch.keys == 2


def test_an_anchored_log_ahead_of_the_store_starts_a_new_collector(works, feed_for, quiet_log):
    with works.open() as store:
        feed_for(works.live(store, new_id="a" * 16).ledger).take(("x", b"1"))
    with works.open() as store:
        same = works.live(store, new_id="b" * 16, anchored_size=lambda collector: 1)
        assert same.ledger.head.collector == "a" * 16
    with works.open() as store:
        opened = works.live(store, new_id="b" * 16, anchored_size=lambda collector: 2)
        assert opened.ledger.head.collector == "b" * 16
        assert opened.session == "a" * 16
        assert feed_for(opened.ledger).take(("x", b"2")).batch.start == 0
    assert any("was an old copy" in line.get("why", "") for line in quiet_log)
    with works.open() as store:
        assert works.live(store, new_id="c" * 16).ledger.head.collector == "b" * 16


@pytest.mark.parametrize(
    "change",
    [
        ("UPDATE tiles SET hashes = ? WHERE level = 0", (bytes(range(64)),)),
        ("UPDATE tiles SET hashes = ?", (b"\0",)),
        ("UPDATE tiles SET hashes = 'text'", ()),
        ("DELETE FROM tiles", ()),
        ("UPDATE batches SET root = ?", (bytes(32),)),
    ],
)
def test_a_log_that_was_changed_is_not_gone_on_with(works, feed_for, source, change):
    with works.open() as store:
        feed_for(works.live(store, new_id="a" * 16).ledger).take(("x", b"1"), ("x", b"2"))
        feed_for(works.resume(store).file(source).ledger).take(("x", b"1"), ("x", b"2"))
        with store.writing() as connection:
            connection.exec_driver_sql(*change)
    with works.open() as store:
        assert works.live(store, new_id="b" * 16).ledger.head.collector == "b" * 16
        with pytest.raises(LogInDoubt):
            works.resume(store).file(source)


def test_another_key_than_the_log_was_signed_with_starts_a_new_collector(works, feed_for):
    with works.open() as store:
        feed_for(works.live(store, new_id="a" * 16).ledger).take(("x", b"1"))
    works.revision = b"another"
    with works.open() as store:
        assert works.live(store, new_id="b" * 16).ledger.head.collector == "b" * 16


def test_a_key_entry_for_someone_else_is_refused(works, store):
    identity = works.identity_for("d" * 16)
    works.identity_for = lambda collector: identity
    with pytest.raises(CollectorError, match="instead of enrolling it"):
        works.live(store)
    assert works.reader().collectors() == []


def test_stored_key_entries_of_another_operator_are_refused(works, feed_for):
    from anchor.key_entry import OperatorAuthority
    from anchor.note import SignerKey

    with works.open() as store:
        works.live(store)
    stranger = SignerKey.from_seed(works.operator.name, sha256(b"stranger").digest())
    works.authority = OperatorAuthority(stranger.verifier)
    with works.open() as store, pytest.raises(CollectorError, match="is refused"):
        works.live(store)


def test_a_claim_holds_over_restarts_and_collectors(works, feed_for, source):
    machine = works.machine("press-1")
    messages = [machine.message() for _ in range(5)]
    with works.open() as store:
        feed_for(works.live(store).ledger).take(*messages[:3])
    with works.open() as store:
        taken = feed_for(works.resume(store).file(source).ledger).take(*messages)
    assert (taken.stored, taken.duplicates) == (2, 3)
    reader = works.reader()
    owners = {claim[2]: claim[3][:5] for claim in reader.claims()}
    assert owners == {0: "c0ffe", 1: "c0ffe", 2: "c0ffe", 3: "file-", 4: "file-"}


def test_what_was_in_flight_at_the_end_is_counted_when_it_comes_again(works, feed_for):
    from collector.arrived import Arrived
    from collector.counting import Door

    with works.open() as store:
        works.live(store).ledger.take([Arrived("x", b"1", None, 1)], Door(5, in_flight=4))
        stats = works.reader().stats()
        assert (stats.received, stats.stored, stats.in_flight) == (5, 1, 4)
        assert stats.conserved
    with works.open() as store:
        again = [Arrived("x", b"%d" % number, None, 1) for number in range(4)]
        works.live(store).ledger.take(again, Door(4))
        stats = works.reader().stats()
        assert (stats.received, stats.stored, stats.in_flight) == (5, 5, 0)
        assert stats.conserved


def test_a_restart_does_not_revive_a_revoked_key(works, feed_for):
    # An enrolment of a key that was alive was refused when it was passed. Read again after
    # the revocation it would fit, and the revoked key would be good again.
    machine = works.machine("press-1")
    first = sha256(works.requests.entries[-1][1]).digest()
    works.enrol(machine)
    works.revoke(machine, first)
    statuses = []
    for _ in range(3):
        with works.open() as store:
            ledger = works.live(store).ledger
            feed_for(ledger).take(machine.message())
            statuses.append(dict(ledger.counters))
    assert statuses[-1]["revoked"] == 3
    assert "accepted" not in statuses[-1]
    assert len(key_entries(works, "c0ffee0000000001")) == 3


def test_a_restart_passes_no_entry_that_came_before_the_collector(works, feed_for):
    # The collector's own entry is its first and stands anywhere in the folder, or nowhere.
    machine = works.machine("press-1")
    works.requests.write(works.identity_for("c0ffee0000000001").key_entry)
    late = works.machine("press-2")
    with works.open() as store:
        works.live(store)
    with works.open() as store:
        feed = feed_for(works.live(store).ledger)
        feed.take(machine.message(), late.message())
        assert feed.ledger.counters["accepted"] == 2
