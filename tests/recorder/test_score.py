"""What is played of a recording and what is changed of it, without a broker."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.pace import Pace
from recorder.rebase import moved
from recorder.resigning import Resigner
from recorder.score import Moment, Score, played
from telemetry.canonical import time_us
from telemetry.compose import compose
from telemetry.errors import MalformedRecording
from telemetry.header import Header, find_header, header_properties, parse_header, seal_header
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import parse
from telemetry.recorded_time import NAME, Stamp, stamped, unstamped
from telemetry.recording import Line
from telemetry.signature import SigningKey, body_hash, key_id, seal
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

AT = time_us("2026-11-23T08:00:00.000000Z")
LINES = [(n + 2, Line(AT + n * 1_000_000, f"a/{n}/x", b"%d" % n, 1, n == 0)) for n in range(5)]
SECOND = 1_000_000


def topics(score, lines=LINES):
    return [line.topic for _, line in played(score, lines, "x")]


def test_a_recording_is_played_as_it_is():
    assert list(played(Score(), LINES, "x")) == LINES


@pytest.mark.parametrize(
    ("score", "wanted"),
    [
        (Score(topics=("a/1/#", "+/3/+")), ["a/1/x", "a/3/x"]),
        (Score(exclude=("a/1/x", "a/2/+")), ["a/0/x", "a/3/x", "a/4/x"]),
        (Score(topics=("a/#",), exclude=("#",)), []),
        (Score(start=Moment(SECOND, relative=True), stop=Moment(3 * SECOND, relative=True)),
         ["a/1/x", "a/2/x"]),
        (Score(start=Moment(AT + 4 * SECOND, relative=False)), ["a/4/x"]),
        (Score(remap=(("a/1", "b"), ("a", "c/d"))),
         ["c/d/0/x", "b/x", *[f"c/d/{n}/x" for n in (2, 3, 4)]]),
        (Score(remap=(("", "test/7"),)), [f"test/7/a/{n}/x" for n in range(5)]),
        (Score(remap=(("a", ""),)), [f"{n}/x" for n in range(5)]),
        (Score(remap=(("a/1/xx", "b"),)), [f"a/{n}/x" for n in range(5)]),
    ],
)  # fmt: skip
def test_topics_and_times_choose_and_rename(score, wanted):
    assert topics(score) == wanted


def test_a_topic_that_cannot_be_is_named():
    with pytest.raises(MalformedRecording, match=r"x, line 3: .*wildcard"):
        topics(Score(remap=(("a/1", "b/#"),)))


def test_qos_and_retain_are_kept_or_replaced():
    kept = [line for _, line in played(Score(), LINES, "x")]
    assert {line.qos for line in kept} == {1}
    assert [line.retain for line in kept] == [True, False, False, False, False]
    changed = [line for _, line in played(Score(qos=2, retain=False), LINES, "x")]
    assert {(line.qos, line.retain) for line in changed} == {(2, False)}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"t":"2026-11-23T08:00:00Z"}', b'{"t":"2026-11-23T09:00:01Z"}'),
        (b'["2026-11-23T08:00:00.5+02:00"]', b'["2026-11-23T09:00:02.0+02:00"]'),
        (b'["2026-12-31T23:30:00.123Z"]', b'["2027-01-01T00:30:01.623Z"]'),
        (b'["2026-11-23T08:00:00.123456789Z"]', b'["2026-11-23T09:00:01.623456789Z"]'),
        (b'["2026-11-23T08:00:00"]', b'["2026-11-23T08:00:00"]'),
        (b'["at 2026-11-23T08:00:00Z"]', b'["at 2026-11-23T08:00:00Z"]'),
        (b'["2026-02-30T08:00:00Z","9999-12-31T23:59:59Z"]',) * 2,
        (b'{"n":1764000000, "t" : "2026-11-23T08:00:00Z"}',
         b'{"n":1764000000, "t" : "2026-11-23T09:00:01Z"}'),
    ],
)  # fmt: skip
def test_times_in_json_move_and_nothing_else_does(payload, expected):
    assert moved(payload, 3_601_500_000) == expected


@given(st.binary(max_size=60), st.integers(-(10**15), 10**15))
def test_moving_there_and_back_keeps_the_length_of_anything(payload, delta):
    assert len(moved(payload, delta)) == len(payload)


def test_rebased_lines_move_by_whole_milliseconds_and_only_json_changes():
    lines = [
        (2, Line(AT + 7, "a", b'{"t":"2026-11-23T08:00:00.250Z"}')),
        (3, Line(AT + 1_000_007, "a", b'x"2026-11-23T08:00:00.250Z"')),
    ]
    start = time_us("2027-01-01T00:00:00.000000Z")
    found = [line for _, line in played(Score(rebase=start), lines, "x")]
    assert 0 <= start - found[0].received < 1000
    assert found[1].received - found[0].received == 1_000_000
    assert json.loads(found[0].payload)["t"].startswith("2027-01-01T00:00:00.2")
    assert found[1].payload == lines[1][1].payload
    (again, *_) = played(Score(rebase=start), lines, "x", 60 * SECOND)
    assert again[1].received == found[0].received + 60 * SECOND


KEY, TEST_KEY = SigningKey.from_seed(b"1" * 32), SigningKey.from_seed(b"2" * 32)
TOPIC = MachineTopic.parse("e/s/a/l/mill/telemetry")
BIRTH = TOPIC.with_kind("birth")


def signed_lines():
    """Three messages of a machine, each naming the one before; the first is a birth."""
    lines, prev = [], None
    for seq in range(3):
        place = BIRTH if seq == 0 else TOPIC
        content = (
            {"content": {"metrics": {}, "kind": "mill", "public_key": b64_of(KEY)}}
            if seq == 0
            else {"readings": {"x": 1.5}}
        )
        body = compose(
            device="mill", session="s0", key=key_id(KEY.public_key), kind=place.kind, seq=seq,
            prev=prev, anchor=None, time=AT + seq, **content,
        )  # fmt: skip
        prev = body_hash(body)
        lines.append((seq + 2, Line(AT + seq, f"p/{place}", seal(KEY, place, body), 1)))
    return lines


def b64_of(key):
    from telemetry.canonical import b64

    return b64(key.public_key)


def keyring(key, device="mill"):
    ring = Keyring()
    ring.apply(KeyStatement(b"e" * 32, "enrol", "device", device, AT, key.public_key))
    return ring


def test_a_signed_message_that_would_change_is_an_error_unless_it_is_signed_again():
    lines = signed_lines()
    assert topics(Score(remap=(("", "q"),)), lines) == [f"q/{line.topic}" for _, line in lines]
    for score in (Score(rebase=AT + SECOND), Score(remap=(("p/e", "q"),))):
        with pytest.raises(MalformedRecording, match=r"x, line 2: .*--sign"):
            topics(score, lines)


def test_signed_again_they_are_accepted_follow_on_and_say_the_same():
    lines = signed_lines()
    score = Score(rebase=AT + 3600 * SECOND, resign=Resigner(lambda _: TEST_KEY))
    found = [line for _, line in played(score, lines, "x")]
    before = [parse(line.payload, MachineTopic.parse(line.topic).kind) for _, line in lines]
    after = [parse(line.payload, MachineTopic.parse(line.topic).kind) for line in found]
    assert [one.seq for one in after] == [0, 1, 2]
    assert [one.time - was.time for one, was in zip(after, before, strict=True)] == [
        3600 * SECOND
    ] * 3
    assert [one.scans[0].readings for one in after[1:]] == [{"x": 1.5}] * 2
    assert after[0].prev is None
    assert [one.prev for one in after[1:]] == [body_hash(one.body) for one in after[:2]]
    assert {one.session for one in after}.isdisjoint({one.session for one in before})
    assert b64_of(TEST_KEY).encode() in found[0].payload
    for line in found:
        verdict = judge(line.topic, line.payload, keyring(TEST_KEY))
        assert verdict.status == "accepted", verdict


def test_a_header_is_signed_again_too():
    topic = SparkplugTopic.parse("spBv1.0/g/NDATA/node")
    payload = b"\x08\x01"
    body = Header(
        device="node", session="s0", seq=4, prev=None, anchor=None, time=AT,
        payload=hashlib.sha256(payload).digest(), key=key_id(KEY.public_key),
    ).to_body()  # fmt: skip
    properties = header_properties(seal_header(KEY, topic, body))
    line = Line(AT, str(topic), payload, 0, properties=properties)
    score = Score(rebase=AT + SECOND, resign=Resigner(lambda _: TEST_KEY))
    ((_, found),) = played(score, [(2, line)], "x")
    header = parse_header(*find_header(found.properties.to_text())).header
    assert (header.time, header.seq, header.payload) == (AT + SECOND, 4, parse_header(
        *find_header(line.properties.to_text())).header.payload)  # fmt: skip
    verdict = judge(
        found.topic, found.payload, keyring(TEST_KEY, "node"), found.properties.to_text()
    )
    assert verdict.status == "accepted"
    with pytest.raises(MalformedRecording, match="signed message"):
        list(played(Score(remap=(("spBv1.0/g", "spBv1.0/h"),)), [(2, line)], "x"))


PAIRS = st.lists(st.tuples(st.text("ab", max_size=3), st.text("ab", max_size=3)), max_size=3)


@given(PAIRS, st.integers(0, 2**50), st.booleans())
def test_a_receive_time_goes_along_and_comes_off(pairs, received, last):
    from telemetry.properties import NO_PROPERTIES, Properties

    plain = Properties(user_properties=tuple(pairs)) if pairs else NO_PROPERTIES
    there = stamped(plain, received, last=last)
    assert stamped(there, received, last=last) == there
    assert unstamped(there) == (plain, Stamp(received, last))
    assert unstamped(plain) == (plain, None)


@pytest.mark.parametrize("values", [["now"], ["2026-11-23T08:00:00.000000Z"] * 2, [""]])
def test_a_time_that_is_none_stays_where_it_is(values):
    from telemetry.properties import Properties

    properties = Properties(user_properties=tuple((NAME, value) for value in values))
    assert unstamped(properties) == (properties, None)


def test_moments_follow_the_recording_and_never_go_back():
    pace = Pace(2.0)
    assert [pace.due(AT + us) for us in (0, SECOND, 500_000, 2 * SECOND)] == [0, 0.5, 0.5, 1]
    pace.begin()
    assert pace.due(AT) == 0
    assert Pace(None).due(AT) is None
