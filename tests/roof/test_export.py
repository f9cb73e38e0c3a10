"""`export --recording`: the messages of the store as a recording."""

import json
from collections import Counter

import pytest

from telemetry.recording import read


def lines_of(path):
    with path.open("rb") as file:
        reading = read(file, str(path))
        found = [line for _, line in reading]
    assert reading.complete is True
    return found, reading.header


def test_what_is_exported_is_what_was_recorded(ledger, command, tmp_path):
    out = tmp_path / "out.jsonl"
    exported = command("export", "--recording", out, "--data", ledger.path, "--json")
    assert exported.code == 0, exported.err
    found, header = lines_of(out)
    source, _ = lines_of(ledger.recording)
    assert json.loads(exported.out) == {"file": str(out), "written": len(source), "erased": 0}
    said = [(one.received, one.topic, one.payload, one.properties) for one in found]
    assert said == [(one.received, one.topic, one.payload, one.properties) for one in source]
    assert (header.clock, header.started) == ("recorded", source[0].received)
    assert header.origin.startswith("exported from factoryledger.local/")
    # A part of it is a recording like any other.
    assert command("ingest", out, "--data", tmp_path / "again").code == 0


def test_topics_machines_statuses_and_times_choose(ledger, command, tmp_path):
    def export(*words):
        out = tmp_path / "part.jsonl"
        assert command("export", "--recording", out, "--data", ledger.path, *words).code == 0
        return lines_of(out)[0]

    everything = export()
    devices = Counter(one.topic.split("/")[4] for one in everything)
    name = min(devices)
    assert len(export("--device", name)) == devices[name]
    births = [one for one in everything if one.topic.endswith("/birth")]
    assert export("--topic", "+/+/+/+/+/birth") == births
    assert export("--status", "accepted") == everything
    assert export("--status", "conflict", "--status", "malformed") == []
    assert export("--collector", "nobody") == []
    window = export("--from", "2026-01-01T00:00:02Z", "--to", "2026-01-01T00:00:04Z")
    times = {one.received for one in window}
    begin = everything[0].received
    assert times == {begin + 2_000_000, begin + 3_000_000}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--status", "odd"], 2, "--status 'odd'"),
        (["--from", "yesterday"], 2, "--from 'yesterday'"),
        (["--data", "nowhere"], 3, "no store"),
    ],
)
def test_what_cannot_be_is_said(words, code, said, ledger, command, tmp_path):
    out = tmp_path / "out.jsonl"
    data = [] if "--data" in words else ["--data", ledger.path]
    done = command("export", "--recording", out, *data, *words)
    assert done.code == code
    assert said in done.err
    assert not out.exists()
    assert not list(tmp_path.glob("*.part"))
