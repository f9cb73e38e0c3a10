"""Mappings and what comes of them: filters, names, numbers, times, payloads. No process."""

import json
import re
import textwrap
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadMapping
from gateway.filters import apart, captures, check_filter, overlap, plain_filter
from gateway.heard import Heard, Values
from gateway.mapping_file import load_mapping, read_mapping
from gateway.pointer import ABSENT, find, steps
from gateway.repeats import Repeats
from gateway.translate import Translator
from telemetry.canonical import is_segment
from telemetry.message import parse
from telemetry.signature import SigningKey
from telemetry.source import read_source
from telemetry.topic import matches

NOW = 1_795_000_000_000_000
HEAD = 'gateway = "g"\nplace = "acme/north/milling/line-4"\n'
OTHERWISE = '[otherwise]\ndevice = "others"\n'

level = st.sampled_from(["a", "b", "", "$SYS", "+"])
filters = st.lists(level, min_size=1, max_size=4).map("/".join) | st.lists(
    level, min_size=0, max_size=3
).map(lambda levels: "/".join([*levels, "#"]))
topics = st.lists(st.sampled_from(["a", "b", "", "$SYS"]), min_size=1, max_size=4).map("/".join)


def translator(*rules, otherwise=OTHERWISE):
    return Translator(read_mapping(HEAD + "\n".join(rules) + "\n" + otherwise, "m.toml"))


def rule(topic="plc/{name}", device="{name}", more=""):
    return f'[[rule]]\ntopic = "{topic}"\ndevice = "{device}"\n{more}\n'


def heard(payload, topic="plc/one", **more):
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Heard(topic, payload, NOW, **more)


@given(filters, filters, topics)
def test_filters_overlap_where_one_topic_matches_both(one, other, topic):
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)


@given(st.lists(filters, max_size=4), topics)
def test_joined_filters_bring_all_that_was_asked_for_and_no_message_twice(asked, topic):
    found = [pattern for pattern, _ in apart([(one, 1) for one in asked])]
    bringing = [pattern for pattern in found if matches(pattern, topic)]
    assert len(bringing) <= 1
    if any(matches(one, topic) for one in asked):
        assert bringing


def test_named_levels_are_plus_to_a_broker_and_names_to_us():
    assert plain_filter("a/{x}/b/#") == "a/+/b/#"
    assert captures("a/{x}/{y}", "a/1/2") == {"x": "1", "y": "2"}
    for wrong in ("", "a/#/b", "a/b+", "a/{X}", "a/{x}y", "{x}/{x}", "$share/g/a", "a\0"):
        with pytest.raises(ValueError, match=r"\w"):
            check_filter(wrong)


def test_pointers_are_those_of_rfc_6901():
    """The examples of its section 5."""
    text = '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}'
    document = json.loads(text)
    for pointer, value in {
        "": document, "/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/c%d": 2,
        "/e^f": 3, "/i\\j": 5, '/k"l': 6, "/ ": 7, "/m~0n": 8, "/foo/00": ABSENT,
        "/foo/-": ABSENT, "/foo/2": ABSENT, "/foo/x": ABSENT, "/a/b": ABSENT,
    }.items():  # fmt: skip
        assert find(document, steps(pointer)) == value, pointer
    for wrong in ("foo", "/~", "/~2"):
        with pytest.raises(ValueError, match="JSON pointer"):
            steps(wrong)


@pytest.mark.parametrize(
    ("given_", "number"),
    [
        (21.5, 43.0), (2, 4.0), (True, 2.0), (False, 0.0), ("red", 4.0), ("7.5", 15.0),
        ("blue", None), (None, None), ([1], None), ({}, None), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_scaled_and_what_is_none_is_said(given_, number):
    more = 'readings.x = { pointer = "/x", scale = 2, text = true, values = { red = 2 } }'
    more = more.replace("scale = 2", "scale = 2.0")
    draft = translator(rule(more=more)).translate(heard({"x": given_}))
    if number is None:
        assert draft.kind == "event"
        assert draft.source["untaken"] == {"x": "not a number"}
        assert json.loads(draft.source["text"]) == {"x": given_}
        return
    expected = number if given_ != "red" else 2.0
    assert draft.readings == {"x": expected}


def test_a_reading_that_is_absent_leaves_the_others_and_one_that_is_infinite_is_none():
    more = 'readings.x = { pointer = "/x" }\nreadings.y = { pointer = "/y", scale = 1e300 }'
    draft = translator(rule(more=more)).translate(heard({"y": 1e300, "z": 1}))
    assert draft.source["untaken"] == {"x": "absent", "y": "not finite"}
    draft = translator(rule(more=more)).translate(heard({"x": 1, "y": 1e300}))
    assert draft.readings == {"x": 1.0}


@pytest.mark.parametrize(
    ("form", "said", "time"),
    [
        ("iso", "2026-11-23T08:00:00Z", 1_795_420_800_000_000),
        ("iso", "2026-11-23T09:00:00.5+01:00", 1_795_420_800_500_000),
        ("ms", 1_795_420_800_000, 1_795_420_800_000_000),
        ("s", 1_795_420_800.25, 1_795_420_800_250_000),
        ("iso", "2026-11-23T08:00:00", None), ("iso", "yesterday", None), ("iso", 5, None),
        ("ms", "5", None), ("ms", -1, None), ("s", 1e300, None), ("s", True, None),
        ("iso", "0001-01-01T00:00:00+14:00", None),
    ],
)  # fmt: skip
def test_a_time_is_the_source_s_where_it_says_one_and_else_the_receipt_s(form, said, time):
    more = f'time = {{ pointer = "/t", form = "{form}" }}'
    draft = translator(rule(more=more)).translate(heard({"t": said}))
    assert draft.time == (NOW if time is None else time)
    assert draft.source["clock"] == ("gateway" if time is None else "source")
    assert ("time" in draft.source.get("untaken", {})) is (time is None)


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_whatever_comes_gives_one_message_that_names_its_exact_bytes_and_holds_them(payload):
    """And a reader takes it: it is signed and parsed strictly."""
    from simulator.chain import Chain

    draft = translator(rule(more='readings.x = { pointer = "" }\nkeep = "always"')).translate(
        heard(payload, again=True, marks={"qos": 1})
    )
    key = SigningKey.from_seed(bytes(32))
    chain = Chain(key=key, topic=draft.topic, session="s", prev=None)
    entry = chain.seal(
        draft.kind, time=draft.time, readings=draft.readings, content=draft.content,
        source=draft.source,
    )  # fmt: skip
    message = parse(entry.payload, draft.kind)
    assert message.source is not None
    assert message.source == read_source(draft.source)
    assert message.source.sha256 == sha256(payload).hexdigest()
    member = json.loads(entry.payload)["source"]
    from gateway_line import kept

    assert kept(member) == payload


@given(st.text(max_size=80), st.text(max_size=80))
def test_names_out_of_messages_are_segments_or_none(one, other):
    """Of a level and of a member; what gives no name goes to the device for all else."""
    found = translator(rule("plc/{name}/x", "{name}-{/serial}"))
    topic = "plc/" + one.replace("/", "") + "/x"
    draft = found.translate(heard({"serial": other}, topic))
    assert is_segment(draft.topic.machine)
    assert draft.topic.machine == "others" or len(draft.topic.machine) >= 1
    for odd in (None, 1.5, True, [], {}):
        assert found.translate(heard({"serial": odd}, "plc/a/x")).topic.machine == "others"
    assert found.translate(heard({"serial": "{name}"}, "plc/a/x")).topic.machine == "a--name-"


def test_what_is_too_long_is_hashed_and_said_to_be_left_out():
    found = translator(rule(more="keep_at_most = 4"))
    assert found.translate(heard(b"12345")).source["left_out"] is True
    assert found.translate(heard(b"abcd")).source["text"] == "abcd"
    never = translator(rule(more='keep = "never"')).translate(heard(b"abcd"))
    assert not {"text", "base64", "left_out"} & never.source.keys()


def test_the_first_rule_that_matches_counts_and_none_may():
    found = translator(rule("plc/one", "first"), rule("plc/#", "second"), otherwise=OTHERWISE)
    assert found.translate(heard(b"1", "plc/one")).topic.machine == "first"
    assert found.translate(heard(b"1", "plc/two")).topic.machine == "second"
    assert found.translate(heard(b"1", "other")).topic.machine == "others"
    alone = translator(rule("plc/one", "first"), otherwise="")
    assert alone.translate(heard(b"1", "other")) is None


def test_a_node_s_value_is_a_reading_only_where_its_status_is_good():
    text = HEAD + '[opcua]\nurl = "opc.tcp://h:1"\n[[node]]\nnode = "ns=2;s=T"\ndevice = "p"\n'
    found = Translator(read_mapping(text + 'readings.t = { unit = "Cel" }\n', "m.toml"))
    for good, kind in ((True, "telemetry"), (False, "event")):
        said = Values(21.5, NOW - 5, good)
        draft = found.translate(Heard("ns=2;s=T", b"x", NOW, values=said, marks={"status": 0}))
        assert (draft.kind, draft.time, draft.source["clock"]) == (kind, NOW - 5, "source")


BAD = {
    "": "gateway: is not there, and has to be",
    HEAD: "rule: it maps nothing",
    HEAD + "[[rule]\n": "TOML 1.0",
    HEAD.replace('"g"', '"G 1"') + rule(device="x"): "gateway: allowed: ^[a-z0-9_-]{1,64}$",
    HEAD + rule(device="x", more='tpoic = "a"'): "rule.1.tpoic: no such field (did you mean top",
    HEAD + rule(device="x", more='readings.t = { pointr = "/a" }'): "did you mean pointer?",
    HEAD + rule("a/#/b", "x"): "rule.1.topic: # stands alone, as the last level, not 'a/#/b'",
    HEAD + rule(device="{nme}") + OTHERWISE: "{nme} names no level of the topic",
    HEAD + rule(): "otherwise: a rule that takes names from messages needs it",
    HEAD + rule(device="Press 1"): "rule.1.device: 1 to 64 of a-z, 0-9, _ and -",
    HEAD + rule(device="x", more='readings.t = { pointer = "a" }'): "a JSON pointer starts with /",
    HEAD + rule(device="x", more="qos = 2"): "rule.1.qos: allowed: 0 or 1, not 2",
    HEAD + rule(device="x", more='keep = "some"'): "'unmapped', 'always' or 'never', not 'some'",
    HEAD + rule(device="x", more='time = { pointer = "/t", form = "unix" }'): "'iso', 's' or 'ms'",
    HEAD + rule(device="x", more="readings.t = { scale = nan }"): "rule.1.readings.t.scale",
    HEAD + '[[node]]\nnode = "x"\ndevice = "p"\n': "a node id is written ns=2;s=",
    HEAD + '[[node]]\nnode = "i=1"\ndevice = "p"\n': "[opcua] and [[node]] belong together",
    HEAD + rule(device="x", more='event = "\\u0000"'): "rule.1.event: no signed message holds",
    HEAD + rule(device="x", more='readings."\\u0000" = {}'): "no signed message holds U+0000",
    HEAD + rule(device="x", more='readings.t = { unit = "\\u0000" }'): "readings.t.unit: no sign",
    HEAD + rule(device="x") + '[source]\nbroker = "a"': "source.broker: broker address 'a': write",
    HEAD + "x = " + "[" * 3000 + "\n": "m.toml",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_mapping_is_told_by_file_and_key_and_what_is_allowed(text):
    with pytest.raises(BadMapping) as refused:
        read_mapping(text, "m.toml")
    assert str(refused.value).startswith("m.toml")
    assert BAD[text] in str(refused.value), str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        rule(device="x") + '[source]\nbroker = "mqtt://u:secret@h"',
        '[opcua]\nurl = "opc.tcp://u:secret@h"\n[[node]]\nnode = "i=1"\ndevice = "p"\n',
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text):
    with pytest.raises(BadMapping, match="user and password do not belong there") as refused:
        read_mapping(HEAD + text, "m.toml")
    assert "secret" not in str(refused.value)


def test_the_example_is_good_and_maps_what_its_factory_says(tmp_path):
    mapping = load_mapping(Path(__file__).parents[2] / "examples" / "gateway_fischertechnik.toml")
    found = Translator(mapping)
    payload = {"temperature": 23.3, "humidity": 34.4, "timestamp": "2026-04-30T19:44:23.572Z"}
    draft = found.translate(heard(payload, "osf/arduino/temperature/dht11-1/state"))
    assert (draft.topic.machine, draft.readings) == (
        "dht11-1", {"temperature": 23.3, "humidity": 34.4},
    )  # fmt: skip
    assert found.translate(heard([], "fts/v1/ff/5iO4/order")).topic.machine == "agv-5io4"
    assert found.translate(heard(b"{", "nobody/knows")).topic.machine == "unmapped"


def test_what_the_page_shows_is_good():
    """Each mapping of docs/gateway.md."""
    page = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
    found = re.findall(r"^( *)```toml\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 2
    for _, text in found:
        assert read_mapping(textwrap.dedent(text), "gateway.md").gateway == "hall-2"


def test_what_comes_again_is_known_after_a_restart_and_memory_is_bounded(tmp_path):
    file = tmp_path / "repeats"
    first = [heard(b"x", number=number) for number in range(1, 11)]
    Repeats(file, 8).remember(first)
    with file.open("ab") as torn:
        torn.write(b"half of an entry")
    known = Repeats(file, 8)
    again = [heard(b"x", number=number, again=True) for number in range(1, 11)]
    assert [known.known(one) for one in again] == [False] * 2 + [True] * 8
    assert not known.known(heard(b"y", number=5, again=True)), "another payload"
    assert not known.known(heard(b"x", number=5)), "not marked as sent before"
    for _ in range(40):
        known.remember(first)
    assert file.stat().st_size <= 34 * 8 * 17
    assert Repeats(None).known(again[0]) is False
