"""Private keys: their files, their passphrase, their rotation; and that none is ever shown."""

import json
import stat
import subprocess

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
