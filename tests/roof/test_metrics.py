"""Metrics over HTTP: what docs/operations.md says, consistent in one scrape; logs as JSON."""

import json
import re
import signal
import time
from pathlib import Path

import httpx
import pytest
from probes import PROBES
from prometheus_client.parser import text_string_to_metric_families

from factoryledger.broker import LocalBroker

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
PARTS = (
    "collector",
    "anchor",
    "simulator",
    "recorder",
    "telemetry",
    "watch",
    "gateway",
    "factoryledger",
)


def named(family):
    """A family's name as it is queried: that of a counter ends in _total."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_every_metric_is_on_the_page_and_no_other():
    there = {
        (named(family), family.type) for probe in PROBES.values() for family in probe.families()
    }
    said = re.findall(r"^\| `(factoryledger_\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert len(said) == len(set(said))
    assert set(said) == there


def test_names_follow_the_conventions_of_prometheus():
    for probe in PROBES.values():
        for family in probe.families():
            assert re.fullmatch(r"factoryledger_[a-z]+(_[a-z]+)*", family.name)
            assert not family.name.endswith(("_total", "_count", "_sum", "_ms", "_us"))
            assert family.documentation.endswith(".")


def test_every_warning_and_error_that_a_part_logs_is_on_the_page_and_no_other():
    call = re.compile(
        r'\b_?log\.(warning|error|exception)\(\s*"([^"]+)"', re.IGNORECASE | re.MULTILINE
    )
    logged = {
        (event, "warning" if level == "warning" else "error")
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
        for level, event in call.findall(path.read_text())
        if "%" not in event
    }
    said = re.findall(r"^\| `(.+?)` \| (warning|error) \|", PAGE.read_text(), re.MULTILINE)
    assert set(said) == logged, "docs/operations.md, Logs: say what it means and what to do"


@pytest.mark.parametrize("name", ["", "9464:", "localhost:http", "70000", "1.2.3.4", ":-1"])
def test_an_address_that_is_none_is_named(command, name):
    result = command("collect", "--metrics", name, "--data", "d")
    assert result.code == 2
    assert "--metrics: write [HOST:]PORT" in result.err


def address(line):
    return re.search(r"http://\S+:\d+", line)[0]


def scrape(url):
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if not sample.labels
    }


def until(check, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def terms(values):
    names = ("received_total", "stored_total", "duplicate_total", "refused_total", "in_flight")
    return [values[f"factoryledger_collector_messages_{name}"] for name in names]


@pytest.mark.e2e
def test_the_whole_line_is_watched(tmp_path, program, await_line, command):
    data = tmp_path / "d"
    assert command("init", "--data", data).code == 0
    with LocalBroker(0, tmp_path / "broker", embedded=False) as broker:
        at = ["--data", data, "--broker", broker.address, "--metrics", "0"]
        collect = program("collect", *at, FACTORYLEDGER_LOG_FORMAT="json")
        collector = address(await_line(collect, "metrics on"))
        await_line(collect, ": ready")
        anchoring = program("anchor", "--every", "0.2", *at)
        anchor = address(await_line(anchoring, "metrics on"))
        simulate = program(
            "simulate", *at, "--machines", 3, "--interval", 0.02, FACTORYLEDGER_RESEND_AFTER="0.5"
        )
        simulator = address(await_line(simulate, "metrics on"))
        await_line(simulate, ": ready")

        prefix = "factoryledger_collector_messages"
        values = until(lambda: (v := scrape(collector))[f"{prefix}_stored_total"] > 300 and v)
        for _ in range(20):
            received, *rest = terms(scrape(collector))
            assert received == sum(rest)
        assert values["factoryledger_collector_connected"] == 1
        assert values["factoryledger_collector_batch_messages_sum"] >= 300
        assert values["factoryledger_collector_machine_to_commit_seconds_count"] > 0
        assert values["process_resident_memory_bytes"] > 0
        waited = "factoryledger_anchor_commit_to_anchored_seconds_count"
        until(lambda: scrape(anchor)[waited] > 2)
        assert scrape(simulator)["factoryledger_simulator_messages_receipted_total"] > 0
        for url in (collector, anchor, simulator):
            assert httpx.get(f"{url}/healthz").status_code == 200
            assert httpx.get(f"{url}/readyz").status_code == 200

        broker.stop()
        until(lambda: httpx.get(f"{collector}/readyz").status_code == 503)
        assert httpx.get(f"{collector}/readyz").text == "not connected to the broker\n"
        assert httpx.get(f"{collector}/healthz").status_code == 200
        broker.start()
        until(lambda: httpx.get(f"{collector}/readyz").status_code == 200)
        again = scrape(collector)
        assert again["factoryledger_collector_connections_total"] == 2
        assert again["factoryledger_collector_sessions_lost_total"] == 1
        simulate.send_signal(signal.SIGTERM)
        assert simulate.wait(40) == 0
        collect.send_signal(signal.SIGTERM)
        _, said = collect.communicate(timeout=20)
    assert collect.returncode == 0
    lines = [json.loads(line) for line in said.splitlines()]
    assert {"event", "level", "timestamp"} <= set.intersection(*map(set, lines))
    assert any("ended" in line["event"] for line in lines)
    assert any(line.get("logger") == "telemetry.link" for line in lines)


@pytest.mark.e2e
def test_a_witness_counts_its_answers(tmp_path, program, await_line, command):
    data = tmp_path / "d"
    assert command("init", "--data", data, "--witness", "near").code == 0
    witness = program(
        "witness", "--data", data, "--name", "near", "--port", free(), "--metrics", "127.0.0.1:0"
    )
    url = address(await_line(witness, "metrics on"))
    asked = address(await_line(witness, ": ready"))
    assert httpx.post(f"{asked}/add-checkpoint", content=b"nonsense").status_code == 400
    text = httpx.get(f"{url}/metrics").text
    assert 'factoryledger_witness_answers_total{status="400"} 1.0' in text
    assert httpx.get(f"{url}/readyz").text == "ok\n"


def free():
    from factoryledger.broker import free_port

    return free_port()


@pytest.mark.e2e
def test_an_address_that_is_taken_is_said_at_once(tmp_path, command, broker):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command(
            "collect", "--data", tmp_path / "d", "--broker", broker.address, "--metrics", port
        )
    assert result.code == 3
    assert "in use" in result.err
