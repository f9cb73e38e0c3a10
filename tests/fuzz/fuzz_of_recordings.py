"""Recordings: our own lines and files, packed or not, and those of other programs."""

import io

from fuzz_of_messages import PLACE, TIME, payloads
from fuzz_target import Skipped, Target, cut, same

from recorder.rebase import moved
from telemetry.errors import MalformedRecording, NotCanonical
from telemetry.foreign import FORMATS
from telemetry.mosquitto_log import read_mosquitto, write_mosquitto
from telemetry.mqttx_log import read_mqttx
from telemetry.packing import Packing
from telemetry.properties import Properties
from telemetry.recorder_csv import read_csv, write_csv
from telemetry.recording import Header, Line, Writer, read
from telemetry.session_log import read_session

PACKED = b"\x28\xb5\x2f\xfd"
HEADER = Header("mqtt://localhost", ("a/#", "é"), "system", TIME)
MANY = Properties(
    1, "text/é", "a/b", b"\0\1", (("a", "b"), ("a", "c")), 60, (7,)
)  # fmt: skip
TEXTS = Properties(1, "text/é", "a/b", b"data", (("a", "b"), ("a", "c")), 60, (7,))


def lines() -> list[Line]:
    """A message of each shape: JSON, text, binary, with properties, nothing."""
    return [
        Line(TIME, str(PLACE), payloads()[0], 1),
        Line(TIME + 1, "a/é", "tëxt\0".encode(), 0, retain=True),
        Line(TIME + 2, "b", b"\xff\0", 2, properties=MANY),
        Line(TIME + 3, "c", b""),
    ]


def recording() -> bytes:
    """A whole recording."""
    file = io.BytesIO()
    with Writer(file, HEADER) as writer:
        for line in lines():
            writer.write(line)
    return file.getvalue()


def packed() -> bytes:
    """The same under Zstandard."""
    file = io.BytesIO()
    packing = Packing(file)
    packing.write(recording())
    packing.close()
    return file.getvalue()


def _read(data: bytes, form: str | None = None) -> None:
    if data.startswith(PACKED):
        raise Skipped
    kept = read(io.BytesIO(data), "file", form=form, keep_going=True, ordered=True)
    found = [line for _, line in kept]
    for line in found:
        line.to_bytes()
    strict = read(io.BytesIO(data), "file", form=form)
    assert [line for _, line in strict] == found


def _packed(data: bytes) -> None:
    """Up to the first line that is broken: a few bytes may unpack to millions of lines."""
    for _ in read(io.BytesIO(data), "file"):
        pass


def _session(data: bytes) -> None:
    for first in (True, False):
        found = read_session(data, first=first)
        assert found is None or Line(*found).to_bytes()


def _mosquitto(data: bytes) -> None:
    line = read_mosquitto(data)
    if b"\0" not in line.payload and len(line.properties.subscription_identifiers) < 2:
        assert read_mosquitto(write_mosquitto(line)) == line


def _csv(*, base64: bool):
    def run(data: bytes) -> None:
        line = read_csv(data, base64=base64)
        assert read_csv(write_csv(line, 0, base64=base64), base64=base64) == line

    return run


def _moved(data: bytes) -> None:
    delta, payload = cut(data, 2)
    there = moved(payload, int.from_bytes(delta[:8], "big", signed=True))
    assert len(there) == len(payload)


def _file(form: str):
    return lambda data: _read(data, form)


PLAIN = [Line(TIME, "a/b", b'{"x":1}', 1), Line(TIME + 5, "é", "tëxt".encode(), 0, retain=True)]
MOSQUITTO = [*map(write_mosquitto, [*PLAIN, Line(TIME, "p", b"x", properties=TEXTS)])]
MOSQUITTO_21 = (
    b'{"tst":"2026-11-23T08:00:00.000000+0100","topic":"a","qos":1,"retain":0,"payloadlen":1,'
    b'"mid":3,"properties":{"user-properties":[{"name":"a","value":"b"}]},"payload":"x"}'
)
SESSION = [
    b'{"session":"x"}',
    b'{"topic":"a/b","payload":"{}","timestamp":"2026-05-12T10:28:31.123456","qos":1,"retain":false}',
]
CSV = [write_csv(line, TIME, base64=False) for line in PLAIN]
CODED = [write_csv(line, TIME, base64=True) for line in [*PLAIN, Line(TIME, "b", b"\xff\0")]]
PRINTED = (
    b'{\n  "packet": {"cmd": "publish", "topic": "a", "qos": 1, "retain": false, "payload": '
    b'{"type": "Buffer", "data": [1, 255]}, "properties": {"userProperties": {"a": ["b", "c"]}, '
    b'"correlationData": {"type": "Buffer", "data": [0, 1]}, "messageExpiryInterval": 60}}\n}\n'
)
EXPORT = (
    b'[\n {"name": "c", "messages": [{"out": false, "createAt": "2026-11-23 08:00:00:123", '
    b'"topic": "a/b", "payload": "t", "qos": 0, "retain": true, '
    b'"properties": {"contentType": "x"}}]}\n]\n'
)
JSON = (b"null", b"1e400", b"[]", b"{}", b"true", b'"qos":', b'"topic":', b'"payload":')
TIMES = (b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"1E+999999999", b"NaN")

TARGETS = [
    Target(
        "header",
        same(Header.from_bytes, Header.to_bytes),
        (NotCanonical,),
        lambda: [HEADER.to_bytes()],
        JSON,
    ),
    Target(
        "line",
        same(Line.from_bytes, Line.to_bytes),
        (NotCanonical,),
        lambda: [line.to_bytes() for line in lines()],
        (*JSON, b'"json":', b'"text":', b'"base64":'),
    ),
    Target(
        "recording",
        _read,
        (MalformedRecording,),
        lambda: [recording()],
        (b'{"end":{"count":', *JSON),
    ),
    Target(
        "packed",
        _packed,
        (MalformedRecording,),
        lambda: [packed()],
        (b"\x28\xb5\x2f\xfd",),
        base=4 << 20,
    ),
    Target("session", _session, (ValueError,), lambda: SESSION[1:], (*JSON, *TIMES)),
    Target(
        "mosquitto", _mosquitto, (ValueError,), lambda: [*MOSQUITTO, MOSQUITTO_21], (*JSON, *TIMES)
    ),
    Target("mqttx", read_mqttx, (ValueError,), lambda: [PRINTED, EXPORT], (*JSON, *TIMES)),
    Target("csv", _csv(base64=False), (ValueError,), lambda: CSV, TIMES),
    Target("csv-base64", _csv(base64=True), (ValueError,), lambda: CODED, TIMES),
    *(
        Target(
            f"file-{form}",
            _file(form),
            (MalformedRecording,),
            lambda made=made: [b"".join(made)],
            (*JSON, *TIMES),
        )
        for form, made in {
            "session": [one + b"\n" for one in SESSION],
            "mosquitto": [one + b"\n" for one in MOSQUITTO],
            "mqttx": [PRINTED, EXPORT],
            "mqtt-recorder": CSV,
            "mqtt-recorder-base64": CODED,
        }.items()
    ),
    Target(
        "rebased",
        _moved,
        (),
        lambda: [b"\0\0\0\0\0\x0fB@\n%%%\n" + payloads()[0]],
        (b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999999+01:00"'),
    ),
]
assert set(FORMATS) == {one.name.removeprefix("file-") for one in TARGETS if "file-" in one.name}
