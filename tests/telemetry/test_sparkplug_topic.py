"""Sparkplug topics and host states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import MalformedPayload
from telemetry.sparkplug_topic import (
    DEVICE_TYPES,
    NODE_TYPES,
    HostState,
    SparkplugTopic,
    sparkplug_filters,
    state_topic,
)
from telemetry.topic import MachineTopic, is_own, matches

names = st.from_regex(r"[^/+#\x00]{1,8}", fullmatch=True).filter(lambda text: "/" not in text)
prefixes = st.sampled_from(["", "a", "a/b", "/a", "/", "a//"])


@st.composite
def topics(draw):
    device = draw(st.none() | names)
    kind = draw(st.sampled_from(NODE_TYPES if device is None else DEVICE_TYPES))
    group = draw(names.filter(lambda text: text != "spBv1.0"))
    return SparkplugTopic(draw(prefixes), group, kind, draw(names), device, draw(st.booleans()))


@given(topics())
def test_a_topic_comes_back(topic):
    assert SparkplugTopic.parse(str(topic)) == topic
    assert str(topic).endswith(topic.unprefixed)
    assert MachineTopic.parse(str(topic)) is None
    assert any(matches(one, str(topic)) for one in sparkplug_filters(topic.prefix))


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/g/NBIRTH",
        "spBv1.0/g/NBIRTH/e/d",
        "spBv1.0/g/DBIRTH/e",
        "spBv1.0/g/XDATA/e",
        "spBv1.0//NDATA/e",
        "spBv1.0/g/NDATA/",
        "spBv1.0/g/DDATA/e/",
        "spAv1.0/g/NDATA/e",
        "spBv1.0/STATE/host",
        "",
        "x",
    ],
)
def test_what_is_no_such_topic(topic):
    assert SparkplugTopic.parse(topic) is None


def test_whose_message_it_is_and_where_it_hears_of_receipts():
    topic = SparkplugTopic.parse("p/ledger/outbox/spBv1.0/g/DDATA/edge/mill-1")
    assert (topic.prefix, topic.again, topic.sender) == ("p", True, "mill-1")
    assert topic.receipt == "p/ledger/receipt/mill-1"
    assert is_own(topic.receipt)
    assert not is_own(str(topic))
    node = topic.of("NDATA")
    assert (str(node), node.sender) == ("p/spBv1.0/g/NDATA/edge", "edge")
    assert str(node.of("DBIRTH", "d")) == "p/spBv1.0/g/DBIRTH/edge/d"
    with pytest.raises(ValueError, match="DBIRTH"):
        topic.of("DBIRTH")


@given(st.booleans(), st.integers(0, 2**62))
def test_a_hosts_state_comes_back(online, timestamp):
    state = HostState(online, timestamp)
    assert HostState.from_bytes(state.to_bytes()) == state


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ONLINE",
        b"[]",
        b"{}",
        b'{"online":1,"timestamp":1}',
        b'{"online":true,"timestamp":1.5}',
        b'{"online":true,"timestamp":true}',
        b'{"online":true,"timestamp":-1}',
        b'{"online":true}',
        b'{"online":true,"online":false,"timestamp":1}',
        b"\xff",
    ],
)
def test_what_is_no_hosts_state(data):
    with pytest.raises(MalformedPayload):
        HostState.from_bytes(data)


def test_others_may_say_more_of_their_state():
    found = HostState.from_bytes(b'{ "timestamp": 7, "online": true, "name": "scada" }')
    assert found == HostState(online=True, timestamp=7)
    assert state_topic("p", "scada") == "p/spBv1.0/STATE/scada"
