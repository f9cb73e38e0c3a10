"""`tlog mirror` as a command: what it says, and what it does when the log is not as it was."""

import json
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from rude_server import serving
from verify_logs import publish, write

from anchor.note import SignerKey

KEY = SignerKey.from_seed("example.org/log", bytes(32))
VKEY = str(KEY.verifier)


def files_of(size, changed=None):
    return publish(KEY, [b"x" if n == changed else b"entry %d" % n for n in range(size)])


def test_a_log_behind_a_server_is_copied_and_is_a_log_to_any_reader(command):
    with serving(files_of(600)) as log:
        first = command("tlog", "mirror", log.url, "copy", "--vkey", VKEY)
        assert (first.code, first.out) == (0, "copy: 600 entries, 600 of them new\n")
        again = command("tlog", "mirror", log.url, "copy", "--vkey", VKEY, "--json")
    assert json.loads(again.out) == {"size": 600, "new": 0}
    assert command("tlog", "audit", "copy", "--vkey", VKEY).code == 0
    copy = command("tlog", "mirror", "copy", "copy-of-copy", "--vkey", VKEY)
    assert copy.code == 0, "a mirror can be mirrored"


@pytest.mark.parametrize(
    ("shown", "words"), [(files_of(400), "went back"), (files_of(700, 7), "another history")]
)
def test_a_log_that_takes_back_is_exit_1_and_the_copy_stays(command, tmp_path, shown, words):
    write(files_of(600), tmp_path / "log")
    assert command("tlog", "mirror", "log", "copy", "--vkey", VKEY).code == 0
    before = (tmp_path / "copy" / "checkpoint").read_bytes()
    with serving(shown) as log:
        done = command("tlog", "mirror", log.url, "copy", "--vkey", VKEY)
    assert (done.code, words in done.err) == (1, True)
    assert (tmp_path / "copy" / "checkpoint").read_bytes() == before


def test_what_is_missing_is_named(command, tmp_path):
    assert command("tlog", "mirror", "log", "copy").code == 2
    assert command("tlog", "mirror", "nowhere", "copy", "--vkey", VKEY).code == 3
    assert command("tlog", "mirror", "log", "copy", "--vkey", "nonsense").code == 2
    (tmp_path / "file").write_text("")
    write(files_of(3), tmp_path / "log")
    assert command("tlog", "mirror", "log", "file/copy", "--vkey", VKEY).code == 2


def test_it_follows_a_log_that_grows_until_it_is_stopped(program, await_line, tmp_path):
    write(files_of(300), tmp_path / "log")
    follow = ["--follow", "--every", "0.05", "--json"]
    process = program("tlog", "mirror", "log", "copy", "--vkey", VKEY, *follow)
    await_line(process, "ready")
    _until(lambda: b"\n300\n" in _read(tmp_path / "copy" / "checkpoint"))
    files = files_of(700)
    note = files.pop("checkpoint")
    write(files, tmp_path / "log")
    write({"new": note}, tmp_path / "log")
    (tmp_path / "log" / "new").replace(tmp_path / "log" / "checkpoint")
    _until(lambda: b"\n700\n" in _read(tmp_path / "copy" / "checkpoint"))
    busy = program("tlog", "mirror", "log", "copy", "--vkey", VKEY)
    assert "written by another process" in busy.communicate(timeout=30)[1]
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)) == (0, {"size": 700, "new": 700})


def _read(path):
    return path.read_bytes() if path.exists() else b""


def _until(holds):
    import time

    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")
