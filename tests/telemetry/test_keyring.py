"""The keyring says whose key was whose, and refuses what cannot be so, unchanged."""

import hashlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telemetry.errors import ContradictoryStatement, TelemetryError
from telemetry.keyring import Keyring, KeyStatement
from telemetry.signature import key_id

KEYS = [hashlib.sha256(bytes([n])).digest() for n in range(4)]


def entry(number):
    return hashlib.sha256(b"entry %d" % number).digest()


def statement(number, action, name="mill-1", *, kind="device", key=None, prior=None, former=None):
    prior = None if prior is None else entry(prior)
    return KeyStatement(entry(number), action, kind, name, number, key, prior, (), former)


def enrolments(ring, device="mill-1", key=KEYS[0]):
    return [(e.public_key, e.entry, e.ended_by) for e in ring.enrolments(device, key_id(key))]


def test_a_device_may_have_several_keys_at_once():
    ring = Keyring([statement(0, "enrol", key=KEYS[0]), statement(1, "enrol", key=KEYS[1])])
    assert enrolments(ring) == [(KEYS[0], entry(0), None)]
    assert enrolments(ring, key=KEYS[1]) == [(KEYS[1], entry(1), None)]
    assert enrolments(ring, device="mill-2") == []
    assert ring.applied == 2


def test_rotation_ends_one_key_and_brings_another():
    ring = Keyring([statement(0, "enrol", key=KEYS[0])])
    ring.apply(statement(1, "rotate", key=KEYS[1], prior=0))
    assert enrolments(ring) == [(KEYS[0], entry(0), entry(1))]
    assert enrolments(ring, key=KEYS[1]) == [(KEYS[1], entry(1), None)]


def test_a_revoked_key_may_be_enrolled_again():
    ring = Keyring([statement(0, "enrol", key=KEYS[0]), statement(1, "revoke", prior=0)])
    ring.apply(statement(2, "enrol", key=KEYS[0]))
    assert enrolments(ring) == [(KEYS[0], entry(0), entry(1)), (KEYS[0], entry(2), None)]


def test_a_rotation_can_itself_be_ended():
    ring = Keyring([statement(0, "enrol", key=KEYS[0])])
    ring.apply(statement(1, "rotate", key=KEYS[1], prior=0))
    ring.apply(statement(2, "revoke", prior=1))
    assert enrolments(ring, key=KEYS[1]) == [(KEYS[1], entry(1), entry(2))]


def test_a_collector_is_enrolled_once():
    ring = Keyring([statement(0, "enrol", "file-0", kind="collector", key=KEYS[0])])
    assert ring.collector_key("file-0").entry == entry(0)
    assert ring.collector_key("file-1") is None
    assert enrolments(ring, device="file-0") == []
    with pytest.raises(ContradictoryStatement, match="can be rotated"):
        ring.apply(statement(1, "enrol", "file-0", kind="collector", key=KEYS[1]))
    ring.apply(statement(2, "revoke", "file-0", kind="collector", prior=0))
    assert ring.collector_key("file-0").ended_by == entry(2)


def test_a_collector_s_keys_follow_each_other():
    ring = Keyring([statement(0, "enrol", "file-0", kind="collector", key=KEYS[0])])
    ring.apply(statement(1, "rotate", "file-0", kind="collector", key=KEYS[1], prior=0))
    ring.apply(statement(2, "rotate", "file-0", kind="collector", key=KEYS[2], prior=1))
    assert [(e.public_key, e.ended_by) for e in ring.collector_keys("file-0")] == [
        (KEYS[0], entry(1)),
        (KEYS[1], entry(2)),
        (KEYS[2], None),
    ]
    assert ring.collector_key("file-0").entry == entry(2)
    for false in (
        statement(9, "rotate", "file-0", kind="collector", key=KEYS[3], prior=0),
        statement(9, "rotate", "file-0", kind="collector", key=KEYS[0], prior=2),
        statement(9, "revoke", "file-0", kind="collector", prior=1),
    ):
        with pytest.raises(ContradictoryStatement):
            ring.apply(false)
    ring.apply(statement(3, "revoke", "file-0", kind="collector", prior=2))
    assert ring.collector_key("file-0").ended_by == entry(3)


def test_the_log_s_key_follows_its_former():
    ring = Keyring()
    assert ring.log_key is None
    ring.apply(statement(0, "rotate", "a/log", kind="log", key=KEYS[1], former=KEYS[0]))
    with pytest.raises(ContradictoryStatement, match="ends another key"):
        ring.apply(statement(1, "rotate", "a/log", kind="log", key=KEYS[2], former=KEYS[0]))
    ring.apply(statement(2, "rotate", "a/log", kind="log", key=KEYS[2], former=KEYS[1]))
    assert (ring.log_key, ring.applied) == (KEYS[2], 2)


def test_an_erasure_counts_and_changes_no_key():
    ring = Keyring([statement(0, "enrol", key=KEYS[0])])
    ring.apply(statement(1, "erase", "file-0:0-7", kind="messages"))
    assert ring.applied == 2
    assert enrolments(ring) == [(KEYS[0], entry(0), None)]


@pytest.mark.parametrize(
    "false",
    [
        statement(0, "enrol", "mill-2", key=KEYS[1]),
        statement(9, "enrol", key=KEYS[0]),
        statement(9, "enrol"),
        statement(9, "enrol", key=KEYS[1], prior=0),
        statement(9, "enrol", kind="messages", key=KEYS[1]),
        statement(9, "rotate", key=KEYS[1]),
        statement(9, "rotate", prior=0),
        statement(9, "rotate", key=KEYS[1], prior=5),
        statement(9, "rotate", "mill-2", key=KEYS[1], prior=0),
        statement(9, "rotate", "file-0", kind="collector", key=KEYS[1], prior=0),
        statement(9, "rotate", "file-0", kind="collector", key=KEYS[3], prior=3),
        statement(9, "rotate", "a/log", kind="log", key=KEYS[1], prior=0),
        statement(9, "rotate", "a/log", kind="log", key=KEYS[1]),
        statement(9, "rotate", key=KEYS[1], prior=0, former=KEYS[0]),
        statement(9, "revoke"),
        statement(9, "revoke", prior=1),
        statement(9, "revoke", prior=2),
        statement(9, "revoke", key=KEYS[1], prior=0),
        statement(9, "revoke", "mill-1", kind="collector", prior=0),
        statement(9, "erase"),
        statement(9, "erase", kind="messages", key=KEYS[1]),
    ],
)
def test_what_contradicts_is_refused_and_changes_nothing(false):
    made = [
        statement(0, "enrol", key=KEYS[0]),
        statement(1, "enrol", key=KEYS[2]),
        statement(2, "revoke", prior=1),
        statement(3, "enrol", "file-0", kind="collector", key=KEYS[3]),
    ]
    ring = Keyring(made)
    before = (ring.applied, enrolments(ring), enrolments(ring, key=KEYS[2]))
    with pytest.raises(ContradictoryStatement) as caught:
        ring.apply(false)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TelemetryError)
    assert (ring.applied, enrolments(ring), enrolments(ring, key=KEYS[2])) == before
    assert ring.collector_key("file-0").ended_by is None


class Keys(RuleBasedStateMachine):
    """Against a plain list of enrolments in order."""

    def __init__(self):
        super().__init__()
        self.ring = Keyring()
        self.model = []
        self.number = 0

    def apply(self, **parts):
        self.ring.apply(statement(self.number, **parts))
        self.number += 1

    def alive(self):
        return [row for row in self.model if row[3] is None]

    def is_alive(self, device, key):
        return any(row[0] == device and row[1] == key for row in self.alive())

    @rule(device=st.sampled_from("ab"), key=st.sampled_from(KEYS))
    def enrol(self, device, key):
        if self.is_alive(device, key):
            with pytest.raises(ContradictoryStatement):
                self.ring.apply(statement(self.number, "enrol", device, key=key))
            return
        self.model.append([device, key, self.number, None])
        self.apply(action="enrol", name=device, key=key)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), key=st.none() | st.sampled_from(KEYS))
    def end(self, data, key):
        row = data.draw(st.sampled_from(self.alive()))
        if self.is_alive(row[0], key):
            with pytest.raises(ContradictoryStatement):
                self.ring.apply(statement(self.number, "rotate", row[0], key=key, prior=row[2]))
            return
        row[3] = self.number
        if key is not None:
            self.model.append([row[0], key, self.number, None])
        action = "revoke" if key is None else "rotate"
        self.apply(action=action, name=row[0], key=key, prior=row[2])

    @invariant()
    def says_what_the_list_says(self):
        assert self.ring.applied == self.number
        for device in "ab":
            for key in KEYS:
                rows = [row for row in self.model if row[:2] == [device, key]]
                assert enrolments(self.ring, device, key) == [
                    (key, entry(made), None if ended is None else entry(ended))
                    for _, _, made, ended in rows
                ]


Keys.TestCase.settings = settings(max_examples=30, stateful_step_count=15)
TestKeys = Keys.TestCase


def test_a_rotation_cannot_bring_a_key_that_is_alive():
    # Twice alive, it would outlive its revocation: `revoke` ends one of the two.
    ring = Keyring([statement(0, "enrol", key=KEYS[0]), statement(1, "enrol", key=KEYS[1])])
    with pytest.raises(ContradictoryStatement, match="enrolled already"):
        ring.apply(statement(2, "rotate", key=KEYS[1], prior=0))
    with pytest.raises(ContradictoryStatement, match="enrolled already"):
        ring.apply(statement(3, "rotate", key=KEYS[0], prior=0))
    assert enrolments(ring) == [(KEYS[0], entry(0), None)]
    assert ring.applied == 2


def test_a_gateway_holds_machines_keys_alone():
    said = {"action": "enrol", "name": "c1", "time": 1, "key": KEYS[0], "gateway": "line-4"}
    ring = Keyring()
    with pytest.raises(ContradictoryStatement, match="has not the shape"):
        ring.apply(KeyStatement(hash=bytes(32), kind="collector", **said))
    ring.apply(KeyStatement(hash=bytes(32), kind="device", **said))
    assert ring.applied == 1
