"""Retention from the setting to the verified proof: signed, published, erased, still provable."""

import json
import signal
import sqlite3
import time
from contextlib import closing

import pytest

STATUSES = ("--status", "unsigned", "--status", "accepted")


@pytest.fixture
def old(ledger, command):
    """A ledger whose messages lie years back, all of them anchored, and its collector's id."""
    audited = json.loads(command("ingest", ledger.recording, "--data", ledger.path, "--json").out)
    return ledger, audited["collector"]


def payloads(ledger):
    with closing(sqlite3.connect(f"file:{ledger.database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(payload) FROM messages").fetchone()[0]


def eventually(check):
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def requests(ledger):
    return [
        file.read_bytes().split(b"\n")[1:4]
        for file in sorted((ledger.path / "requests").glob("*.entry"))
        if b"\nerase messages" in file.read_bytes()
    ]


@pytest.mark.e2e
def test_payloads_go_once_the_log_has_published_the_operators_word(
    old, command, program, await_line, broker, topic_prefix
):
    ledger, collector = old
    count = payloads(ledger)
    process = program(
        *("collect", "--broker", str(broker.address), "--prefix", topic_prefix),
        *("--data", ledger.path),
        FACTORYLEDGER_RETENTION='{"accepted": 30}',
        FACTORYLEDGER_RETENTION_EVERY="0.2",
    )
    await_line(process, ": ready")
    eventually(lambda: requests(ledger))
    ((subject, _, status),) = requests(ledger)
    assert subject.startswith(f"erase messages {collector}:".encode())
    assert status == b"status accepted"
    time.sleep(1)  # five rounds in which it must not go
    assert payloads(ledger) == count
    assert command("anchor", "--once", "--data", ledger.path).code == 0
    eventually(lambda: payloads(ledger) == 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0

    assert command("anchor", "--once", "--data", ledger.path).code == 0
    audited = command("audit", "--data", ledger.path, "--json")
    assert audited.code == 0, audited.out
    assert json.loads(audited.out)["erased"] == count
    proved = command("prove", "--message", f"{collector}:0", "-o", "p", "--data", ledger.path)
    assert proved.code == 0, proved.err
    verified = command("verify", "p", "--data", ledger.path)
    assert verified.code == 0
    assert "recorded as accepted from machine" in verified.out
    assert "what the machine said and that it signed it; the proof holds no payload" in verified.out


def test_the_operator_may_ask_for_an_erasure_by_hand(old, command):
    ledger, collector = old
    asked = command("keys", "erase-messages", f"{collector}:0-3", *STATUSES, "--data", ledger.path)
    assert asked.code == 0
    assert requests(ledger)[0][0] == f"erase messages {collector}:0-3".encode()
    assert requests(ledger)[0][2] == b"status accepted,unsigned"


@pytest.mark.parametrize(
    ("messages", "how"),
    [
        ("c:3-1", ()),
        ("c", ()),
        ("C:1-2", ()),
        ("c:1-2", ("--status", "good")),
    ],
)
def test_an_erasure_of_nothing_that_is_named_is_refused(old, command, messages, how):
    ledger, _ = old
    assert command("keys", "erase-messages", messages, *how, "--data", ledger.path).code == 2
    assert requests(ledger) == []


@pytest.mark.parametrize("text", ['{"good": 1}', '{"accepted": -1}', '{"accepted": "long"}'])
def test_a_retention_that_means_nothing_is_refused(command, monkeypatch, text):
    monkeypatch.setenv("FACTORYLEDGER_RETENTION", text)
    refused = command("stats", "--data", "d")
    assert refused.code == 2
    assert "FACTORYLEDGER_RETENTION" in refused.err
