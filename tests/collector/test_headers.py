"""Messages signed by a header: judged, stored once, receipted where their sender listens."""

from dataclasses import replace
from hashlib import sha256

import pytest

from anchor.receipts import ReceiptVerifier
from telemetry.header import Header, header_properties, seal_header
from telemetry.receipt import bodies_digest
from telemetry.sparkplug_topic import SparkplugTopic

DATABASES = ("sqlite", "postgresql")

ORIGIN = "works.test"
START = 1_764_000_000_000_000
PAYLOAD = b"\x08\x01\x18\x00"


def enclosed(machine, *, seq=0, payload=PAYLOAD, topic=None):
    """Topic, payload and properties of a Sparkplug message of this machine."""
    place = topic or SparkplugTopic("", "acme", "DDATA", "site_hall_line", machine.name)
    header = Header(
        device=machine.name,
        session=machine.session,
        seq=seq,
        prev=None,
        anchor=None,
        time=START + seq,
        payload=sha256(payload).digest(),
        key=machine.key.key_id,
    )
    value = seal_header(machine.key, place, header.to_body())
    return str(place), payload, header_properties(value).to_text()


def rows(works):
    reader = works.reader()
    return [row for found in reader.collectors() for row in reader.messages(found.id)]


def test_it_is_accepted_stored_whole_and_receipted_on_its_own_topic(works, feed):
    machine = works.machine("press-1")
    message = enclosed(machine)
    taken = feed.take(message)
    [row] = rows(works)
    assert (row.status, row.device, row.seq, row.time) == ("accepted", "press-1", 0, START)
    assert (row.topic, row.payload, row.properties) == message
    [(topic, payload)] = taken.receipts
    assert topic == "ledger/receipt/press-1"
    leaf = ReceiptVerifier(works.operator.verifier, ORIGIN)
    leaf.admit(works.identity_for("c0ffee0000000001").key_entry)
    covered = leaf.check(payload)
    assert (covered.device, covered.ranges) == ("press-1", ((0, 0),))
    assert covered.bodies == bodies_digest([row.body_hash])


def test_the_same_out_of_the_outbox_is_a_duplicate_and_receipted_again(works, feed):
    machine = works.machine("press-1", prefix="p")
    topic = SparkplugTopic("p", "acme", "DDATA", "site_hall_line", "press-1")
    message = enclosed(machine, topic=topic)
    feed.take(message)
    again = (str(replace(topic, again=True)), *message[1:])
    assert again[0] == "p/ledger/outbox/spBv1.0/acme/DDATA/site_hall_line/press-1"
    taken = feed.take(again)
    assert (taken.stored, taken.duplicates) == (0, 1)
    assert [topic for topic, _ in taken.receipts] == ["p/ledger/receipt/press-1"]


def test_json_and_header_share_one_count(works, feed):
    machine = works.machine("press-1")
    taken = feed.take(machine.message(), enclosed(machine, seq=0), enclosed(machine, seq=1))
    assert taken.stored == 3
    assert [row.status for row in rows(works)] == ["accepted", "conflict", "accepted"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda message: (message[0], b"other", message[2]), "bad-signature"),
        (lambda message: (message[0] + "x", *message[1:]), "bad-signature"),
        (lambda message: (*message[:2], None), "unsigned"),
        (lambda message: (*message[:2], message[2].replace("seq", "sec")), "malformed"),
    ],
)
def test_what_is_changed_on_the_way_is_stored_as_what_it_is(works, feed, change, status):
    message = enclosed(works.machine("press-1"))
    taken = feed.take(change(message), message)
    assert [row.status for row in rows(works)] == [status, "accepted"]
    assert len(taken.receipts) == 1


def test_an_unknown_device_gets_no_receipt_until_it_is_enrolled(works, feed):
    machine = works.machine("press-1", enrolled=False)
    message = enclosed(machine)
    assert not feed.take(message, (message[0], b"forged", message[2])).receipts
    works.enrol(machine)
    assert len(feed.take(message).receipts) == 1
    assert [row.status for row in rows(works)] == ["unknown-device", "bad-signature", "accepted"]


def test_receipts_of_others_are_never_stored(works, feed):
    taken = feed.take(("ledger/receipt/press-1", b"{}"), ("p/ledger/receipt/press-1", b"{}"))
    assert taken.stored == 0
