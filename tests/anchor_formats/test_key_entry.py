"""Key entries: whose key is whose, in the operator's word and one spelling."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import Malformed, Refused
from anchor.key_entry import (
    FIRST_LINE,
    OperatorAuthority,
    countersign,
    enrol,
    enrolment_request,
    erase,
    is_key_entry,
    revoke,
    rotate,
)
from anchor.note import COSIGNATURE, Note, SignerKey, sign_note
from telemetry.canonical import b64
from telemetry.keyring import KeyStatement
from telemetry.signature import SigningKey

OPERATOR = SignerKey.from_seed("example.org/log/operator", bytes([2]) * 32)
DEVICE = SigningKey.from_seed(bytes([20]) * 32)
TIME = 1_764_000_000_123_456
AUTHORITY = OperatorAuthority(OPERATOR.verifier)
ENROLMENT = enrol(operator=OPERATOR, kind="device", name="press-1", key=DEVICE, time=TIME)
TEXT = Note.from_bytes(ENROLMENT).text
PRIOR = sha256(ENROLMENT).digest()

names = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
times = st.integers(0, 253_402_300_799_999_999)
hashes = st.binary(min_size=32, max_size=32)


def test_an_enrolment_is_the_format_s():
    """Written out from docs/formats.md, independent of the code."""
    lines = (
        "factoryledger key entry v1\nenrol device press-1\n"
        f"time 2025-11-24T16:00:00.123456Z\nkey {b64(DEVICE.public_key)}\n"
    )
    possession = DEVICE.sign(b"factoryledger/possession/v1\0" + lines.encode())
    assert f"{lines}possession {b64(possession)}\n" == TEXT
    assert sign_note(TEXT, OPERATOR) == ENROLMENT
    assert AUTHORITY.read(ENROLMENT) == KeyStatement(
        hash=sha256(ENROLMENT).digest(),
        action="enrol",
        kind="device",
        name="press-1",
        time=TIME,
        key=DEVICE.public_key,
    )


def test_a_gateway_s_key_is_the_format_s():
    """Written out from docs/formats.md, independent of the code."""
    said = dict(operator=OPERATOR, name="press-1", key=DEVICE, time=TIME, gateway="line-4")
    lines = (
        "factoryledger key entry v3\nenrol device press-1\ntime 2025-11-24T16:00:00.123456Z\n"
        f"signed-by gateway line-4\nkey {b64(DEVICE.public_key)}\n"
    )
    possession = DEVICE.sign(b"factoryledger/possession/v1\0" + lines.encode())
    entry = enrol(kind="device", **said)
    assert entry == sign_note(f"{lines}possession {b64(possession)}\n", OPERATOR)
    assert is_key_entry(entry)
    assert AUTHORITY.read(entry).gateway == "line-4"
    turned = Note.from_bytes(rotate(prior=PRIOR, **said)).text.split("\n")
    assert turned[0] == "factoryledger key entry v3"
    assert [line.split(" ")[0] for line in turned[2:-1]] == [
        "time", "signed-by", "key", "prior", "possession",
    ]  # fmt: skip
    requested = enrolment_request(name="press-1", key=DEVICE, time=TIME, gateway="line-4")
    assert countersign(OPERATOR, requested) == entry


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("key entry v3", "key entry v1"),
        ("key entry v3", "key entry v2"),
        ("signed-by gateway line-4\n", ""),
        ("signed-by gateway line-4", "signed-by gateway Line 4"),
        ("signed-by gateway line-4", "signed-by gateway "),
        ("signed-by gateway line-4", "signed-by line-4"),
        ("enrol device", "enrol collector"),
    ],
)
def test_a_gateway_s_entry_has_one_spelling(line, instead):
    said = dict(operator=OPERATOR, name="press-1", key=DEVICE, time=TIME, gateway="line-4")
    text = Note.from_bytes(enrol(kind="device", **said)).text.replace(line, instead)
    before = text[: text.rindex("possession ")]
    possession = DEVICE.sign(b"factoryledger/possession/v1\0" + before.encode())
    with pytest.raises(Malformed):
        AUTHORITY.read(sign_note(f"{before}possession {b64(possession)}\n", OPERATOR))


def test_a_collector_has_no_gateway():
    with pytest.raises(Malformed):
        enrol(operator=OPERATOR, kind="collector", name="c1", key=DEVICE, time=TIME, gateway="g")


@settings(deadline=None)
@given(names, times, hashes, st.binary(min_size=32, max_size=32))
def test_entries_are_read_as_they_were_written(name, time, prior, seed):
    key = SigningKey.from_seed(seed)
    said = dict(operator=OPERATOR, name=name, time=time)
    for kind in ("device", "collector"):
        statement = AUTHORITY.read(enrol(kind=kind, key=key, **said))
        assert (statement.action, statement.kind, statement.name) == ("enrol", kind, name)
        assert (statement.time, statement.key, statement.prior) == (time, key.public_key, None)
        statement = AUTHORITY.read(revoke(kind=kind, prior=prior, **said))
        assert (statement.action, statement.kind, statement.name) == ("revoke", kind, name)
        assert (statement.time, statement.key, statement.prior) == (time, None, prior)
    statement = AUTHORITY.read(rotate(key=key, prior=prior, **said))
    assert (statement.action, statement.kind) == ("rotate", "device")
    assert (statement.key, statement.prior) == (key.public_key, prior)


def test_an_erasure_may_name_statuses_each_once_in_order():
    said = {"operator": OPERATOR, "collector": "c1", "first": 0, "last": 12, "time": TIME}
    entry = erase(statuses=("unsigned", "malformed"), **said)
    assert b"\nstatus unsigned,malformed\n" in entry
    assert AUTHORITY.read(entry).statuses == ("unsigned", "malformed")
    assert AUTHORITY.read(erase(**said)).statuses == ()
    for statuses in (("malformed", "unsigned"), ("unsigned", "unsigned"), ("good",), ("",)):
        with pytest.raises(Malformed):
            erase(statuses=statuses, **said)


def test_an_erasure_names_positions():
    entry = erase(operator=OPERATOR, collector="c1", first=0, last=12, time=TIME)
    statement = AUTHORITY.read(entry)
    assert (statement.action, statement.kind, statement.name) == ("erase", "messages", "c1:0-12")
    for first, last in [(5, 4), (-1, 4)]:
        with pytest.raises(Malformed):
            erase(operator=OPERATOR, collector="c1", first=first, last=last, time=TIME)


def test_a_collector_enrols_the_key_of_its_log():
    """The seed of its note key is what it possesses."""
    key = SignerKey.generate("example.org/log/collector/c1")
    entry = enrol(operator=OPERATOR, kind="collector", name="c1", key=key, time=TIME)
    assert AUTHORITY.read(entry).key == key.verifier.public_key


def test_no_origin_equals_the_first_line():
    assert is_key_entry(ENROLMENT)
    assert " " in FIRST_LINE, "origins of ours are key names, which hold no space"
    assert not is_key_entry(FIRST_LINE.encode())
    assert not is_key_entry(b"example.org/log\n")
    with pytest.raises(Malformed):
        SignerKey.generate(FIRST_LINE)


@pytest.mark.parametrize(
    "fields",
    [
        dict(name=""),
        dict(name="Press"),
        dict(name="press 1"),
        dict(name="press\n1"),
        dict(name="p" * 65),
        dict(kind="messages"),
        dict(kind="machine"),
        dict(time=-1),
        dict(time=253_402_300_800_000_000),
    ],
)
def test_what_could_not_be_read_is_not_signed(fields):
    good = dict(operator=OPERATOR, kind="device", name="press-1", key=DEVICE, time=TIME)
    with pytest.raises(Malformed):
        enrol(**{**good, **fields})


def test_nobody_is_enrolled_with_a_key_that_is_another_s():
    class Thief:
        public_key = DEVICE.public_key
        sign = SigningKey.generate().sign

    with pytest.raises(Refused, match="possession"):
        enrol(operator=OPERATOR, kind="device", name="press-2", key=Thief(), time=TIME)


def test_possession_of_one_enrolment_is_none_of_another():
    """It covers every line before it: device, time and key."""
    moved = TEXT.replace("press-1", "press-2")
    with pytest.raises(Refused, match="possession"):
        AUTHORITY.read(sign_note(moved, OPERATOR))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_keys_of_small_order_are_refused(point):
    class Weak:
        public_key = point

        def sign(self, message):
            return bytes(64)

    with pytest.raises(Malformed, match="small order"):
        enrol(operator=OPERATOR, kind="device", name="press-1", key=Weak(), time=TIME)


TIME_LINE, KEY_LINE, POSSESSION_LINE = TEXT.split("\n")[2:5]
# The last character's unused bits: Python's decoder would let them pass.
LOOSE = f"{POSSESSION_LINE[:-3]}{chr(ord(POSSESSION_LINE[-3]) + 1)}=="
ROTATION = Note.from_bytes(
    rotate(operator=OPERATOR, name="press-1", key=DEVICE, prior=PRIOR, time=TIME)
).text


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        f"{FIRST_LINE}\n",
        f"{FIRST_LINE}\nenrol device press-1\n",
        TEXT + "\n",
        TEXT + "more x\n",
        TEXT.replace("entry v1", "entry v2"),
        TEXT.replace("enrol", "Enrol"),
        TEXT.replace("enrol device", "enrol  device"),
        TEXT.replace("press-1\n", "press-1 \n"),
        TEXT.replace("enrol device press-1", "enrol messages c:0-1"),
        TEXT.replace("enrol device", "rotate device"),
        TEXT.replace("time ", "Time "),
        TEXT.replace("time ", "time  "),
        TEXT.replace(".123456Z", "Z"),
        TEXT.replace(".123456Z", ".123456+00:00"),
        TEXT.replace("2025-11-24", "2025-11-31"),
        TEXT.replace(f"{KEY_LINE}\n", ""),
        TEXT.replace(f"{POSSESSION_LINE}\n", ""),
        TEXT.replace(KEY_LINE, POSSESSION_LINE),
        TEXT.replace(KEY_LINE, f"{KEY_LINE}\n{KEY_LINE}"),
        TEXT.replace(KEY_LINE, KEY_LINE.rstrip("=")),
        TEXT.replace(KEY_LINE, KEY_LINE + " "),
        TEXT.replace(POSSESSION_LINE, LOOSE),
        ROTATION.replace("rotate device", "rotate collector"),
        ROTATION.replace(PRIOR.hex(), PRIOR.hex().upper()),
        ROTATION.replace(PRIOR.hex(), PRIOR.hex()[:-2]),
        f"{FIRST_LINE}\nerase messages c1:0-1\n{TIME_LINE}\nprior {'0' * 64}\n",
        f"{FIRST_LINE}\nerase messages c1:1-0\n{TIME_LINE}\n",
        f"{FIRST_LINE}\nerase messages c1:01-2\n{TIME_LINE}\n",
        f"{FIRST_LINE}\nerase messages c1:1\n{TIME_LINE}\n",
        f"{FIRST_LINE}\nrevoke device press-1\n{TIME_LINE}\n",
    ],
)
def test_other_spellings_are_malformed_though_signed(text):
    with pytest.raises(Malformed):
        AUTHORITY.read(sign_note(text, OPERATOR))


def test_only_the_pinned_operator_is_heard():
    other = SignerKey.generate(OPERATOR.name)
    entry = enrol(operator=other, kind="device", name="press-1", key=DEVICE, time=TIME)
    with pytest.raises(Refused, match="not signed by"):
        AUTHORITY.read(entry)
    with pytest.raises(Malformed, match="not an Ed25519 note key"):
        OperatorAuthority(SignerKey.generate("w", COSIGNATURE).verifier)


def test_a_second_signature_makes_no_second_entry():
    """The entry's hash names it, so it may not be spelled in two ways."""
    twice = Note.from_bytes(ENROLMENT).with_signatures(SignerKey.generate("x").sign(TEXT))
    with pytest.raises(Malformed, match="instead of one"):
        AUTHORITY.read(twice.to_bytes())


def test_every_changed_byte_is_refused():
    for at in range(len(ENROLMENT)):
        changed = bytearray(ENROLMENT)
        changed[at] ^= 1
        with pytest.raises((Malformed, Refused)):
            AUTHORITY.read(bytes(changed))
