"""What machines and collectors say: messages, headers, receipts, records, topics, properties."""

import json

import msgspec
from fuzz_target import Skipped, Target, cut, same, text
from paho.mqtt.client import topic_matches_sub

from telemetry import strict_json
from telemetry.address import Address
from telemetry.canonical import b64, time_text, time_us, unb64
from telemetry.errors import MalformedMessage, NotCanonical, NotStrictJson
from telemetry.header import Header, find_header, header_properties, message_of, parse_header
from telemetry.header import seal_header as sealed
from telemetry.judgement import STATUSES, judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import (
    BirthContent,
    Cited,
    EventContent,
    Scan,
    StateContent,
    _parse_fast,
    _parse_slow,
    compose,
    parse,
)
from telemetry.properties import Properties
from telemetry.receipt import Receipt, ReceiptLeaf, bodies_digest
from telemetry.record import Record
from telemetry.recorded_time import unstamped
from telemetry.signature import SigningKey, join, seal, split
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import SIGNED_KINDS, MachineTopic, check_name, is_own, matches

KEY = SigningKey.from_seed(bytes(range(32)))
PLACE = MachineTopic.parse("works/north/machining/line-1/mill-01/telemetry")
SPARKPLUG = SparkplugTopic.parse("spBv1.0/works/DDATA/line-1/mill-01")
TIME = 1_795_420_800_000_000
HASH = bytes(range(100, 132))
READINGS = {"spindle_temperature": 61.2, "power": 7.0, "count": 12.0, 'läng"e': -1e-9}
assert PLACE is not None
assert SPARKPLUG is not None


def bodies() -> list[bytes]:
    """A body of each kind."""
    common = dict(
        device="mill-01", session="s1", key=KEY.key_id, seq=41, prev=HASH, time=TIME,
        anchor=Cited(7, HASH),
    )  # fmt: skip
    birth = BirthContent(
        metrics={"power": {"unit": "kW", "low": 0, "high": 9.5}}, kind="mill",
        public_key=b64(KEY.public_key),
    )  # fmt: skip
    scans = [Scan(TIME, {"power": 1.5}), Scan(TIME + 1, {"power": 2})]
    event = EventContent(name="evicted", ranges=[[0, 3]], why="é\n")
    return [
        compose(**common, kind="telemetry", readings=READINGS),
        compose(**common, kind="telemetry", scans=scans),
        compose(**common, kind="birth", content=birth),
        compose(**common, kind="state", content=StateContent(name="EXECUTE", number=6)),
        compose(**common, kind="event", content=event),
    ]


def payloads() -> list[bytes]:
    """A signed payload of each kind."""
    return [seal(KEY, PLACE, body) for body in bodies()]


def _message(data: bytes) -> None:
    refused = 0
    for kind in SIGNED_KINDS:
        try:
            message = parse(data, kind)
        except MalformedMessage:
            refused += 1
            continue
        assert join(message.body, message.signature) == data
        assert message.kind == kind
    if refused == len(SIGNED_KINDS):
        raise MalformedMessage("of no kind")


def _two_ways(data: bytes) -> None:
    """What the fast way takes the slow one takes too, for the same message."""
    parts = split(data)
    if parts is None:
        raise Skipped
    fast = _parse_fast(data, *parts)
    if fast is None:
        raise Skipped
    assert fast == _parse_slow(data, *parts, kind="telemetry")


def _strict(data: bytes) -> None:
    said = text(data)
    value = strict_json.loads(said)
    assert json.loads(said) == value
    assert msgspec.json.decode(data) == value


def _header(data: bytes) -> None:
    parts = split(data)
    if parts is None:
        raise Skipped
    signed = parse_header(*parts)
    assert join(signed.header.to_body(), signed.signature) == data


def header_value() -> bytes:
    """A sealed header, as the user property's value."""
    said = Header("mill-01", "s1", 3, HASH, Cited(9, HASH), TIME, HASH, KEY.key_id)
    return sealed(KEY, SPARKPLUG, said.to_body()).encode()


def properties() -> list[bytes]:
    """Canonical properties: a header's, and others."""
    many = Properties(
        payload_format_indicator=1, content_type="text/é", response_topic="a/b",
        correlation_data=b"\0\1", user_properties=(("a", "b"), ("a", "c")),
    )  # fmt: skip
    found = [header_properties(header_value().decode()).to_text(), many.to_text()]
    return [one.encode() for one in found if one is not None]


def _found_header(data: bytes) -> None:
    said = text(data)
    Properties.from_text(said)
    find_header(said)
    message_of(str(SPARKPLUG), said)


RING = Keyring([KeyStatement(HASH, "enrol", "device", "mill-01", TIME, KEY.public_key)])


def _judged(data: bytes) -> None:
    topic, said, payload = cut(data, 3)
    place = topic.decode(errors="replace")
    known = said.decode(errors="replace")
    for properties_text in (None, known):
        found = judge(place, payload, RING, properties_text)
        assert found.status in STATUSES
        assert (found.message is None) == (found.status not in {"accepted", "revoked"})


def _judged_seeds() -> list[bytes]:
    plain = b"\n%%%\n".join([str(PLACE).encode(), b"", payloads()[0]])
    headed = b"\n%%%\n".join([str(SPARKPLUG).encode(), properties()[0], b"\x08\x01"])
    return [plain, headed]


def _topic(data: bytes) -> None:
    name = text(data)
    place = MachineTopic.parse(name)
    assert place is None or str(place) == name
    other = SparkplugTopic.parse(name)
    assert other is None or str(other) == name
    is_own(name)
    check_name(name)


def _filter(data: bytes) -> None:
    """Two programs agree on which filter matches which topic, of what a broker lets through."""
    pattern, _, name = text(data).partition("\n")
    check_name(name)
    levels = pattern.split("/")
    # The other one takes `$share/…` for topics, and has no opinion of what is no filter.
    if (
        not pattern
        or "\0" in pattern
        or any("#" in one or "+" in one for one in levels[:-1] if one != "+")
    ):
        raise Skipped
    if levels[-1] not in {"#", "+"} and set(levels[-1]) & {"#", "+"}:
        raise Skipped
    assert matches(pattern, name) == topic_matches_sub(pattern, name)


def _record() -> list[bytes]:
    whole = Record(
        TIME, TIME - 5, str(PLACE), None, "accepted", "mill-01", "s1", 3, KEY.key_id, 2, HASH,
        HASH, HASH,
    )  # fmt: skip
    bare = Record(
        TIME, None, "a/é", properties()[1].decode(), "unsigned", None, None, None, None, 0, None,
        HASH, None,
    )  # fmt: skip
    return [whole.to_bytes(), bare.to_bytes()]


LEAF = ReceiptLeaf("c0", "mill-01", "s1", ((0, 4), (7, 7)), bodies_digest([HASH]), TIME)


def _time(data: bytes) -> None:
    said = text(data)
    assert time_text(time_us(said)) == said


TARGETS = [
    Target(
        "message",
        _message,
        (MalformedMessage,),
        payloads,
        (b'"readings":{', b'"scans":[', b',"sig":"', b'"prev":null', b"-0", b"1e400", b"\\u0000"),
    ),
    Target(
        "message-two-ways", _two_ways, (NotCanonical, MalformedMessage), lambda: payloads()[1:2]
    ),
    Target(
        "strict-json",
        _strict,
        (NotStrictJson,),
        lambda: [*payloads()[:3], b'[1,-0,1.5e3,"\\ud83d\\ude00",{"a":[[[]]]},null,true]'],
        (b"\\ud800", b"\\u0000", b"NaN", b"Infinity", b"1E5", b"-0", b"[[[["),
    ),
    Target("header", _header, (MalformedMessage,), lambda: [header_value()]),
    Target("header-in-properties", _found_header, (NotCanonical,), properties),
    Target("judgement", _judged, (), _judged_seeds),
    Target(
        "topic",
        _topic,
        (NotCanonical,),
        lambda: [
            str(PLACE).encode(),
            str(SPARKPLUG).encode(),
            b"p/ledger/outbox/spBv1.0/g/DDATA/n/d",
        ],
        (b"/", b"+", b"#", b"$share/", b"ledger/", b"spBv1.0/", b"\xef\xbf\xbf", b"\0"),
    ),
    Target(
        "filter", _filter, (NotCanonical,), lambda: [b"a/+/c/#\na/b/c", b"#\n$SYS/a", b"+/+\n/b"]
    ),
    Target(
        "properties",
        same(lambda data: Properties.from_text(text(data)), lambda p: (p.to_text() or "").encode()),
        (NotCanonical,),
        properties,
        (b'"user":', b'"content_type":'),
    ),
    Target(
        "recorded-time",
        lambda data: unstamped(Properties.from_text(text(data))),
        (NotCanonical,),
        properties,
    ),
    Target(
        "receipt",
        same(Receipt.from_bytes, Receipt.to_bytes),
        (NotCanonical,),
        lambda: [Receipt(LEAF.to_bytes(), 1, (HASH,), "text\n\n— a b\n".encode()).to_bytes()],
    ),
    Target(
        "receipt-leaf",
        same(ReceiptLeaf.from_bytes, ReceiptLeaf.to_bytes),
        (NotCanonical,),
        lambda: [LEAF.to_bytes()],
    ),
    Target("record", same(Record.from_bytes, Record.to_bytes), (NotCanonical,), _record),
    Target(
        "base64",
        same(lambda data: unb64(text(data)), lambda value: b64(value).encode()),
        (NotCanonical,),
        lambda: [b64(HASH).encode(), b"AA=="],
    ),
    Target(
        "time",
        _time,
        (NotCanonical,),
        lambda: [time_text(TIME).encode(), b"9999-12-31T23:59:59.999999Z"],
    ),
    Target(
        "broker-address",
        lambda data: Address.parse(text(data)),
        (ValueError,),
        lambda: [b"mqtt://127.0.0.1:1883", b"mqtts://[::1]"],
        (b"@", b"[", b"]", b":", b"%"),
    ),
]
