"""Faults by command: over the broker, to a machine that runs; refused without the key."""

import json
import signal
import sqlite3

import pytest

pytestmark = pytest.mark.e2e


def test_a_fault_befalls_a_running_machine_at_the_operators_word_alone(
    broker, topic_prefix, program, await_line, command, tmp_path
):
    at = ["--broker", str(broker.address), "--prefix", topic_prefix]
    own, other = ["--data", tmp_path / "d"], ["--data", tmp_path / "other"]
    assert command("init", *own).code == 0
    assert command("init", *other).code == 0
    collector = program("collect", *at, *own)
    await_line(collector, ": ready")
    options = ["--machines", 3, "--interval", 0.1, "--commands", "--json"]
    fleet = program("simulate", *at, *own, *options)
    await_line(fleet, ": ready")

    refused = command("simulate-fault", "offline:mill-01@0+2", *at, *other, "--wait", 1)
    nobody = command("simulate-fault", "offline:mill-77@0+2", *at, *own)
    taken = command("simulate-fault", "bias:mill-01/power@0+1,by=5", *at, *own, "--json")
    attacked = command("simulate-fault", "forged-sender:mill-01@0+1", *at, *own)
    wrong = command("simulate-fault", "gremlin:mill-01@0+2", *at, *own)
    many = command("simulate-fault", "offline:mill-*@0+2", *at, *own)

    assert await_line(fleet, "command refused")
    fleet.send_signal(signal.SIGTERM)
    out, err = fleet.communicate(timeout=60)
    assert fleet.returncode == 0, err
    collector.send_signal(signal.SIGTERM)
    assert collector.wait(30) == 0

    assert (refused.code, nobody.code) == (3, 3)
    assert "does not say that the fault began" in refused.err
    assert taken.code == 0, taken.err
    event = json.loads(taken.out)
    assert (event["name"], event["fault"], event["metric"]) == ("fault-began", "bias", "power")
    assert event["parameters"] == {"by": 5.0, "ramp": 0}
    assert attacked.code == 0
    assert attacked.out == "forged-sender-2 began on mill-01\n"
    assert (wrong.code, many.code) == (2, 2)
    assert "allowed: stuck, drift" in wrong.err
    tally = json.loads(out.splitlines()[-1])
    assert tally["recorded"] == tally["receipted"]
    with sqlite3.connect(tmp_path / "d" / "ledger.db") as store:
        counted = dict(
            store.execute(
                "select status, count(*) from messages where topic like '%mill-01%' group by 1"
            ).fetchall()
        )
        notes = store.execute(
            "select status from messages"
            " where cast(payload as text) like 'factoryledger command v1%'"
        ).fetchall()
    store.close()
    assert counted["unknown-device"] >= 1
    assert notes == [("unsigned",)] * 3
