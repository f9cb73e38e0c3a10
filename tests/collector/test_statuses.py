"""Each status as the store ends up with it, and what is receipted."""

from hashlib import sha256

import pytest

from anchor.reading.row_record import record_of
from telemetry.judgement import judge
from telemetry.receipt import Receipt, ReceiptLeaf, bodies_digest
from telemetry.record import Record

DATABASES = ("sqlite", "postgresql")


def rows(works):
    reader = works.reader()
    try:
        (collector,) = reader.collectors()
        return list(reader.messages(collector.id))
    finally:
        reader.close()


def statuses(works):
    return [row.status for row in rows(works)]


def leaves(taken):
    return [ReceiptLeaf.from_bytes(Receipt.from_bytes(p).leaf) for _, p in taken.receipts]


def test_accepted_is_stored_claimed_and_receipted(works, feed):
    machine = works.machine("press-1")
    first, second = machine.message(), machine.message()
    taken = feed.take(first, second)
    assert (taken.stored, taken.duplicates, taken.refused) == (2, 0, 0)
    assert statuses(works) == ["accepted", "accepted"]
    (leaf,) = leaves(taken)
    assert (leaf.device, leaf.session, leaf.ranges) == ("press-1", machine.session, ((0, 1),))
    assert leaf.bodies == bodies_digest(machine.body_hash(p) for _, p in (first, second))
    assert [topic for topic, _ in taken.receipts] == ["acme/site/hall/line/press-1/receipt"]


def test_each_record_says_what_its_row_says(works, feed):
    machine = works.machine("press-1")
    feed.take(machine.message(), ("foreign/topic", b"\xff\x00"), at=7)
    feed.take(machine.message(), at=5)
    for row in rows(works):
        record = record_of(row)
        assert Record.from_bytes(record).to_bytes() == record
    assert [(row.received_at, row.original_at) for row in rows(works)] == [
        (7, None),
        (7, None),
        (7, 5),
    ]


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_duplicate_is_receipted_again_and_not_stored(works, feed, same_batch):
    machine = works.machine("press-1")
    message = machine.message()
    if same_batch:
        taken = feed.take(message, message)
        assert (taken.stored, taken.duplicates) == (1, 1)
    else:
        feed.take(message)
        taken = feed.take(message)
        assert (taken.stored, taken.duplicates, taken.batch) == (0, 1, None)
    assert [leaf.ranges for leaf in leaves(taken)] == [((0, 0),)]
    assert statuses(works) == ["accepted"]


def test_a_duplicate_is_receipted_by_the_name_of_the_log_that_holds_it(works, feed_for):
    """Else the receipt would promise that a log contains what it never will."""
    machine = works.machine("press-1")
    old, new = machine.message(), machine.message()
    with works.open() as store:
        feed_for(works.live(store, new_id="a" * 16).ledger).take(old)
    with works.open() as store:
        ahead = works.live(store, new_id="b" * 16, anchored_size=lambda collector: 2)
        taken = feed_for(ahead.ledger).take(old, new)
    assert [(leaf.collector, leaf.ranges) for leaf in leaves(taken)] == [
        ("a" * 16, ((0, 0),)),
        ("b" * 16, ((1, 1),)),
    ]


@pytest.mark.parametrize("same_batch", [True, False])
def test_another_body_under_a_number_is_a_conflict_stored_once_for_each_body(
    works, feed, same_batch
):
    machine = works.machine("press-1")
    good = machine.message()
    other, third = machine.message(seq=0, value=99), machine.message(seq=0, value=98)
    if same_batch:
        feed.take(good, other, third, other)
    else:
        feed.take(good)
        taken = feed.take(other, third)
        assert taken.receipts == []
        assert feed.take(other).duplicates == 1
    assert statuses(works) == ["accepted", "conflict", "conflict"]
    assert all(row.seq == 0 and row.time for row in rows(works))
    assert works.reader().stats().duplicates == 1


def test_an_unknown_device_is_stored_once_for_each_body_without_a_name(works, feed):
    stranger = works.machine("press-9", enrolled=False)
    first, second = stranger.message(), stranger.message()
    feed.take(first, second, first)
    taken = feed.take(second)
    assert (taken.stored, taken.duplicates, taken.receipts) == (0, 1, [])
    assert statuses(works) == ["unknown-device", "unknown-device"]
    assert {(row.device, row.session, row.seq, row.time, row.key) for row in rows(works)} == {
        (None, None, None, None, None)
    }


def test_a_message_that_was_unknown_is_accepted_once_its_key_is_enrolled(works, feed):
    machine = works.machine("press-1", enrolled=False)
    message = machine.message()
    feed.take(message)
    works.enrol(machine)
    taken = feed.take(message)
    assert statuses(works) == ["unknown-device", "accepted"]
    assert len(taken.receipts) == 1


def test_an_unknown_key_makes_it_read_the_requests_once_for_each_batch(works, feed):
    before = works.requests.reads
    strangers = [works.machine(f"press-{i}", enrolled=False).message() for i in range(50)]
    feed.take(*strangers)
    assert works.requests.reads == before + 1
    feed.take(("some/topic", b"unsigned"))
    assert works.requests.reads == before + 1


def test_a_revoked_key_is_stored_once_for_each_body_and_names_the_revocation(works, feed):
    machine = works.machine("press-1")
    entry = works.requests.entries[-1][1]
    feed.take(machine.message())
    revocation = works.revoke(machine, sha256(entry).digest())
    assert feed.ledger.refresh_keys() == 1
    late = machine.message()
    taken = feed.take(late, late)
    assert (taken.stored, taken.duplicates, taken.receipts) == (1, 1, [])
    assert statuses(works) == ["accepted", "revoked"]
    assert rows(works)[1].entry == revocation
    assert rows(works)[1].seq == 1


def test_a_resend_of_what_was_accepted_is_receipted_even_after_revocation(works, feed):
    machine = works.machine("press-1")
    entry = sha256(works.requests.entries[-1][1]).digest()
    message = machine.message()
    feed.take(message)
    works.revoke(machine, entry)
    feed.ledger.refresh_keys()
    taken = feed.take(message)
    assert (taken.stored, taken.duplicates, len(taken.receipts)) == (0, 1, 1)


def test_a_forger_takes_no_number(works, feed):
    machine = works.machine("press-1")
    topic, payload = machine.message()
    forged = payload[:-90] + (b"A" * 86 + b"==") + payload[-2:]
    feed.take((topic, forged))
    assert feed.take((topic, payload)).stored == 1
    assert statuses(works) == ["bad-signature", "accepted"]
    assert rows(works)[0].seq is None


def test_own_topics_are_counted_and_never_stored(works, feed):
    machine = works.machine("press-1")
    receipt = str(machine.topic.with_kind("receipt"))
    taken = feed.take(
        (receipt, b"{}"), ("ledger/checkpoint", b"x"), ("p/ledger/collector/abc", b"y")
    )
    assert (taken.own, taken.stored, taken.batch) == (3, 0, None)
    stats = works.reader().stats()
    assert (stats.own, stats.received, stats.stored, stats.batches) == (3, 0, 0, 0)
    assert stats.conserved


def test_receipts_follow_the_prefix_of_each_message(works, feed):
    machine = works.machine("press-1", prefix="a/b")
    taken = feed.take(machine.message())
    assert taken.receipts[0][0] == "a/b/acme/site/hall/line/press-1/receipt"


def test_receipts_are_in_order_of_device_and_session(works, feed):
    machines = [works.machine(f"press-{i}") for i in (3, 1, 2)]
    other = works.machine("press-1", session="00000000000000ab")
    taken = feed.take(*(machine.message() for machine in [*machines, other]))
    assert [(leaf.device, leaf.session[-2:]) for leaf in leaves(taken)] == [
        ("press-1", "aa"),
        ("press-1", "ab"),
        ("press-2", "aa"),
        ("press-3", "aa"),
    ]
    assert [Receipt.from_bytes(payload).index for _, payload in taken.receipts] == [0, 1, 2, 3]


JUNK = {
    "garbage": (b"\x00\x01\xfe\xff" * 9, "unsigned"),
    "empty": (b"", "unsigned"),
    "one megabyte": (b"x" * 2**20, "unsigned"),
    "truncated": (b'{"device":"press-1","sess', "unsigned"),
}
INSIDE = {
    "NaN": b'{"a":NaN',
    "nested": b'{"a":' + b"[" * 200 + b"]" * 200,
    "twice": b'{"device":"press-1","device":"press-1"',
    "huge integer": b'{"seq":' + b"9" * 5000,
    "no UTF-8": b'{"a":"\xff\xfe"',
    "one megabyte signed": b'{"a":"' + b"x" * 2**20 + b'"',
    "no object": b"[1,2",
    "lone surrogate": b'{"a":"\\ud800"',
    "empty body": b"",
}
SUFFIX = b',"sig":"' + b"A" * 86 + b'=="}'


@pytest.mark.parametrize("name", [*JUNK, *INSIDE])
@pytest.mark.parametrize("topic", ["acme/site/hall/line/press-1/telemetry", "$weird/topic", "x"])
def test_bad_input_is_stored_with_its_status_and_holds_nothing_up(works, feed, name, topic):
    payload, status = JUNK[name] if name in JUNK else (INSIDE[name] + SUFFIX, "malformed")
    machine = works.machine("press-1")
    taken = feed.take((topic, payload), machine.message(), (topic, payload))
    assert (taken.stored, taken.refused) == (3, 0)
    found = rows(works)
    assert [row.status for row in found] == [status, "accepted", status]
    assert [row.payload for row in found[::2]] == [payload, payload]
    assert found[0].keys == 0


def clumsy(topic, payload, keyring, properties=None):
    """A judge with a bug."""
    if b"poison" in payload:
        raise RecursionError("a bug")
    return judge(topic, payload, keyring)


def test_an_exception_in_judging_keeps_the_message_aside_and_the_rest_goes_on(
    works, store, feed_for
):
    feed = feed_for(works.live(store, judge=clumsy).ledger)
    machine = works.machine("press-1")
    taken = feed.take(("x", b"poison"), machine.message(), ("x", b"poison"), ("y", b"poison"))
    assert (taken.stored, taken.refused, len(taken.receipts)) == (1, 3, 1)
    feed.take(("x", b"poison"))
    with store.reading() as connection:
        kept = connection.exec_driver_sql("SELECT topic, payload, reason FROM refusals").all()
    assert sorted(kept) == [
        (b"x", b"poison", "RecursionError: a bug"),
        (b"y", b"poison", "RecursionError: a bug"),
    ]
    stats = works.reader().stats()
    assert (stats.received, stats.stored, stats.refused) == (5, 1, 4)
    assert stats.conserved
    assert statuses(works) == ["accepted"]


def test_a_message_whose_record_cannot_be_written_is_kept_aside_too(works, feed):
    machine = works.machine("press-1")
    before_1970 = feed.take(("x", b"payload"), at=-5)
    assert (before_1970.stored, before_1970.refused) == (0, 1)
    assert feed.take(machine.message()).stored == 1


@pytest.mark.parametrize("topic", ["a\0b", "a\ud800b", "é\udfff"])
def test_a_topic_that_no_database_takes_holds_up_nothing(works, store, feed, topic):
    machine = works.machine("press-1")
    taken = feed.take(("x", b""), (topic, b"payload"), machine.message())
    assert (taken.stored, taken.refused) == (2, 1)
    with store.reading() as connection:
        ((kept, payload),) = connection.exec_driver_sql("SELECT topic, payload FROM refusals").all()
    assert (kept.decode("utf-8", "surrogatepass"), payload) == (topic, b"payload")
    assert works.reader().stats().conserved


def test_a_reason_that_cites_what_no_database_takes_is_kept(works, store, feed_for):
    def clumsy(topic, payload, keyring, properties=None):
        raise ValueError("it holds \0 and \ud800")

    feed = feed_for(works.live(store, judge=clumsy).ledger)
    assert feed.take(("x", b"")).refused == 1
    with store.reading() as connection:
        reason = connection.exec_driver_sql("SELECT reason FROM refusals").scalar()
    assert reason == "ValueError: it holds \\0 and \\ud800"


def test_counts_are_conserved_whatever_comes(works, feed):
    machine, stranger = works.machine("press-1"), works.machine("press-2", enrolled=False)
    message = machine.message()
    unknown = stranger.message()
    feed.take(message, message, unknown, unknown, ("x", b""), ("ledger/checkpoint", b""))
    feed.take(message, machine.message(seq=0, value=5), machine.message(seq=0, value=5))
    stats = works.reader().stats()
    assert (stats.received, stats.stored, stats.duplicates, stats.own) == (8, 4, 4, 1)
    assert stats.conserved
    assert stats.statuses["conflict"] == stats.statuses["unknown-device"] == 1
    assert sum(stats.statuses.values()) == stats.stored
