"""A record has one encoding, and no reader takes another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from telemetry.canonical import END_OF_TIME
from telemetry.errors import NotCanonical
from telemetry.properties import Properties
from telemetry.record import KEYLESS_STATUSES, NAMED_STATUSES, STATUSES, Record, unsigned_record

SEGMENTS = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def records(draw):
    status = draw(st.sampled_from(STATUSES))
    named = status in NAMED_STATUSES
    received = draw(st.integers(1, END_OF_TIME - 1))
    properties = draw(st.none() | st.builds(Properties, content_type=TEXTS))
    return Record(
        received=received,
        original=draw(st.none() | st.integers(0, received - 1)),
        topic=draw(TEXTS),
        properties=None if properties is None else properties.to_text(),
        status=status,
        device=draw(SEGMENTS) if named else None,
        session=draw(SEGMENTS) if named else None,
        seq=draw(st.integers(0, 2**63 - 1)) if named else None,
        key=draw(st.from_regex(r"[0-9a-f]{16}", fullmatch=True)) if named else None,
        keys=0 if status in KEYLESS_STATUSES else draw(st.integers(0, 10**6)),
        entry=draw(HASHES) if named else None,
        payload=draw(HASHES),
        body=None if status == "unsigned" else draw(HASHES),
    )


@given(records())
def test_records_come_back(record):
    data = record.to_bytes()
    assert Record.from_bytes(data) == record
    assert json.dumps(json.loads(data), separators=(",", ":")).encode() == data


@given(
    st.integers(-1, 5) | st.integers(END_OF_TIME - 2, END_OF_TIME),
    st.none() | st.integers(-1, 5),
    st.text(max_size=20) | st.text("a\u00e9\\", min_size=505, max_size=520),
    st.none() | st.text(max_size=20),
    st.binary(min_size=31, max_size=33) | HASHES,
)
def test_an_unsigned_record_is_written_as_every_record_is(
    received, original, topic, properties, payload
):
    nobody = (None,) * 4
    record = Record(
        received, original, topic, properties, "unsigned", *nobody, 0, None, payload, None
    )
    try:
        expected = record.to_bytes()
    except NotCanonical:
        with pytest.raises(NotCanonical):
            unsigned_record(received, original, topic, properties, payload)
    else:
        assert unsigned_record(received, original, topic, properties, payload) == expected


@given(records(), st.floats(0, 1), st.binary(min_size=1, max_size=1))
def test_no_changed_byte_reads_as_the_same_record(record, where, byte):
    data = record.to_bytes()
    place = int(where * (len(data) - 1))
    changed = data[:place] + byte + data[place + 1 :]
    try:
        found = Record.from_bytes(changed)
    except NotCanonical:
        return
    assert (found == record) == (changed == data)
    assert found.to_bytes() == changed


ACCEPTED = Record(
    received=1764000000000000,
    original=None,
    topic="e/s/a/l/m/telemetry",
    properties=None,
    status="accepted",
    device="mill-1",
    session="s",
    seq=41,
    key="fedcba9876543210",
    keys=3,
    entry=b"\1" * 32,
    payload=b"\2" * 32,
    body=b"\3" * 32,
)
UNSIGNED = replace(
    ACCEPTED,
    status="unsigned",
    device=None,
    session=None,
    seq=None,
    key=None,
    keys=0,
    entry=None,
    body=None,
)


def test_the_record_has_the_documented_spelling():
    assert ACCEPTED.to_bytes() == (
        b'{"record":1,"received":1764000000000000,"original":null,"topic":"e/s/a/l/m/telemetry",'
        b'"properties":null,"status":"accepted","device":"mill-1","session":"s","seq":41,'
        b'"key":"fedcba9876543210","keys":3,'
        b'"entry":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",'
        b'"payload":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",'
        b'"body":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}'
    )
    assert UNSIGNED.to_bytes().endswith(b'"body":null}')


@pytest.mark.parametrize(
    ("record", "changes", "reason"),
    [
        (ACCEPTED, {"status": "good"}, "no known status"),
        (ACCEPTED, {"received": -1}, "years"),
        (ACCEPTED, {"received": END_OF_TIME}, "years"),
        (ACCEPTED, {"original": 1764000000000000}, "not before"),
        (ACCEPTED, {"original": -1}, "not before"),
        (ACCEPTED, {"topic": "\ud800"}, "surrogate"),
        (ACCEPTED, {"device": None}, "lacks device"),
        (ACCEPTED, {"session": None}, "lacks device"),
        (ACCEPTED, {"key": None}, "lacks device"),
        (ACCEPTED, {"key": "x"}, "key id"),
        (ACCEPTED, {"device": "Mill"}, "no segment"),
        (ACCEPTED, {"session": ""}, "no segment"),
        (ACCEPTED, {"seq": None}, "seq"),
        (ACCEPTED, {"seq": -1}, "seq"),
        (ACCEPTED, {"seq": 2**63}, "seq"),
        (ACCEPTED, {"keys": -1}, "counts keys"),
        (ACCEPTED, {"entry": None}, "lacks the key entry"),
        (ACCEPTED, {"entry": bytes(31)}, "entry is not a hash"),
        (ACCEPTED, {"payload": bytes(33)}, "payload is not a hash"),
        (ACCEPTED, {"body": bytes(33)}, "body is not a hash"),
        (ACCEPTED, {"body": None}, "body hash"),
        (UNSIGNED, {"body": bytes(32)}, "body hash"),
        (UNSIGNED, {"keys": 1}, "counts keys"),
        (UNSIGNED, {"device": "mill-1"}, "names a device"),
        (UNSIGNED, {"session": "s"}, "names a device"),
        (UNSIGNED, {"seq": 0}, "names a device"),
        (UNSIGNED, {"key": "fedcba9876543210"}, "names a device"),
        (UNSIGNED, {"entry": bytes(32)}, "names a device"),
    ],
)
def test_a_record_that_contradicts_itself_is_neither_written_nor_read(record, changes, reason):
    with pytest.raises(NotCanonical, match=reason):
        replace(record, **changes).to_bytes()


TRICKS = [
    (b'"record":1', b'"record":2'),
    (b'"record":1', b'"record":1.0'),
    (b'"record":1', b'"record":true'),
    (b'"record":1,', b""),
    (b'"seq":41', b'"seq":041'),
    (b'"seq":41', b'"seq":41.0'),
    (b'"seq":41', b'"seq":4.1e1'),
    (b'"seq":41', b'"seq":-0'),
    (b'"seq":41', b'"seq":"41"'),
    (b'"seq":41', b'"seq":41,"seq":41'),
    (b'"seq":41', b'"seq": 41'),
    (b'"seq":41', b'"s\\u0065q":41'),
    (b'"seq":41,', b""),
    (b'"seq":41', b'"seq":41,"more":1'),
    (b'"device":"mill-1","session":"s"', b'"session":"s","device":"mill-1"'),
    (b"mill-1", b"mill\\u002d1"),
    (b"e/s/a", b"e\\/s/a"),
    (b"e/s/a", "é/s/a".encode()),
    (b"e/s/a", b"\\u00E9/s/a"),
    (b"e/s/a", b"\\ud800/s/a"),
    (b"e/s/a", b"\xff/s/a"),
    (b'AwM="', b'AwN="'),
    (b'AwM="', b'AwM"'),
    (b'"properties":null', b'"properties":"{}"'),
    (b'"properties":null', b'"properties":"{\\"content_type\\": \\"a\\"}"'),
    (b'"properties":null', b'"properties":' + b"[" * 100_000),
    (b'"original":null', b'"original":1764000000000000'),
    (b'"original":null', b'"original":false'),
    (b'"key":"fedcba9876543210"', b'"key":"FEDCBA9876543210"'),
]


@pytest.mark.parametrize(("old", "new"), TRICKS)
def test_another_spelling_is_refused(old, new):
    data = ACCEPTED.to_bytes()
    assert old in data
    with pytest.raises(NotCanonical):
        Record.from_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize("change", [b"", b" ", b"\n", b"{}"])
def test_nothing_stands_around_a_record(change):
    data = ACCEPTED.to_bytes()
    for text in (change, data + change, change + data):
        if text != data:
            with pytest.raises(NotCanonical):
                Record.from_bytes(text)


def test_properties_stand_in_it_as_they_are():
    text = Properties(content_type="é").to_text()
    record = replace(ACCEPTED, properties=text)
    assert json.loads(record.to_bytes())["properties"] == text
    assert Record.from_bytes(record.to_bytes()) == record
