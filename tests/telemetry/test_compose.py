"""All that is composed and sealed is accepted by the strict parse, and says the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from telemetry.canonical import END_OF_TIME, b64
from telemetry.compose import Author
from telemetry.errors import MalformedMessage
from telemetry.message import (
    MAX_LENGTH,
    BirthContent,
    Cited,
    EventContent,
    MetricInfo,
    Scan,
    StateContent,
    compose,
    parse,
)
from telemetry.signature import SigningKey, seal
from telemetry.topic import MachineTopic

KEY = SigningKey.from_seed(bytes(range(32)))
HEAD = {
    "device": "mill-1",
    "session": "0123456789abcdef",
    "seq": 0,
    "prev": None,
    "anchor": None,
    "time": 0,
    "key": KEY.key_id,
}

HASHES = st.binary(min_size=32, max_size=32)
SEGMENTS = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)
READINGS = st.dictionaries(NAMES, NUMBERS, max_size=8)
COUNTS = st.integers(0, 2**63 - 1)
TIMES = st.integers(0, END_OF_TIME - 1)
HEADS = st.fixed_dictionaries(
    {
        "device": SEGMENTS,
        "session": SEGMENTS,
        "seq": COUNTS,
        "prev": st.none() | HASHES,
        "anchor": st.none() | st.builds(Cited, COUNTS, HASHES),
        "time": TIMES,
        "key": st.just(KEY.key_id),
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def sealed(kind, body, device="mill-1"):
    return seal(KEY, MachineTopic("", "e", "s", "a", "l", device, kind), body)


def check_head(found, head, kind):
    assert found.kind == kind
    assert {name: getattr(found, name) for name in head} == head


@given(HEADS, READINGS)
def test_readings_come_back(head, readings):
    body = compose(kind="telemetry", readings=readings, **head)
    found = parse(sealed("telemetry", body), "telemetry")
    check_head(found, head, "telemetry")
    numbers = {name: float(value) for name, value in readings.items()}
    assert found.scans == (Scan(head["time"], numbers),)
    assert found.body == body


@given(HEADS, st.lists(st.builds(Scan, TIMES, READINGS), min_size=1, max_size=3))
def test_scans_come_back(head, scans):
    body = compose(kind="telemetry", scans=scans, **head)
    found = parse(sealed("telemetry", body), "telemetry")
    check_head(found, head, "telemetry")
    assert [scan.time for scan in found.scans] == [scan.time for scan in scans]
    assert [scan.readings for scan in found.scans] == [
        {name: float(value) for name, value in scan.readings.items()} for scan in scans
    ]


@given(HEADS, st.dictionaries(NAMES, JSON, max_size=4), NAMES, COUNTS)
def test_contents_come_back(head, more, name, number):
    contents = {
        "event": {**more, "name": name},
        "state": {**more, "name": name, "number": number},
        "birth": {**more, "metrics": {}, "kind": name, "public_key": b64(KEY.public_key)},
    }
    for kind, content in contents.items():
        body = compose(kind=kind, content=content, **head)
        found = parse(sealed(kind, body), kind)
        check_head(found, head, kind)
        assert found.content == content


def test_the_members_stand_in_order_and_compact():
    body = compose(
        kind="telemetry",
        device="mill-1",
        session="s",
        seq=41,
        prev=bytes(32),
        anchor=Cited(7, b"\xff" * 32),
        time=1795420800000001,
        key="fedcba9876543210",
        readings={"spindle": 61.2, 'é"': -1},
    )
    assert body == (
        b'{"device":"mill-1","session":"s","seq":41,'
        b'"prev":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        b'"anchor":{"size":7,"note":"//////////////////////////////////////////8="},'
        b'"time":"2026-11-23T08:00:00.000001Z",'
        b'"readings":{"spindle":61.2,"\\u00e9\\"":-1},"key":"fedcba9876543210"'
    )


def test_models_build_content():
    metrics = {"speed": MetricInfo(unit="/min", low=0, high=12000)}
    birth = BirthContent(metrics=metrics, kind="mill", public_key=b64(KEY.public_key))
    state = StateContent(name="Execute", number=6)
    event = EventContent(name="evicted", first=1, last=3)
    for kind, content in {"birth": birth, "state": state, "event": event}.items():
        body = compose(kind=kind, content=content, **HEAD)
        assert parse(sealed(kind, body), kind).content == content.model_dump()


@pytest.mark.parametrize(
    ("model", "false"),
    [
        (MetricInfo, {"unit": "m", "low": float("nan"), "high": 1}),
        (BirthContent, {"metrics": {}, "kind": "mill", "public_key": b64(bytes(32))}),
        (BirthContent, {"metrics": {}, "kind": "mill", "public_key": "?"}),
        (StateContent, {"name": "Execute", "number": -1}),
        (StateContent, {"name": "Execute", "number": 6, "more": 1}),
        (EventContent, {}),
    ],
)
def test_models_refuse_what_no_machine_says(model, false):
    with pytest.raises(ValidationError):
        model(**false)


def deep(levels):
    return {"name": "x", "deep": json.loads("[" * levels + "]" * levels)}


def test_content_may_be_as_deep_as_a_reader_takes():
    body = compose(kind="event", content=deep(30), **HEAD)
    assert parse(sealed("event", body), "event").content == deep(30)
    with pytest.raises(MalformedMessage, match="deep"):
        compose(kind="event", content=deep(31), **HEAD)


NESTED = []
NESTED.append(NESTED)

REFUSED = [
    ({"kind": "telemetry"}, "exactly one"),
    ({"kind": "telemetry", "readings": {}, "scans": []}, "exactly one"),
    ({"kind": "telemetry", "readings": {}, "content": {}}, "exactly one"),
    ({"kind": "telemetry", "scans": []}, "at least one"),
    ({"kind": "state"}, "its content alone"),
    ({"kind": "state", "content": {}, "readings": {}}, "its content alone"),
    ({"kind": "death", "content": {}}, "no kind"),
    ({"kind": "receipt", "content": {}}, "no kind"),
    ({"readings": {"a": float("nan")}}, "finite"),
    ({"readings": {"a": float("-inf")}}, "finite"),
    ({"readings": {"a": True}}, "finite"),
    ({"readings": {"a": "1"}}, "finite"),
    ({"readings": {"a": None}}, "finite"),
    ({"readings": {"a": 2**63}}, "64 bits"),
    ({"readings": {"a": -(2**63) - 1}}, "64 bits"),
    ({"readings": {"a\0": 1.0}}, "U\\+0000"),
    ({"readings": {"\ud800": 1.0}}, "surrogate"),
    ({"readings": {1: 1.0}}, "a string"),
    ({"readings": {None: 1.0}}, "a string"),
    ({"readings": {"x" * MAX_LENGTH: 1.0}}, "at most 1048576"),
    ({"kind": "event", "content": {"name": "\0"}}, "U\\+0000"),
    ({"kind": "event", "content": {"name": "x", "\ud800": 1}}, "surrogate"),
    ({"kind": "event", "content": {"name": "x", "a": 2**63}}, "64 bits"),
    ({"kind": "event", "content": {"name": "x", "a": float("inf")}}, "no JSON"),
    ({"kind": "event", "content": {"name": "x", "a": b""}}, "no JSON"),
    ({"kind": "event", "content": {"name": "x", "a": NESTED}}, "no JSON"),
    ({"kind": "event", "content": {"name": "x", "1": 1, 1: 2}}, "two members"),
    ({"kind": "event", "content": {}}, "name is missing"),
    ({"kind": "state", "content": {"name": "x", "number": "6"}}, "state.number"),
    ({"kind": "birth", "content": {}}, "metrics is missing"),
    ({"device": "Mill"}, "device is not"),
    ({"session": ""}, "session is not"),
    ({"seq": -1}, "seq is not"),
    ({"seq": 2**63}, "seq is not"),
    ({"seq": True}, "seq is not"),
    ({"seq": 1.0}, "seq is not"),
    ({"prev": bytes(31)}, "32 bytes"),
    ({"anchor": Cited(-1, bytes(32))}, "anchor.size"),
    ({"anchor": Cited(1, bytes(33))}, "32 bytes"),
    ({"time": -1}, "years"),
    ({"time": END_OF_TIME}, "years"),
    ({"key": "fedcba987654321"}, "key id"),
]


@pytest.mark.parametrize(("parts", "reason"), REFUSED)
def test_what_a_reader_would_refuse_is_not_written(parts, reason):
    if not parts.keys() & {"kind", "readings"}:
        parts = {"readings": {}, **parts}
    parts = {"kind": "telemetry", **HEAD, **parts}
    with pytest.raises(MalformedMessage, match=reason):
        compose(**parts)


def test_the_largest_message_is_written():
    room = MAX_LENGTH - 98 - len(compose(kind="telemetry", readings={"": 1.5}, **HEAD))
    body = compose(kind="telemetry", readings={"x" * room: 1.5}, **HEAD)
    assert len(sealed("telemetry", body)) == MAX_LENGTH
    assert parse(sealed("telemetry", body), "telemetry").seq == 0
    with pytest.raises(MalformedMessage, match="at most"):
        compose(kind="telemetry", readings={"x" * (room + 1): 1.5}, **HEAD)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    HEADS,
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
        | st.sampled_from(["e-", "null", "x\x7f", '"', "\\", "1e5", "ü", ""]),
        FLOATS | st.floats(-1e-3, 1e-3) | st.sampled_from([-0.0, 1e16, 9999999999999998.0, 1e-4]),
    ),
)
def test_readings_are_spelled_as_python_spells_them(head, readings):
    """However they are written: what a recording keeps as JSON has this one spelling."""
    spelled = json.dumps(readings, separators=(",", ":"))
    assert f',"readings":{spelled},"key":'.encode() in compose(
        kind="telemetry", readings=readings, **head
    )


def test_an_author_writes_what_compose_does():
    own = {name: HEAD[name] for name in ("device", "session", "key")}
    rest = {name: value for name, value in HEAD.items() if name not in own}
    author = Author(**own)
    for said in (
        {"kind": "telemetry", "readings": {"a": 1.5}},
        {"kind": "state", "content": {"name": "Execute", "number": 6}},
    ):
        assert author.compose(**rest, **said) == compose(**HEAD, **said)
    for wrong in ({"device": "Mill"}, {"session": ""}, {"key": "1"}):
        with pytest.raises(MalformedMessage):
            Author(**own | wrong)
