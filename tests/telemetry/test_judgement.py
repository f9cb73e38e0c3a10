"""Every row of the status table, and that the first one that applies wins."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.judgement import STATUSES, Judgement, judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import MAX_LENGTH, compose, parse
from telemetry.signature import SigningKey, seal
from telemetry.topic import MachineTopic

KEYS = [SigningKey.from_seed(bytes([n]) * 32) for n in range(3)]
TOPIC = MachineTopic("", "ent", "site", "area", "line", "mill-1", "telemetry")
NAMED = ("device", "session", "seq", "time", "key", "entry", "message")


def enrol(number, key, name="mill-1", action="enrol", prior=None):
    public = None if key is None else key.public_key
    return KeyStatement(bytes([number]) * 32, action, "device", name, number, public, prior)


def body_of(key=KEYS[0], device="mill-1", kind="telemetry", **parts):
    content = {"readings": {"speed": 1.5}} if kind == "telemetry" else {"content": {"name": "x"}}
    head = {"session": "s-1", "seq": 41, "prev": None, "anchor": None, "time": 7, **parts}
    return compose(kind=kind, device=device, key=key.key_id, **content, **head)


def payload_of(key=KEYS[0], topic=TOPIC, **parts):
    return seal(key, topic, body_of(key, kind=topic.kind, **parts))


RING = Keyring([enrol(1, KEYS[0]), enrol(2, KEYS[1], "mill-2")])
GOOD = payload_of()


def test_accepted():
    found = judge(str(TOPIC), GOOD, RING)
    assert found == Judgement(
        status="accepted",
        device="mill-1",
        session="s-1",
        seq=41,
        time=7,
        key=KEYS[0].key_id,
        entry=bytes([1]) * 32,
        keys=2,
        body_hash=hashlib.sha256(GOOD[:-98]).digest(),
        message=parse(GOOD, "telemetry"),
    )


def test_the_prefix_is_not_signed_and_the_rest_is():
    assert judge(f"p/q/{TOPIC}", GOOD, RING).status == "accepted"
    for other in ("x/site/area/line", "ent/x/area/line", "ent/site/x/line", "ent/site/area/x"):
        assert judge(f"{other}/mill-1/telemetry", GOOD, RING).status == "bad-signature"


@pytest.mark.parametrize("kind", ["event", "telemetry"])
def test_a_signature_serves_one_kind(kind):
    topic = TOPIC.with_kind(kind)
    data = payload_of(topic=topic)
    assert judge(str(topic), data, RING).status == "accepted"
    # A body that is both an event and telemetry still is what its tag says.
    both = body_of().replace(b',"key"', b',"event":{"name":"x"},"key"')
    data = seal(KEYS[0], topic, both)
    assert judge(str(topic), data, RING).status == "accepted"
    other = TOPIC.with_kind("telemetry" if kind == "event" else "event")
    assert judge(str(other), data, RING).status == "bad-signature"


BAD_BODY = b'{"device":"mill-1"'
OTHER = MachineTopic("", "ent", "site", "area", "line", "mill-2", "telemetry")
FORGED = GOOD[:-98] + seal(KEYS[2], TOPIC, GOOD[:-98])[-98:]
UNKNOWN = payload_of(KEYS[2])
TABLE = [
    # status, topic, payload, keys counted, body hashed
    ("unsigned", str(TOPIC), b"", 0, False),
    ("unsigned", str(TOPIC), b"\xff\x00 not even text", 0, False),
    ("unsigned", str(TOPIC), GOOD[:-1], 0, False),
    ("unsigned", "foreign/topic", b'{"a":1}', 0, False),
    ("unsigned", str(TOPIC), b"x" * (MAX_LENGTH + 1), 0, False),
    ("malformed", str(TOPIC), seal(KEYS[0], TOPIC, BAD_BODY), 0, True),
    ("malformed", "foreign/topic", seal(KEYS[0], TOPIC, BAD_BODY), 0, True),
    ("malformed", str(TOPIC), seal(KEYS[0], TOPIC, b"[" * 100_000), 0, True),
    ("malformed", str(TOPIC), seal(KEYS[0], TOPIC, b" " * MAX_LENGTH), 0, True),
    ("malformed", str(TOPIC.with_kind("event")), GOOD, 0, True),
    ("malformed", str(OTHER), seal(KEYS[0], OTHER, BAD_BODY), 0, True),
    ("bad-signature", "foreign/topic", GOOD, 2, True),
    ("bad-signature", "", GOOD, 2, True),
    ("bad-signature", str(TOPIC.with_kind("death")), GOOD, 2, True),
    ("bad-signature", str(TOPIC.with_kind("receipt")), GOOD, 2, True),
    ("bad-signature", str(OTHER), GOOD, 2, True),
    ("bad-signature", str(OTHER), seal(KEYS[1], OTHER, body_of(KEYS[1])), 2, True),
    ("bad-signature", "foreign/topic", UNKNOWN, 2, True),
    ("unknown-device", str(TOPIC), UNKNOWN, 2, True),
    # Enrolled, but for another device.
    ("unknown-device", str(TOPIC), payload_of(KEYS[1]), 2, True),
    ("unknown-device", str(TOPIC), UNKNOWN[:-98] + FORGED[-98:], 2, True),
    ("bad-signature", str(TOPIC), FORGED, 2, True),
    ("bad-signature", str(TOPIC), GOOD[:-98].replace(b"1.5", b"1.6") + GOOD[-98:], 2, True),
]


@pytest.mark.parametrize(("status", "topic", "payload", "keys", "hashed"), TABLE)
def test_the_first_row_that_applies_wins_and_names_nobody(status, topic, payload, keys, hashed):
    found = judge(topic, payload, RING)
    assert (found.status, found.keys) == (status, keys)
    assert all(getattr(found, name) is None for name in NAMED)
    expected = hashlib.sha256(payload[:-98]).digest() if hashed else None
    assert found.body_hash == expected


@pytest.mark.parametrize("successor", [None, KEYS[1]])
def test_an_ended_key_is_revoked_and_still_names_its_device(successor):
    action = "revoke" if successor is None else "rotate"
    ring = Keyring([enrol(1, KEYS[0]), enrol(3, successor, action=action, prior=bytes([1]) * 32)])
    found = judge(str(TOPIC), GOOD, ring)
    assert (found.status, found.entry, found.keys) == ("revoked", bytes([3]) * 32, 2)
    assert (found.device, found.session, found.seq, found.time) == ("mill-1", "s-1", 41, 7)
    assert (found.key, found.message) == (KEYS[0].key_id, parse(GOOD, "telemetry"))
    # A forger gains nothing from a key that has ended.
    assert judge(str(TOPIC), FORGED, ring).status == "bad-signature"
    if successor is not None:
        after = judge(str(TOPIC), payload_of(successor), ring)
        assert (after.status, after.entry) == ("accepted", bytes([3]) * 32)


def test_a_key_enrolled_again_is_good_again_and_may_end_again():
    ring = Keyring([enrol(1, KEYS[0]), enrol(2, None, action="revoke", prior=bytes([1]) * 32)])
    ring.apply(enrol(3, KEYS[0]))
    found = judge(str(TOPIC), GOOD, ring)
    assert (found.status, found.entry) == ("accepted", bytes([3]) * 32)
    ring.apply(enrol(4, None, action="revoke", prior=bytes([3]) * 32))
    found = judge(str(TOPIC), GOOD, ring)
    assert (found.status, found.entry, found.keys) == ("revoked", bytes([4]) * 32, 4)


def test_a_device_may_sign_with_any_of_its_keys():
    ring = Keyring([enrol(1, KEYS[0]), enrol(2, KEYS[1])])
    for number, key in enumerate(KEYS[:2], 1):
        found = judge(str(TOPIC), payload_of(key), ring)
        assert (found.status, found.entry) == ("accepted", bytes([number]) * 32)
    # One key's id over another's signature.
    crossed = seal(KEYS[1], TOPIC, body_of(KEYS[0]))
    assert judge(str(TOPIC), crossed, ring).status == "bad-signature"


@given(st.text(max_size=30) | st.just(str(TOPIC)), st.binary(max_size=200))
def test_nothing_stalls_the_judge(topic, data):
    for payload in (data, data + GOOD[-98:], GOOD[:50] + data + GOOD[-98:]):
        found = judge(topic, payload, RING)
        assert found.status in STATUSES
        assert found.status not in {"accepted", "revoked", "conflict"} or payload == GOOD


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_is_accepted(place, flip):
    changed = GOOD[:place] + bytes([GOOD[place] ^ flip]) + GOOD[place + 1 :]
    assert judge(str(TOPIC), changed, RING).status != "accepted"
