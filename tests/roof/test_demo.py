"""The demo from its start to its end, and under kill -9 of collector and broker."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = (sys.executable, "-m", "factoryledger")
BACKLOG = 200  # messages: enough to look into


def factoryledger(*arguments, **options):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        stdin=subprocess.DEVNULL,
        **options,
    )


@contextmanager
def demo(data, *, duration, **environment):
    """A demo that runs meanwhile; whatever happens, it is gone at the end."""
    running = subprocess.Popen(
        [*PROGRAM, "demo", "--duration", str(duration), "--data", str(data)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=data.parent,
        env={**os.environ, **environment},
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()
        running.stderr.close()


def await_line(running, text):
    """Read what the demo says, up to a line that holds this."""
    said = ""
    for line in running.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} never came: {said}")


def end(running):
    """Wait for the end of a demo that ends well, and give what it said until then."""
    said = running.stderr.read()
    assert running.wait(90) == 0, said
    return said


def pids(data):
    return json.loads((data / "demo.json").read_text())["pids"]


def accepted(data):
    return query(data, "select count(*) from messages where status = 'accepted'")[0][0]


def query(data, sql):
    with closing(sqlite3.connect(f"file:{data}/ledger.db?mode=ro", uri=True)) as store:
        return store.execute(sql).fetchall()


def tally(data):
    return json.loads((data / "demo" / "simulate.out").read_text().splitlines()[-1])


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A demo that has ended, once it had proved a reading and stored some; what it said."""
    data = tmp_path_factory.mktemp("demo") / "d"
    with demo(data, duration=120) as running:
        said = await_line(running, "first reading proved and verified after")
        while accepted(data) < BACKLOG and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        said += end(running)
    return said, data


def test_a_demo_proves_its_first_reading_and_ends_well(ended):
    said, data = ended

    assert "cosigned by demo" in said
    assert re.search(r"to be seen at http://127\.0\.0\.1:\d+\n", said)
    counts = tally(data)
    assert counts["held"] == 0
    assert counts["recorded"] == counts["receipted"] == accepted(data)
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

    assert set(pids(data)) == {*("broker", "witness", "collect", "anchor", "simulate", "web")}
    assert set(pids(data).values()) == {None}


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
        pid = pids(data)[name]
        if pid not in {None, before}:
            return pid
        time.sleep(0.05)
    raise AssertionError(f"{name} was not started again")


# Each start of a part that died waits longer than the one before: a few rounds are seconds.
@pytest.mark.parametrize(
    "rounds", [pytest.param(2, id="few"), pytest.param(6, id="more", marks=pytest.mark.long)]
)
def test_kill_9_of_collector_and_broker_loses_and_doubles_nothing(tmp_path, rounds):
    data = tmp_path / "d"
    with demo(data, duration=240, FACTORYLEDGER_INTERVAL="0.2") as running:
        await_line(running, "ready after")
        deadline = time.monotonic() + 180
        alive = pids(data)
        for number in range(rounds):
            # Not at the same moments of a batch each time.
            time.sleep(0.7 + 0.13 * number)
            for name in ("collect", "broker"):
                os.kill(alive[name], signal.SIGKILL)
                time.sleep(0.05 * number)
            for name in ("collect", "broker"):
                alive[name] = await_part(data, name, alive[name], deadline)
        stood = accepted(data)
        while accepted(data) == stood:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        end(running)

    counts, stored = tally(data), accepted(data)
    restarts = json.loads((data / "demo.json").read_text())["restarts"]
    once = query(
        data,
        "select count(*) from (select distinct device, session, seq, body_hash from messages "
        "where status = 'accepted')",
    )[0][0]
    audited = factoryledger("audit", "--data", data)
    print(  # noqa: T201 - the counts are what this test shows
        f"kill -9: collector restarted {restarts['collect']}x, broker {restarts['broker']}x; "
        f"recorded {counts['recorded']}, stored {stored}, each once {once}, "
        f"resent {counts['resent']}, held {counts['held']}, "
        f"audit exit {audited.returncode}"
    )
    assert restarts["collect"] >= rounds
    assert restarts["broker"] >= rounds
    assert counts["held"] == 0
    assert counts["recorded"] == stored == once
    assert audited.returncode == 0, audited.stdout
    assert json.loads(factoryledger("stats", "--data", data, "--json").stdout)["gaps"] == []


def test_kill_9_of_the_factory_as_the_demo_ends_loses_nothing(tmp_path):
    data = tmp_path / "d"
    with demo(data, duration=2) as running:
        await_line(running, "demo: ending")
        alive = pids(data)
        for name in ("simulate", "broker"):
            os.kill(alive[name], signal.SIGKILL)
        end(running)

    counts = tally(data)
    assert counts["held"] == 0
    assert accepted(data) == counts["recorded"]


def test_kill_9_of_collector_and_witness_as_the_demo_begins_is_made_up_for(tmp_path):
    data = tmp_path / "d"
    with demo(data, duration=2) as running:
        deadline = time.monotonic() + 60
        while not (data / "demo.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        alive = pids(data)
        for name in ("collect", "witness"):
            os.kill(alive[name], signal.SIGKILL)
        end(running)
