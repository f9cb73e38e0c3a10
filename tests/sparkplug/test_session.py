"""An edge node's sessions against the specification's rules, in any order of events."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from spec_host import BrokenRule, SpecHost

from simulator.sparkplug.metrics import Definition
from simulator.sparkplug.session import REBIRTH, EdgeSession, asks_rebirth
from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import SparkplugTopic

NODE = SparkplugTopic("", "works", "NDATA", "edge")
DEVICES = ("a", "b", "c")
METRICS = (
    Definition("level", DataType.DOUBLE),
    Definition("count", DataType.INT32),
    Definition("event", DataType.STRING, transient=True),
)
values = st.fixed_dictionaries(
    {},
    optional={
        "level": st.sampled_from([0.0, 1.5, -2.0]),
        "count": st.integers(-(2**31), 2**31 - 1),
        "event": st.text(max_size=3),
    },
)


def session():
    return EdgeSession(METRICS, dict.fromkeys(DEVICES, METRICS))


class Sessions(RuleBasedStateMachine):
    """A broker between the session and a host: the will is published when a link is lost."""

    @initialize()
    def connect_first(self):
        self.session, self.host = session(), SpecHost()
        self.now, self.said, self.connects = 1000, {}, 0
        self.alive = set()
        self.will = None
        self.connect()

    def hear(self, said):
        topic = str(NODE.of(said.type, said.device))
        self.host.hear(topic, said.payload.to_bytes(), qos=0)

    def be_born(self):
        self.now += 1
        for said in self.session.begin(self.said, self.now):
            self.hear(said)
        self.alive = set(DEVICES)

    @precondition(lambda self: self.will is None)
    @rule()
    def connect(self):
        self.will = self.session.connecting()
        self.connects += 1
        self.be_born()
        assert self.host.bd_seq == (self.connects - 1) % 256
        assert self.will.metric("bdSeq").meaning() == self.host.bd_seq

    @precondition(lambda self: self.will is not None)
    @rule()
    def rebirth(self):
        bd_seq = self.host.bd_seq
        self.be_born()
        assert self.host.bd_seq == bd_seq

    @precondition(lambda self: self.will is not None)
    @rule(refused=st.integers(0, 3))
    def lose(self, refused):
        self.host.hear(str(NODE.of("NDEATH")), self.will.to_bytes(), qos=1)
        assert not self.host.alive
        self.will = None
        for _ in range(refused):  # each was a CONNECT, with a will of its own
            self.session.connecting()
            self.connects += 1

    @precondition(lambda self: self.will is not None)
    @rule()
    def leave(self):
        assert self.session.death() == self.will
        self.lose(0)

    @precondition(lambda self: self.will is not None)
    @rule(device=st.sampled_from([None, *DEVICES]), said=values)
    def say(self, device, said):
        if device is not None and device not in self.alive:
            with pytest.raises(ValueError, match="no birth"):
                self.session.data(device, said, self.now)
            return
        self.now += 1
        message = self.session.data(device, said, self.now)
        self.said.setdefault(device, {}).update(said)
        if message is not None:
            self.hear(message)

    @precondition(lambda self: self.will is not None)
    @rule(device=st.sampled_from(DEVICES), many=st.integers(1, 300))
    def wrap(self, device, many):
        if device in self.alive:
            for number in range(many):
                self.hear(self.session.data(device, {"event": str(number)}, self.now))
                self.said.setdefault(device, {})["event"] = str(number)

    @precondition(lambda self: self.will is not None and self.alive)
    @rule(data=st.data())
    def device_dies(self, data):
        device = data.draw(st.sampled_from(sorted(self.alive)))
        self.alive.discard(device)
        self.hear(self.session.device_death(device, self.now))

    @precondition(lambda self: self.will is not None and self.alive != set(DEVICES))
    @rule(data=st.data())
    def device_comes_back(self, data):
        device = data.draw(st.sampled_from(sorted(set(DEVICES) - self.alive)))
        self.alive.add(device)
        self.hear(self.session.device_birth(device, self.said.get(device, {}), self.now))

    @invariant()
    def the_host_knows_what_was_said(self):
        if getattr(self, "will", None) is None:
            return
        assert self.host.alive == {None, *self.alive}
        for device in (None, *self.alive):
            for definition in METRICS:
                known = self.host.values[device, definition.name]
                assert known == self.said.get(device, {}).get(definition.name)


Sessions.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSessions = Sessions.TestCase


def test_only_what_changed_is_said():
    edge = session()
    edge.connecting()
    edge.begin({"a": {"level": 1.0}}, 1)
    assert edge.data("a", {"level": 1.0}, 2) is None
    assert edge.data("a", {"level": 1.0, "count": 0}, 2).payload.metrics == (
        Metric(alias=5, timestamp=2, value=Value.of(DataType.INT32, 0)),
    )
    assert edge.data("a", {"level": -0.0}, 3) is not None


def test_an_event_is_said_each_time():
    edge = session()
    edge.connecting()
    edge.begin({}, 1)
    assert edge.data("b", {"event": "x"}, 2) is not None
    assert edge.data("b", {"event": "x"}, 3).payload.metrics[0].is_transient


def test_the_numbers_of_connections_wrap():
    edge = session()
    numbers = [edge.connecting().metric("bdSeq").meaning() for _ in range(258)]
    assert numbers == [*range(256), 0, 1]


@pytest.mark.parametrize(
    ("metrics", "asked"),
    [
        ((Metric(name=REBIRTH, value=Value.of(DataType.BOOLEAN, value=True)),), True),
        ((Metric(name=REBIRTH, value=Value.of(DataType.BOOLEAN, value=False)),), False),
        ((Metric(name=REBIRTH),), False),
        ((Metric(name=REBIRTH, value=Value("int", 1)),), False),
        (
            (Metric(name="Node Control/Reboot", value=Value.of(DataType.BOOLEAN, value=True)),),
            False,
        ),
        ((), False),
    ],
)
def test_what_asks_for_a_rebirth(metrics, asked):
    assert asks_rebirth(Payload(metrics=metrics)) is asked


def test_the_host_of_these_tests_minds_the_rules():
    """A judge that passes everything would show nothing."""
    edge, host = session(), SpecHost()
    edge.connecting()
    born = edge.begin({}, 1)
    data = edge.data("a", {"level": 1.0}, 2)

    def hear(said, **how):
        host.hear(str(NODE.of(said.type, said.device)), said.payload.to_bytes(), **how)

    with pytest.raises(BrokenRule, match="comes first"):
        hear(data)
    for said in born:
        hear(said)
    later = edge.data("a", {"level": 2.0}, 3)
    with pytest.raises(BrokenRule, match="seq goes on"):
        hear(later)
    hear(data)
    with pytest.raises(BrokenRule, match="QoS 0"):
        hear(later, qos=1)
