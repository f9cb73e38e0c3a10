"""Signed headers: accepted as written, and nothing else."""

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import MalformedMessage
from telemetry.header import (
    NAME,
    Header,
    find_header,
    header_properties,
    header_signed_bytes,
    message_of,
    parse_header,
    seal_header,
)
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.members import Cited
from telemetry.properties import Properties
from telemetry.signature import SigningKey
from telemetry.sparkplug_topic import SparkplugTopic

KEY = SigningKey.from_seed(bytes(range(32)))
TOPIC = SparkplugTopic("", "works", "DDATA", "north_hall_line-1", "mill-1")
PAYLOAD = b"\x08\x01\x18\x00"
HEADER = Header(
    device="mill-1",
    session="s",
    seq=4,
    prev=None,
    anchor=None,
    time=1_795_420_800_000_000,
    payload=hashlib.sha256(PAYLOAD).digest(),
    key=KEY.key_id,
)
RING = Keyring([KeyStatement(b"e" * 32, "enrol", "device", "mill-1", 0, KEY.public_key)])


def text_of(header=HEADER, topic=TOPIC, key=KEY):
    return header_properties(seal_header(key, topic, header.to_body())).to_text()


def with_value(value):
    return header_properties(value).to_text()


def judged(*, topic=TOPIC, payload=PAYLOAD, properties=None, ring=RING):
    return judge(str(topic), payload, ring, text_of() if properties is None else properties)


hashes = st.binary(min_size=32, max_size=32)
segments = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
headers = st.builds(
    Header,
    device=segments,
    session=segments,
    seq=st.integers(0, 2**63 - 1),
    prev=st.none() | hashes,
    anchor=st.none() | st.builds(Cited, st.integers(0, 2**63 - 1), hashes),
    time=st.integers(0, 253_402_300_799_999_999),
    payload=hashes,
    key=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
)


@given(headers)
def test_a_header_comes_back_from_the_properties(header):
    found = find_header(text_of(header))
    signed = parse_header(*found)
    assert signed.header == header
    assert signed.body == found[0]
    assert KEY.sign(header_signed_bytes(TOPIC, signed.body)) == signed.signature


def test_a_good_header_makes_the_message_accepted():
    found = judged()
    assert (found.status, found.device, found.session, found.seq) == ("accepted", "mill-1", "s", 4)
    assert found.time == HEADER.time
    assert found.body_hash == hashlib.sha256(HEADER.to_body()).digest()
    assert (found.message.kind, found.message.scans, found.message.content) == ("DDATA", (), None)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("prefix", ["", "some/where"])
def test_prefix_and_the_way_out_of_the_outbox_do_not_matter(prefix, again):
    assert judged(topic=replace(TOPIC, prefix=prefix, again=again)).status == "accepted"


WRONG_TOPICS = [
    replace(TOPIC, device="mill-2"),
    replace(TOPIC, device=None, type="NDATA"),
    replace(TOPIC, type="DBIRTH"),
    replace(TOPIC, type="DCMD"),
    replace(TOPIC, group="elsewhere"),
    replace(TOPIC, node="north_hall_line-2"),
    "works/north/hall/line-1/mill-1/telemetry",
    "spBv1.0/STATE/mill-1",
    "x",
]


@pytest.mark.parametrize("topic", WRONG_TOPICS, ids=str)
def test_on_another_topic_it_is_a_bad_signature(topic):
    assert judged(topic=topic).status == "bad-signature"


@given(st.binary(max_size=64).filter(lambda payload: payload != PAYLOAD))
def test_another_payload_is_a_bad_signature_even_before_the_key_is_known(payload):
    assert judged(payload=payload).status == "bad-signature"
    assert judged(payload=payload, ring=Keyring()).status == "bad-signature"


def test_without_the_key_the_device_is_unknown():
    found = judged(ring=Keyring())
    assert (found.status, found.device, found.message) == ("unknown-device", None, None)


def test_another_key_under_the_same_id_is_a_bad_signature():
    other = SigningKey.from_seed(b"o" * 32)
    assert judged(properties=text_of(key=other)).status == "bad-signature"


def test_a_signature_for_an_edge_node_binds_its_own_name():
    node = replace(TOPIC, type="NDATA", device=None)
    own = replace(HEADER, device=node.node)
    ring = Keyring([KeyStatement(b"n" * 32, "enrol", "device", node.node, 0, KEY.public_key)])
    text = text_of(own, node)
    assert judge(str(node), PAYLOAD, ring, text).status == "accepted"
    assert judge(str(node), PAYLOAD, RING, text_of(HEADER, node)).status == "bad-signature"


VALUE = seal_header(KEY, TOPIC, HEADER.to_body())
CUT = VALUE[:-98]
MALFORMED = {
    "space": CUT.replace('","seq', '", "seq') + VALUE[-98:],
    "another order": CUT.replace('"prev":null,"anchor":null', '"anchor":null,"prev":null')
    + VALUE[-98:],
    "one more": CUT + ',"extra":1' + VALUE[-98:],
    "twice": CUT + f',"key":"{KEY.key_id}"' + VALUE[-98:],
    "seq as float": CUT.replace('"seq":4', '"seq":4.0') + VALUE[-98:],
    "no device": CUT.replace('"device":"mill-1",', "") + VALUE[-98:],
    "escaped": CUT.replace("mill-1", "mill\\u002d1") + VALUE[-98:],
    "no object": "[1" + VALUE[-98:],
    "empty": VALUE[-98:],
    "sloppy base64": VALUE[:-5] + "B" + VALUE[-4:],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_any_other_spelling_is_malformed(name):
    value = MALFORMED[name]
    found = judged(properties=with_value(value))
    assert found.status == "malformed"
    assert found.body_hash == hashlib.sha256(value[:-98].encode()).digest()
    assert message_of(str(TOPIC), with_value(value)) is None


UNSIGNED = {
    "no properties": None,
    "another property": Properties(user_properties=(("Factoryledger-Header", VALUE),)).to_text(),
    "two headers": Properties(user_properties=((NAME, VALUE), (NAME, VALUE))).to_text(),
    "cut short": with_value(VALUE[:-1]),
    "no suffix": with_value(CUT + "}"),
    "empty": with_value(""),
    "as content type": Properties(content_type=f'"{NAME}"').to_text(),
    "no canonical text": f'{{"user_properties": [["{NAME}",""]]}}',
    "no text at all": f'"{NAME}"',
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_what_holds_no_one_header_is_unsigned(name):
    assert find_header(UNSIGNED[name]) is None
    assert judge(str(TOPIC), PAYLOAD, RING, UNSIGNED[name]).status == "unsigned"


def test_a_payload_that_is_signed_itself_is_judged_by_that():
    payload = b'{"a":1' + VALUE[-98:].encode()
    assert judge(str(TOPIC), payload, RING, text_of()).status == "malformed"


@given(st.text(max_size=40), st.text(max_size=80), st.binary(max_size=40))
def test_nothing_stalls_the_judge(topic, value, payload):
    for said in (value, value + VALUE[-98:]):
        try:
            text = with_value(said)
        except ValueError:  # a lone surrogate, which no MQTT string has
            continue
        for place in (topic, str(TOPIC)):
            assert judge(place, payload, RING, text).status != "accepted"


@given(st.integers(0, len(VALUE) - 1), st.integers(1, 127))
def test_no_single_character_can_be_changed(place, shift):
    changed = VALUE[:place] + chr((ord(VALUE[place]) + shift) % 128) + VALUE[place + 1 :]
    assert judged(properties=with_value(changed)).status != "accepted"


def test_what_no_reader_would_take_is_not_written():
    for wrong in (
        {"device": "Mill 1"},
        {"seq": -1},
        {"payload": b"short"},
        {"key": "K"},
        {"time": -1},
        {"prev": b"short"},
    ):
        with pytest.raises(MalformedMessage):
            replace(HEADER, **wrong).to_body()
    with pytest.raises(ValueError, match="NCMD"):
        header_signed_bytes(replace(TOPIC, type="NCMD", device=None), b"{")


def test_the_value_is_plain_json():
    members = json.loads(VALUE)
    assert base64.b64decode(members["payload"]) == HEADER.payload
    assert len(base64.b64decode(members["sig"])) == 64
