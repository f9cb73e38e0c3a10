"""Other programs' recordings: every message to the byte, or the line and the reason."""

import base64
import csv
import io
import json
import shutil
import subprocess
from dataclasses import replace
from itertools import chain

import pytest

from telemetry.canonical import time_us
from telemetry.errors import MalformedRecording
from telemetry.foreign import FORMATS, PieceTooLong, guess
from telemetry.properties import Properties
from telemetry.recording import Line, read

AT = time_us("2026-11-28T04:18:02.331566Z")
# As mosquitto_sub 2.0.11 printed them.
MOSQUITTO = (
    '{"tst":"2026-11-28T04:18:02.331566Z+0000","topic":"a/ü","qos":1,"retain":0,"payloadlen":8,'
    '"mid":1,"properties":{"content-type":"t","user-properties":{"a":"1","a":"2"},'
    '"correlation-data":"cdé","response-topic":"r","payload-format-indicator":1,'
    '"message-expiry-interval":100},"payload":"{\\"x\\": 1}"}\n'
    '{"tst":"2026-11-28T05:18:02.331566Z+0100","topic":"a/ü","qos":0,"retain":1,"payloadlen":0,'
    '"payload":null}\n'
)
RICH = Properties(
    payload_format_indicator=1,
    content_type="t",
    response_topic="r",
    correlation_data="cdé".encode(),
    user_properties=(("a", "1"), ("a", "2")),
    message_expiry_interval=100,
)


def taken(data, **how):
    """All that is read before the end or the error, and the reading or the error."""
    found = []
    try:
        reading = read(io.BytesIO(data), "x", **how)
        found.extend(reading)
    except MalformedRecording as error:
        return found, error
    return found, reading


def test_mosquitto_sub_prints_are_read():
    found, reading = taken(MOSQUITTO.encode())
    assert found == [
        (1, Line(AT, "a/ü", b'{"x": 1}', 1, properties=RICH)),
        (2, Line(AT, "a/ü", b"", retain=True)),
    ]
    assert (reading.header, reading.complete) == (None, None)


def printed(**changes):
    members = {
        "tst": "2026-11-28T04:18:02.331566+0000",
        "topic": "a",
        "qos": 0,
        "retain": 0,
        "payloadlen": 1,
        "payload": "x",
        **changes,
    }
    return json.dumps({k: v for k, v in members.items() if v is not ...}).encode() + b"\n"


def test_user_properties_may_be_a_list_of_objects():
    pairs = [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]
    ((_, line),), _ = taken(printed(properties={"user-properties": pairs}))
    assert line.properties.user_properties == (("a", "1"), ("a", "2"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (printed(payloadlen=5), "had 5 bytes and 1 are here"),
        (b'{"tst":"\xff"}\n', "no UTF-8"),
        (printed(tst="2026-11-28T04:18:02Z"), "not a time"),
        (printed(tst="1970-01-01T00:00:00.000000+0100"), "years"),
        (printed(topic=...), "topic is missing"),
        (printed(topic="a/#"), "wildcard"),
        (printed(topic="\ud800"), "surrogate"),
        (printed(qos=3), "no QoS 3"),
        (printed(qos=True), "qos is not of type int"),
        (printed(retain=2), "retain is neither 0 nor 1"),
        (printed(more=1), "'more' is not known"),
        (printed(properties={"topic-alias": 1}), "'topic-alias' is not known"),
        (printed(properties=[1]), "properties is no object"),
        (printed(properties={"content-type": 1}), "content-type is not of type str"),
        (printed(properties={"user-properties": {"a": 1}}), "no pair of strings"),
        (printed()[:-3] + b"\n", "not JSON"),
        (printed()[:-2] + b',"qos":1}\n', "two members"),
        (b"[" * 100_000 + b"\n", "not JSON"),
    ],
)
def test_a_broken_print_is_named(line, reason):
    found, error = taken(printed() + line + printed())
    assert [number for number, _ in found] == [1]
    assert isinstance(error, MalformedRecording)
    assert error.line == 2
    assert reason in error.reason


def rows(*lines, end="\r\n"):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end).writerows(lines)
    return file.getvalue().encode()


def test_rows_of_mqtt_recorder_are_read():
    data = rows(
        ["a/b", '{"x": "1,2"}', 1, True, 1795839482.331566, 0.5],
        ["a", 'two\r\nlines, "quoted"\n', 0, False, 1795839482.5, 0.1],
        ["a", "", 0, 0, 1795839483, 0.1],
    )
    found, _ = taken(data)
    assert found == [
        (1, Line(1795839482331566, "a/b", b'{"x": "1,2"}', 1, retain=True)),
        (2, Line(1795839482500000, "a", b'two\r\nlines, "quoted"\n')),
        (5, Line(1795839483000000, "a", b"")),
    ]
    binary = rows(["a", base64.b64encode(bytes(range(256))).decode(), 0, 0, 1.5, 0])
    found, _ = taken(binary, form="mqtt-recorder-base64")
    assert found == [(1, Line(1_500_000, "a", bytes(range(256))))]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["a", "x", 3, 0, 1, 0], "no QoS"),
        (["a", "x", 0, "yes", 1, 0], "neither True nor False"),
        (["a", "x", 0, 0, "now", 0], "no number"),
        (["a", "x", 0, 0, "inf", 0], "years"),
        (["a", "x", 0, 0, 1], "columns"),
        (["a/+", "x", 0, 0, 1, 0], "wildcard"),
    ],
)
def test_a_broken_row_is_named(row, reason):
    good = ["a", "x", 0, 0, 1, 0]
    found, error = taken(rows(good, row, good))
    assert len(found) == 1
    assert (error.line, reason in error.reason) == (2, True), error


def test_base64_that_is_none_is_named():
    found, error = taken(rows(["a", "x", 0, 0, 1, 0]), form="mqtt-recorder-base64")
    assert (found, error.line) == ([], 1)
    assert "base64" in error.reason


PACKET = {
    "cmd": "publish",
    "retain": True,
    "qos": 1,
    "dup": False,
    "length": 12,
    "topic": "a/b",
    "payload": {"type": "Buffer", "data": [0, 255, 10]},
    "properties": {"userProperties": {"a": ["1", "2"]}, "contentType": "t"},
    "messageId": 7,
}
EXPORT = {
    "name": "plant",
    "messages": [
        {"createAt": "2026-11-28 04:18:03:500", "out": False, "payload": "é", "qos": 0,
         "retain": False, "topic": "late", "id": "x"},
        {"createAt": "2026-11-28 04:18:02:331", "out": False, "payload": "1", "qos": 2,
         "retain": True, "topic": "early", "properties": {"messageExpiryInterval": 3}},
        {"createAt": "2026-11-28 04:18:02:331", "out": True, "payload": "", "qos": 0,
         "retain": False, "topic": "mine"},
    ],
}  # fmt: skip


def test_what_mqttx_saves_is_read():
    messages = [{"topic": "a/b", "payload": "?", "packet": PACKET}] * 2
    data = "\n".join(json.dumps(one, indent=2) for one in messages).encode()
    properties = Properties(content_type="t", user_properties=(("a", "1"), ("a", "2")))
    line = Line(0, "a/b", b"\x00\xff\n", 1, True, properties)  # noqa: FBT003 - as is
    found, _ = taken(data)
    assert [one for _, one in found] == [line, line]
    for value in (EXPORT, [EXPORT]):
        found, _ = taken(json.dumps(value, indent=2).encode())
        assert [one for _, one in found] == [
            Line(
                time_us("2026-11-28T04:18:02.331000Z"),
                *("early", b"1", 2, True),
                Properties(message_expiry_interval=3),
            ),
            Line(time_us("2026-11-28T04:18:03.500000Z"), "late", "é".encode()),
        ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"payload": {"data": [256]}}, "no list of bytes"),
        ({"payload": {"data": [True]}}, "no list of bytes"),
        ({"payload": "x"}, "payload is not of type dict"),
        ({"topic": "#"}, "wildcard"),
        ({"retain": 1}, "retain is not of type bool"),
        ({"properties": {"userProperties": {"a": 1}}}, "no string"),
        ({"properties": {"correlationData": 1}}, "neither text nor bytes"),
        ({"properties": {"payloadFormatIndicator": "x"}}, "payloadFormatIndicator"),
    ],
)
def test_what_mqttx_would_not_save_is_named(change, reason):
    good = {"topic": "a/b", "payload": "?", "packet": PACKET}
    bad = {**good, "packet": {**PACKET, **change}}
    data = "\n".join(json.dumps(one, indent=2) for one in (good, bad)).encode()
    found, error = taken(data)
    assert len(found) == 1
    assert error.line == json.dumps(good, indent=2).count("\n") + 2
    assert reason in error.reason


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (b'{"tst":"x"}\n', "mosquitto"),
        (b"{\n", "mqttx"),
        (b"[\r\n", "mqttx"),
        (b'a,b,0,0,1,"0"\n', "mqtt-recorder"),
        (b'a,"two\n', "mqtt-recorder"),
        (b'{"topic":"a,b,c,d,e,f"}\n', "session"),
        (b"garbage\n", "session"),
        (b"\n", "session"),
    ],
)
def test_a_format_is_known_by_its_first_line(first, name):
    assert guess(first) is FORMATS[name]


def test_one_goes_on_after_a_broken_line_and_counts_it():
    data = printed() + b"garbage\n" + printed(qos=9) + printed(topic="b")
    found, reading = taken(data, keep_going=True)
    assert [line.topic for _, line in found] == ["a", "b"]
    assert (reading.skipped, reading.complete) == (2, None)
    assert [one.line for one in reading.reasons] == [2, 3]


def test_a_line_of_ten_megabytes_is_read_or_named_in_few_words():
    payload = "x" * 10_000_000
    ((_, line),), _ = taken(printed(payload=payload, payloadlen=len(payload)))
    assert line == replace(line, payload=payload.encode())
    for junk in (b'{"tst":"' + b"x" * 10_000_000, b"x" * 10_000_000, b"," * 10_000_000):
        found, error = taken(junk + b"\n")
        assert found == []
        assert len(str(error)) < 200


def test_a_piece_of_many_lines_has_a_bound():
    mebibyte = b" " * (2**20 - 1) + b"\n"
    export = io.BytesIO(b"[\n" + mebibyte * 65)
    with pytest.raises(MalformedRecording, match=r"x, line 1: a JSON value, .*bracket missing"):
        list(read(export, "x", keep_going=True))

    row = chain([(1, b"t,p,0,0,0,0\n"), (2, b't,"p\n')], ((n, mebibyte) for n in range(3, 600)))
    pieces = FORMATS["mqtt-recorder"].cut(row)
    assert next(pieces) == (1, b"t,p,0,0,0,0\n")
    with pytest.raises(PieceTooLong, match="a quote") as caught:
        next(pieces)
    assert caught.value.line == 2


@pytest.mark.e2e
def test_what_mosquitto_sub_prints_today_is_read(broker, topic_prefix):
    if shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto_sub is not installed (Debian: apt-get install mosquitto-clients)")
    at = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", "1"]
    said = ["content-type", "t", "response-topic", "r", "user-property", "a", "1"]
    words = ["-D", "publish", *said[:2], "-D", "publish", *said[2:4], "-D", "publish", *said[4:]]
    publish = ["mosquitto_pub", *at, "-t", f"{topic_prefix}/t", "-r"]
    subprocess.run([*publish, "-s", *words], input=b'{"x": "\xc3\xa9\n"}', check=True, timeout=10)
    # Retained, so that nobody has to be there first.
    listen = ["mosquitto_sub", *at, "-t", f"{topic_prefix}/#", "-F", "%j", "-C", "1", "-W", "10"]
    out = subprocess.run(listen, capture_output=True, check=True, timeout=15).stdout
    subprocess.run([*publish, "-n"], check=True, timeout=10)
    ((_, line),), _ = taken(out)
    properties = Properties(content_type="t", response_topic="r", user_properties=(("a", "1"),))
    payload = b'{"x": "\xc3\xa9\n"}'
    assert line == Line(line.received, f"{topic_prefix}/t", payload, 1, True, properties)  # noqa: FBT003 - as is
