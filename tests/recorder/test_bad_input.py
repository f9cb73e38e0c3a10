"""Bad recordings, played: the line number and the reason, and never a success."""

import json

import pytest

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


# What is done to it, the line that is named, the reason, and how many were sent by then.
BAD = {
    "truncated in a line": (
        lambda data: data[: data.rindex(b"\n", 0, -1) - 5], None, "cut short", 3,
    ),
    "truncated after a line": (lambda data: data[: data.rindex(b'{"end"')], None, "cut short", 4),
    "empty": (lambda _: b"", None, "cut short", 0),
    "a byte changed": (lambda data: data.replace(b'"/zI="', b'"/zM="'), 6, "end mark", 4),
    "invalid base64": (lambda data: data.replace(b'"/zI="', b'"/zI"'), 4, "base64", 2),
    "another spelling of base64": (lambda data: data.replace(b'"/zI="', b'"/zJ="'), 4, "base64", 2),
    "wrong version": (lambda data: data.replace(b'"version":1', b'"version":2'), 1, "version 1", 0),
    "wrong order": (swapped, 6, "end mark", 4),
    "the end mark first": (
        lambda data: data.replace(b"\n", b'\n{"end":{"count":0,"sha256":""}}\n', 1),
        *(2, "end mark", 0),
    ),
    "a line of 10 MB": (
        lambda data: data.replace(b'"/zI="', b'"' + b"A" * 10_000_000), 4, "not a message", 2,
    ),
}  # fmt: skip


@pytest.mark.e2e
@pytest.mark.parametrize(("spoil", "line", "reason", "sent"), BAD.values(), ids=BAD)
def test_the_line_and_the_reason_are_said_and_it_is_no_success(
    spoil, line, reason, sent, broker, topic_prefix, tmp_path, capsys
):
    from factoryledger.cli import run

    path = tmp_path / "r.jsonl"
    path.write_bytes(spoil(recording(path, topic_prefix)))
    at = ["--broker", str(broker.address), "--speed", "max", "--json"]
    assert run(["replay", str(path), *at]) == 2
    said = capsys.readouterr()
    complaint = said.err.splitlines()[-1]
    assert reason in complaint
    assert len(complaint) < 400
    if line is None:
        assert json.loads(said.out)["sent"] == sent
        assert json.loads(said.out)["whole"] is False
    else:
        assert f"r.jsonl, line {line}: " in complaint
        assert said.out == ""

    if line == 1:
        return  # there is nothing to go on with
    assert run(["replay", str(path), *at, "--keep-going"]) == 0
    said = capsys.readouterr()
    played = json.loads(said.out)
    if line is not None:
        assert f"skipped: {path}, line {line}: " in said.err
    assert (played["whole"], played["complete"]) == (False, False)
    assert played["sent"] == played["acknowledged"] >= sent
