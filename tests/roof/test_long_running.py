"""Commands that run until they are told to stop: one line when ready, a clean stop."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from factoryledger.broker import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
def data(command, tmp_path):
    """A data folder with a witness of its own and a store."""
    folder = tmp_path / "d"
    assert command("init", "--data", folder, "--witness", "near").code == 0
    line = '{"topic":"t","payload":"x","timestamp":"2026-05-12T10:28:31Z","qos":0,"retain":false}\n'
    (tmp_path / "one.jsonl").write_text(line)
    assert command("ingest", tmp_path / "one.jsonl", "--data", folder).code == 0
    return folder


def _mapping(data):
    """Of one rule, whose source is the test's own broker."""
    file = data / "mapping.toml"
    file.write_text(
        'gateway = "g"\nplace = "a/b/c/d"\n[[rule]]\ntopic = "nobody/says"\ndevice = "x"\n'
    )
    return file


def arguments(name, data, broker, prefix):
    at = ["--broker", str(broker.address)]
    own = ["--data", data, "--prefix", prefix]
    return {
        "collect": ["collect", *at, *own],
        "anchor": ["anchor", *at, *own],
        "witness": ["witness", "--data", data, "--name", "near", "--port", free_port()],
        "simulate": ["simulate", *at, *own, "--machines", 2, "--drain", 0],
        "web": ["web", *at, *own, "--port", 0],
        "watch": ["watch", *at, f"{prefix}/#"],
        "gateway": ["gateway", _mapping(data), *at, *own],
        "record": ["record", *at, "-o", data / "r.jsonl", f"{prefix}/#"],
    }[name]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "name", ["collect", "anchor", "witness", "watch", "web", "record", "gateway"]
)
def test_it_says_when_it_is_ready_and_stops_when_told(
    name, number, data, broker, topic_prefix, program, await_line
):
    process = program(*arguments(name, data, broker, topic_prefix))
    said = await_line(process, ": ready")
    process.send_signal(number)

    assert said.startswith(name)
    assert process.wait(20) == 0
    assert "Traceback" not in process.stderr.read()


def test_a_simulator_that_nobody_receipts_says_what_it_still_holds(
    data, broker, topic_prefix, program, await_line
):
    process = program(*arguments("simulate", data, broker, topic_prefix), "--json")
    await_line(process, ": ready")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)

    tally = json.loads(out.splitlines()[-1])
    assert process.returncode == 3
    assert tally["held"] == tally["recorded"] > 0


def test_machines_and_a_collector_find_each_other_under_a_prefix(
    data, broker, topic_prefix, program, await_line, command
):
    collector = program(*arguments("collect", data, broker, topic_prefix))
    await_line(collector, ": ready")
    at = ["--broker", str(broker.address), "--data", data, "--prefix", topic_prefix]
    tally = program("simulate", *at, "--machines", 3, "--interval", 0.1, "--duration", 1, "--json")
    out, err = tally.communicate(timeout=40)
    collector.send_signal(signal.SIGTERM)
    assert collector.wait(20) == 0

    assert tally.returncode == 0, err
    counts = json.loads(out)
    stats = json.loads(command("stats", "--data", data, "--json").out)
    assert counts["recorded"] == counts["receipted"] == stats["statuses"]["accepted"]


def test_a_recording_replayed_into_a_collector_is_stored_to_the_byte(
    data, broker, topic_prefix, program, await_line, command, tmp_path
):
    lines = [
        f'{{"topic":"{topic_prefix}/x/{n}","payload":"{n}","timestamp":"2026-05-12T10:28:31Z",'
        '"qos":1,"retain":false}\n'
        for n in range(50)
    ]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    at = ["--broker", str(broker.address)]
    collector = program("collect", *at, "--data", data, "--topic", f"{topic_prefix}/#")
    recorder = program(
        "record", *at, "-o", tmp_path / "out.jsonl", "--count", 50, f"{topic_prefix}/#"
    )
    await_line(collector, ": ready")
    await_line(recorder, ": ready")

    replayed = command("replay", tmp_path / "in.jsonl", *at, "--speed", "max", "--json")

    assert replayed.code == 0, replayed.err
    assert json.loads(replayed.out)["acknowledged"] == 50
    assert recorder.wait(20) == 0
    collector.send_signal(signal.SIGTERM)
    assert collector.wait(20) == 0
    again = json.loads(command("ingest", tmp_path / "out.jsonl", "--data", "e", "--json").out)
    assert (again["lines"], again["complete"]) == (50, True)
    stats = json.loads(command("stats", "--data", data, "--json").out)
    assert stats["statuses"]["unsigned"] == 51


def test_parts_end_with_a_demo_that_was_killed(tmp_path):
    data = tmp_path / "d"
    demo = subprocess.Popen(
        [sys.executable, "-m", "factoryledger", "demo", "--machines", "3", "--data", str(data)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with demo:
        try:
            for line in demo.stderr:
                if "ready after" in line:
                    break
        finally:
            demo.kill()
    pids = json.loads((data / "demo.json").read_text())["pids"]
    broker = pids.pop("broker")
    try:
        deadline = time.monotonic() + 45
        while any(alive(pid) for pid in pids.values()):
            assert time.monotonic() < deadline, pids
            time.sleep(0.1)
    finally:
        # The broker is not ours to teach: it is the one that outlives a killed demo.
        if alive(broker):
            os.kill(broker, signal.SIGTERM)


def test_an_anchor_waits_for_a_store_that_is_being_made(
    command, broker, topic_prefix, program, await_line, data, tmp_path
):
    for path in data.glob("ledger.db*"):
        path.unlink()
    (data / "ledger.db").touch()
    once = command("anchor", "--once", "--data", data)
    assert (once.code, "has no table yet" in once.err) == (3, True)
    anchor = program(*arguments("anchor", data, broker, topic_prefix))
    assert "has no table yet" in await_line(anchor, "store-unmade")
    assert command("ingest", tmp_path / "one.jsonl", "--data", data).code == 0
    await_line(anchor, ": ready")
    anchor.send_signal(signal.SIGTERM)
    anchor.communicate(timeout=20)
    assert anchor.returncode == 0


def test_an_anchor_that_waits_for_its_store_is_stopped_at_once(
    broker, topic_prefix, program, await_line, data
):
    for path in data.glob("ledger.db*"):
        path.unlink()
    (data / "ledger.db").touch()
    anchor = program(*arguments("anchor", data, broker, topic_prefix))
    await_line(anchor, "store-unmade")
    anchor.send_signal(signal.SIGTERM)
    anchor.communicate(timeout=20)
    assert anchor.returncode == 0


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - no real file
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_replay_is_paused_by_a_signal_and_goes_on(
    broker, topic_prefix, program, await_line, tmp_path
):
    path = tmp_path / "in.jsonl"
    path.write_text(
        "".join(
            f'{{"topic":"{topic_prefix}/x","payload":"{n}","timestamp":"2026-05-12T10:28:3{n}Z",'
            '"qos":1,"retain":false}\n'
            for n in range(2)
        )
    )
    replaying = program("replay", path, "--broker", str(broker.address), "--speed", 4, "--json")
    await_line(replaying, ": ready")
    replaying.send_signal(signal.SIGUSR1)
    with pytest.raises(subprocess.TimeoutExpired):
        replaying.wait(1.0)
    replaying.send_signal(signal.SIGUSR1)
    out, err = replaying.communicate(timeout=20)
    assert replaying.returncode == 0, err
    assert json.loads(out)["sent"] == 2
    assert json.loads(out)["late_max"] < 0.5
