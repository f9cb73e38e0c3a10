"""A whole line of real processes: what machines said is signed once each, and nothing is lost."""

import json

import pytest
from gateway_line import (
    EXAMPLE,
    RECORDINGS,
    anchor_all,
    called,
    prove_all,
    recorded,
)
from survival_line import hold, until

from factoryledger.auditing import run_audit
from factoryledger.installation import installation

pytestmark = pytest.mark.e2e


def test_what_machines_said_is_signed_once_each_proved_and_audited(lay):
    """Numbers, texts, bytes, and topics that no rule knows; two gateways' worth of restarts."""
    line = lay(witnessed=True)
    line.collector().start()
    gateway = line.gateway()
    gateway.start()
    with line.client() as machine:
        machine.play(
            [
                ("plc/one/data", {"t": 215, "on": True, "ts": 1_764_000_000_000}),
                ("plc/one/data", {"t": 216, "on": False, "ts": 1_764_000_001_000}),
                ("plc/one/data", {"t": "broken"}),
                ("plc/two/order", b"\x89PNG\x00 a picture"),
                ("plc/Two/Order", "grüße".encode()),
                ("press/7/state", {"state": "idle"}),
                ("plc/one/data", {"t": 215, "on": True, "ts": 1_764_000_000_000}),
            ]
        )
        until(lambda: len(line.signed()) == 7, "the first seven are stored")
        gateway.stop()
        # Its session waits at the broker, and so does what is said meanwhile.
        machine.play([("plc/one/data", {"t": number}) for number in range(20)])
        gateway.start()
        until(lambda: len(line.signed()) == 27, "those of the time between, too")
        sent = machine.sent
    gateway.stop()
    assert line.places() == sent
    tally = gateway.results()[-1]
    assert (tally["heard"], tally["signed"], tally["held"]) == (20, 20, 0)
    assert tally["recorded"] == tally["receipted"]
    bodies = line.signed()
    first = next(body for body in bodies if body["source"]["topic"] == "plc/one/data")
    assert first["readings"] == {"temperature": 21.5, "running": 1.0}
    assert first["time"] == "2025-11-24T16:00:00.000000Z"
    assert first["source"]["clock"] == "source"
    events = {one["source"]["topic"]: one for one in bodies if "event" in one}
    assert events["plc/one/data"]["source"]["untaken"]["temperature"] == "not a number"
    assert events["plc/two/order"]["source"]["base64"]
    assert events["plc/Two/Order"]["source"]["text"] == "grüße"
    assert events["plc/Two/Order"]["device"] == "plc-two"
    assert events["press/7/state"]["device"] == "unmapped"
    anchor_all(line)
    proved, named = prove_all(line.data)
    assert named == 27
    assert proved == tally["recorded"]
    with installation(data=line.data) as place:
        assert run_audit(place).findings == []
    listed = json.loads(called("device", "list", "--json", "--data", line.data))
    assert {key["signed_by_gateway"] for key in listed["keys"]} == {"line-4"}
    written = called("prove", "--data", line.data, "-o", line.folder / "one.proof")
    assert ", signed by gateway line-4 on the machine's behalf" in written
    said = called("verify", line.folder / "one.proof", "--data", line.data)
    assert "Signed by the gateway line-4 on behalf of machine plc-one" in said
    assert "Not proven: what happened between the machine and gateway line-4" in said


@pytest.mark.parametrize(
    ("kills", "size"), [(1, 100), pytest.param(4, 300, marks=pytest.mark.long)]
)
def test_a_gateway_that_is_killed_at_any_point_loses_nothing_that_its_source_keeps(
    lay, kills, size
):
    line = lay()
    line.collector().start()
    gateway = line.gateway()
    gateway.start()
    with line.client() as machine:
        for burst in range(kills):
            messages = [("plc/one/data", {"t": n, "burst": burst}) for n in range(size)]
            out = [machine.say(topic, payload) for topic, payload in messages]
            until(lambda b=burst: len(line.places()) > size * b + 5, "some of them are stored")
            gateway.kill()
            for one in out:
                one.wait_for_publish(30)
            gateway.start()
        until(lambda: len(line.places()) == size * kills, "all of them are stored")
        sent = machine.sent
    gateway.stop()
    assert gateway.results()[-1]["held"] == 0
    places = line.places()
    assert places.keys() == sent.keys(), "nothing is lost, nothing is made up"
    more = {place: count for place, count in places.items() if count > 1}
    possible = [one for one in line.signed() if one["source"].get("repeat") == "possible"]
    assert sum(count - 1 for count in more.values()) <= len(possible), "each is marked"
    hold(line.sum([gateway.results()[-1]]), f"a gateway killed {kills} times")


def test_a_gateway_never_hears_itself(lay):
    line = lay()
    at = ["--data", line.data, "--broker", line.address, "--source", line.address]
    said = called("gateway", line.mapping, *at, code=2)
    assert "otherwise.topic: '#' would hear" in said
    assert "says itself on the same broker" in said


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_both_recorded_sessions_with_every_message_proved(lay, version):
    """412 and 1,483 messages of a real training factory: each signed once, each proved."""
    files = sorted(RECORDINGS.glob("*.log"))
    if not files:
        pytest.skip(f"the recorded sessions are not beside this checkout ({RECORDINGS})")
    mapping = EXAMPLE.read_text(encoding="utf-8")
    mapping = mapping.replace("[source]\n", f'[source]\nversion = "{version}"\n')
    line = lay(witnessed=True, mapping=mapping)
    line.collector().start()
    gateway = line.gateway()
    gateway.start()
    with line.client() as machine:
        for file in files:
            machine.play(recorded(file))
        expected = sum(machine.sent.values())
        until(lambda: len(line.signed()) == expected, "all are stored")
    gateway.stop()
    tally = gateway.results()[-1]
    assert line.places() == machine.sent
    assert (tally["heard"], tally["signed"], tally["held"]) == (expected, expected, 0)
    anchor_all(line)
    proved, named = prove_all(line.data)
    with installation(data=line.data) as place:
        findings = run_audit(place).findings
    print(  # noqa: T201 - the counts are what this test shows
        f"\ngateway over MQTT {version}: {len(files)} recordings, {expected} messages heard, "
        f"{tally['signed']} signed, {tally['recorded']} recorded with births, "
        f"{tally['receipted']} receipted, {proved} proved and verified, {named} of them name "
        f"their source, findings {len(findings)}"
    )
    assert (named, proved, findings) == (expected, tally["recorded"], [])
