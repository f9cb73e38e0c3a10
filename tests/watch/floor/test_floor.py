"""The floor: states, readings, alarms and gaps as messages tell them; bounded whoever speaks."""

import json

import pytest

from telemetry.canonical import time_text
from watch.floor.floor import Floor
from watch.floor.heard import MAX_PAYLOAD, hear

SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND
PLACE = "works/north/hall/line-1"
SIG = '"sig":"' + "A" * 88 + '"}'


class Plant:
    """A floor, a clock, and machines that speak."""

    def __init__(self, **options):
        self.floor = Floor(**options)
        self.now = NOW
        self.told = []
        self.scans = []
        self.floor.on_alarms = self.told.extend
        self.floor.on_scans = lambda device, scans: self.scans.extend(scans)

    def say(self, kind, device="mill-01", place=PLACE, *, seq, session="s1", signed=True, **said):
        self.now += SECOND
        time = said.pop("time", time_text(self.now - 10))
        body = {"device": device, "session": session, "seq": seq, "time": time, **said}
        text = json.dumps(body)[:-1] + f",{SIG}" if signed else json.dumps(body)
        self.floor.hear(f"{place}/{device}/{kind}", text.encode(), self.now)
        return self.floor.machines.get(device)

    def birth(self, **options):
        metrics = {"load": {"unit": "%", "low": 0, "high": 100}}
        return self.say("birth", seq=0, birth={"metrics": metrics, "kind": "mill"}, **options)

    @property
    def kinds(self):
        return [(alarm.kind, alarm.until is not None) for alarm in self.told]


@pytest.fixture
def plant():
    return Plant()


def test_a_machine_is_what_its_messages_say(plant):
    plant.birth()
    plant.say("state", seq=1, state={"name": "Execute", "number": 6})
    mill = plant.say("telemetry", seq=2, readings={"load": 40.5, "power": 3})

    assert (mill.state, mill.state_number, mill.session, mill.seq) == ("Execute", 6, "s1", 2)
    assert mill.signature == "signed"
    assert mill.metrics["load"].high == 100
    assert mill.scans[-1].readings == {"load": 40.5, "power": 3.0}
    assert mill.heard == plant.now
    assert plant.told == []
    assert [scan.seq for scan in plant.scans] == [2]


def test_several_scans_of_one_message_are_shown_each(plant):
    scans = [
        {"time": time_text(NOW + i * SECOND), "readings": {"load": float(i)}} for i in range(3)
    ]
    mill = plant.say("telemetry", seq=0, scans=scans)
    assert [scan.readings["load"] for scan in mill.scans] == [0.0, 1.0, 2.0]


def test_a_reading_out_of_its_range_is_an_alarm_until_it_is_back(plant):
    plant.birth()
    plant.say("telemetry", seq=1, readings={"load": 120.0})
    plant.say("telemetry", seq=2, readings={"load": 130.0})
    mill = plant.say("telemetry", seq=3, readings={"load": 50.0})

    assert plant.kinds == [("out-of-range", False), ("out-of-range", True)]
    assert plant.told[0].detail == "load is 120, above 100 %"
    assert mill.board.lasting == []


def test_numbers_that_are_not_heard_are_a_gap_until_they_come(plant):
    plant.say("telemetry", seq=0, readings={})
    mill = plant.say("telemetry", seq=4, readings={})
    assert mill.board.lasting[0].detail == "not heard: messages 1 to 3"
    mill = plant.say("telemetry", seq=2, readings={}, time=time_text(NOW - SECOND))
    assert mill.board.lasting[0].detail == "not heard: messages 1, 3"
    for seq in (1, 3):
        plant.say("telemetry", seq=seq, readings={}, time=time_text(NOW - SECOND))

    assert plant.kinds == [("gap", False), ("gap", True)]


def test_what_an_outbox_sends_again_does_not_turn_the_machine_back(plant):
    plant.say("state", seq=9, state={"name": "Execute", "number": 6})
    mill = plant.say(
        "state", seq=3, session="s0", state={"name": "Held", "number": 11}, time=time_text(NOW)
    )
    assert (mill.state, mill.session, mill.seq) == ("Execute", "s1", 9)
    assert plant.told == []


def test_a_will_makes_a_machine_offline_and_a_state_brings_it_back(plant):
    plant.say("state", seq=0, state={"name": "Idle", "number": 4})
    plant.floor.hear(f"{PLACE}/mill-01/death", b"{}", plant.now)
    mill = plant.floor.machines["mill-01"]
    assert (mill.state, mill.signature) == ("Offline", "signed")
    plant.say("state", seq=1, state={"name": "Idle", "number": 4})

    assert (mill.state, plant.kinds) == ("Idle", [("offline", False), ("offline", True)])


def test_a_machine_that_speaks_again_is_in_the_state_that_it_was_in(plant):
    """A link that was lost and found changes no state, and none is said anew."""
    plant.say("state", seq=0, state={"name": "Execute", "number": 6})
    since = plant.floor.machines["mill-01"].since
    plant.floor.hear(f"{PLACE}/mill-01/death", b"{}", plant.now)
    mill = plant.floor.machines["mill-01"]
    assert (mill.state, mill.state_number, mill.since) == ("Offline", None, plant.now)
    plant.say("telemetry", seq=1, readings={})
    assert (mill.state, mill.state_number, mill.since) == ("Execute", 6, since)


def test_silence_is_noticed_by_the_pause_that_is_usual(plant):
    for seq in range(10):
        mill = plant.say("telemetry", seq=seq, readings={})
    plant.floor.tick(plant.now + 9 * SECOND)
    assert mill.board.lasting == []
    plant.floor.tick(plant.now + 11 * SECOND)
    assert [alarm.kind for alarm in mill.board.lasting] == ["silent"]
    plant.say("telemetry", seq=10, readings={})
    assert mill.board.lasting == []


def test_a_message_without_a_signature_from_a_machine_that_signs_is_an_alarm(plant):
    plant.say("telemetry", seq=0, readings={})
    mill = plant.say("telemetry", seq=1, readings={"load": 1}, signed=False)
    assert mill.signature == "signed"
    assert [alarm.kind for alarm in mill.board.lasting] == ["unsigned"]
    assert [scan.readings for scan in mill.scans] == [{}]


def test_a_clock_that_is_ahead_does_not_make_its_word_the_last_one(plant):
    plant.say(
        "state", seq=0, state={"name": "Held", "number": 11}, time="2099-01-01T00:00:00.000000Z"
    )
    mill = plant.say("state", seq=1, state={"name": "Execute", "number": 6})
    assert (mill.state, mill.seq) == ("Execute", 1)


def false(topic, payload, properties):
    """Judge by what a message says of itself."""
    assert properties is None
    assert topic.startswith(PLACE)
    return json.loads(payload)["stands"]


STANDINGS = {
    "bad-signature": "whose signature does not hold",
    "unknown-device": "signed with a key that nobody enrolled",
    "revoked": "signed with a key that was revoked or replaced",
    "malformed": "that looks signed and is not well-formed",
}


@pytest.mark.parametrize("stands", STANDINGS)
def test_of_a_machine_whose_keys_are_known_only_its_own_words_are_shown(stands):
    plant = Plant(judge=false)
    plant.say("state", seq=0, state={"name": "Execute", "number": 6}, stands="accepted")
    plant.say("telemetry", seq=1, readings={"load": 1}, stands="accepted")
    heard = plant.now
    plant.say("state", seq=90, state={"name": "Aborted", "number": 9}, stands=stands)
    mill = plant.say("telemetry", seq=91, readings={"load": 99}, stands=stands)

    assert (mill.signature, mill.state, mill.seq, mill.heard) == ("verified", "Execute", 1, heard)
    assert mill.scans[-1].readings == {"load": 1.0}
    (alarm,) = mill.board.lasting
    assert (alarm.kind, alarm.detail) == ("forged", f"a telemetry message {STANDINGS[stands]}")

    plant.say("telemetry", seq=2, readings={"load": 2}, stands="accepted")
    assert [one.kind for one in mill.board.lasting] == ["forged"]
    plant.now += 10 * SECOND
    plant.say("telemetry", seq=3, readings={"load": 2}, stands="accepted")
    assert mill.board.lasting == []


def test_a_machine_that_is_not_enrolled_yet_is_shown_as_that():
    plant = Plant(judge=false)
    mill = plant.say("telemetry", seq=0, readings={"load": 1}, stands="unknown-device")
    assert (mill.signature, mill.scans[-1].readings) == ("unknown-device", {"load": 1.0})
    mill = plant.say("telemetry", seq=1, readings={"load": 2}, stands="accepted")
    assert (mill.signature, mill.board.lasting) == ("verified", [])


def test_more_than_can_be_checked_is_neither_believed_nor_blamed():
    plant = Plant(judge=false)
    mill = plant.say("telemetry", seq=0, readings={"load": 1}, stands="accepted")
    body = {"session": "s1", "time": time_text(plant.now), "stands": "accepted", "readings": {}}
    for seq in range(1, 4000):
        text = json.dumps({**body, "seq": seq})[:-1] + f",{SIG}"
        plant.floor.hear(f"{PLACE}/mill-01/telemetry", text.encode(), plant.now)
    assert plant.floor.checking.unchecked == 1000
    assert (mill.seq, mill.board.lasting) == (2999, [])
    plant.say("telemetry", seq=9000, readings={}, stands="accepted")
    assert (mill.seq, mill.board.lasting) == (9000, [])


def test_a_name_used_elsewhere_is_said_and_not_taken(plant):
    plant.say("telemetry", seq=0, readings={"load": 1})
    mill = plant.say("telemetry", seq=1, readings={"load": 99}, place="works/south/hall/line-1")

    assert mill.topic.site == "north"
    assert mill.scans[-1].readings == {"load": 1.0}
    assert [alarm.kind for alarm in mill.board.lasting] == ["elsewhere"]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe",
        b"{",
        b"null",
        b'{"seq":"x"}',
        b'{"readings":{"load":"hot"}}',
        b"[" * 5000,
        b'{"seq":' + b"9" * 400 + b"}",
        b'{"x":"' + b"a" * MAX_PAYLOAD + b'"}',
        b'{"scans":[{"time":"t"}]}',
    ],
)
def test_whatever_is_said_never_fails(plant, payload):
    plant.floor.hear(f"{PLACE}/mill-01/telemetry", payload, plant.now)
    mill = plant.floor.machines["mill-01"]
    assert [alarm.kind for alarm in mill.board.lasting] == ["faulty"]


def test_times_that_no_calendar_has_show_nothing():
    assert hear(b'{"time":"2026-13-01T00:00:00.000000Z","readings":{"a":1}}').scans == ()


def test_strangers_topics_do_not_grow_memory_and_push_nobody_out():
    plant = Plant(most=3)
    for number in range(3):
        plant.say("telemetry", device=f"ours-{number}", seq=0, readings={})
    for number in range(50):
        plant.say("telemetry", device=f"made-up-{number}", seq=0, readings={"x": 1})

    assert sorted(plant.floor.machines) == ["ours-0", "ours-1", "ours-2"]
    assert plant.floor.not_shown == 50


def test_who_was_not_heard_for_long_makes_room():
    plant = Plant(most=1)
    plant.say("telemetry", device="old", seq=0, readings={})
    plant.now += 400 * SECOND
    plant.say("telemetry", device="new", seq=0, readings={})
    assert list(plant.floor.machines) == ["new"]


def test_what_is_kept_of_a_machine_is_bounded(plant):
    for number in range(5):
        readings = {f"metric-{number}-{i}": i for i in range(500)}
        mill = plant.say("telemetry", seq=number, readings=readings, signed=False)
    assert max(len(scan.names) for scan in mill.scans) == 64
    for seq in range(10, 3000, 2):
        plant.floor.hear(
            f"{PLACE}/mill-01/telemetry",
            json.dumps({"session": "s1", "seq": seq, "time": time_text(NOW), "readings": {"a": 1}})
            .encode(),
            plant.now,
        )  # fmt: skip
    assert len(mill.scans) == 600
    alarms = {alarm.kind: alarm for alarm in mill.board.lasting}
    assert set(alarms) == {"gap"}
    assert len(alarms["gap"].detail) < 500


def test_a_broker_that_was_away_leaves_no_gap(plant):
    plant.say("telemetry", seq=0, readings={})
    plant.floor.unheard()
    plant.say("telemetry", seq=50, readings={})
    assert plant.told == []


def test_only_what_changed_is_told(plant):
    for number in range(4):
        plant.say("telemetry", device=f"mill-{number}", seq=0, readings={})
    seen = plant.floor.version
    plant.say("telemetry", device="mill-2", seq=1, readings={})
    assert [machine.device for machine in plant.floor.changed(seen)] == ["mill-2"]
    assert list(plant.floor.changed(plant.floor.version)) == []
