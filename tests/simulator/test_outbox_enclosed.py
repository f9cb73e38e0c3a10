"""Sparkplug messages in an outbox: kept with their headers, judged good, freed by receipts."""

from contextlib import closing

import pytest

from simulator.outbox import Outbox
from telemetry.header import header_properties
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.sparkplug_topic import SparkplugTopic

DEVICE = "mill-01"
DATA = SparkplugTopic("", "works", "DDATA", "north_machining_line-1", DEVICE)


@pytest.fixture
def box_in(key, topic, tmp_path):
    def make(directory=tmp_path, **limits):
        return closing(Outbox(DEVICE, key, topic, directory, **limits))

    return make


def judged(entry, key, topic):
    ring = Keyring([KeyStatement(b"e" * 32, "enrol", "device", DEVICE, 0, key.public_key)])
    if entry.header is None:
        return judge(str(topic.with_kind(entry.kind)), entry.payload, ring)
    place = str(DATA.of(entry.kind, DEVICE))
    return judge(place, entry.payload, ring, header_properties(entry.header).to_text())


def test_json_and_sparkplug_share_one_chain(box_in, key, topic):
    with box_in() as box:
        entries = [
            box.record("telemetry", time=1, readings={"a": 1.0}),
            box.enclose(DATA, b"one", time=2),
            box.enclose(DATA.of("DDEATH", DEVICE), b"two", time=3),
            box.record("event", time=4, content={"name": "x"}),
        ]
    found = [judged(entry, key, topic) for entry in entries]
    assert [one.status for one in found] == ["accepted"] * 4
    assert [one.seq for one in found] == [0, 1, 2, 3]
    hashes = [one.body_hash for one in found]
    assert [one.message.prev for one in found] == [None, *hashes[:-1]]


def test_what_was_kept_comes_back_byte_for_byte_and_the_chain_goes_on(box_in, key, topic):
    with box_in() as box:
        entry = box.enclose(DATA, b"\x18\x00", time=2)
        box.sync()
    with box_in() as box:
        assert list(box.waiting()) == [entry]
        assert judged(entry, key, topic).status == "accepted"
        later = box.enclose(DATA, b"\x18\x01", time=3)
        assert judged(later, key, topic).message.prev == entry.body_hash


def test_a_receipt_frees_both_kinds(box_in, receipt_for):
    with box_in() as box:
        entries = [
            box.enclose(DATA, b"1", time=1),
            box.record("event", time=2, content={"name": "x"}),
        ]
        box.sync()
        assert box.release(receipt_for(entries, bodies=b"?" * 32)) == ()
        assert list(box.release(receipt_for(entries))) == entries
        assert box.held == 0


def test_an_eviction_is_announced_as_an_event_of_json(box_in, key, topic):
    with box_in(limit=3) as box:
        for number in range(4):
            box.enclose(DATA, bytes((number,)), time=number)
        box.sync()
        held = box.ready()
        assert [entry.kind for entry in held] == ["DDATA", "event", "DDATA"]
        event = judged(held[1], key, topic).message
        assert event.content["evicted"] == [{"session": box.session, "ranges": [[0, 1]]}]


def test_bytes_count_with_their_headers(box_in):
    with box_in(limit_bytes=600) as box:
        for number in range(4):
            box.enclose(DATA, b"", time=number)
        assert box.evicted
