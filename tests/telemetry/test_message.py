"""The strict parse: what is composed and sealed passes, every known trick is refused.

The fast way and the slow way are compared on payloads broken at random.
"""

import base64
import json
import re

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from telemetry import message as message_module
from telemetry.canonical import b64, time_us
from telemetry.errors import MalformedMessage
from telemetry.message import MAX_LENGTH, Cited, Message, Scan, parse
from telemetry.signature import split
from telemetry.topic import SIGNED_KINDS

SUFFIX = b',"sig":"' + base64.b64encode(bytes(64)) + b'"}'
TIME = "2026-11-23T08:00:00.000001Z"
HASH = b64(bytes(range(32)))
BODY = {
    "device": "mill-1",
    "session": "0123456789abcdef",
    "seq": 41,
    "prev": HASH,
    "anchor": {"size": 7, "note": HASH},
    "time": TIME,
    "readings": {"speed": 1200, "torque": -0.5e-3},
    "key": "fedcba9876543210",
}
SCANS = [{"time": TIME, "readings": {"speed": 1.5}}, {"time": TIME, "readings": {}}]
BIRTH = {
    "metrics": {"speed": {"unit": "/min", "low": 0, "high": 12e3}},
    "kind": "mill",
    "public_key": HASH,
}


def body(without=(), **members):
    made = {**BODY, **members}
    return {name: value for name, value in made.items() if name not in without}


def payload(members=None, *, text=None):
    """Seal by hand: compact JSON, its last brace gone, and a suffix of zeros."""
    text = json.dumps(members, separators=(",", ":")) if text is None else text
    return text.removesuffix("}").encode() + SUFFIX


def text_of(old, new, members=BODY):
    """The compact JSON with one part replaced by what json would not write."""
    text = json.dumps(members, separators=(",", ":"))
    assert text.count(old) == 1, (old, text)
    return payload(text=text.replace(old, new))


def fast(data):
    parts = split(data)
    return message_module._parse_fast(data, *parts)


def slow(data, kind="telemetry"):
    parts = split(data)
    try:
        return message_module._parse_slow(data, *parts, kind=kind)
    except ValueError:
        return None


def outcome(data, kind="telemetry"):
    try:
        return parse(data, kind)
    except MalformedMessage:
        return None


def test_a_whole_message():
    data = payload(BODY)
    assert parse(data, "telemetry") == Message(
        kind="telemetry",
        device="mill-1",
        session="0123456789abcdef",
        seq=41,
        prev=bytes(range(32)),
        anchor=Cited(7, bytes(range(32))),
        time=time_us(TIME),
        scans=(Scan(time_us(TIME), {"speed": 1200.0, "torque": -0.0005}),),
        content=None,
        key="fedcba9876543210",
        body=data[:-98],
        signature=bytes(64),
    )


def test_telemetry_as_machines_write_it_takes_the_fast_way():
    for members in (BODY, body(prev=None, anchor=None), body({"readings"}, scans=SCANS)):
        assert fast(payload(members)) == slow(payload(members)) != None  # noqa: E711 - chained


ACCEPTED = {
    "scans": payload(body({"readings"}, scans=SCANS)),
    "no prev, no anchor": payload(body(prev=None, anchor=None)),
    "no readings in it": payload(body(readings={})),
    "members that mean nothing": payload(body(extra={"sig": [None, True, "x"]}, more=1)),
    "members in another order": payload(dict(reversed(BODY.items()))),
    "white space": payload(text=json.dumps(BODY, indent=2)),
    "white space before a colon": text_of('"seq":', '"seq" :'),
    "escapes": payload(body(readings={"\x01é\U0001f600": 1})),
    "UTF-8": payload(text=json.dumps(body(readings={"é\U0001f600": 1}), ensure_ascii=False)),
    "escaped names": text_of('"seq"', r'"s\u0065q"'),
    "a value that begins with a colon": payload(body(readings={":": 1, ":a": 2})),
    "the least seq": payload(body(seq=0)),
    "the largest seq": payload(body(seq=2**63 - 1)),
    "the largest anchor": payload(body(anchor={"size": 2**63 - 1, "note": HASH, "x": 1})),
    "64-bit readings": payload(body(readings={"a": -(2**63), "b": 2**63 - 1})),
    "a number of 64 characters": text_of("1200", "1" * 18 + "." + "1" * 45),
    "32 levels": payload(text=json.dumps(BODY)[:-1] + ',"x":' + "[" * 31 + "]" * 31 + "}"),
    "the largest message": payload(body(x="x" * (MAX_LENGTH - len(payload(body(x="")))))),
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_rules_allow_is_accepted(data):
    found = parse(data, "telemetry")
    assert found == slow(data)
    assert found.device == "mill-1"


HOSTILE = {
    # not the payload of a signed message
    "empty": (b"", "does not end with"),
    "no suffix": (json.dumps(BODY).encode(), "does not end with"),
    "suffix alone": (SUFFIX, "start with {"),
    "a body of one brace": (b"{" + SUFFIX, "not JSON"),
    "an array": (payload(text="[" + json.dumps(BODY)), "start with {"),
    "too large": (payload(body(x="x" * MAX_LENGTH)), "at most 1048576"),
    "BOM": (b"\xef\xbb\xbf" + payload(BODY), "start with {"),
    "space in front": (b" " + payload(BODY), "start with {"),
    "space behind": (payload(BODY) + b" ", "does not end with"),
    "newline behind": (payload(BODY) + b"\n", "does not end with"),
    "a garbled signature": (payload(BODY)[:-90] + b"=" * 88 + b'"}', "base64"),
    "signature bits left over": (payload(BODY)[:-5] + b'B=="}', "canonical"),
    "signature of 66 bytes": (payload(BODY)[:-90] + b"A" * 88 + b'"}', "66 bytes"),
    # no JSON
    "garbage": (b"{\x00\x01\x02" + SUFFIX, "not JSON"),
    "truncated": (payload(BODY)[:40] + SUFFIX, "not JSON"),
    "a cut string": (b'{"device":"x' + SUFFIX, "not JSON"),
    "a string ended by the suffix": (b'{"device":"' + SUFFIX, "not JSON"),
    "an escape before the suffix": (b'{"device":"\\' + SUFFIX, "not JSON"),
    "suffix within an object": (b'{"a":{"device":1' + SUFFIX, "not JSON"),
    "suffix within an array": (b'{"a":[1' + SUFFIX, "not JSON"),
    "a comma too many": (payload(BODY)[:-98] + b"," + SUFFIX, "not JSON"),
    "two objects": (payload(BODY)[:-98] + b"}{" + SUFFIX[1:], "does not end with"),
    "two objects and a suffix": (payload(BODY)[:-98] + b'}{"a":1' + SUFFIX, "not JSON"),
    "closed before the suffix": (payload(BODY)[:-98] + b"}" + SUFFIX, "not JSON"),
    "single quotes": (text_of('"seq"', "'seq'"), "not JSON"),
    "a comment": (text_of('"seq"', '/**/"seq"'), "not JSON"),
    "a raw tab": (text_of('"speed"', '"sp\teed"'), "not JSON"),
    "a raw NUL": (text_of('"speed"', '"sp\0eed"'), "not JSON"),
    "no-break space": (text_of('"seq":', '"seq":\xa0'), "not JSON"),
    "a bad escape": (text_of('"speed"', r'"\speed"'), "not JSON"),
    # text that is no text
    "invalid UTF-8": (payload(BODY).replace(b"speed", b"sp\xffed"), "UTF-8"),
    "overlong UTF-8": (payload(BODY).replace(b"speed", b"sp\xc0\xafed"), "UTF-8"),
    "a surrogate in UTF-8": (payload(BODY).replace(b"speed", b"sp\xed\xa0\x80ed"), "UTF-8"),
    "beyond Unicode": (payload(BODY).replace(b"speed", b"sp\xf5\x80\x80\x80ed"), "UTF-8"),
    "a lone high surrogate": (text_of('"speed"', r'"\ud800"'), "surrogate"),
    "a lone low surrogate": (text_of('"speed"', r'"\udc00x"'), "surrogate"),
    "surrogates in wrong order": (text_of('"speed"', r'"\udc00\ud800"'), "surrogate"),
    "an escaped NUL": (text_of('"speed"', r'"\u0000"'), "U+0000"),
    "an escaped NUL in what means nothing": (payload(body(x=["\0"])), "U+0000"),
    # two readers, two values
    "a name twice": (text_of('"seq":41', '"seq":41,"seq":42'), "two members 'seq'"),
    "a name twice, the same value": (text_of('"seq":41', '"seq":41,"seq":41'), "two members"),
    "a name twice, escaped": (text_of('"seq":41', r'"seq":41,"s\u0065q":42'), "two members"),
    "a name twice, spaced": (text_of('"seq":41', '"seq" :41,"seq" :41'), "two members"),
    "a reading twice": (text_of('"speed":1200', '"speed":1,"speed":2'), "two members 'speed'"),
    "a reading twice, among colons": (
        text_of('"speed":1200', '"speed" :1,"speed":2,":x":3'),
        "two members 'speed'",
    ),
    "readings twice": (text_of('"readings"', '"readings":{},"readings"'), "two members"),
    "a device twice": (text_of('"device":"mill-1"', '"device":"a","device":"mill-1"'), "two"),
    "anchor's size twice": (text_of('"size":7', '"size":7,"size":8'), "two members 'size'"),
    "a time twice in a scan": (
        text_of('{"time"', f'{{"time":"{TIME}","time"', body({"readings"}, scans=SCANS[:1])),
        "two members 'time'",
    ),
    "a name twice, deep in what means nothing": (
        text_of('"key"', '"x":[{"y":{"a":1,"a":2}}],"key"'),
        "two members 'a'",
    ),
    "sig in the body": (payload(body(sig="x")), "two members 'sig'"),
    "sig in the body, escaped": (text_of('"seq"', r'"s\u0069g":1,"seq"'), "two members 'sig'"),
    # depth
    "33 levels": (payload(text=json.dumps(BODY)[:-1] + ',"x":' + "[" * 32 + "]" * 32), "deep"),
    "200 levels": (payload(text=json.dumps(BODY)[:-1] + ',"x":' + "[" * 200 + "]" * 200), "deep"),
    "100,000 levels": (
        payload(text=json.dumps(BODY)[:-1] + ',"x":' + "[" * 100_000 + "]" * 100_000),
        "deep",
    ),
    "100,000 objects": (payload(text='{"a":' * 100_000 + "1" + "}" * 100_000), "deep"),
    "100,000 open arrays": (b'{"a":' + b"[" * 100_000 + SUFFIX, "deep"),
    "seq 100,000 deep": (text_of('"seq":41', '"seq":' + "[" * 100_000), "deep"),
    "readings 100,000 deep": (text_of("1200", "[" * 100_000 + "]" * 100_000), "deep"),
    # numbers
    "NaN": (text_of("1200", "NaN"), "NaN is no JSON"),
    "Infinity": (text_of("1200", "Infinity"), "Infinity is no JSON"),
    "-Infinity": (text_of("1200", "-Infinity"), "-Infinity is no JSON"),
    "1e400": (text_of("1200", "1e400"), "not finite"),
    "-1e400": (text_of("1200", "-1e400"), "not finite"),
    "1e400 in what means nothing": (text_of('"key"', '"x":[1e400],"key"'), "not finite"),
    "65 characters": (text_of("1200", "1." + "1" * 63), "more than 64"),
    "65 zeros of an exponent": (text_of("1200", "1e" + "0" * 63), "more than 64"),
    "a million digits": (text_of("1200", "1" * 1_000_000), "more than 64"),
    "2^63": (text_of("1200", "9223372036854775808"), "64 bits"),
    "-2^63-1": (text_of("1200", "-9223372036854775809"), "64 bits"),
    "2^64": (text_of("1200", "18446744073709551616"), "64 bits"),
    "2^63 in what means nothing": (payload(body(x=2**63)), "64 bits"),
    "a leading zero": (text_of("1200", "01200"), "not JSON"),
    "a leading plus": (text_of("1200", "+1200"), "not JSON"),
    "a point at the end": (text_of("1200", "1200."), "not JSON"),
    "a point at the start": (text_of("1200", ".5"), "not JSON"),
    "hexadecimal": (text_of("1200", "0x12"), "not JSON"),
    "an underscore": (text_of("1200", "1_200"), "not JSON"),
    # members
    **{
        f"no {name}": (payload(body({name})), f"{name} is missing")
        for name in BODY
        if name != "readings"
    },
    "neither readings nor scans": (payload(body({"readings"})), "exactly one of"),
    "readings and scans": (payload(body(scans=SCANS)), "exactly one of"),
    "no scan": (payload(body({"readings"}, scans=[])), "at least one scan"),
    "scans an object": (payload(body({"readings"}, scans={})), "at least one scan"),
    "scans null": (payload(body({"readings"}, scans=None)), "at least one scan"),
    "a scan without time": (
        payload(body({"readings"}, scans=[{"readings": {}}])),
        "time is missing",
    ),
    "a scan without readings": (payload(body({"readings"}, scans=[{"time": TIME}])), "is missing"),
    "a scan a number": (payload(body({"readings"}, scans=[1])), "not an object"),
    "readings a list": (payload(body(readings=[])), "not an object"),
    "readings null": (payload(body(readings=None)), "not an object"),
    "a reading true": (payload(body(readings={"a": True})), "not a number"),
    "a reading a string": (payload(body(readings={"a": "1"})), "not a number"),
    "a reading null": (payload(body(readings={"a": None})), "not a number"),
    "a reading an object": (payload(body(readings={"a": {}})), "not a number"),
    **{
        f"seq {literal[:20]}": (text_of('"seq":41', f'"seq":{literal}'), reason)
        for literal, reason in {
            "-1": "seq is not an integer literal",
            "-0": "seq is not an integer literal",
            "1.0": "seq is not an integer literal",
            "0.0": "seq is not an integer literal",
            "1e0": "seq is not an integer literal",
            "1E2": "seq is not an integer literal",
            "01": "not JSON",
            "00": "not JSON",
            "+1": "not JSON",
            "9223372036854775808": "seq is not an integer literal",
            "18446744073709551616": "seq is not an integer literal",
            "1" * 65: "more than 64",
            "true": "seq is not an integer literal",
            "null": "seq is not an integer literal",
            '"41"': "seq is not an integer literal",
            "[41]": "seq is not an integer literal",
            "{}": "seq is not an integer literal",
            "": "not JSON",
        }.items()
    },
    "device in capitals": (payload(body(device="Mill")), "device is not"),
    "device empty": (payload(body(device="")), "device is not"),
    "device of 65": (payload(body(device="x" * 65)), "device is not"),
    "device with a newline": (payload(body(device="mill\n")), "device is not"),
    "device a number": (payload(body(device=1)), "device is not a string"),
    "session with a slash": (payload(body(session="a/b")), "session is not"),
    "session null": (payload(body(session=None)), "session is not a string"),
    "prev of 31 bytes": (payload(body(prev=b64(bytes(31)))), "31 bytes"),
    "prev not base64": (payload(body(prev="?")), "not base64"),
    "prev with bits left over": (payload(body(prev=HASH[:-2] + "9=")), "canonical"),
    "prev without padding": (payload(body(prev=HASH[:-1])), "base64"),
    "prev in the URL alphabet": (payload(body(prev="_" * 43 + "=")), "base64"),
    "prev false": (payload(body(prev=False)), "prev is not a string"),
    "anchor a list": (payload(body(anchor=[])), "anchor is not an object"),
    "anchor without note": (payload(body(anchor={"size": 1})), "note is missing"),
    "anchor without size": (payload(body(anchor={"note": HASH})), "size is missing"),
    "anchor's size -1": (payload(body(anchor={"size": -1, "note": HASH})), "anchor.size is not"),
    "anchor's size 1.0": (payload(body(anchor={"size": 1.0, "note": HASH})), "anchor.size is not"),
    "anchor's size -0": (text_of('"size":7', '"size":-0'), "anchor.size is not"),
    "anchor's size true": (payload(body(anchor={"size": True, "note": HASH})), "anchor.size"),
    "anchor's note null": (payload(body(anchor={"size": 1, "note": None})), "anchor.note is not"),
    "anchor's note short": (payload(body(anchor={"size": 1, "note": ""})), "0 bytes"),
    "time without microseconds": (payload(body(time="2026-11-23T08:00:00Z")), "not a time"),
    "time of February 30": (payload(body(time="2026-02-30T08:00:00.000000Z")), "no calendar"),
    "time with an offset": (payload(body(time="2026-11-23T08:00:00.000000+00:00")), "not a time"),
    "time a number": (payload(body(time=1)), "time is not a string"),
    "key of 15 digits": (payload(body(key="fedcba987654321")), "key is not a key id"),
    "key in capitals": (payload(body(key="FEDCBA9876543210")), "key is not a key id"),
    "key a number": (payload(body(key=1)), "key is not a string"),
    # members of another kind have their types too
    "birth a number": (payload(body(birth=1)), "birth is not an object"),
    "state without number": (payload(body(state={"name": "x"})), "number is missing"),
}


@pytest.mark.parametrize(("data", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_every_trick_is_malformed_and_says_why(data, reason):
    with pytest.raises(MalformedMessage, match=re.escape(reason)):
        parse(data, "telemetry")


CONTENT = {
    "birth": [
        (BIRTH, None),
        ({**BIRTH, "metrics": {}, "more": 1}, None),
        ([], "birth is not an object"),
        ({**BIRTH, "metrics": []}, "birth.metrics is not an object"),
        ({**BIRTH, "metrics": {"a": {"low": 0, "high": 1}}}, "unit is missing"),
        ({**BIRTH, "metrics": {"a": {"unit": 1, "low": 0, "high": 1}}}, "unit is not a string"),
        ({**BIRTH, "metrics": {"a": {"unit": "m", "low": 0}}}, "high is missing"),
        ({**BIRTH, "metrics": {"a": {"unit": "m", "low": "0", "high": 1}}}, "not a number"),
        ({**BIRTH, "kind": None}, "birth.kind is not a string"),
        ({**BIRTH, "public_key": b64(bytes(31))}, "31 bytes"),
        ({**BIRTH, "public_key": HASH[:-1]}, "base64"),
        ({"metrics": {}, "kind": "mill"}, "public_key is missing"),
    ],
    "state": [
        ({"name": "Execute", "number": 6}, None),
        ({"name": "Execute"}, "number is missing"),
        ({"number": 6}, "name is missing"),
        ({"name": "Execute", "number": 6.0}, "state.number is not"),
        ({"name": "Execute", "number": True}, "state.number is not"),
        ({"name": "Execute", "number": -1}, "state.number is not"),
        ({"name": 6, "number": 6}, "state.name is not a string"),
    ],
    "event": [
        ({"name": "evicted", "seqs": [1, 2]}, None),
        ({}, "name is missing"),
        ({"name": None}, "event.name is not a string"),
        ("evicted", "event is not an object"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [(kind, *case) for kind, cases in CONTENT.items() for case in cases],
)
def test_each_kind_carries_its_content(kind, content, reason):
    data = payload(body({"readings"}, **{kind: content}))
    if reason is None:
        found = parse(data, kind)
        assert (found.content, found.scans, found.kind) == (content, (), kind)
    else:
        with pytest.raises(MalformedMessage, match=re.escape(reason)):
            parse(data, kind)


@pytest.mark.parametrize("kind", ["birth", "state", "event"])
def test_a_kind_without_its_content_is_refused(kind):
    with pytest.raises(MalformedMessage, match=f"{kind} is missing"):
        parse(payload(BODY), kind)


def test_the_kind_decides_what_must_be_there():
    data = payload(body(event={"name": "x"}, scans=SCANS))
    assert parse(data, "event").content == {"name": "x"}
    with pytest.raises(MalformedMessage):
        parse(data, "telemetry")
    with pytest.raises(ValueError, match="no signed kind"):
        parse(data, "death")


def test_no_single_byte_changed_reads_the_same():
    data = payload(BODY)
    read = parse(data, "telemetry")
    for place in range(len(data) - 98):
        for byte in b'\x00\t\x1f "+-.:0,[{\\]}eE\x7f\x80\xff':
            changed = data[:place] + bytes([byte]) + data[place + 1 :]
            found = outcome(changed)
            assert found == slow(changed)
            if found is not None and changed != data:
                assert replace(found, body=read.body) != read


SNIPPETS = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\n",
        b"\t",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
    ),
    *(
        b"0",
        b"-",
        b".",
        b"e",
        b"E9",
        b"e400",
        b"1" * 19,
        b"1" * 66,
        b"NaN",
        b"null",
        b"true",
        b"-0",
    ),
    *(
        b'"seq":41,',
        b'"seq" :1,',
        b'"speed":1,',
        b'":":1,',
        b'"x":{"a":1,"a":2},',
        b'"anchor":null,',
    ),
    *(
        rb"\u0000",
        rb"\ud800",
        rb"\u0061",
        b'"scans":[],',
        b'"readings":{},',
        b'"prev":null,',
        b"{}",
    ),
    *(
        b'"sig":"",',
        b"[" * 40,
        b'{"a":' * 40,
        b'{"time":"2026-11-23T08:00:00.000001Z","readings":{}},',
    ),
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(SNIPPETS)), max_size=4
)


@settings(max_examples=1500)
@given(st.sampled_from(list(ACCEPTED.values())[:11]), EDITS)
@example(ACCEPTED["scans"], [(0.5, 0, b'"')])
def test_the_fast_way_takes_nothing_that_the_slow_way_refuses(data, edits):
    text = data[:-98]
    for where, cut, snippet in edits:
        place = int(where * len(text))
        text = text[:place] + snippet + text[place + cut :]
    data = text + SUFFIX
    assert outcome(data) == slow(data)


NAMES = st.text('ab:" \\é', max_size=3)
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "-2.5", "3 ", " 4"])), max_size=6)


@given(PAIRS, st.booleans(), st.sampled_from(["", " "]))
def test_names_are_compared_however_they_are_spelled(pairs, ascii_only, space):
    readings = ",".join(
        f"{json.dumps(name, ensure_ascii=ascii_only)}{space}:{value}" for name, value in pairs
    )
    data = text_of('{"speed":1200,"torque":-0.0005}', f"{{{readings}}}")
    found = outcome(data)
    assert (found is None) == (len({name for name, _ in pairs}) < len(pairs))
    assert found == slow(data)
    if found is not None:
        assert found.scans[0].readings == {name: float(value) for name, value in pairs}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
def test_numbers_are_read_to_the_last_bit(value):
    data = payload(body(readings={"a": value}))
    assert fast(data) is not None
    assert parse(data, "telemetry").scans[0].readings == {"a": float(value)}


@settings(max_examples=500)
@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
)
@example("9007199254740993.0")
@example("2.2250738585072011e-308")
@example("-0")
def test_a_literal_reads_the_same_both_ways(literal):
    data = text_of("1200", literal)
    found = outcome(data)
    assert found == slow(data)
    if found is not None:
        assert found.scans[0].readings["speed"] == float(literal)


@pytest.mark.parametrize("byte", range(256))
def test_bytes_that_json_forbids_never_pass_the_fast_way(byte):
    """What the fast way leaves to msgspec: control characters, and white space between."""
    for old in (b'"speed"', b'"seq":', b"41,"):
        data = payload(BODY).replace(old, old[:2] + bytes([byte]) + old[2:])
        assert outcome(data) == slow(data)
    data = payload(BODY).replace(b'"seq":', b'"seq":' + bytes([byte]))
    assert outcome(data) == slow(data)


@pytest.mark.parametrize("end", [",", "}", " }", "\n,", "\t}", "\r}"])
@pytest.mark.parametrize("before", ["", " "])
def test_minus_zero_keeps_its_sign_however_it_is_written(before, end):
    """An integer has no -0 in msgspec; both ways must say what the payload says."""
    rest = '"torque":1' if "," in end else ""
    text = '"readings":{"speed":1200,"torque":-0.0005}'
    data = text_of(text, f'"readings":{{"speed":{before}-0{end}{rest}' + "}" * ("," in end))
    (scan,) = outcome(data).scans
    assert str(scan.readings["speed"]) == "-0.0"
    assert outcome(data) == slow(data)


def test_what_the_fast_way_relies_on_in_msgspec():
    assert msgspec.json.decode(b'{"a":1,"a":2}', type=dict[str, int]) == {"a": 2}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"size":1,"note":"","x":1}', type=message_module._FastAnchor)
    assert bytes(msgspec.json.decode(b" 41 ", type=msgspec.Raw)) == b"41"


@pytest.mark.parametrize("kind", SIGNED_KINDS)
@given(st.binary(max_size=300))
def test_garbage_is_malformed_and_nothing_worse(kind, data):
    for garbage in (data, data + SUFFIX, b"{" + data + SUFFIX):
        with pytest.raises(MalformedMessage):
            parse(garbage, kind)
