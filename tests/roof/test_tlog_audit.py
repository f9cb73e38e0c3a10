"""`tlog audit` as a program: cut off, it goes on; over HTTP; what it remembers is checked."""

import json
import signal
import sys
from pathlib import Path
from threading import Event

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from rude_server import busy, serving, whole
from verify_logs import publish, write

from anchor.note import SignerKey

KEY = SignerKey.from_seed("example.org/log", bytes(32))
VKEY = str(KEY.verifier)


def files_of(count):
    return publish(KEY, [b"entry %d" % i for i in range(count)])


@pytest.mark.e2e
def test_ctrl_c_leaves_a_state_and_the_next_run_goes_on(program, tmp_path):
    """No terminal, no bar; on stderr one line says how far it came."""
    with serving(files_of(2000)) as server:
        reached, go = Event(), Event()

        def wait(peer, body):
            reached.set()
            go.wait(60)
            return whole(peer, body)

        server.manners["tile/entries/005"] = [wait]
        state = tmp_path / "state.json"
        audit = ["tlog", "audit", server.url, "--vkey", VKEY, "--state", state]
        first = program(*audit)
        assert reached.wait(60)
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=60)
        go.set()
        assert (first.returncode, out) == (130, "")
        assert "1280 entries are checked" in err
        assert "\x1b" not in err
        assert json.loads(state.read_bytes())["checked"] == 1280
        assert state.stat().st_mode & 0o777 == 0o600

        server.asked.clear()
        second = program(*audit)
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        assert out == f"{server.url}: 2000 entries (1280 of them checked before), no findings\n"
        assert "tile/entries/004" not in server.asked
        assert json.loads(state.read_bytes())["checked"] == 0


def test_a_server_that_stays_away_is_exit_3_and_not_a_finding(command):
    with serving(files_of(700)) as server:
        server.manners["tile/entries/002.p/188"] = [busy] * 2
        result = command("tlog", "audit", server.url, "--vkey", VKEY, "--tries", 2)
        assert (result.code, result.out) == (3, "")
        assert "512 entries are checked" in result.err
        result = command("tlog", "audit", server.url, "--vkey", VKEY, "--json")
        assert json.loads(result.out) | {"root": ""} == {
            "size": 700, "root": "", "resumed": 512, "findings": [],
        }  # fmt: skip


def test_a_log_that_was_put_back_is_found_by_what_the_last_audit_saw(command, tmp_path):
    write(files_of(600), tmp_path / "log")
    assert command("tlog", "audit", "log", "--vkey", VKEY).code == 0
    write(files_of(500), tmp_path / "log")
    result = command("tlog", "audit", "log", "--vkey", VKEY)
    assert result.code == 1
    assert "log-truncated: a checkpoint seen before" in result.out


def test_a_state_that_cannot_be_believed_is_refused(command, tmp_path):
    write(files_of(600), tmp_path / "log")
    state = tmp_path / "s"
    audit = ["tlog", "audit", "log", "--vkey", VKEY, "--state", state]
    assert command(*audit).code == 0
    sound = state.read_text()
    for change in ('"checked": 0', '"checked": 601'), ("log\\n600", "log\\n601"), ("{", ""):
        state.write_text(sound.replace(*change, 1))
        result = command(*audit)
        assert result.code == 2
        assert "cannot be used" in result.err
    assert command(*audit[:-1], tmp_path / "log").code == 2


def test_where_nothing_can_be_remembered_by_default_it_is_said_and_checked_all_the_same(
    command, tmp_path, monkeypatch
):
    write(files_of(300), tmp_path / "log")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    result = command("tlog", "audit", "log", "--vkey", VKEY)
    assert result.code == 0
    assert result.err.startswith("nothing is remembered of this audit: ")
    assert command("tlog", "audit", "log", "--vkey", VKEY, "--state", "file/x").code == 2
