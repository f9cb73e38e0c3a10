"""Bad recordings, played, converted, ingested: the line, the reason, and never a success."""

import json

import pytest

from factoryledger.cli import run
from telemetry.recording import Header, Line, Writer

START = 1_764_000_000_000_000


def recording(path, prefix, *, end=True):
    with path.open("wb") as file:
        writer = Writer(file, Header("test", ("#",), "simulated", START))
        for number in range(4):
            writer.write(Line(START + number, f"{prefix}/{number}", b"\xff%d" % number, 1))
        if end:
            writer.close()
    return path.read_bytes()


def swapped(data):
    lines = data.splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    return b"".join(lines)


CUT = "cut short"
# What is done to it, the line that is named, the reason, and how many stood before that line.
BAD = {
    "truncated in a line": (
        lambda data: data[: data.rindex(b"\n", 0, -1) - 5], 5, CUT, 3,
    ),
    "truncated after a line": (lambda data: data[: data.rindex(b'{"end"')], 6, CUT, 4),
    "empty": (lambda _: b"", 1, CUT, 0),
    "a byte changed": (lambda data: data.replace(b'"/zI="', b'"/zM="'), 6, "end mark", 4),
    "invalid base64": (lambda data: data.replace(b'"/zI="', b'"/zI"'), 4, "base64", 2),
    "another spelling of base64": (lambda data: data.replace(b'"/zI="', b'"/zJ="'), 4, "base64", 2),
    "wrong version": (lambda data: data.replace(b'"version":1', b'"version":2'), 1, "version 1", 0),
    "wrong order": (swapped, 4, "wrong order", 2),
    "the end mark first": (
        lambda data: data.replace(b"\n", b'\n{"end":{"count":0,"sha256":""}}\n', 1),
        *(2, "end mark", 0),
    ),
    "a line of 10 MB": (
        lambda data: data.replace(b'"/zI="', b'"' + b"A" * 10_000_000), 4, "not a message", 2,
    ),
}  # fmt: skip


bad = pytest.mark.parametrize(("spoil", "line", "reason", "before"), BAD.values(), ids=BAD)


def complained(said, path, line, reason):
    """Whether the last line of stderr names the line and the reason, in few words."""
    complaint = said.err.splitlines()[-1]
    assert f"{path}, line {line}: " in complaint
    assert reason in complaint
    assert len(complaint) < 400


@pytest.mark.e2e
@bad
def test_it_is_no_success_to_play_it(
    spoil, line, reason, before, broker, topic_prefix, tmp_path, capsys
):
    path = tmp_path / "r.jsonl"
    path.write_bytes(spoil(recording(path, topic_prefix)))
    at = ["--broker", str(broker.address), "--speed", "max", "--json"]
    assert run(["replay", str(path), *at]) == 2
    said = capsys.readouterr()
    complained(said, path, line, reason)
    if reason == CUT:
        assert json.loads(said.out)["sent"] == before
        assert json.loads(said.out)["whole"] is False
    else:
        assert said.out == ""

    if line == 1 and reason != CUT:
        return  # there is nothing to go on with
    assert run(["replay", str(path), *at, "--keep-going"]) == 0
    said = capsys.readouterr()
    played = json.loads(said.out)
    if reason != CUT:
        assert f"kept going: {path}, line {line}: " in said.err
    assert (played["whole"], played["complete"]) == (False, False)
    assert played["disordered"] == (1 if reason == "wrong order" else 0)
    assert played["sent"] == played["acknowledged"] >= before


@bad
def test_it_is_no_success_to_convert_it(spoil, line, reason, before, tmp_path, capsys):
    path, out = tmp_path / "r.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(spoil(recording(path, "t")))
    if reason == "wrong order":
        line, reason = 6, "end mark"  # times are taken as they are
    assert run(["convert", str(path), str(out)]) == 2
    complained(capsys.readouterr(), path, line, reason)
    assert not out.exists()
    if reason == CUT or line > 1:
        assert run(["convert", str(path), str(out), "--keep-going", "--json"]) == 0
        converted = json.loads(capsys.readouterr().out)
        assert (converted["complete"], converted["written"] >= before) == (False, True)
        assert (converted["skipped"] > 0) == (reason != CUT)


@bad
def test_it_is_no_success_to_ingest_it(spoil, line, reason, before, tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    path.write_bytes(spoil(recording(path, "t")))
    if reason == "wrong order":
        line, reason, before = 6, "end mark", 4  # times are lifted; what they were is kept
    data = ["--data", str(tmp_path / "data"), "--processes", "0", "--json"]
    assert run(["ingest", str(path), *data]) == 2
    complained(capsys.readouterr(), path, line, reason)
    assert run(["stats", "--data", str(tmp_path / "data"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored"] == before
    if reason == CUT or line > 1:
        assert run(["ingest", str(path), *data, "--keep-going"]) == 0
        said = capsys.readouterr()
        result = json.loads(said.out)
        assert (result["complete"], result["stored"] >= before) == (False, True)
        assert (result["skipped"] > 0) == (reason != CUT) == ("kept going: " in said.err)
