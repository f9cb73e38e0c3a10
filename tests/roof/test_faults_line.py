"""Faults on the whole line: real broker, collector, anchor and audit, told apart by machine."""

import json
import signal
import sqlite3

import pytest

pytestmark = pytest.mark.e2e

PLANT = """
machines:
  - {kind: mill, count: 6, area: hall, line: a}
  - {kind: moulding, count: 5, area: hall, line: b}
  - {kind: compressor, count: 4, area: hall, line: c}
"""
BEGIN, LASTS, INTERVAL, DURATION = 1, 4, 0.2, 7
SECURITY = {
    "cloned-machine:mill-01": "",
    "cloned-machine:mill-02": ",session=same",
    "replayed-message:mill-03": ",share=1",
    "stolen-key:mill-04": "",
    "forged-sender:mill-05": "",
    "forged-sender:mill-06": ",key=machine",
    "withheld-message:moulding-01": ",share=0.5",
}
NETWORK = {
    "duplicates:moulding-02": ",share=1",
    "reordering:moulding-03": ",within=1",
    "offline:moulding-04": "",
    "flapping:moulding-05": ",every=2",
    "slow:compressor-01": ",delay=1",
    "clock-jump:compressor-02": ",by=-3600",
    "reconnect-storm:compressor-03": ",every=1",
    "clock-skew:compressor-04": ",ppm=100000",
}


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """What a line of fifteen machines with these faults has stored; runs once for all tests."""
    return {}


@pytest.fixture
def ran(line, tmp_path_factory, broker, topic_prefix, program, await_line, command):
    """The data folder after the run, the simulator's tally, stats and audit."""
    if line:
        return line
    line["err"] = "the run before this test failed"
    data = tmp_path_factory.mktemp("line") / "d"
    assert command("init", "--data", data).code == 0
    at = ["--broker", str(broker.address), "--prefix", topic_prefix, "--data", data]
    collector = program("collect", *at)
    await_line(collector, ": ready")
    plant = data.parent / "plant.yaml"
    plant.write_text(PLANT)
    faults = [f"{name}@{BEGIN}+{LASTS}{more}" for name, more in {**SECURITY, **NETWORK}.items()]
    options = [part for fault in faults for part in ("--fault", fault)]
    fleet = program(
        "simulate", *at, "--scenario", plant, "--interval", INTERVAL, "--duration", DURATION,
        "--drain", 20, "--json", *options,
    )  # fmt: skip
    out, err = fleet.communicate(timeout=90)
    assert fleet.returncode in {0, 3}, err
    collector.send_signal(signal.SIGTERM)
    assert collector.wait(30) == 0
    assert command("anchor", "--once", "--data", data).code == 0
    audited = command("audit", "--data", data, "--json")
    stats = json.loads(command("stats", "--data", data, "--json").out)
    with sqlite3.connect(data / "ledger.db") as store:
        rows = store.execute(
            "select topic, device, session, seq, status, payload from messages order by position"
        ).fetchall()
    store.close()
    line.update(
        code=fleet.returncode, tally=json.loads(out.splitlines()[-1]), err=err, stats=stats,
        rows=rows, audit=json.loads(audited.out), audit_code=audited.code, faults=faults,
    )  # fmt: skip
    return line


def of(ran, device, status="accepted"):
    """(session, seq) of a machine's stored messages; for a forger's, by topic."""
    return [
        (session, seq)
        for topic, _, session, seq, found, _ in ran["rows"]
        if topic.split("/")[-2] == device and found == status and not topic.endswith("/death")
    ]


def sessions(ran, device):
    found = {}
    for session, seq in of(ran, device):
        found.setdefault(session, []).append(seq)
    return found


def test_nothing_is_held_but_what_is_withheld(ran):
    tally = ran["tally"]
    assert ran["code"] == 0, (tally, ran["err"])
    assert tally["held"] == tally["withheld"] > 0
    assert tally["recorded"] == tally["receipted"] + tally["held"]


@pytest.mark.parametrize("name", [name.split(":")[1] for name in NETWORK])
def test_networks_that_fail_lose_and_double_nothing(ran, name):
    (seqs,) = sessions(ran, name).values()
    assert sorted(seqs) == list(range(len(seqs)))
    assert len(seqs) > DURATION / INTERVAL
    assert not [gap for gap in ran["stats"]["gaps"] if gap["device"] == name]


def test_reordered_messages_came_out_of_order_and_doubled_ones_twice(ran):
    (seqs,) = sessions(ran, "moulding-03").values()
    assert seqs != sorted(seqs)
    assert ran["stats"]["duplicates"] > LASTS / INTERVAL


def test_connections_that_were_cut_published_the_will(ran):
    died = {topic.split("/")[-2] for topic, *_ in ran["rows"] if topic.endswith("/death")}
    assert died == {"moulding-04", "moulding-05", "compressor-03"}


def forks(ran):
    found = [found for found in ran["audit"]["findings"] if found["kind"] == "fork"]
    return {one["device"]: one["detail"] for one in found}


def test_a_clone_with_a_session_of_its_own_is_a_fork_in_the_audit(ran):
    assert len(sessions(ran, "mill-01")) == 2
    assert set(forks(ran)) == {"mill-01", "mill-02"}
    assert "it names the same message before it" in forks(ran)["mill-01"]
    assert ran["audit_code"] == 1


def test_a_clone_in_the_machines_session_is_kept_as_conflicts(ran):
    conflicts = of(ran, "mill-02", "conflict")
    assert len(conflicts) > 10
    assert set(conflicts) <= set(of(ran, "mill-02"))
    assert {row[1] for row in ran["rows"] if row[4] == "conflict"} == {"mill-02"}
    assert "has the same number and prev" in forks(ran)["mill-02"]


def test_replays_are_absorbed_as_duplicates(ran):
    (seqs,) = sessions(ran, "mill-03").values()
    assert seqs == list(range(len(seqs)))


def test_a_stolen_key_begins_a_second_chain_that_no_message_leads_to(ran):
    assert len(sessions(ran, "mill-04")) == 2
    assert ran["audit"]["breaks"] >= 1


def test_forged_senders_take_no_number(ran):
    unknown, bad = of(ran, "mill-05", "unknown-device"), of(ran, "mill-06", "bad-signature")
    assert len(unknown) > 10
    assert len(bad) > 10
    assert set(unknown) | set(bad) == {(None, None)}
    for device in ("mill-05", "mill-06"):
        (seqs,) = sessions(ran, device).values()
        assert sorted(seqs) == list(range(len(seqs)))


def test_withheld_messages_are_gaps(ran):
    (seqs,) = sessions(ran, "moulding-01").values()
    missing = set(range(max(seqs) + 1)) - set(seqs)
    assert len(missing) == ran["tally"]["withheld"]
    assert {gap["device"] for gap in ran["stats"]["gaps"]} == {"moulding-01"}


def test_only_faults_are_found(ran):
    assert {found["kind"] for found in ran["audit"]["findings"]} == {"fork"}


def test_every_fault_was_told_at_begin_and_end(ran):
    told = {}
    for topic, _, _, _, status, payload in ran["rows"]:
        if topic.endswith("/event") and status == "accepted":
            event = json.loads(payload)["event"]
            told.setdefault(event["name"], set()).add(f"{event['fault']}:{topic.split('/')[-2]}")
    assert told["fault-began"] == told["fault-ended"] == set(SECURITY) | set(NETWORK)
