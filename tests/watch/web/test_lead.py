"""What of a machine its tile shows: the first metric, its newest value and some before it."""

import json

from msgspec import UNSET, to_builtins

from watch.floor.floor import Floor
from watch.web import spoken

ROOT = "works/hall/milling/line-1/mill-1/"


def said(seq, **more):
    body = {
        "session": "5e55",
        "seq": seq,
        "time": f"2026-11-28T10:00:{seq % 60:02}.000000Z",
        **more,
    }
    return json.dumps(body).encode()


def floor_with(*messages):
    floor = Floor()
    for at, (kind, payload) in enumerate(messages):
        floor.hear(ROOT + kind, payload, at)
    return floor, floor.machines["mill-1"]


def test_the_first_metric_of_the_birth_stands_for_a_machine():
    metrics = {"never_sent": {}, "speed": {"unit": "1/min", "low": 0, "high": 9}}
    _, machine = floor_with(
        ("birth", said(0, birth={"metrics": metrics})),
        *(("telemetry", said(n, readings={"load": 1, "speed": n})) for n in range(1, 41)),
    )
    lead = to_builtins(spoken.machine(machine, 0).lead)
    assert lead.pop("recent") == list(range(11, 41))
    assert lead == {"metric": "speed", "unit": "1/min", "low": 0, "high": 9, "value": 40}


def test_without_a_birth_it_is_the_first_reading():
    _, machine = floor_with(("telemetry", said(1, readings={"load": 5, "speed": 2})))
    assert spoken.machine(machine, 0).lead.metric == "load"
    assert spoken.machine(machine, 0).lead.value == 5


def test_what_only_spoke_has_none():
    _, machine = floor_with(("state", said(1, state={"name": "Idle", "number": 4})))
    assert spoken.machine(machine, 0).lead is None


def test_it_is_said_again_only_when_readings_came():
    """A page adds what it is told to its trend: nothing twice."""
    floor, machine = floor_with(("telemetry", said(1, readings={"load": 5})))
    before = floor.version
    floor.hear(ROOT + "state", said(2, state={"name": "Idle", "number": 4}), 9)
    assert spoken.machine(machine, 0, before).lead is UNSET
    floor.hear(ROOT + "telemetry", said(3, readings={"load": 6}), 10)
    lead = spoken.machine(machine, 0, before).lead
    assert (lead.value, lead.recent) == (6, UNSET)
