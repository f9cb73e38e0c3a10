"""Machine topics parse to one value and back; own topics and filters are told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import NotCanonical
from telemetry.topic import (
    KINDS,
    MachineTopic,
    check_name,
    checkpoint_topic,
    collector_topic,
    factory_filters,
    is_own,
    matches,
)

SEGMENTS = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
PREFIXES = st.lists(st.text(st.characters(exclude_characters="/", codec="utf-8"), max_size=5))


@given(PREFIXES, st.tuples(*[SEGMENTS] * 5), st.sampled_from(KINDS))
def test_every_machine_topic_comes_back(prefix, levels, kind):
    text = "/".join([*prefix, *levels, kind])
    topic = MachineTopic.parse(text)
    assert topic is not None
    assert str(topic) == text
    assert topic.unprefixed == "/".join([*levels, kind])
    assert (topic.machine, topic.kind) == (levels[4], kind)


@given(st.text("ab/+#$ A", max_size=20))
def test_what_is_read_is_what_was_written(text):
    topic = MachineTopic.parse(f"{text}/telemetry")
    assert topic is None or str(topic) == f"{text}/telemetry"


def test_prefixes_that_differ_stay_different():
    texts = [p + "e/s/a/l/m/birth" for p in ("", "/", "//", "p/", "p//", "/p/", "p/q/")]
    topics = [MachineTopic.parse(text) for text in texts]
    assert len(set(topics)) == len(texts)
    assert [str(topic) for topic in topics] == texts
    assert topics[3].prefix == "p"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "telemetry",
        "s/a/l/m/telemetry",
        "e/s/a/l/m/readings",
        "E/s/a/l/m/telemetry",
        "e/s//l/m/telemetry",
        "e/s/a/l/m/telemetry/",
        "e/s/a/l/m.1/telemetry",
        "e/s/a/l/" + "m" * 65 + "/telemetry",
        "x" * 600,
    ],
)
def test_other_topics_are_no_machines(text):
    assert MachineTopic.parse(text) is None


def test_a_long_prefix_is_parsed_too():
    text = "p" * 2000 + "/e/s/a/l/m/state"
    assert str(MachineTopic.parse(text)) == text


def test_with_kind_keeps_the_machine():
    topic = MachineTopic.parse("p/e/s/a/l/m/telemetry")
    assert str(topic.with_kind("receipt")) == "p/e/s/a/l/m/receipt"
    with pytest.raises(ValueError, match="no kind"):
        topic.with_kind("readings")


@pytest.mark.parametrize(
    ("topic", "own"),
    [
        ("e/s/a/l/m/receipt", True),
        ("p/q/e/s/a/l/m/receipt", True),
        ("ledger/checkpoint", True),
        ("p/ledger/checkpoint", True),
        ("/ledger/checkpoint", True),
        ("ledger/collector/0123456789abcdef", True),
        ("p/q/ledger/collector/file-0", True),
        ("m/receipt", False),
        ("e/s/a/l/M/receipt", False),
        ("e/s/a/l/m/telemetry", False),
        ("ledger/collector", False),
        ("ledger/collector/", False),
        ("ledger/collector/A", False),
        ("ledger/checkpoint/x", False),
        ("xledger/checkpoint", False),
        ("checkpoint", False),
        ("receipt", False),
        ("", False),
    ],
)
def test_own_topics(topic, own):
    assert is_own(topic) is own


# MQTT 5, sections 4.7.1.2, 4.7.1.3, 4.7.2 and 4.8.2: the examples that they give.
@pytest.mark.parametrize(
    ("pattern", "topic", "good"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "a/b/c", True),
        ("#", "/", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("+/tennis/#", "sport/tennis", True),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("$share/consumer1/sport/tennis/+", "sport/tennis/player1", True),
        ("$share/consumer1//finance", "/finance", True),
        ("$share/c/#", "$SYS/monitor", False),
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("A", "a", False),
    ],
)
def test_filters_match_as_mqtt_5_says(pattern, topic, good):
    assert matches(pattern, topic) is good


@pytest.mark.parametrize("prefix", ["", "p", "p/q", "p/", "/"])
def test_factory_filters_take_what_machines_publish_and_nothing_else(prefix):
    filters = factory_filters(prefix)
    for kind in KINDS:
        topic = str(MachineTopic(prefix, "e", "s", "a", "l", "m", kind))
        assert any(matches(pattern, topic) for pattern in filters) is (kind != "receipt")
        assert not any(matches(pattern, f"x/{topic}") for pattern in filters)


@pytest.mark.parametrize("prefix", ["", "p", "p/q"])
def test_the_ledgers_topics_are_own(prefix):
    assert is_own(checkpoint_topic(prefix))
    assert is_own(collector_topic(prefix, "file-0"))
    assert checkpoint_topic("p") == "p/ledger/checkpoint"


@pytest.mark.parametrize("name", ["", "a/+", "#", "a\0", "x" * 65_536, "é" * 40_000])
def test_names_that_no_message_can_have_are_refused(name):
    with pytest.raises(NotCanonical):
        check_name(name)


@pytest.mark.parametrize("name", ["/", "$SYS/x", "a b", "x" * 65_535, "é"])
def test_names_that_mqtt_allows_pass(name):
    check_name(name)
