"""Reading the store: in pages, beside the writer, after a kill, and with tampered columns."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import collector
from collector.errors import StoreUnavailable, StoreUnmade
from collector.stats import Gap
from collector.store_reader import LedgerReader

DATABASES = ("sqlite", "postgresql")

ROOT = Path(collector.__file__).parent.parent


def test_rows_come_in_order_over_pages(works, feed):
    feed.take(*[("x", b"%d" % number) for number in range(2500)])
    reader = works.reader()
    (found,) = reader.collectors()
    rows = list(reader.messages(found.id))
    assert [int(row.payload) for row in rows] == list(range(2500))
    assert [row.position for row in reader.messages(found.id, 990, 1010)] == list(range(990, 1010))
    assert list(reader.messages("nobody")) == []
    assert [row.position for row in reader.messages(found.id, 2499)] == [2499]


def test_claims_come_in_order_over_pages(works, feed):
    machine = works.machine("press-1")
    feed.take(*[machine.message() for _ in range(1500)])
    other = works.machine("press-0")
    feed.take(other.message())
    claims = list(works.reader().claims())
    assert [(claim[0], claim[2]) for claim in claims] == [
        ("press-0", 0),
        *(("press-1", number) for number in range(1500)),
    ]


def test_find_gives_the_row_that_took_the_number(works, feed):
    machine = works.machine("press-1")
    good = machine.message()
    feed.take(("x", b""), good, machine.message(seq=0, value=9))
    row = works.reader().find("press-1", machine.session, 0)
    assert (row.position, row.payload, row.status) == (1, good[1], "accepted")
    assert works.reader().find("press-1", machine.session, 1) is None


def test_what_is_disputed_of_a_time_comes_for_every_machine(works, feed):
    first, second = works.machine("press-1"), works.machine("press-2")
    good = first.message()
    feed.take(good, second.message(), first.message(seq=0, value=9), second.message(seq=0, value=8))
    reader = works.reader()
    found = list(reader.disputed(0, 2**62, 10))
    assert [(row.position, row.device, row.status) for row in found] == [
        (2, "press-1", "conflict"),
        (3, "press-2", "conflict"),
    ]
    # So many of each machine: a noisy one takes no other's place.
    feed.take(first.message(seq=0, value=7))
    assert list(reader.disputed(0, 2**62, 1)) == found
    assert list(reader.disputed(0, found[0].time, 10)) == []


def test_tiles_come_as_stored(works, feed):
    feed.take(*[("x", b"")] * 300)
    reader = works.reader()
    collector_id = feed.ledger.head.collector
    assert [len(reader.tile(collector_id, 0, number) or b"") // 32 for number in (0, 1, 2)] == [
        256,
        44,
        0,
    ]
    assert reader.tile(collector_id, 0, 2) is None


def test_gaps_are_what_no_accepted_message_has_taken(works, feed):
    machine, late = works.machine("press-1"), works.machine("press-2")
    for number in (0, 1, 4, 7, 8):
        feed.take(machine.message(seq=number))
    feed.take(late.message(seq=2))
    feed.ledger.survey(everything=True)
    assert [replace(gap, since=0) for gap in works.reader().stats().gaps] == [
        Gap("press-1", machine.session, 2, 3),
        Gap("press-1", machine.session, 5, 6),
        Gap("press-2", late.session, 0, 1),
    ]
    assert works.reader().stats(gaps=False).gaps == ()


def test_stats_as_json_has_the_fixed_names(works, feed):
    feed.take(("x", b""))
    assert list(works.reader().stats().to_dict()) == [
        "received",
        "stored",
        "duplicates",
        "refused",
        "causes",
        "in_flight",
        "own",
        "copies",
        "batches",
        "anchored",
        "statuses",
        "gaps",
        "breaks",
    ]


@pytest.mark.sqlite
@pytest.mark.parametrize("value", ["text", b"\x00\xff", 3.5, -(2**63)])
def test_tampered_columns_come_out_as_they_stand(works, store, feed, value):
    columns = ["received_at", "topic", "payload", "device", "seq", "time", "status", "keys"]
    columns += ["entry", "payload_hash", "body_hash", "key", "session", "original_at"]
    feed.take(works.machine("press-1").message())
    with store.writing() as connection:
        changes = ", ".join(f'"{name}" = ?' for name in columns)
        connection.exec_driver_sql(f"UPDATE messages SET {changes}", (value,) * len(columns))
    (row,) = works.reader().messages(feed.ledger.head.collector)
    kept = {getattr(row, name) for name in columns}
    assert kept <= {value, str(value)}


@pytest.mark.sqlite
def test_text_that_is_no_utf8_comes_out_as_bytes(works, store, feed):
    feed.take(("x", b""), ("y", b""))
    with store.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET topic = CAST(x'ff41' AS TEXT) WHERE position = 0"
        )
    topics = [row.topic for row in works.reader().messages(feed.ledger.head.collector)]
    assert topics == [b"\xffA", "y"]


@pytest.mark.sqlite
def test_a_tampered_position_hides_no_row_and_ends(works, store, feed):
    feed.take(*[("x", b"")] * 3)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE messages SET position = 'far' WHERE position = 1")
    found = [row.position for row in works.reader().messages(feed.ledger.head.collector)]
    assert found == [0, 2, "far"]


def test_reading_never_writes(works, feed):
    feed.take(("x", b""))
    reader = works.reader()
    with (
        pytest.raises(StoreUnavailable, match=r"read-?only"),
        reader._reading() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM messages")


def test_no_store_is_said(tmp_path):
    with pytest.raises(StoreUnavailable, match="has a collector run here"):
        LedgerReader(f"sqlite:///{tmp_path}/ledger.db")
    (tmp_path / "ledger.db").write_bytes(b"")
    with pytest.raises(StoreUnmade, match="has no table yet"):
        LedgerReader(f"sqlite:///{tmp_path}/ledger.db")
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable, match="cannot be read as a store"):
        LedgerReader(f"sqlite:///{tmp_path}/ledger.db")


@pytest.mark.sqlite
def test_what_a_killed_writer_committed_is_read(works):
    """A write-ahead log without its writer, as kill -9 leaves it."""
    script = f"""
import os, signal
from collector.store import open_store
store = open_store({works.url!r}, create=True)
with store.writing() as connection:
    connection.exec_driver_sql("INSERT INTO counters VALUES ('c', 'received', 42)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (works.folder / "ledger.db-wal").stat().st_size > 0
    assert works.reader().stats().received == 42


@pytest.mark.sqlite
@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into any folder")
def test_a_folder_that_cannot_be_written_is_read(works, feed_for):
    with works.open() as store:
        feed_for(works.live(store).ledger).take(("x", b""))
    works.folder.chmod(0o500)
    try:
        assert works.reader().stats().stored == 1
    finally:
        works.folder.chmod(0o700)
