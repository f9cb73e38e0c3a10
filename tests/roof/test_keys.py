"""Private keys: their files, their passphrase, their rotation; and that none is ever shown."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from anchor.note import COSIGNATURE, ED25519, ML_DSA_44, SignerKey
from factoryledger.data_dir import DataDir
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.key_files import is_sealed
from factoryledger.sealed_key import open_key, public_half, seal_key


@pytest.fixture
def passphrase(tmp_path, monkeypatch):
    """A passphrase in a file that a variable names."""
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple\nnot this\n")
    file.chmod(0o600)
    monkeypatch.setenv("FACTORYLEDGER_KEY_PASSPHRASE_FILE", str(file))
    return file


@pytest.mark.parametrize("algorithm", [ED25519, COSIGNATURE, ML_DSA_44])
def test_a_key_comes_back_from_under_its_passphrase(algorithm):
    key = SignerKey.generate("example.org/log", algorithm)
    text = seal_key(key, "pass phrase")
    assert is_sealed(text)
    assert not is_sealed(key.to_text())
    assert public_half(text) == key.verifier
    assert open_key(text, "pass phrase").to_text() == key.to_text()
    with pytest.raises(ValueError, match=r".+"):
        open_key(text, "Pass phrase")
    other = SignerKey.generate("example.org/log", algorithm)
    with pytest.raises(ValueError, match="not the one on its first line"):
        open_key(text.replace(str(key.verifier), str(other.verifier)), "pass phrase")


def test_two_files_of_one_key_have_nothing_secret_in_common():
    key = SignerKey.generate("example.org/log")
    first, second = (seal_key(key, "pass phrase").splitlines() for _ in range(2))
    assert first[0] == second[0]
    assert first[3:-1] != second[3:-1]


def test_openssl_reads_a_key_file(tmp_path):
    """A stranger's tool, without the project: the same key comes out."""
    key = SignerKey.generate("example.org/log")
    file = tmp_path / "log.key"
    file.write_text(seal_key(key, "pass phrase"))
    command = ["openssl", "pkey", "-in", file, "-passin", "pass:pass phrase"]
    shown = subprocess.run(
        [*command, "-pubout", "-outform", "DER"], capture_output=True, check=True
    )
    assert shown.stdout[-32:] == key.public_key
    wrong = subprocess.run(
        [*command[:-1], "pass:other", "-noout"], capture_output=True, check=False
    )
    assert wrong.returncode != 0


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o666, 0o601])
def test_a_key_that_others_may_use_is_refused(tmp_path, mode):
    folder = DataDir(tmp_path)
    folder.create()
    file = tmp_path / "keys" / "anchor.key"
    file.chmod(mode)
    with pytest.raises(WrongUsage, match=rf"mode {mode:04o}.*chmod 600"):
        _ = folder.anchor
    file.chmod(0o400)
    assert folder.anchor.name == folder.origin


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o701, 0o730])
def test_a_folder_of_keys_that_others_may_use_is_refused(tmp_path, command, mode):
    """Read or write, any command that needs a key says what to do."""
    data = tmp_path / "d"
    assert command("init", "--data", data).code == 0
    keys = data / "keys"
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    keys.chmod(mode)
    for line in (
        ("keys", "list"),
        ("device", "enrol", "mill-01"),
        ("keys", "rotate", "log"),
        ("keys", "protect", "operator"),
    ):
        said = command(*line, "--data", data)
        assert (said.code, f"mode {mode:04o}" in said.err) == (2, True), (line, said)
        assert f"chmod 700 {keys}" in said.err
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    keys.chmod(0o700)
    assert command("device", "enrol", "mill-01", "--data", data).code == 0


def test_a_key_is_written_under_a_name_that_nobody_can_guess(tmp_path, monkeypatch):
    """New, whatever stands there, never through a link, and its owner's alone from the start."""
    folder = DataDir(tmp_path)
    folder.create()
    opened, real = [], os.open

    def watching(path, flags, mode=0o777, **more):
        if str(path).endswith(".tmp"):
            opened.append((Path(path).name, flags, mode))
        return real(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", watching)
    umask = os.umask(0)
    try:
        for number in range(3):
            folder.keys.write("anchor", folder.anchor)
            folder.keys.write_new({f"device-mill-{number}": folder.anchor})
    finally:
        os.umask(umask)
    names = [name for name, _, _ in opened]
    assert len(set(names)) == len(names) == 6
    middles = {name.split(".key.")[1].removesuffix(".tmp") for name in names}
    assert len(middles) == 6
    assert all(len(bytes.fromhex(middle)) >= 8 for middle in middles)
    due = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    assert all((flags & due, mode) == (due, 0o600) for _, flags, mode in opened)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.keys.folder.iterdir()} == {0o600}


def test_the_list_says_where_the_log_brings_and_ends_each_key(command, ledger):
    place = ["--data", ledger.path]
    [stem] = [s for s in DataDir(ledger.path).keys.stems() if s.startswith("collector-")]
    name = stem.removeprefix("collector-")
    assert command("device", "enrol", "mill-09", *place).code == 0
    before = json.loads(command("keys", "list", "--json", *place).out)
    [first] = before["logged"]
    assert (first["kind"], first["name"], first["ended_index"]) == ("collector", name, None)
    assert before["entries"][stem]["index"] == first["index"]
    assert before["entries"]["device-mill-09"]["index"] is None
    assert before["entries"]["anchor"] is None
    lines = command("keys", "list", *place).out.splitlines()
    assert any(line.startswith(f"private key here: {stem}  ") for line in lines)
    assert [line for line in lines if line.endswith("(not logged yet)")]

    assert command("keys", "rotate", "collector", name, *place).code == 0
    assert command("anchor", "--once", *place).code == 0
    assert command("keys", "rotate", "log", *place).code == 0
    assert command("anchor", "--once", *place).code == 0
    after = json.loads(command("keys", "list", "--json", *place).out)
    old, new, log = after["logged"]
    assert (old["index"], old["ended_by"], old["ended_index"]) == (
        first["index"],
        "rotate",
        new["index"],
    )
    assert after["entries"][stem]["index"] == new["index"] > first["index"]
    assert (log["kind"], log["ended_index"]) == ("log", None)
    assert log["index"] == after["entries"]["anchor"]["index"] > new["index"]
    assert after["entries"]["device-mill-09"]["index"] < new["index"]
    said = command("keys", "list", *place).out
    assert f"(log entry {old['index']}, rotated by log entry {new['index']})" in said
    assert said.splitlines()[0].endswith(f"(log entry {log['index']})")

    listed = json.loads(command("device", "list", "--json", *place).out)["keys"]
    [mill] = [row for row in listed if row["device"] == "mill-09"]
    assert mill["enrolled_index"] == after["entries"]["device-mill-09"]["index"]


def test_keys_are_listed_also_where_the_log_is_not_the_policy_s(command, ledger, tmp_path):
    """Then nothing is said of entries, and why is said."""
    other = tmp_path / "other"
    assert command("init", "--data", other).code == 0
    at = ["--data", ledger.path, "--policy", other / "policy"]
    said = command("keys", "list", "--json", *at)
    assert (said.code, "does not say whose keys" in said.err) == (0, True)
    listed = json.loads(said.out)
    assert (listed["entries"], listed["logged"]) == (None, None)
    assert listed["trusted"]["log"] == str(DataDir(other).policy().log)
    lines = command("keys", "list", *at).out
    assert not any(word in lines for word in ("log entry", "not logged", "in the log"))


def test_a_passphrase_that_others_may_read_is_refused(tmp_path, command, passphrase):
    assert command("init", "--data", tmp_path).code == 0
    passphrase.chmod(0o644)
    said = command("keys", "protect", "--data", tmp_path)
    assert (said.code, "chmod 600" in said.err) == (2, True)
    passphrase.unlink()
    assert command("keys", "protect", "--data", tmp_path).code == 3


def test_keys_under_a_passphrase_sign_as_before(tmp_path, command, passphrase, monkeypatch):
    data = ["--data", tmp_path / "d"]
    command("init", *data)
    command("device", "enrol", "mill-01", *data)
    operator = DataDir(tmp_path / "d").operator
    done = command("keys", "protect", *data)
    assert (done.code, done.out.count("under a passphrase now")) == (0, 2)
    assert "PRIVATE+KEY" not in (tmp_path / "d/keys/operator.key").read_text()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "d/keys").glob("*")}
    assert modes == {0o600}

    assert command("device", "rotate", "mill-01", *data).code == 0
    listed = json.loads(command("keys", "list", "--json", *data).out)
    assert listed["protected"] == ["anchor", "operator"]
    assert DataDir(tmp_path / "d", passphrase).operator.to_text() == operator.to_text()

    monkeypatch.delenv("FACTORYLEDGER_KEY_PASSPHRASE_FILE")
    assert command("keys", "list", *data).code == 0  # public halves need no passphrase
    closed = command("device", "rotate", "mill-01", *data)
    assert (closed.code, "FACTORYLEDGER_KEY_PASSPHRASE_FILE" in closed.err) == (3, True)
    monkeypatch.setenv("FACTORYLEDGER_KEY_PASSPHRASE_FILE", str(passphrase))
    passphrase.write_text("another\n")
    assert command("device", "rotate", "mill-01", *data).code == 2
    passphrase.write_text("correct horse battery staple\n")
    assert command("keys", "unprotect", *data).code == 0
    assert (tmp_path / "d/keys/operator.key").read_text() == f"{operator.to_text()}\n"


def test_a_passphrase_is_typed_twice_and_never_empty(tmp_path, command, monkeypatch):
    command("init", "--data", tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for typed, code in ((["a", "b"], 2), ([""], 2), (["a", "a"], 0)):
        answers = iter(typed)
        monkeypatch.setattr("getpass.getpass", lambda _, answers=answers: next(answers))
        assert command("keys", "protect", "operator", "--data", tmp_path).code == code


def test_a_key_that_is_not_there_cannot_be_protected(tmp_path, command):
    command("init", "--data", tmp_path)
    said = command("keys", "protect", "operatr", "--data", tmp_path)
    assert (said.code, "keys list" in said.err) == (2, True)
    with pytest.raises(NotThere):
        DataDir(tmp_path).keys.protect("operatr")
