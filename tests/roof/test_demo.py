"""The demo from its start to its end, and under kill -9 of collector and broker."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

pytestmark = pytest.mark.e2e

ROUNDS = 5


def factoryledger(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "factoryledger", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        stdin=subprocess.DEVNULL,
        **options,
    )


def query(data, sql):
    with closing(sqlite3.connect(f"file:{data}/ledger.db?mode=ro", uri=True)) as store:
        return store.execute(sql).fetchall()


def tally(data):
    return json.loads((data / "demo" / "simulate.out").read_text().splitlines()[-1])


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A demo of 20 seconds that has ended."""
    data = tmp_path_factory.mktemp("demo") / "d"
    return factoryledger("demo", "--duration", 20, "--data", data, cwd=data.parent), data


def test_a_demo_proves_its_first_reading_and_ends_well(ended):
    result, data = ended

    assert result.returncode == 0, result.stderr
    assert "first reading proved and verified after" in result.stderr
    assert "cosigned by demo" in result.stderr
    counts = tally(data)
    assert counts["held"] == 0
    assert counts["recorded"] == counts["receipted"] > 20 * 20
    stored = query(data, "select count(*) from messages where status = 'accepted'")
    assert stored == [(counts["recorded"],)]
    kinds = query(data, "select count(distinct substr(device, 1, instr(device, '-'))) from claims")
    assert kinds[0][0] >= 3


def test_what_a_demo_leaves_passes_by_hand_from_another_process(ended, tmp_path):
    _, data = ended

    assert factoryledger("audit", "--data", data).returncode == 0
    proved = factoryledger("prove", "--data", data, "--json", "-o", tmp_path / "p.proof")
    assert proved.returncode == 0, proved.stderr
    verified = factoryledger("verify", tmp_path / "p.proof", "--policy", data / "policy", "--json")
    assert verified.returncode == 0, verified.stderr
    about = json.loads(verified.stdout)
    assert about["witnesses"] == ["demo"]
    assert about["not_before"] <= about["time"] <= about["received"]
    assert about["not_after"] is not None


def test_no_process_outlives_a_demo(ended):
    _, data = ended
    pids = json.loads((data / "demo.json").read_text())["pids"]

    assert set(pids) == {"broker", "witness", "collect", "anchor", "simulate"}
    assert set(pids.values()) == {None}


def test_a_demo_goes_on_with_its_log(ended):
    _, data = ended
    before = query(data, "select count(*) from messages")[0][0]
    policy = (data / "policy").read_text().split("witness")[0]

    again = factoryledger("demo", "--duration", 3, "--data", data)

    assert again.returncode == 0, again.stderr
    assert query(data, "select count(*) from messages")[0][0] > before
    assert query(data, "select count(*) from collectors") == [(1,)]
    assert (data / "policy").read_text().split("witness")[0] == policy


def test_a_changed_payload_is_named_with_its_row(ended):
    _, data = ended
    with closing(sqlite3.connect(data / "ledger.db")) as store, store:
        device, session, seq, collector, position, payload = store.execute(
            "select device, session, seq, collector, position, payload from messages "
            "where topic like '%/telemetry' order by position limit 1 offset 50"
        ).fetchone()
        store.execute(
            "update messages set payload = ? where position = ?",
            (payload.replace(b"1", b"2", 1), position),
        )

    result = factoryledger("audit", "--data", data)
    found = json.loads(factoryledger("audit", "--data", data, "--json").stdout)["findings"]

    assert result.returncode == 1
    for word in (device, session, str(seq), collector, str(position)):
        assert word in result.stdout
    assert [(f["collector"], f["position"]) for f in found] == [(collector, position)]
    assert (found[0]["device"], found[0]["session"], found[0]["seq"]) == (device, session, seq)


def await_part(data, name, before, deadline):
    """Wait until the demo has started a part again; gives its new process id."""
    while time.monotonic() < deadline:
        pid = json.loads((data / "demo.json").read_text())["pids"][name]
        if pid not in {None, before}:
            return pid
        time.sleep(0.05)
    raise AssertionError(f"{name} was not started again")


def test_kill_9_of_collector_and_broker_loses_and_doubles_nothing(tmp_path):
    data = tmp_path / "d"
    demo = subprocess.Popen(
        [sys.executable, "-m", "factoryledger", "demo", "--duration", "120", "--data", str(data)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FACTORYLEDGER_INTERVAL": "0.2"},
    )
    try:
        for line in demo.stderr:
            if "ready after" in line:
                break
        deadline = time.monotonic() + 90
        pids = json.loads((data / "demo.json").read_text())["pids"]
        for number in range(ROUNDS):
            # Not at the same moments of a batch each time.
            time.sleep(0.7 + 0.13 * number)
            for name in ("collect", "broker"):
                os.kill(pids[name], signal.SIGKILL)
                time.sleep(0.05 * number)
            for name in ("collect", "broker"):
                pids[name] = await_part(data, name, pids[name], deadline)
        time.sleep(2)
        demo.send_signal(signal.SIGTERM)
        said = demo.stderr.read()
        assert demo.wait(90) == 0, said
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.wait()
        demo.stderr.close()

    counts = tally(data)
    restarts = json.loads((data / "demo.json").read_text())["restarts"]
    accepted = query(data, "select count(*) from messages where status = 'accepted'")[0][0]
    once = query(
        data,
        "select count(*) from (select distinct device, session, seq, body_hash from messages "
        "where status = 'accepted')",
    )[0][0]
    audited = factoryledger("audit", "--data", data)
    print(  # noqa: T201 - the counts are what this test shows
        f"kill -9: collector restarted {restarts['collect']}x, broker {restarts['broker']}x; "
        f"recorded {counts['recorded']}, stored {accepted}, each once {once}, "
        f"resent {counts['resent']}, held {counts['held']}, "
        f"audit exit {audited.returncode}"
    )
    assert restarts["collect"] >= ROUNDS
    assert restarts["broker"] >= ROUNDS
    assert counts["held"] == 0
    assert counts["recorded"] == accepted == once
    assert audited.returncode == 0, audited.stdout
    assert json.loads(factoryledger("stats", "--data", data, "--json").stdout)["gaps"] == []


def killed_demo(data, moment, names):
    """Run a demo, kill parts once it says `moment`; gives its exit code and what it said."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "factoryledger", "demo", "--duration", "3", "--data", str(data)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = next(line for line in demo.stderr if moment in line)
        pids = json.loads((data / "demo.json").read_text())["pids"]
        for name in names:
            os.kill(pids[name], signal.SIGKILL)
        said += demo.stderr.read()
        return demo.wait(90), said
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.wait()
        demo.stderr.close()


def test_kill_9_of_the_factory_as_the_demo_ends_loses_nothing(tmp_path):
    data = tmp_path / "d"

    code, said = killed_demo(data, "demo: ending", ["simulate", "broker"])

    assert code == 0, said
    counts = tally(data)
    assert counts["held"] == 0
    stored = query(data, "select count(*) from messages where status = 'accepted'")
    assert stored == [(counts["recorded"],)]


def test_kill_9_of_collector_and_witness_as_the_demo_begins_is_made_up_for(tmp_path):
    data = tmp_path / "d"
    demo = subprocess.Popen(
        [sys.executable, "-m", "factoryledger", "demo", "--duration", "3", "--data", str(data)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (data / "demo.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        pids = json.loads((data / "demo.json").read_text())["pids"]
        for name in ("collect", "witness"):
            os.kill(pids[name], signal.SIGKILL)
        said = demo.stderr.read()
        assert demo.wait(90) == 0, said
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.wait()
        demo.stderr.close()
