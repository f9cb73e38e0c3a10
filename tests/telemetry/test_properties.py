"""The kept properties have one text; what a broker may change is not in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import NotCanonical
from telemetry.properties import NO_PROPERTIES, Properties

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
KEPT = st.builds(
    Properties,
    # MQTT has 0 and 1 only, but Mosquitto 2.0.11 delivers any byte that a client sends.
    payload_format_indicator=st.integers(0, 255),
    content_type=st.none() | TEXTS,
    response_topic=st.none() | TEXTS,
    correlation_data=st.none() | st.binary(max_size=8),
    user_properties=st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
)


@given(KEPT)
def test_kept_properties_come_back(properties):
    text = properties.to_text()
    assert Properties.from_text(text) == properties
    assert (text is None) == (properties == NO_PROPERTIES)
    assert text is None or text.isascii()


def test_the_text_has_the_documented_spelling():
    properties = Properties(
        payload_format_indicator=1,
        content_type="text/é",
        response_topic="a/b",
        correlation_data=b"\0\xff",
        user_properties=(("a", "1"), ("a", '"')),
        message_expiry_interval=60,
        subscription_identifiers=(1, 2),
    )
    assert properties.to_text() == (
        '{"payload_format_indicator":1,"content_type":"text/\\u00e9","response_topic":"a/b",'
        '"correlation_data":"AP8=","user_properties":[["a","1"],["a","\\""]]}'
    )


def test_what_changes_on_the_way_is_not_kept():
    properties = Properties(message_expiry_interval=60, subscription_identifiers=(1,))
    assert properties.to_text() is None
    assert Properties.from_text(None) == NO_PROPERTIES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "[]",
        '{"payload_format_indicator":0}',
        '{"payload_format_indicator":256}',
        '{"payload_format_indicator":true}',
        '{"payload_format_indicator":1.0}',
        '{"user_properties":[]}',
        '{"user_properties":[["a"]]}',
        '{"user_properties":[["a","b","c"]]}',
        '{"user_properties":{"a":"b"}}',
        '{"content_type":null}',
        '{"content_type":1}',
        '{"content_type":"a","content_type":"a"}',
        '{"response_topic":"a","content_type":"b"}',
        '{"content_type": "a"}',
        '{"content_type":"a"} ',
        '{"content_type":"\\u0061"}',
        '{"content_type":"é"}',
        '{"content_type":"\\ud800"}',
        '{"content_type":"\\/"}',
        '{"correlation_data":"AB=="}',
        '{"correlation_data":"A"}',
        '{"message_expiry_interval":1}',
        '{"more":1}',
        "[" * 100_000,
        '{"content_type":' + '{"a":' * 100_000,
    ],
)
def test_another_text_is_refused(text):
    with pytest.raises(NotCanonical):
        Properties.from_text(text)


@given(KEPT)
def test_the_text_is_json(properties):
    text = properties.to_text()
    members = {} if text is None else json.loads(text)
    assert members.get("content_type") == properties.content_type
    pairs = members.get("user_properties", [])
    assert [tuple(pair) for pair in pairs] == list(properties.user_properties)
