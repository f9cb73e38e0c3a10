"""Recordings keep every byte; a reader takes what the writer writes, and says where it stops."""

import base64
import hashlib
import io
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from telemetry.canonical import END_OF_TIME, time_us
from telemetry.errors import MalformedRecording, NotCanonical
from telemetry.properties import NO_PROPERTIES, Properties
from telemetry.recording import Header, Line, Writer, read
from telemetry.recording_line import _is_compact_json, _is_plainly_compact

SESSIONS = Path(__file__).parents[3] / "shared" / "recordings"

TIMES = st.integers(0, END_OF_TIME - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="+#\0"), min_size=1, max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PAYLOADS = (
    st.binary(max_size=40)
    | TEXTS.map(str.encode)
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
)
PROPERTIES = st.just(NO_PROPERTIES) | st.builds(
    Properties,
    payload_format_indicator=st.integers(0, 255),
    content_type=st.none() | TEXTS,
    response_topic=st.none() | TEXTS,
    correlation_data=st.none() | st.binary(max_size=8),
    user_properties=st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
    message_expiry_interval=st.none() | st.integers(0, 2**32 - 1),
    subscription_identifiers=st.lists(st.integers(1, 268_435_455), max_size=2).map(tuple),
)
LINES = st.builds(Line, TIMES, NAMES, PAYLOADS, st.integers(0, 2), st.booleans(), PROPERTIES)

HEADER = Header("mqtt://localhost", ("a/#", "é"), "system", 1795420800000001)
LINE = Line(1795420800000002, "a/b", b'{"x":1}', 1)
ODD = [
    *(b"", b" ", b"null", b"0", b"-0", b"1.0", b"1e5", b"1E5", b"0.1", b"NaN", b"-Infinity", b'""'),
    *(b'{"a":1,"a":1}', b'{ "a":1}', b'{"a":1}\n', b"\xef\xbb\xbf{}", b'"\xc3\xa9"', rb'"\u00e9"'),
    *(
        b'"\\u0000"',
        b'"\\ud800"',
        b"\0",
        b"\n",
        b"\r\n",
        b"\xe2\x80\xa8",
        b'"\xe2\x80\xa8"',
        b"\x7f",
    ),
    *(b"9223372036854775808", b"1" * 70, b"[" * 40 + b"]" * 40, b"[" * 32 + b"]" * 32, b"\xff\xfe"),
    *(
        b"[" * 100_000,
        b'{"end":{}}',
        b'"/"',
        rb'"\/"',
        b"\xed\xa0\x80",
        b"true",
        b"1.7976931348623157e+308",
    ),
]


def recorded(lines, header=HEADER):
    file = io.BytesIO()
    with Writer(file, header) as writer:
        for line in lines:
            writer.write(line)
    return file.getvalue()


def taken(data, name="x.jsonl"):
    """All that is read before the end or the error, and the reading or the error."""
    found = []
    try:
        reading = read(io.BytesIO(data), name)
        found.extend(reading)
    except MalformedRecording as error:
        return found, error
    return found, reading


@given(st.lists(LINES, max_size=4))
@example([Line(0, "a", payload) for payload in ODD])
def test_recordings_come_back(lines):
    found, reading = taken(recorded(lines))
    assert found == list(enumerate(lines, 2))
    assert (reading.header, reading.complete) == (HEADER, True)


@given(LINES)
def test_a_line_is_json_and_holds_the_payload_in_one_way(line):
    data = line.to_bytes()
    members = json.loads(data)
    assert b"\n" not in data
    assert len({"json", "text", "base64"} & members.keys()) == 1
    if "text" in members:
        assert members["text"].encode() == line.payload
    if "base64" in members:
        assert base64.b64decode(members["base64"]) == line.payload
        with pytest.raises(UnicodeDecodeError):
            line.payload.decode()
    if "json" in members:
        again = json.dumps(members["json"], separators=(",", ":"), ensure_ascii=False)
        assert again.encode() == line.payload


SPELLINGS = st.recursive(
    st.sampled_from(
        ["null", "true", "0", "-0", "-0.0", '""', '"\\u0000"', '"\\n"', '"\x7f"', '"é"']
    )
    | st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.text(st.characters(codec="utf-8"), max_size=3).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda found: f"[{','.join(found)}]")
        | st.lists(st.tuples(st.sampled_from("ab"), inner), max_size=3).map(
            lambda found: "{" + ",".join(f'"{name}":{value}' for name, value in found) + "}"
        )
    ),
    max_leaves=4,
)


@settings(max_examples=1000)
@given(SPELLINGS)
@example("1" * 15 + "0")
@example("0.00001")
@example("123456789012345680.0")
@example("[" * 33 + "]" * 33)
def test_the_quick_way_takes_nothing_that_the_slow_one_refuses(text):
    if _is_plainly_compact(text.encode()):
        assert _is_compact_json(text)


def test_the_quick_way_is_the_usual_one():
    assert _is_plainly_compact(b'{"a":[1,2.5,-3],"b":"\xc3\xa9 x","c":null}')


@pytest.mark.parametrize(
    ("payload", "member"),
    [
        (b'{"a":[1,2.5,"\xc3\xa9"]}', "json"),
        (b"1", "json"),
        (b'{"a": 1}', "text"),
        (b'{"a":1,"a":1}', "text"),
        (b"NaN", "text"),
        (b"1e5", "text"),
        (b"9223372036854775808", "text"),
        (b'"\\u0000"', "text"),
        (b"", "text"),
        (b"\0", "text"),
        (b"\xff", "base64"),
        (b"\xed\xa0\x80", "base64"),
    ],
)
def test_each_payload_has_its_one_way(payload, member):
    assert member in json.loads(replace(LINE, payload=payload).to_bytes())


def test_a_recording_has_the_documented_spelling():
    properties = Properties(
        content_type="a", message_expiry_interval=0, subscription_identifiers=(1, 2)
    )
    data = recorded([LINE, Line(0, "b", b"\xff", 0, True, properties)])  # noqa: FBT003 - as is
    lines = (
        b'{"factoryledger":"recording","version":1,"origin":"mqtt://localhost",'
        b'"topics":["a/#","\\u00e9"],"clock":"system","started":"2026-11-23T08:00:00.000001Z"}\n'
        b'{"received":"2026-11-23T08:00:00.000002Z","topic":"a/b","json":{"x":1},'
        b'"qos":1,"retain":false}\n'
        b'{"received":"1970-01-01T00:00:00.000000Z","topic":"b","base64":"/w==",'
        b'"qos":0,"retain":true,"properties":{"content_type":"a",'
        b'"message_expiry_interval":0,"subscription_identifiers":[1,2]}}\n'
    )
    end = b'{"end":{"count":2,"sha256":"%b"}}\n' % hashlib.sha256(lines).hexdigest().encode()
    assert data == lines + end


@given(st.lists(LINES, min_size=1, max_size=3), st.floats(0, 1))
def test_a_recording_cut_anywhere_gives_its_whole_lines(lines, where):
    data = recorded(lines)
    cut = data[: int(where * (len(data) - 1))]
    if not cut.startswith(b'{"factoryledger":') and cut:
        return
    found, reading = taken(cut)
    whole = max(cut.count(b"\n") - 1, 0)
    assert found == list(enumerate(lines[:whole], 2))
    assert reading.complete is False
    assert reading.header == (HEADER if b"\n" in cut else None)


@given(st.integers(0), st.integers(1, 255))
def test_no_changed_byte_passes_for_the_whole(place, flip):
    data = recorded([LINE, replace(LINE, payload=b"text"), replace(LINE, payload=b"\xff")])
    place %= len(data)
    changed = data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
    _, end = taken(changed)
    assert isinstance(end, MalformedRecording) or end.complete is not True


def spoiled(old, new):
    data = recorded([LINE, replace(LINE, payload=b"two")])
    assert old in data
    return data.replace(old, new, 1)


COUNT = b'"count":2'
BROKEN = {
    "a false count": (spoiled(COUNT, b'"count":1'), 4, 2, "missing, or were added"),
    "a line left out": (
        b"".join(
            recorded([LINE, replace(LINE, payload=b"2")]).splitlines(keepends=True)[i]
            for i in (0, 2, 3)
        ),
        3,
        1,
        "missing, or were added",
    ),
    "a false hash": (spoiled(b'"sha256":"', b'"sha256":"0'), 4, 2, "end mark"),
    "another end mark": (spoiled(COUNT, b'"count": 2'), 4, 2, "end mark"),
    "more after the end": (recorded([LINE]) + b"\n", 4, 1, "more after"),
    "two recordings": (recorded([LINE]) + recorded([LINE]), 4, 1, "more after"),
    "an empty line": (spoiled(b'\n{"end"', b'\n\n{"end"'), 4, 2, "not a message"),
    "no JSON": (spoiled(b'"text":"two"', b'"text":"two'), 3, 1, "not a message"),
    "a changed text": (spoiled(b'"two"', b'"twp"'), 4, 2, "was changed"),
    "a space": (spoiled(b'"text":', b'"text": '), 3, 1, "canonical"),
    "a member more": (spoiled(b'"qos":1', b'"qos":1,"dup":true'), 2, 0, "not a message"),
    "a member less": (spoiled(b'"qos":1,', b""), 2, 0, "not a message"),
    "a member twice": (spoiled(b'"qos":1', b'"qos":1,"qos":1'), 2, 0, "canonical"),
    "QoS 3": (spoiled(b'"qos":1', b'"qos":3'), 2, 0, "no QoS"),
    "QoS true": (spoiled(b'"qos":1', b'"qos":true'), 2, 0, "not a message"),
    "no payload": (spoiled(b',"text":"two"', b""), 3, 1, "none of json"),
    "two payloads": (spoiled(b'"text":"two"', b'"text":"two","base64":"AA=="'), 3, 1, "canonical"),
    "JSON as text": (spoiled(b'"json":{"x":1}', b'"text":"{\\"x\\":1}"'), 2, 0, "canonical"),
    "text as base64": (spoiled(b'"text":"two"', b'"base64":"dHdv"'), 3, 1, "canonical"),
    "spaced JSON": (spoiled(b'{"x":1}', b'{"x": 1}'), 2, 0, "canonical"),
    "deep JSON": (spoiled(b'{"x":1}', b"[" * 100_000), 2, 0, "not a message"),
    "an empty topic": (spoiled(b'"a/b"', b'""'), 2, 0, "a topic has"),
    "a filter for a topic": (spoiled(b'"a/b"', b'"a/#"'), 2, 0, "wildcard"),
    "a false time": (spoiled(b"000002Z", b"000002z"), 2, 0, "not a time"),
    "empty properties": (spoiled(b"false}", b'false,"properties":{}}'), 2, 0, "canonical"),
    "expiry -1": (
        spoiled(b"false}", b'false,"properties":{"message_expiry_interval":-1}}'),
        *(2, 0, "expiry"),
    ),
    "subscription 0": (
        spoiled(b"false}", b'false,"properties":{"subscription_identifiers":[0]}}'),
        *(2, 0, "subscription"),
    ),
    "indicator 256": (
        spoiled(b"false}", b'false,"properties":{"payload_format_indicator":256}}'),
        *(2, 0, "indicator"),
    ),
    "a header in the middle": (
        recorded([LINE])[:-1].rsplit(b"\n", 1)[0] + b"\n" + HEADER.to_bytes() + b"\n",
        3,
        1,
        "not a message",
    ),
    "version 2": (spoiled(b'"version":1', b'"version":2'), 1, 0, "version 1"),
    "a proof": (spoiled(b'"recording"', b'"proof"'), 1, 0, "version 1"),
    "an odd clock": (spoiled(b'"system"', b'"sundial"'), 1, 0, "clock"),
    "a spaced header": (spoiled(b'"origin":', b'"origin": '), 1, 0, "canonical"),
}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xef\xbb\xbf" + recorded([LINE]), "byte order mark"),
        (recorded([LINE]).replace(b"\n", b"\r\n"), "CR LF"),
        (b"\xef\xbb\xbftopic,payload\n", "byte order mark"),
    ],
)
def test_a_file_that_a_program_rewrote_is_called_so(data, said):
    with pytest.raises(MalformedRecording, match=said) as refused:
        read(io.BytesIO(data), "f")
    assert refused.value.line == 1


@pytest.mark.parametrize(("data", "line", "before", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_named_and_what_came_before_it_stands(data, line, before, reason):
    found, error = taken(data, "some/file.jsonl")
    assert isinstance(error, MalformedRecording)
    assert (len(found), error.file, error.line) == (before, "some/file.jsonl", line)
    assert reason in error.reason
    assert str(error) == f"some/file.jsonl, line {line}: {error.reason}"


@pytest.mark.parametrize(
    "line",
    [
        replace(LINE, topic=""),
        replace(LINE, topic="a/+"),
        replace(LINE, topic="\ud800"),
        replace(LINE, qos=3),
        replace(LINE, received=-1),
        replace(LINE, properties=Properties(message_expiry_interval=2**32)),
    ],
)
def test_what_mqtt_cannot_carry_is_not_written(line):
    file = io.BytesIO()
    writer = Writer(file, HEADER)
    with pytest.raises(NotCanonical):
        writer.write(line)
    writer.close()
    assert file.getvalue() == recorded([])


def test_a_writer_ends_once_and_not_after_an_error():
    file = io.BytesIO()
    writer = Writer(file, HEADER)
    writer.write(LINE)
    writer.close()
    writer.close()
    assert file.getvalue() == recorded([LINE])
    with pytest.raises(ValueError, match="end mark"):
        writer.write(LINE)


def test_after_an_error_there_is_no_end_mark():
    def interrupted(file):
        with Writer(file, HEADER) as writer:
            writer.write(LINE)
            raise KeyError

    file = io.BytesIO()
    with pytest.raises(KeyError):
        interrupted(file)
    found, reading = taken(file.getvalue())
    assert (found, reading.complete) == ([(2, LINE)], False)


def test_an_unknown_clock_is_not_written():
    with pytest.raises(NotCanonical, match="clock"):
        Writer(io.BytesIO(), replace(HEADER, clock="sundial"))


def test_nothing_at_all_is_a_recording_cut_short():
    found, reading = taken(b"")
    assert (found, reading.header, reading.complete) == ([], None, False)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file, Writer(file, HEADER) as writer:
        for number in range(20_000):
            writer.write(replace(LINE, received=number, payload=b"x" * 100))
    tracemalloc.start()
    with path.open("rb") as file:
        reading = read(file, str(path))
        assert sum(1 for _ in reading) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reading.complete is True
    assert peak < path.stat().st_size / 4


META = b'{"_kind":"session_meta","durationSec":1.5,"note":null}\n'


def session(**changes):
    members = {
        "topic": "a/b",
        "payload": '{"x": 1}',
        "timestamp": "2026-11-23T08:00:00.037Z",
        "qos": 1,
        "retain": True,
        **changes,
    }
    return json.dumps({k: v for k, v in members.items() if v is not ...}).encode() + b"\n"


THEIRS = Line(time_us("2026-11-23T08:00:00.037000Z"), "a/b", b'{"x": 1}', 1, retain=True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (META + session() + session(), [(2, THEIRS), (3, THEIRS)]),
        (session() + session(), [(1, THEIRS), (2, THEIRS)]),
        (session()[:-1], [(1, THEIRS)]),
        (session().replace(b"\n", b"\r\n"), [(1, THEIRS)]),
        (META, []),
        (session(payload="é\0\n"), [(1, replace(THEIRS, payload="é\0\n".encode()))]),
        (session(payload=""), [(1, replace(THEIRS, payload=b""))]),
        (session(timestamp="2026-11-23T10:00:00.037+02:00"), [(1, THEIRS)]),
        (session(timestamp="2026-11-23T08:00:00.037"), [(1, THEIRS)]),
        (session(timestamp="2026-11-23 08:00:00.037000"), [(1, THEIRS)]),
    ],
)
def test_sessions_of_third_parties_are_read(data, expected):
    found, reading = taken(data)
    assert found == expected
    assert (reading.header, reading.complete) == (None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\n", "not JSON"),
        (b"garbage\n", "not JSON"),
        (session()[:-10], "not JSON"),
        (session()[:-2] + b"\n", "not JSON"),
        (META, "topic is missing"),
        (b"[]\n", "not an object"),
        (b'"a"\n', "not an object"),
        (session(topic=1), "topic is not of type str"),
        (session(topic=""), "a topic has"),
        (session(topic="a/#"), "wildcard"),
        (session(topic="\ud800"), "surrogate"),
        (session(payload=...), "payload is missing"),
        (session(payload={"x": 1}), "payload is not of type str"),
        (session(payload="\ud800"), "surrogate"),
        (session(timestamp=...), "timestamp is missing"),
        (session(timestamp=1764000000), "timestamp is not of type str"),
        (session(timestamp="yesterday"), "ISO 8601"),
        (session(timestamp="1969-12-31T23:59:59Z"), "years"),
        (session(timestamp="9999-12-31T23:59:59-01:00"), "years"),
        (session(qos=...), "qos is missing"),
        (session(qos=3), "no QoS 3"),
        (session(qos=True), "qos is not of type int"),
        (session(retain=0), "retain is not of type bool"),
        (session(more=1), "'more' is no member"),
        (session()[:-2] + b',"topic":"c"}\n', "two members"),
        (b"\xff\n", "utf-8"),
        (b"[" * 100_000 + b"\n", "deep"),
        (recorded([]), "topic is missing"),
    ],
)
def test_a_broken_line_of_a_session_is_named(line, reason):
    found, error = taken(META + session() + line + session())
    assert [number for number, _ in found] == [2]
    assert isinstance(error, MalformedRecording)
    assert (error.line, error.file) == (3, "x.jsonl")
    assert reason in error.reason


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("startup-clean_20260512_102831.log", 412),
        ("white-storage-production_20260807_111716.log", 1483),
    ],
)
def test_real_sessions_come_through_byte_for_byte(name, count):
    path = SESSIONS / name
    if not path.exists():
        pytest.skip(f"no recordings beside the project: {path.parent.name}/{name}")
    with path.open("rb") as file:
        lines = [line for _, line in read(file, name)]
    assert len(lines) == count
    raw = [json.loads(line) for line in path.read_bytes().splitlines()][1:]
    assert [line.payload.decode() for line in lines] == [line["payload"] for line in raw]
    assert [line.topic for line in lines] == [line["topic"] for line in raw]
    found, reading = taken(recorded(lines, replace(HEADER, clock="recorded")))
    assert [line for _, line in found] == lines
    assert reading.complete is True
