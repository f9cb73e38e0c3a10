"""Sparkplug in the view: named by the birth below, also a late one; gone with its payload."""

import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from hashlib import sha256

import pytest

from anchor.audit.decoded import DecodedCheck
from anchor.audit.findings import Audit
from anchor.audit.inquiry import Inquiry
from collector.decoding import Decoding
from telemetry.header import Header, header_properties, seal_header
from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import SparkplugTopic

DATABASES = ("sqlite", "postgresql")
AT = 1_764_000_000_000
LONG = 1200  # messages: three pieces
MORE = "collector, position, 9, device, time, metric, value"


def enclosed(machine, *, seq, payload, kind):
    """Topic, payload and properties of a Sparkplug message of this machine."""
    place = SparkplugTopic("", "acme", kind, "site_hall_line", machine.name)
    header = Header(
        device=machine.name,
        session=machine.session,
        seq=seq,
        prev=None,
        anchor=None,
        time=AT * 1000 + seq,
        payload=sha256(payload).digest(),
        key=machine.key.key_id,
    )
    value = seal_header(machine.key, place, header.to_body())
    return str(place), payload, header_properties(value).to_text()


def birth(machine, seq, **aliases):
    metrics = tuple(
        Metric(
            name=name, alias=alias, datatype=DataType.DOUBLE, value=Value.of(DataType.DOUBLE, 0.5)
        )
        for name, alias in aliases.items()
    )
    payload = Payload(timestamp=AT + seq, metrics=metrics, seq=0).to_bytes()
    return enclosed(machine, seq=seq, payload=payload, kind="DBIRTH")


def data(machine, seq, alias, value):
    said = Metric(alias=alias, value=Value.of(DataType.DOUBLE, value))
    payload = Payload(timestamp=AT + seq, metrics=(said,), seq=1).to_bytes()
    return enclosed(machine, seq=seq, payload=payload, kind="DDATA")


def readings(store, where="1 = 1", values=()):
    query = f"SELECT device, time, metric, value, collector, position FROM readings WHERE {where}"
    with store.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query, values)]


def tamper(store, statement):
    with store.writing() as connection:
        assert connection.exec_driver_sql(statement).rowcount > 0


def shown(store):
    return sorted(row[2:4] for row in readings(store))


def findings(works):
    """What the check finds in the store as it stands."""
    reader, found = works.reader(), Audit()
    check, ends = DecodedCheck(Inquiry(reader, "works.test", works.authority, None, found)), {}
    for one in reader.collectors():
        rows = list(reader.messages(one.id))
        ends[one.id] = len(rows)
        for row in rows:
            if row.status == "accepted":
                check.note(row)
    check.finish(ends)
    return [(finding.kind, finding.position) for finding in found.findings], found.notes


def decode(feed):
    feed.ledger.survey(everything=True)


def test_data_are_named_by_the_newest_birth_below_them(works, store, feed):
    machine = works.machine("press-1")
    feed.take(
        birth(machine, 0, speed=1, load=2),
        data(machine, 1, 1, 7.0),
        machine.message(seq=2),
        birth(machine, 3, load=1, speed=2),
        data(machine, 4, 1, 8.0),
    )
    assert feed.ledger.restless
    decode(feed)
    born = [("load", 0.5), ("load", 0.5), ("speed", 0.5), ("speed", 0.5)]
    assert shown(store) == sorted([*born, ("speed", 7.0), ("load", 8.0), ("temperature", 2.0)])
    where = "device = 'press-1' AND time = ?"
    [row] = readings(store, where, ((AT + 1) * 1000,))
    assert row[2:] == ("speed", 7.0, feed.ledger.head.collector, 1)
    assert findings(works) == ([], [])


def test_a_birth_that_comes_late_names_what_is_stored(works, store, feed):
    machine = works.machine("press-1")
    feed.take(data(machine, 1, 1, 7.0), birth(machine, 2, load=1), data(machine, 3, 1, 9.0))
    decode(feed)
    assert shown(store) == [("load", 0.5), ("load", 9.0)]
    assert findings(works) == ([], [])
    feed.take(birth(machine, 0, speed=1))
    decode(feed)
    assert shown(store) == [("load", 0.5), ("load", 9.0), ("speed", 0.5), ("speed", 7.0)]
    assert findings(works) == ([], [])


def test_another_session_or_machine_names_nothing(works, store, feed):
    one, other = works.machine("press-1"), works.machine("press-2")
    feed.take(birth(one, 0, speed=1), data(other, 1, 1, 7.0))
    one.session = "00000000000000bb"
    feed.take(data(one, 1, 1, 7.0))
    decode(feed)
    assert shown(store) == [("speed", 0.5)]
    assert findings(works) == ([], [])


def test_what_a_crash_kept_from_being_decoded_is_decoded_after_it(works, store, feed, feed_for):
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1))
    decode(feed)
    feed.take(data(machine, 1, 1, 7.0))
    assert shown(store) == [("speed", 0.5)]
    found, notes = findings(works)
    assert (found, len(notes)) == ([], 1)
    decode(feed_for(works.live(store).ledger))
    assert shown(store) == [("speed", 0.5), ("speed", 7.0)]
    assert findings(works) == ([], [])


def test_a_store_of_an_older_release_is_decoded_when_it_is_opened(works, store, feed, feed_for):
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), data(machine, 1, 1, 7.0), machine.message(seq=2))
    decode(feed)
    before = shown(store)
    for table in ("decoded", "births", "decodings"):
        tamper(store, f"DELETE FROM {table}")
    again = feed_for(works.live(store).ledger)
    assert again.ledger.restless
    decode(again)
    assert shown(store) == before
    assert ("speed", 7.0) in before


def test_what_is_not_sparkplug_is_not_looked_at_again(works, store, feed, feed_for):
    machine = works.machine("press-1")
    feed.take(machine.message(), machine.message())
    decode(feed)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT next FROM decodings").scalars().all() == [2]


def test_a_backlog_of_many_pieces_is_decoded_whole_and_once(works, store, feed):
    machine = works.machine("press-1")
    feed.take(*(data(machine, seq, 1, float(seq)) for seq in range(1, 1101)))
    feed.take(birth(machine, 0, speed=1))
    decode(feed)
    assert shown(store) == sorted([("speed", 0.5), *(("speed", float(n)) for n in range(1, 1101))])
    decode(feed)
    assert findings(works) == ([], [])


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["position", "number", "device", "time", "metric", "value"])
@pytest.mark.parametrize("value", ["'text'", "x'00ff'", "0.5", "-7", "9e999"])
def test_any_value_in_any_column_is_a_finding_and_never_an_error(works, store, feed, column, value):
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), data(machine, 1, 1, 7.0))
    decode(feed)
    tamper(store, f"UPDATE decoded SET {column} = {value} WHERE position = 1")
    assert {kind for kind, _ in findings(works)[0]} == {"decoded-altered"}
    readings(store)


def test_two_collectors_name_each_other_s_data(works, store, feed, feed_for):
    machine = works.machine("press-1")
    second = feed_for(
        works.resume(store, holds=lambda _: False)
        .live(new_id=lambda: "c0ffee0000000002", anchored_size=None)
        .ledger
    )
    second.take(data(machine, 1, 1, 7.0))
    decode(second)
    assert shown(store) == []
    feed.take(birth(machine, 0, speed=1))
    decode(feed)
    assert shown(store) == [("speed", 0.5), ("speed", 7.0)]
    assert findings(works) == ([], [])


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE decoded SET value = 99 WHERE position = 1", 1),
        ("UPDATE decoded SET metric = 'load' WHERE position = 1", 1),
        ("UPDATE decoded SET time = time + 1 WHERE position = 1", 1),
        ("UPDATE decoded SET device = 'press-2' WHERE position = 0", 0),
        ("DELETE FROM decoded WHERE position = 1", 1),
        ("DELETE FROM decoded WHERE position = 0", 0),
        ("UPDATE decoded SET position = 2 WHERE position = 1", 2),
        (f"INSERT INTO decoded SELECT {MORE} FROM decoded WHERE position = 1", 1),
    ],
)
def test_the_audit_finds_what_was_changed_deleted_or_added(works, store, feed, statement, position):
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), data(machine, 1, 1, 7.0), machine.message(seq=2))
    decode(feed)
    assert findings(works) == ([], [])
    tamper(store, statement)
    assert ("decoded-altered", position) in findings(works)[0]


def test_without_its_payload_a_message_shows_nothing(works, store, feed):
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), data(machine, 1, 1, 7.0))
    decode(feed)
    tamper(store, "UPDATE messages SET payload = NULL WHERE position = 0")
    assert shown(store) == [("speed", 7.0)]
    assert len(findings(works)[1]) == 1


@pytest.mark.parametrize(
    ("mark", "position"), [("UPDATE decodings SET next = 1", 2), ("DELETE FROM decodings", 0)]
)
def test_a_mark_set_back_below_what_is_decoded_is_a_finding(works, store, feed, mark, position):
    """Readings deleted in the middle would else look like a collector that is still at it."""
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), *[data(machine, n, 1, float(n)) for n in range(1, 4)])
    decode(feed)
    tamper(store, "DELETE FROM decoded WHERE position = 1")
    tamper(store, mark)
    found, notes = findings(works)
    assert found == [("decoded-altered", position)]
    assert len(notes) == 1


def test_with_all_that_follows_deleted_too_a_mark_set_back_is_only_a_note(works, store, feed):
    """It is what a collector leaves that was stopped, and the next one decodes it again."""
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), *[data(machine, n, 1, float(n)) for n in range(1, 4)])
    decode(feed)
    before = shown(store)
    tamper(store, "DELETE FROM decoded WHERE position > 0")
    tamper(store, "UPDATE decodings SET next = 1")
    found, notes = findings(works)
    assert (found, len(notes)) == ([], 1)
    feed.take(data(machine, 4, 1, 4.0))
    decode(feed)
    assert shown(store) == sorted([*before, ("speed", 4.0)])
    assert findings(works) == ([], [])


class StoppedError(Exception):
    """The process ends here."""


class Ending:
    """A store whose process ends before its next commit, after so many."""

    def __init__(self, store, commits, end):
        self._store, self._left, self._end = store, commits, end

    @contextmanager
    def writing(self):
        with self._store.writing() as connection:
            yield connection
            if not self._left:
                self._end()
            self._left -= 1

    def alone(self, connection, what):
        self._store.alone(connection, what)


def stop():
    raise StoppedError


def decode_until(store, collector, size, commits, end=stop):
    with suppress(StoppedError):
        decoding = Decoding(Ending(store, commits, end), collector, size)
        decoding.catch_up(size, everything=True, mark=False)


def some(store, feed, commits):
    """Decode in a process of its own, that ends after so many commits."""
    head = feed.ledger.head
    decode_until(store, head.collector, head.log.size, commits)


def late(works, store, feed):
    """A long session as its birth 0 names it; 1 names it too, and comes only now."""
    machine = works.machine("press-1")
    feed.take(
        birth(machine, 0, load=1), *(data(machine, n, 1, float(n)) for n in range(2, LONG + 2))
    )
    decode(feed)
    feed.take(birth(machine, 1, speed=1))
    return machine


def named(store):
    """How many data have which name, without the births' own."""
    names = [name for name, value in shown(store) if value != 0.5]
    return names.count("load"), names.count("speed")


def test_a_late_birth_s_session_is_decoded_anew_by_pieces_in_turn_with_what_is_new(
    works, store, feed
):
    machine = late(works, store, feed)
    some(store, feed, 2)  # the look for late ones, then the birth
    assert named(store) == (LONG, 0)
    some(store, feed, 1)
    assert named(store) == (LONG - 500, 500)
    feed.take(data(machine, LONG + 2, 1, 9999.0))
    some(store, feed, 2)  # a piece of the long session, then what is new
    assert named(store) == (LONG - 1000, 1001)
    assert ("speed", 9999.0) in shown(store)
    decode(feed)
    assert named(store) == (0, LONG + 1)
    assert findings(works) == ([], [])
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT * FROM redecodings").all() == []


@pytest.mark.sqlite
@pytest.mark.parametrize("commits", [1, 2, 4, 5])
def test_wherever_a_late_birth_is_interrupted_the_next_process_goes_on(
    works, store, feed, feed_for, commits
):
    late(works, store, feed)
    some(store, feed, commits)
    found, notes = findings(works)
    assert (found, bool(notes)) == ([], commits < 5)
    again = feed_for(works.live(store).ledger)
    decode(again)
    assert named(store) == (0, LONG)
    assert findings(works) == ([], [])


def test_births_that_come_late_after_one_another_name_each_its_own(works, store, feed):
    machine = late(works, store, feed)
    some(store, feed, 3)
    feed.take(birth(machine, LONG + 2, other=1), data(machine, LONG + 3, 1, 9999.0))
    some(store, feed, 1)
    machine.session = "00000000000000bb"
    feed.take(data(machine, 7, 1, 7777.0), birth(machine, 3, third=1))
    decode(feed)
    assert named(store) == (0, LONG)
    assert {("other", 9999.0), ("third", 7777.0)} <= set(shown(store))
    assert findings(works) == ([], [])


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE decoded SET metric = 'load' WHERE position = 1", 1),
        ("UPDATE decoded SET value = 99 WHERE position = 1", 1),
        ("DELETE FROM decoded WHERE position = 1", 1),
        (f"UPDATE decoded SET value = 99 WHERE position = {LONG}", LONG),
        (f"UPDATE decoded SET metric = 'torque' WHERE position = {LONG}", LONG),
        (f"DELETE FROM decoded WHERE position = {LONG}", LONG),
        ("UPDATE redecodings SET seq = 99", 501),
        ("DELETE FROM redecodings", 501),
    ],
)
def test_half_way_through_a_late_birth_what_is_false_is_a_finding(
    works, store, feed, statement, position
):
    late(works, store, feed)
    some(store, feed, 3)
    found, notes = findings(works)
    assert (found, len(notes)) == ([], 1)
    assert f"{LONG - 500} Sparkplug messages are still shown" in notes[0]
    tamper(store, statement)
    assert ("decoded-altered", position) in findings(works)[0]


CHILD = """
import os, runpy, signal, sys
from collector.store import open_store
module = runpy.run_path(sys.argv[1])
with open_store(sys.argv[2], create=False) as store:
    module["decode_until"](
        store, sys.argv[3], int(sys.argv[4]), 3, lambda: os.kill(os.getpid(), signal.SIGKILL)
    )
"""


def test_a_collector_killed_between_two_pieces_goes_on_at_the_mark(works, feed_for):
    with works.open() as store:
        feed = feed_for(works.live(store).ledger)
        late(works, store, feed)
        head = feed.ledger.head
    command = [sys.executable, "-c", CHILD, __file__, works.url]
    command += [head.collector, str(head.log.size)]
    assert subprocess.run(command, timeout=120, check=False).returncode == -signal.SIGKILL
    assert findings(works)[0] == []
    with works.open() as store:
        assert named(store) == (LONG - 500, 500)
        decode(feed_for(works.live(store).ledger))
        assert named(store) == (0, LONG)
    assert findings(works) == ([], [])


def test_an_audit_that_goes_on_knows_births_that_it_does_not_read_again(works, store, feed):
    """What was not decoded at the earlier audit is compared at the next, and nothing before."""
    machine = works.machine("press-1")
    feed.take(birth(machine, 0, speed=1), data(machine, 1, 1, 7.0))
    decode(feed)
    feed.take(data(machine, 2, 1, 8.0))
    reader, first = works.reader(), Audit()
    [one] = [row.id for row in reader.collectors()]
    check = DecodedCheck(Inquiry(reader, "works.test", works.authority, None, first))
    for row in reader.messages(one):
        check.note(row)
    check.finish({one: 3})
    assert (first.findings, check.reached) == ([], {one: 2})
    feed.take(data(machine, 3, 1, 9.0))
    decode(feed)

    def next_one():
        found = Audit()
        new = DecodedCheck(Inquiry(reader, "works.test", works.authority, None, found))
        new.recall(check.births(), check.reached)
        new.note(next(reader.messages(one, 3)))
        new.finish({one: 4})
        return [finding.position for finding in found.findings]

    assert next_one() == []
    tamper(store, "UPDATE decoded SET value = 1.5 WHERE position IN (1, 2, 3)")
    assert next_one() == [2, 3]
